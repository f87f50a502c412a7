//! [`tollgate::config::compile`]: any text gives a policy or faults, and faults tell no secret.

use std::collections::HashSet;

use serde_json::Value;
use tollgate::config::compile;

/// Values of the environment that no fault may show.
const CANARIES: [&str; 2] = ["sk-canary-5f1d", "0badc0de"];

/// Any text gives a policy that displays, or faults that repeat no value that could be a secret.
pub fn check(input: &[u8]) {
    let environment = |name: &str| match name {
        "EMPTY" => Some(String::new()),
        "HASHES" => Some(format!("a={}\nb=sha256:{}", "maas:", "0badc0de".repeat(8))),
        "LIST" => Some("[\"sk-canary-5f1d-2\", \"sk-canary-5f1d-3\"]".to_owned()),
        "BROKEN" => Some("[\"sk-canary-5f1d-2\", sk-canary-5f1d-3".to_owned()),
        "SWAPPED" => Some(format!("sha256:{}", "0badc0de".repeat(8))),
        "TWICE" => Some("sk-canary-5f1d-1,sk-canary-5f1d-1,sk canary".to_owned()),
        "KEYS" | "VLLM_API_KEY" => Some("sk-canary-5f1d-1".to_owned()),
        _ => None,
    };
    match compile(input, &environment) {
        Ok(policy) => {
            let line = policy.to_string();
            assert!(
                line.starts_with("configured ") && !line.contains('\n'),
                "{line}"
            );
            check_canaries(input, &format!("{policy:?}"));
            assert_eq!(policy.gauges(0).len(), 5);
        }
        Err(faults) => {
            let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
            assert!(!lines.is_empty(), "refused without a word");
            check_faults(input, &lines.join("\n"));
            let again = compile(input, &environment).err();
            assert_eq!(again.as_ref(), Some(&faults), "not the same twice");
        }
    }
}

/// No value of the environment is shown, save one that the configuration itself has: the fuzzer finds them out, and an
/// operator's name may be anything.
fn check_canaries(input: &[u8], shown: &str) {
    let decoded = serde_json::from_slice::<Value>(input).map(|config| config.to_string());
    let text = String::from_utf8_lossy(input);
    for canary in CANARIES {
        let is_said = text.contains(canary)
            || decoded
                .as_ref()
                .is_ok_and(|decoded| decoded.contains(canary));
        assert!(is_said || !shown.contains(canary), "{shown}");
    }
}

fn check_faults(input: &[u8], faults: &str) {
    check_canaries(input, faults);
    let Ok(config) = serde_json::from_slice::<Value>(input) else {
        return;
    };
    let mut public = public(&config);
    // What the filter itself says.
    public.extend(["2027-01-01T00:00:00Z", "vm_config.environment_variables"].map(str::to_owned));
    let mut secrets = HashSet::new();
    collect(&config, &mut secrets);
    for secret in secrets {
        let known = public.iter().any(|public| public.contains(&secret));
        assert!(
            known || !faults.contains(&secret),
            "shows {secret}: {faults}"
        );
    }
}

/// The names that an operator gives to things that are no secret: tenants, models, ids of keys, and of headers.
fn public(config: &Value) -> HashSet<String> {
    let mut public = HashSet::new();
    for section in ["tenants", "models"] {
        let members = config[section].as_object().into_iter().flatten();
        public.extend(members.map(|(name, _)| name.clone()));
    }
    for key in config["keys"].as_array().into_iter().flatten() {
        public.extend(key["id"].as_str().map(str::to_owned));
    }
    let headers = &config["trustedHeaders"]["attributeHeaders"];
    let headers = headers.as_object().into_iter().flatten();
    public.extend(headers.map(|(name, _)| name.clone()));
    public
}

/// Every word that could be a secret. Names of members as well, as they may be in the wrong place.
fn collect(value: &Value, secrets: &mut HashSet<String>) {
    match value {
        Value::String(text) => secrets.extend(words(text)),
        Value::Array(items) => items.iter().for_each(|item| collect(item, secrets)),
        Value::Object(members) => {
            for (name, value) in members {
                secrets.extend(words(name));
                collect(value, secrets);
            }
        }
        _ => {}
    }
}

/// The long words with letters and digits, as keys are.
fn words(text: &str) -> impl Iterator<Item = String> {
    let separates = |letter: char| !letter.is_ascii_alphanumeric() && !"-_".contains(letter);
    let words = text.split(separates).filter(|word| {
        word.len() >= 12
            && word.bytes().any(|byte| byte.is_ascii_alphabetic())
            && word.bytes().any(|byte| byte.is_ascii_digit())
    });
    words.map(str::to_owned)
}
