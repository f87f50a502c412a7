//! What the module says to a configuration.

use serde_json::{Value, json};

use crate::fixtures::{ACME_KEY, chat_headers, configuration};
use crate::host::{Host, flags};

#[test]
fn accepts_the_demo_configuration() {
    let mut host = Host::new();
    assert!(
        host.configure(&configuration().to_string()),
        "{:#?}",
        host.logs()
    );
}

#[test]
fn refuses_with_one_line_for_each_fault_and_its_path() {
    let with = |change: fn(&mut Value)| {
        let mut changed = configuration();
        change(&mut changed);
        changed.to_string()
    };
    let rows: [(&str, String, &[&str]); 7] = [
        (
            "unknown field",
            with(|config| config["tenant"] = json!({})),
            &["tenant"],
        ),
        (
            "unknown tenant",
            with(|config| config["keys"][1]["tenant"] = json!("initech")),
            &["keys[1].tenant"],
        ),
        (
            "short hash",
            with(|config| config["keys"][0]["keyHash"] = json!("sha256:12")),
            &["keys[0].keyHash"],
        ),
        (
            "duplicate id",
            with(|config| config["keys"][1]["id"] = json!("acme-demo")),
            &["keys[1].id"],
        ),
        (
            "no models",
            with(|config| drop(config.as_object_mut().expect("an object").remove("models"))),
            &["models"],
        ),
        (
            "three at once",
            with(|config| {
                config["keys"][0]["tenant"] = json!("initech");
                config["keys"][1]["keyHash"] = json!("md5:abc");
                config["jwt"][0]["defaultTenant"] = json!("umbrella");
            }),
            &["keys[0].tenant", "keys[1].keyHash", "jwt[0].defaultTenant"],
        ),
        ("not JSON", "{".to_owned(), &[""]),
    ];
    for (name, json, paths) in rows {
        let mut host = Host::new();
        assert!(!host.configure(&json), "{name}: accepted");
        let faults: Vec<&str> = host
            .world()
            .logs
            .iter()
            .filter(|(level, _)| *level >= 4)
            .map(|(_, line)| line.as_str())
            .collect();
        assert_eq!(faults.len(), paths.len(), "{name}: {faults:#?}");
        for path in paths {
            assert!(
                faults.iter().any(|line| line.contains(path)),
                "{name}: no line names {path}: {faults:#?}"
            );
        }
    }
}

/// Puts the secret into the configuration where it does not belong.
type Change = fn(&mut Value, &str);

#[test]
fn prints_no_secret_when_it_refuses() {
    let secret = "sk-live-do-not-print-me";
    let rows: [(&str, Change); 6] = [
        ("key as hash", |config, secret| {
            config["keys"][0]["keyHash"] = json!(secret)
        }),
        ("key with prefix as hash", |config, secret| {
            config["keys"][0]["keyHash"] = json!(format!("sha256:{secret}"))
        }),
        ("keys as a map", |config, secret| {
            config["keys"] = json!({secret: "acme"})
        }),
        ("key as tenant", |config, secret| {
            config["keys"][0]["tenant"] = json!(secret)
        }),
        ("key as the list of groups", |config, secret| {
            config["keys"][0]["groups"] = json!(secret)
        }),
        ("key as the whole entry", |config, secret| {
            config["keys"][0] = json!(secret)
        }),
    ];
    for (name, change) in rows {
        let mut config = configuration();
        change(&mut config, secret);
        let mut host = Host::new();
        assert!(!host.configure(&config.to_string()), "{name}: accepted");
        assert!(!host.logs().is_empty(), "{name}: refused without a word");
        for line in host.logs() {
            assert!(!line.contains(secret), "{name}: {line}");
        }
    }
}

#[test]
fn keeps_the_old_configuration_when_it_refuses_a_new_one() {
    let mut host = Host::configured(&configuration().to_string());
    assert!(!host.configure("{}"));
    let ended = host.request(&chat_headers(ACME_KEY)).log(flags::NONE);
    assert_eq!(
        ended.upstream_header("x-tollgate-tenant").as_deref(),
        Some("acme")
    );
}

#[test]
fn says_when_the_next_key_expires_as_of_now() {
    // The clock of these tests begins at 2026-06-01T00:00:00Z.
    const JULY: u64 = 1_782_864_000;
    let expiring = |first: &str, second: &str| {
        let mut config = configuration();
        for (index, moment) in [first, second].iter().enumerate() {
            if !moment.is_empty() {
                config["keys"][index]["expiresAt"] = json!(moment);
            }
        }
        config.to_string()
    };
    let mut host = Host::new();
    for (name, first, second, expected) in [
        (
            "both ahead",
            "2027-01-01T00:00:00Z",
            "2026-07-01T00:00:00Z",
            JULY,
        ),
        (
            "one is over",
            "2026-05-31T23:59:59Z",
            "2026-07-01T00:00:00Z",
            JULY,
        ),
        ("one never", "", "2026-07-01T02:00:00+02:00", JULY),
        (
            "both are over",
            "2026-05-01T00:00:00Z",
            "2026-06-01T00:00:00Z",
            0,
        ),
        ("ahead again", "2026-07-01T00:00:00Z", "", JULY),
        ("never", "", "", 0),
    ] {
        assert!(host.configure(&expiring(first, second)), "{name}");
        assert_eq!(
            host.number("tollgate_next_key_expiry_seconds"),
            expected,
            "{name}"
        );
    }
}
