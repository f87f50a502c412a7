use super::*;

fn json(text: &str) -> String {
    let (documents, flaws) = read(text);
    assert_eq!(flaws, [], "{text}");
    let documents: Vec<String> = documents
        .iter()
        .map(|document| serde_json::to_string(document.as_ref()).unwrap())
        .collect();
    documents.join(" ")
}

fn flaws(text: &str) -> Vec<String> {
    let (_, flaws) = read(text);
    flaws
        .into_iter()
        .map(
            |Flaw {
                 line,
                 path,
                 message,
             }| format!("{line}: {path}: {message}"),
        )
        .collect()
}

/// The right-hand sides are the output of `kubectl annotate --local -o json` 1.32.
#[test]
fn a_plain_scalar_is_what_kubectl_takes_it_for() {
    for (text, expected) in [
        ("2027-01-01T00:00:00Z", r#""2027-01-01T00:00:00Z""#),
        ("2027-01-01", r#""2027-01-01""#),
        ("yes", "true"),
        ("n", "false"),
        ("Off", "false"),
        ("0755", "493"),
        ("0o17", "15"),
        ("0x1f", "31"),
        ("08", "8"),
        ("1_000", "1000"),
        ("_1", r#""_1""#),
        ("1e3", "1000.0"),
        ("1.5", "1.5"),
        ("+5", "5"),
        ("-5", "-5"),
        ("-0x10", "-16"),
        ("-010", "-8"),
        ("0-5", r#""0-5""#),
        ("12:30", r#""12:30""#),
        ("0x", r#""0x""#),
        ("1e400", r#""1e400""#),
        (".inf2", r#"".inf2""#),
        ("", "null"),
        ("~", "null"),
        ("!!str 123", r#""123""#),
        ("!foo 1", r#""1""#),
        ("\"yes\"", r#""yes""#),
        ("'1'", r#""1""#),
        ("sha256:00", r#""sha256:00""#),
    ] {
        assert_eq!(
            json(&format!("a: {text}")),
            format!(r#"{{"a":{expected}}}"#),
            "{text}"
        );
    }
}

#[test]
fn names_are_written_out_as_kubectl_does() {
    assert_eq!(
        json("{1: a, 1.5: b, true: c, no: d, x: e}"),
        r#"{"1":"a","1.5":"b","true":"c","false":"d","x":"e"}"#
    );
}

#[test]
fn aliases_and_merges_are_written_out() {
    assert_eq!(
        json("x: &x {b: 1, c: 2}\nz: *x\nm: {<<: *x, b: 3}\nl: {<<: [{a: 1}, {a: 2, d: 4}]}"),
        r#"{"x":{"b":1,"c":2},"z":{"b":1,"c":2},"m":{"b":3,"c":2},"l":{"a":1,"d":4}}"#
    );
}

#[test]
fn a_stream_has_several_documents_and_json_is_one() {
    assert_eq!(json("a: 1\n---\nb: 2\n"), r#"{"a":1} {"b":2}"#);
    assert_eq!(
        json("{\n\t\"a\": [\n\t\t1,\n\t\ttrue\n\t]\n}\n"),
        r#"{"a":[1,true]}"#
    );
}

#[test]
fn a_flaw_has_its_line_and_repeats_no_value() {
    let bomb = format!(
        "a0: &a0 [x]\n{}",
        (1..12)
            .map(|n| format!(
                "a{n}: &a{n} [{}]\n",
                vec![format!("*a{}", n - 1); 10].join(", ")
            ))
            .collect::<String>()
    );
    let deep = format!("{}1{}", "[".repeat(150), "]".repeat(150));
    for (name, text, expected) in [
        (
            "a name twice",
            "a:\n- b: secret\n  b: secret\n",
            "3: a[0].b: duplicate name; expected each name once",
        ),
        (
            "before a merge",
            "x: &x {b: 1}\nm:\n  b: 2\n  <<: *x\n",
            "4: m.b: a name before a `<<` that contains it too, of which kubectl takes the other value; expected it after the `<<`",
        ),
        (
            "what may be a key twice",
            "a:\n  sk-secret: 1\n  sk-secret: 2\n",
            "3: a.…: duplicate name; expected each name once",
        ),
        (
            "a merge of no object",
            "a: {<<: secret}\n",
            "1: a: expected an object after `<<`, or a list of objects",
        ),
        (
            "a list as a name",
            "[a]: 1\n",
            "1: : expected a name before `:`, not a list, object, alias or null",
        ),
        (
            "an open bracket",
            "a: [secret\nb: 1\n",
            "2: : neither YAML nor JSON: illegal placement of ':' indicator",
        ),
        (
            "an odd character",
            "a: 1\nb: %secret\n",
            "2: : neither YAML nor JSON: unexpected character",
        ),
        (
            "an unknown alias",
            "a: *secret\n",
            "1: : neither YAML nor JSON: while parsing node, found unknown anchor",
        ),
        (
            "an alias of itself",
            "a: &a [*a]\n",
            "1: a[0]: an alias within its own anchor",
        ),
        (
            "many aliases",
            &bomb,
            "8: …: too large with its aliases expanded",
        ),
        ("depth", &deep, "1: x: nested deeper than 100 levels"),
    ] {
        let mut found = flaws(text);
        if name == "depth" {
            found = vec![found.concat().replace("[0]", "").replace(": : ", ": x: ")];
        }
        assert_eq!(found, [expected], "{name}");
    }
}

#[test]
fn a_path_leads_to_its_line() {
    let (documents, _) = read(
        "keys:\n- id: a\n  keyHash:\n    x\n- id: b\nmodels:\n  llama-3.1-8b:\n    groups: [a]\n  llama-3:\n    access: x\nenv: |\n\n  one\n  two\n",
    );
    let document = documents.first().unwrap();
    for (path, line) in [
        ("keys", Some(1)),
        ("keys[0].id", Some(2)),
        ("keys[0].keyHash", Some(3)),
        ("keys[1]", Some(5)),
        ("keys[1].keyHash", Some(5)),
        ("keys[7]", Some(1)),
        ("models.llama-3.1-8b", Some(7)),
        ("models.llama-3.1-8b.groups[0]", Some(8)),
        ("models.llama-3", Some(9)),
        ("models.none", Some(6)),
        ("env[2]", Some(11)),
        ("", None),
        ("nothing", None),
    ] {
        assert_eq!(document.line_of(path), line, "{path}");
    }
    assert_eq!(document.member("env").unwrap().line_within(3), 14);
}
