use wasm_bindgen_test::wasm_bindgen_test;

use super::*;
use crate::denial::Code;

const SECOND: u64 = 1_000_000_000;

/// A chat request of acme for a configured model, started at second 1, first token at 1.5, ended at 3.5.
fn chat(reply: Option<&str>, ending: Ending, denial: Option<Denial>) -> Record {
    let meter = reply.map(|reply| {
        let mut meter = Meter::new(Work::Generate, Some(b"application/json"), None, 200);
        meter.push(reply.as_bytes());
        meter
    });
    let first_token = meter.as_ref().map(|_| SECOND * 3 / 2);
    let times = Times {
        started: SECOND,
        first_token,
        ended: SECOND * 7 / 2,
    };
    Record::new(
        Facts {
            tenant: Some("acme".into()),
            operation: Some(Operation::Chat),
            model: ModelName::new("m"),
            model_is_configured: true,
            denial,
            ending,
            times,
            ..Facts::default()
        },
        meter,
    )
}

fn moved(record: &Record) -> Vec<String> {
    let movements = record.movements(&mut Labels::default());
    movements
        .iter()
        .map(|movement| {
            let name = movement.series.name();
            #[cfg(feature = "command")]
            assert_eq!(labels(&name), movement.series.metric().labels(), "{name}");
            format!("{name} {}", movement.value)
        })
        .collect()
}

/// The names of the labels in the name of a series.
#[cfg(feature = "command")]
fn labels(name: &str) -> Vec<&str> {
    let labels = name
        .split(";.;")
        .filter_map(|label| label.split_once("=.="));
    labels.map(|(label, _)| label).collect()
}

const OK: Ending = Ending {
    status: Some(200),
    flags: 0,
    dropped_by_scheduler: false,
    attempts: 1,
};

/// The client left before the reply.
const GONE: Ending = Ending {
    status: None,
    flags: 0x4000,
    dropped_by_scheduler: false,
    attempts: 1,
};

const REPLY: &str = r#"{"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":11,"total_tokens":18,
    "prompt_tokens_details":{"cached_tokens":4},"completion_tokens_details":{"reasoning_tokens":3}}}"#;

#[wasm_bindgen_test(unsupported = test)]
fn a_good_request_moves_exactly_its_series() {
    assert_eq!(
        moved(&chat(Some(REPLY), OK, None)),
        [
            "tenant=.=acme;.;model=.=m;.;operation=.=chat;.;outcome=.=ok;.;tollgate_requests_total 1",
            "tenant=.=acme;.;model=.=m;.;type=.=input;.;tollgate_tokens_total 7",
            "tenant=.=acme;.;model=.=m;.;type=.=output;.;tollgate_tokens_total 11",
            "tenant=.=acme;.;model=.=m;.;type=.=cached_input;.;tollgate_token_details_total 4",
            "tenant=.=acme;.;model=.=m;.;type=.=reasoning;.;tollgate_token_details_total 3",
            "tenant=.=acme;.;model=.=m;.;tollgate_request_duration_milliseconds 2500",
            "tenant=.=acme;.;model=.=m;.;tollgate_time_to_first_token_milliseconds 500",
            "tenant=.=acme;.;model=.=m;.;tollgate_time_per_output_token_milliseconds 200",
        ]
    );
}

