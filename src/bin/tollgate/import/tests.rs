use super::*;

const A: &str = "sk-a-Xq81mzPw02LkRt5YvBn7GhJ3";
const B: &str = "sk-b-Xq81mzPw02LkRt5YvBn7GhJ3";
const C: &str = "sk-c-Xq81mzPw02LkRt5YvBn7GhJ3";

/// Tenant, id and key of each entry, as far as the keys are known here.
fn entries(import: &Import) -> Vec<String> {
    let name = |hash: &str| {
        let mut keys = [("A", A), ("B", B), ("C", C), ("short", "short")].into_iter();
        let named = keys.find(|(_, key)| key::hash(key.as_bytes()) == hash);
        named.map_or("?", |(name, _)| name)
    };
    let entries = import.keys.iter();
    entries
        .map(|(tenant, id, hash)| format!("{tenant} {id} {}", name(hash)))
        .collect()
}

/// For both commands: the name, the text, the tenant, the entries and all remarks except the last.
type Row<'t> = (
    &'t str,
    String,
    Option<&'t str>,
    &'t [&'t str],
    &'t [&'t str],
);

fn check(rows: &[Row<'_>], with_users: bool) {
    for (name, text, tenant, keys, remarks) in rows {
        let import = Import::new(text, with_users, *tenant);
        assert_eq!(import.faults, Vec::<String>::new(), "{name}");
        assert_eq!(entries(&import), *keys, "{name}");
        let (last, others) = import.remarks.split_last().unwrap();
        assert_eq!(others, *remarks, "{name}");
        assert!(
            last.starts_with("`models` allows every model for every key"),
            "{name}"
        );
        let imported = import.configuration();
        for text in [
            imported.to_string(),
            serde_json::to_string(&imported).unwrap(),
        ] {
            let policy = config::compile(text.as_bytes(), &|_| None).unwrap();
            assert_eq!(policy.identities.keys.len(), keys.len(), "{name}");
            assert!(![A, B, C].iter().any(|key| text.contains(key)), "{name}");
        }
    }
}

#[test]
fn lines_of_keys_and_users_become_keys_of_tenants() {
    check(
        &[
            (
                "two users",
                format!("{A},demo\n{B},mittens\n"),
                None,
                &["demo demo-1 A", "mittens mittens-1 B"],
                &[],
            ),
            (
                "two keys of one user",
                format!("{A},demo\n{B},demo"),
                None,
                &["demo demo-1 A", "demo demo-2 B"],
                &[],
            ),
            (
                "quotes, as a spreadsheet writes them",
                format!(
                    "\u{feff}\"{A}\",\"demo\"\r\n{B},\"mit\"\"tens\"\r\n\"{C}\",\"Doe, Jane\"\r\n"
                ),
                None,
                &[
                    "demo demo-1 A",
                    "mit-tens mit-tens-1 B",
                    "Doe--Jane Doe--Jane-1 C",
                ],
                &[
                    "line 2: the user is not a valid name, and becomes `mit-tens`",
                    "line 3: the user is not a valid name, and becomes `Doe--Jane`",
                ],
            ),
            (
                "spaces, comments, empty lines",
                format!("# keys\r\n\r\n  {A} , demo \r\n"),
                None,
                &["demo demo-1 A"],
                &[],
            ),
            (
                "one tenant",
                format!("{A},demo\n{B},mittens"),
                Some("team"),
                &["team demo-1 A", "team mittens-1 B"],
                &[],
            ),
            (
                "the same line twice",
                format!("{A},demo\n{A},demo"),
                None,
                &["demo demo-1 A"],
                &["line 2: the same key as line 1; skipped"],
            ),
            (
                "users that are no names",
                format!("{A},Jane Doe\n{B},Jane-Doe\n{C},other"),
                None,
                &[
                    "Jane-Doe-2 Jane-Doe-2-1 A",
                    "Jane-Doe Jane-Doe-1 B",
                    "other-user other-user-1 C",
                ],
                &[
                    "line 1: the user is not a valid name, and becomes `Jane-Doe-2`",
                    "line 3: the user is not a valid name, and becomes `other-user`",
                ],
            ),
            (
                "a short key",
                "short,demo".to_owned(),
                None,
                &["demo demo-1 short"],
                &[
                    "line 1: the key is short enough to be guessed; expected at least 128 random bits",
                ],
            ),
        ],
        true,
    );
}

#[test]
fn lists_of_vllm_become_keys_of_one_tenant() {
    let expected: &[&str] = &["everybody everybody-1 A", "everybody everybody-2 B"];
    check(
        &[
            ("commas", format!(" {A}, ,{B},\n"), None, expected, &[]),
            ("lines", format!("{A}\r\n{B}\n"), None, expected, &[]),
            (
                "a JSON list",
                format!(r#"["{A}", " {B}", ""]"#),
                None,
                expected,
                &[],
            ),
            (
                "a tenant",
                A.to_owned(),
                Some("team"),
                &["team team-1 A"],
                &[],
            ),
            (
                "twice",
                format!("{A},{A}"),
                None,
                &["everybody everybody-1 A"],
                &["key 2: the same key as key 1; skipped"],
            ),
        ],
        false,
    );
}

#[test]
fn every_fault_is_told_by_its_place_and_never_by_its_text() {
    let not_a_key = "expected a key of 1 to 512 visible ASCII characters without commas";
    let long = "k".repeat(513);
    let rows: [(&str, bool, String, Vec<String>); 19] = [
        ("no comma", true, format!("{A},demo\n{B}"), vec!["line 2: expected `KEY,USER` with one comma".into()]),
        ("two commas", true, format!("{A},demo,{B}"), vec!["line 1: expected `KEY,USER` with one comma".into()]),
        ("no user", true, format!("{A}, "), vec!["line 1: expected `KEY,USER` with one comma".into()]),
        ("no key", true, ",demo\nx y,demo".into(), vec![format!("line 1: {not_a_key}"), format!("line 2: {not_a_key}")]),
        ("swapped", true, format!("demo,{A}\njane,sk-1"), (1..3).map(|line| format!("line {line}: the text after the comma looks like a key; expected `KEY,USER`")).collect()),
        ("one key of two users", true, format!("{A},demo\n{A},jane"), vec!["line 2: the same key as line 1, for another user".into()]),
        ("no keys", false, " ,\n".into(), vec!["it contains no key".into()]),
        ("no list", false, format!(r#"["{A}""#), vec!["it begins with `[` but is not a JSON list of strings".into()]),
        ("a Secret", false, format!("apiVersion: v1\ndata:\n  k: {A}\n"), vec!["this is a manifest; expected the decoded value of the Secret".into()]),
        ("a header line", true, format!("KEY,USER\n{A},demo"), vec!["line 1: expected a key, got a placeholder".into()]),
        ("quotes that are none of CSV", true, format!("'{A}',demo\n{B},'demo'"), vec!["line 2: there are quotes around the user that are none of CSV; expected `\"` or none".into(), "line 1: expected a key, got a key in quotes".into()]),
        ("quotes in quotes", true, format!(r#""""{A}""",demo"#), vec!["line 1: expected a key, got a key in quotes".into()]),
        ("a quote that is not closed", true, format!("{A},demo\n\"{B},jane\n{C},jim\n"), vec!["line 2: a quote is not closed; expected `KEY,USER` on each line".into()]),
        ("behind comments and empty lines", true, format!("# of 2024\r\n\r\n# old\r\n{A},demo\r\n\r\n{B}\r\n"), vec!["line 6: expected `KEY,USER` with one comma".into()]),
        ("semicolons", true, format!("{A};demo"), vec!["line 1: expected `KEY,USER` with one comma".into()]),
        ("JSON", true, format!(r#"{{"{A}":1,x}}"#), vec!["this is JSON; expected CSV, `KEY,USER` on each line".into()]),
        ("a JSON list", true, format!(r#"["{A}","{B}"]"#), vec!["this is JSON; expected CSV, `KEY,USER` on each line".into()]),
        ("a heading in quotes", true, format!("\"key\",\"user\"\n{A},demo"), vec!["line 1: expected a key, got a placeholder".into()]),
        ("no key among keys", false, format!("{A},a key,{long}"), vec![format!("key 2: {not_a_key}"), format!("key 3: {not_a_key}")]),
    ];
    for (name, with_users, text, faults) in rows {
        assert_eq!(
            Import::new(&text, with_users, None).faults,
            faults,
            "{name}"
        );
    }
}
