//! `limits`, `reserve` and `weights`.

use super::*;

fn faults_with(section: &str, value: Value) -> Vec<String> {
    let mut config = demo();
    config[section] = value;
    compile(config.to_string().as_bytes(), &|_| None).map_or_else(
        |faults| faults.iter().map(Fault::to_string).collect(),
        |_| Vec::new(),
    )
}

#[wasm_bindgen_test(unsupported = test)]
fn takes_every_kind_of_limit() {
    let limits = json!([
        {"id": "five", "per": "user", "requests": 5, "window": "day"},
        {"id": "tpm", "per": "tenant", "tenants": ["acme"], "tokens": 200_000, "window": "minute"},
        {"id": "month", "per": "tenant", "tokens": 50_000_000, "window": "month", "utcOffset": "+01:00", "keeps": "untilRestart"},
        {"id": "big-model", "per": ["tenant", "model"], "models": ["qwen-*"], "tokens": 1_000_000, "window": "day"},
        {"id": "flight", "per": "tenant", "concurrent": 20},
        {"id": "trial", "per": "key", "tokens": 100_000, "window": "day", "mode": "audit"},
        {"id": "students", "per": "user", "groups": ["students"], "tokens": 100_000, "window": "hour"},
        {"id": "closed", "per": "group", "keys": ["acme-demo"], "operations": ["chat"], "inputTokens": 1, "window": "hour", "failure": "closed"},
    ]);
    assert_eq!(faults_with("limits", limits), Vec::<String>::new());
    let reserve = json!({"outputTokens": 1024, "bytesPerToken": 4});
    assert_eq!(faults_with("reserve", reserve), Vec::<String>::new());
    let weights = json!({"input": 1, "cachedInput": 0.1, "output": 1000});
    assert_eq!(faults_with("weights", weights), Vec::<String>::new());
    let models = json!(["qwen-*"]);
    let reserve = json!({"bytesPerToken": 3, "models": [{"models": models, "outputTokens": 256}]});
    assert_eq!(faults_with("reserve", reserve), Vec::<String>::new());
    let weights =
        json!({"models": [{"models": models, "input": 2}, {"models": ["*"], "output": 0}]});
    assert_eq!(faults_with("weights", weights), Vec::<String>::new());
}

#[wasm_bindgen_test(unsupported = test)]
fn each_fault_of_a_limit_says_where_it_is_and_what_is_expected() {
    const ONE: &str = "limits[0]: expected exactly one of `requests`, `tokens`, `inputTokens`, `outputTokens` and `concurrent`";
    for (name, changes, expected) in [
        ("no measure", json!({"requests": null}), ONE),
        ("two measures", json!({"tokens": 5}), ONE),
        (
            "nothing",
            json!({"requests": 0}),
            "limits[0].requests: expected 1 to 1000000000000; to refuse everything leave the rule of a model out",
        ),
        (
            "no window",
            json!({"window": null}),
            "limits[0].window: expected `minute`, `hour`, `day` or `month`",
        ),
        (
            "a window of requests at once",
            json!({"requests": null, "concurrent": 1}),
            "limits[0].window: requests at once are given back when they end; expected no window",
        ),
        (
            "a month that is kept nowhere",
            json!({"window": "month"}),
            "limits[0].keeps: the counts of a month are lost when Envoy restarts; expected `keeps: untilRestart`, or the budget in a rate limit service (see examples/rate-limit)",
        ),
        (
            "an offset without a calendar",
            json!({"window": "hour", "utcOffset": "+01:00"}),
            "limits[0].utcOffset: only `day` and `month` are read from a calendar; expected no offset",
        ),
        (
            "no offset",
            json!({"utcOffset": "1h"}),
            "limits[0].utcOffset: expected an offset such as `+01:00`, from `-23:59` to `+23:59`",
        ),
        (
            "an unknown tenant",
            json!({"tenants": ["nobody"]}),
            "limits[0].tenants[0]: expected one of the names in `tenants`",
        ),
        (
            "an unknown key",
            json!({"keys": ["nobody"]}),
            "limits[0].keys[0]: expected one of the ids in `keys`",
        ),
        (
            "an unknown operation",
            json!({"operations": ["talk"]}),
            "limits[0].operations[0]: expected an operation, such as `chat` or `embeddings`",
        ),
        (
            "an unknown subject",
            json!({"per": "planet"}),
            "limits[0].per: expected `tenant`, `group`, `key`, `user` or `model`, or a list of them",
        ),
    ] {
        let mut limit = json!({"id": "one", "per": "tenant", "requests": 5, "window": "day"});
        for (field, value) in changes.as_object().unwrap() {
            if value.is_null() {
                limit.as_object_mut().unwrap().remove(field);
            } else {
                limit[field] = value.clone();
            }
        }
        assert_eq!(faults_with("limits", json!([limit])), [expected], "{name}");
    }
    let twice = json!({"id": "one", "per": "tenant", "requests": 5, "window": "day"});
    assert_eq!(
        faults_with("limits", json!([twice, twice])),
        ["limits[1].id: duplicate name; expected each id once"]
    );
}

#[wasm_bindgen_test(unsupported = test)]
fn each_fault_of_what_is_set_aside_says_what_is_expected() {
    for (section, value, expected) in [
        (
            "reserve",
            json!({"outputTokens": 0}),
            "reserve.outputTokens: expected 1 to 10000000",
        ),
        (
            "reserve",
            json!({"bytesPerToken": 101}),
            "reserve.bytesPerToken: expected 1 to 100",
        ),
        (
            "weights",
            json!({"input": -1}),
            "weights.input: expected 0 to 1000",
        ),
        (
            "weights",
            json!({"output": 0.0001}),
            "weights.output: expected three decimals at most",
        ),
        (
            "reserve",
            json!({"models": [{"models": []}]}),
            "reserve.models[0].models: expected at least one model",
        ),
        (
            "reserve",
            json!({"models": [{"models": ["a"], "bytesPerToken": 0}]}),
            "reserve.models[0].bytesPerToken: expected 1 to 100",
        ),
        (
            "weights",
            json!({"models": [{"models": ["a"]}, {"models": ["b"], "cachedInput": 1001}]}),
            "weights.models[1].cachedInput: expected 0 to 1000",
        ),
        (
            "weights",
            json!({"models": [{"models": ["a*b"]}]}),
            "weights.models[0].models[0]: expected a model name, `prefix*` or `*`; names are 256 printable characters at most, without a space at either end and without `*`",
        ),
    ] {
        assert_eq!(faults_with(section, value), [expected]);
    }
}