#[wasm_bindgen_test(unsupported = test)]
fn requests_and_tokens_name_the_key_where_that_is_configured() {
    for (name, key, label) in [
        ("a key", Some("acme-ci"), "acme-ci"),
        ("a token", None, "unknown"),
    ] {
        let facts = Facts {
            tenant: Some("acme".into()),
            key: key.map(Into::into),
            key_label: true,
            operation: Some(Operation::Chat),
            model: ModelName::new("m"),
            model_is_configured: true,
            ending: OK,
            ..Facts::default()
        };
        let mut meter = Meter::new(Work::Generate, Some(b"application/json"), None, 200);
        meter.push(REPLY.as_bytes());
        let movements = Record::new(facts, Some(meter)).movements(&mut Labels::default());
        let keyed: Vec<String> = movements
            .iter()
            .map(|movement| movement.series.name())
            .filter(|series| series.contains("key=.="))
            .collect();
        assert_eq!(
            keyed,
            [
                format!(
                    "tenant=.=acme;.;model=.=m;.;operation=.=chat;.;outcome=.=ok;.;key=.={label};.;tollgate_requests_total"
                ),
                format!(
                    "tenant=.=acme;.;model=.=m;.;type=.=input;.;key=.={label};.;tollgate_tokens_total"
                ),
                format!(
                    "tenant=.=acme;.;model=.=m;.;type=.=output;.;key=.={label};.;tollgate_tokens_total"
                ),
            ],
            "{name}"
        );
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn the_input_is_estimated_where_a_server_worked_and_did_not_tell() {
    let text = r#"{"choices":[{"index":0,"message":{"content":"hello"}}]}"#;
    let only_output = r#"{"choices":[],"usage":{"completion_tokens":11}}"#;
    let gone = Ending {
        status: None,
        flags: 0x4000,
        dropped_by_scheduler: false,
        attempts: 1,
    };
    let failed = Ending {
        status: Some(503),
        ..OK
    };
    for (name, reply, ending, denial, charge, estimated) in [
        ("reported", Some(REPLY), OK, None, "18", None),
        ("a text", Some(text), OK, None, "91", Some(90)),
        (
            "half of the usage",
            Some(only_output),
            OK,
            None,
            "101",
            Some(90),
        ),
        (
            "the client left before the reply",
            None,
            gone,
            None,
            "90",
            Some(90),
        ),
        ("no server has worked", None, failed, None, "0", None),
        ("denied", None, OK, Some(Code::ModelNotAllowed), "0", None),
    ] {
        let meter = reply.map(|reply: &str| {
            let mut meter = Meter::new(Work::Generate, Some(b"application/json"), None, 200);
            meter.push(reply.as_bytes());
            meter
        });
        let facts = Facts {
            operation: Some(Operation::Chat),
            estimated_input: Some(90),
            denial: denial.map(Denial::from),
            ending,
            ..Facts::default()
        };
        let record = Record::new(facts, meter);
        let charged = record.filter_state().into_iter().find_map(|(name, value)| {
            (name == "tollgate.charge_tokens").then(|| value.to_string())
        });
        assert_eq!(charged.as_deref(), Some(charge), "{name}");
        let input = record
            .movements(&mut Labels::default())
            .into_iter()
            .find(|movement| {
                let series = movement.series.name();
                series.ends_with("type=.=input;.;tollgate_estimated_tokens_total")
            });
        assert_eq!(input.map(|movement| movement.value), estimated, "{name}");
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn a_denied_request_moves_its_code_and_no_time() {
    let denial = Denial::from(Code::AmbiguousModel);
    assert_eq!(
        moved(&chat(None, OK, Some(denial))),
        [
            "tenant=.=acme;.;model=.=m;.;operation=.=chat;.;outcome=.=denied;.;tollgate_requests_total 1",
            "tenant=.=acme;.;code=.=ambiguous_model;.;tollgate_denials_total 1",
        ]
    );
    let nobody = Record::new(
        Facts {
            denial: Some(Code::MissingCredential.into()),
            ending: OK,
            ..Facts::default()
        },
        None,
    );
    assert_eq!(
        moved(&nobody),
        [
            "tenant=.=unknown;.;model=.=unknown;.;operation=.=none;.;outcome=.=denied;.;tollgate_requests_total 1",
            "tenant=.=unknown;.;code=.=missing_credential;.;tollgate_denials_total 1",
        ]
    );
}

#[wasm_bindgen_test(unsupported = test)]
fn a_reply_without_usage_says_so() {
    let moved = moved(&chat(Some(r#"{"choices":[]}"#), OK, None));
    assert!(
        moved.contains(
            &"tenant=.=acme;.;model=.=m;.;reason=.=no_usage;.;tollgate_usage_missing_total 1"
                .to_owned()
        ),
        "{moved:?}"
    );
    assert!(
        !moved
            .iter()
            .any(|line| line.contains("tollgate_tokens_total")),
        "{moved:?}"
    );
}

// The list of all operations is the command's.
#[cfg(feature = "command")]
#[wasm_bindgen_test(unsupported = test)]
fn each_operation_of_which_tokens_are_counted_tells_that_its_usage_is_missing() {
    let counted = [
        Operation::Chat,
        Operation::Completions,
        Operation::Responses,
        Operation::Messages,
        Operation::Embeddings,
        Operation::Rerank,
        Operation::Score,
        Operation::Pooling,
        Operation::Classify,
        Operation::Decisions,
    ];
    for name in Operation::NAMES {
        let operation = Operation::named(name).unwrap();
        for (reply, ending) in [(Some(r#"{"object":"list"}"#), OK), (None, GONE)] {
            let meter = reply.map(|reply| {
                let json = Some(b"application/json".as_slice());
                let mut meter = Meter::new(operation.metered(), json, None, 200);
                meter.push(reply.as_bytes());
                meter
            });
            let facts = Facts {
                tenant: Some("acme".into()),
                operation: Some(operation),
                ending,
                ..Facts::default()
            };
            let moved = moved(&Record::new(facts, meter));
            let tells = moved
                .iter()
                .any(|line| line.contains("tollgate_usage_missing_total"));
            assert_eq!(tells, counted.contains(&operation), "{name}: {moved:?}");
        }
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn usage_that_contradicts_itself_says_how_whatever_it_is_worth() {
    let usage = |usage: &str| format!(r#"{{"choices":[],"usage":{usage}}}"#);
    for (body, reason, tokens) in [
        (
            r#"{"prompt_tokens":7,"completion_tokens":5,"total_tokens":12}"#,
            None,
            vec![7, 5],
        ),
        (
            r#"{"prompt_tokens":7,"completion_tokens":5,"total_tokens":20}"#,
            Some("output_outside"),
            vec![7, 13],
        ),
        (
            r#"{"prompt_tokens":7,"completion_tokens":5,"total_tokens":10}"#,
            Some("total_too_small"),
            vec![5, 3],
        ),
        (
            r#"{"prompt_tokens":7,"completion_tokens":-5}"#,
            Some("impossible_count"),
            vec![],
        ),
    ] {
        let moved = moved(&chat(Some(&usage(body)), OK, None));
        let of = |metric: &str| {
            let lines = moved.iter().filter(|line| line.contains(metric));
            lines.cloned().collect::<Vec<_>>()
        };
        let expected = reason.map(|reason| {
            format!("tenant=.=acme;.;model=.=m;.;reason=.={reason};.;tollgate_usage_contradictions_total 1")
        });
        assert_eq!(of("contradictions"), Vec::from_iter(expected), "{body}");
        let counted = of("tollgate_tokens_total");
        let counted: Vec<u64> = counted
            .iter()
            .map(|line| line.rsplit(' ').next().unwrap().parse().unwrap())
            .collect();
        assert_eq!(counted, tokens, "{body}");
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn every_ending_has_its_outcome() {
    let ending = |status, flags| Ending {
        status,
        flags,
        dropped_by_scheduler: false,
        attempts: 1,
    };
    for (name, ending, expected) in [
        ("whole", OK, Outcome::Ok),
        ("a redirect", ending(Some(302), 0), Outcome::Ok),
        ("a client error", ending(Some(404), 0), Outcome::Upstream4xx),
        ("a server error", ending(Some(503), 0), Outcome::Upstream5xx),
        (
            "client gone",
            ending(Some(200), 0x4000),
            Outcome::ClientAborted,
        ),
        (
            "client gone before the reply",
            ending(None, 0x4000),
            Outcome::ClientAborted,
        ),
        (
            "client reset",
            ending(Some(200), 0x1000_0000),
            Outcome::ClientAborted,
        ),
        (
            "no reply at all",
            ending(Some(0), 0),
            Outcome::ClientAborted,
        ),
        (
            "upstream protocol error",
            ending(Some(200), 0x80_0000),
            Outcome::UpstreamReset,
        ),
        (
            "upstream unreachable",
            ending(Some(503), 0x20),
            Outcome::UpstreamReset,
        ),
        ("route timeout", ending(Some(504), 0x4), Outcome::Timeout),
        (
            "idle timeout",
            ending(Some(200), 0x1_0000),
            Outcome::Timeout,
        ),
        (
            "dropped",
            Ending {
                status: Some(429),
                flags: 0,
                dropped_by_scheduler: true,
                attempts: 1,
            },
            Outcome::DroppedByScheduler,
        ),
    ] {
        assert_eq!(ending.outcome(), expected, "{name}");
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn filter_state_leaves_out_what_is_not_known() {
    let state = |record: Record| {
        let entries = record.filter_state().into_iter();
        entries
            .map(|(name, value)| format!("{name}={value}"))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        state(chat(Some(REPLY), OK, None)),
        [
            "tollgate.tenant=acme",
            "tollgate.model=m",
            "tollgate.input_tokens=7",
            "tollgate.output_tokens=11",
            "tollgate.charge_tokens=18",
            "tollgate.usage_source=reported",
            "tollgate.outcome=ok",
        ]
    );
    let nobody = Record::new(
        Facts {
            denial: Some(Code::MissingCredential.into()),
            ending: OK,
            ..Facts::default()
        },
        None,
    );
    assert_eq!(
        state(nobody),
        [
            "tollgate.charge_tokens=0",
            "tollgate.usage_source=not_applicable",
            "tollgate.outcome=denied",
            "tollgate.denial=missing_credential",
        ]
    );
    assert!(
        state(chat(None, GONE, None)).contains(&"tollgate.usage_source=none".to_owned()),
        "work may have been done"
    );
}

#[wasm_bindgen_test(unsupported = test)]
fn refused_names_get_no_label_of_their_own() {
    let denied = |name: &str, configured| {
        let model = ModelName::new(name).map(|model| (model, configured));
        let denial = model
            .as_ref()
            .map(|(model, _)| Denial::model_not_allowed(model, false));
        let record = Record::new(
            Facts {
                tenant: Some("acme".into()),
                operation: Some(Operation::Chat),
                model: model.as_ref().map(|(model, _)| model.clone()),
                model_is_configured: model.is_some_and(|(_, configured)| configured),
                denial,
                ending: OK,
                ..Facts::default()
            },
            None,
        );
        moved(&record).remove(0)
    };
    let line = |model: &str| {
        format!(
            "tenant=.=acme;.;model=.={model};.;operation=.=chat;.;outcome=.=denied;.;tollgate_requests_total 1"
        )
    };
    assert_eq!(denied("qwen-3-32b", true), line("qwen-3-32b"));
    assert_eq!(denied("made-up", false), line("other"));
}

#[wasm_bindgen_test(unsupported = test)]
fn what_is_only_noted_counts_as_a_denial_of_a_request_that_passed() {
    let noted = |model: &str, configured| {
        let model = ModelName::new(model);
        let denial = model
            .as_ref()
            .map(|model| Denial::model_not_allowed(model, false));
        Record::new(
            Facts {
                tenant: Some("acme".into()),
                operation: Some(Operation::ListModels),
                model,
                model_is_configured: configured,
                noted: denial,
                ending: OK,
                ..Facts::default()
            },
            None,
        )
    };
    assert_eq!(
        moved(&noted("m", true)),
        [
            "tenant=.=acme;.;model=.=m;.;operation=.=list_models;.;outcome=.=ok;.;tollgate_requests_total 1",
            "tenant=.=acme;.;code=.=model_not_allowed;.;tollgate_denials_total 1",
        ]
    );
    assert!(
        moved(&noted("made-up", false))[0].contains("model=.=other;"),
        "no label for what a client made up"
    );
    let record = noted("m", true);
    let state = record.filter_state();
    assert!(state.contains(&("tollgate.would_deny", "model_not_allowed".into())));
    assert!(state.contains(&("tollgate.outcome", "ok".into())));
    assert!(state.iter().all(|(name, _)| *name != "tollgate.denial"));
}

/// The updates and the filter state of a chat request, with these counts of another filter.
fn beside(
    reply: Option<&str>,
    denial: Option<Denial>,
    count: Option<GatewayCount>,
) -> (Vec<String>, Vec<String>) {
    let record = chat(reply, OK, denial).compared_with(|| count);
    let state = record.filter_state().into_iter();
    let told = [
        "input_tokens",
        "output_tokens",
        "charge_tokens",
        "usage_source",
    ];
    let state = state
        .filter_map(|(name, value)| {
            let name = name.strip_prefix("tollgate.")?;
            told.contains(&name).then(|| format!("{name}={value}"))
        })
        .collect();
    let counted = moved(&record).into_iter().filter(|line| {
        ["_tokens_total", "usage_", "_details_"]
            .iter()
            .any(|part| line.contains(part))
    });
    let labels = "tenant=.=acme;.;model=.=m;.;";
    (
        counted.map(|line| line.replace(labels, "")).collect(),
        state,
    )
}

#[wasm_bindgen_test(unsupported = test)]
fn counts_of_another_filter_stand_in_for_missing_ones_and_are_held_against_reported_ones() {
    let count = |input: u64, output: u64| {
        Some(GatewayCount {
            input: Some(input),
            output: Some(output),
        })
    };
    let only_input = Some(GatewayCount {
        input: Some(7),
        output: None,
    });
    let text = r#"{"choices":[{"index":0,"message":{"content":"12345678"}}]}"#;
    let partial = r#"{"choices":[{"index":0,"message":{"content":"1234"}},{"index":1}],"timings":{"prompt_n":3,"predicted_n":2}}"#;
    let reported = [
        "type=.=input;.;tollgate_tokens_total 7",
        "type=.=output;.;tollgate_tokens_total 11",
        "type=.=cached_input;.;tollgate_token_details_total 4",
        "type=.=reasoning;.;tollgate_token_details_total 3",
    ];
    let disagreeing = [
        reported.as_slice(),
        &["tollgate_usage_disagreements_total 1"],
    ]
    .concat();
    let final_state: &[&str] = &[
        "input_tokens=7",
        "output_tokens=11",
        "charge_tokens=18",
        "usage_source=reported",
    ];
    let theirs: &[&str] = &[
        "type=.=input;.;tollgate_tokens_total 9",
        "type=.=output;.;tollgate_tokens_total 5",
    ];
    let their_state: &[&str] = &[
        "input_tokens=9",
        "output_tokens=5",
        "charge_tokens=14",
        "usage_source=gateway",
    ];
    for (name, reply, count, moved, state) in [
        (
            "reported, none",
            Some(REPLY),
            None,
            &reported[..],
            final_state,
        ),
        (
            "reported, equal",
            Some(REPLY),
            count(7, 11),
            &reported,
            final_state,
        ),
        (
            "reported, half of it",
            Some(REPLY),
            only_input,
            &reported,
            final_state,
        ),
        (
            "reported, more input",
            Some(REPLY),
            count(8, 11),
            &disagreeing,
            final_state,
        ),
        (
            "reported, less output",
            Some(REPLY),
            count(7, 10),
            &disagreeing,
            final_state,
        ),
        ("estimated", Some(text), count(9, 5), theirs, their_state),
        ("partial", Some(partial), count(9, 5), theirs, their_state),
        ("unknown", Some("{}"), count(9, 5), theirs, their_state),
        ("no reply", None, count(9, 5), theirs, their_state),
        (
            "estimated, none",
            Some(text),
            None,
            &[
                "type=.=output;.;tollgate_estimated_tokens_total 1",
                "reason=.=no_usage;.;tollgate_usage_missing_total 1",
            ],
            &["charge_tokens=1", "usage_source=estimated"],
        ),
    ] {
        let found = beside(reply, None, count);
        assert_eq!(found.0, moved, "{name}");
        assert_eq!(found.1, state, "{name}");
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn nobody_is_asked_where_no_tokens_were_to_be_expected() {
    let asked = |record: Record| {
        let asked = std::cell::Cell::new(false);
        let _ = record.compared_with(|| {
            asked.set(true);
            None
        });
        asked.get()
    };
    let list = Record::new(
        Facts {
            tenant: Some("acme".into()),
            operation: Some(Operation::ListModels),
            ending: OK,
            ..Facts::default()
        },
        None,
    );
    let denied = chat(None, OK, Some(Code::ModelNotAllowed.into()));
    assert!(!asked(list), "a list");
    assert!(!asked(denied), "a denial");
    assert!(asked(chat(Some(REPLY), OK, None)), "a reply");
}

#[wasm_bindgen_test(unsupported = test)]
fn a_request_that_envoy_sent_more_than_once_counts_as_retried_once() {
    for (attempts, retried) in [(0, false), (1, false), (2, true), (5, true)] {
        let record = chat(Some(REPLY), Ending { attempts, ..OK }, None);
        let line = "tenant=.=acme;.;model=.=m;.;tollgate_retried_requests_total 1".to_owned();
        assert_eq!(
            moved(&record).contains(&line),
            retried,
            "{attempts} attempts"
        );
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn what_was_answered_before_the_filter_saw_it_has_no_name_and_no_tokens() {
    let ending = Ending {
        status: Some(401),
        ..Ending::default()
    };
    let record = Record::new(
        Facts {
            ending,
            ..Facts::default()
        },
        None,
    );
    assert_eq!(
        moved(&record),
        [
            "tenant=.=unknown;.;model=.=unknown;.;operation=.=none;.;outcome=.=upstream_4xx;.;tollgate_requests_total 1"
        ]
    );
}

#[wasm_bindgen_test(unsupported = test)]
fn no_more_is_charged_than_envoy_takes() {
    for (input, expected) in [
        (999_999_999_u64, "charge_tokens=1000000000"),
        (1_000_000_000, "charge_tokens=1000000000"),
        (999_999_998, "charge_tokens=999999999"),
    ] {
        let reply = format!(r#"{{"usage":{{"prompt_tokens":{input},"completion_tokens":1}}}}"#);
        let (_, state) = beside(Some(&reply), None, None);
        assert!(
            state.iter().any(|line| line == expected),
            "{input}: {state:?}"
        );
    }
}
