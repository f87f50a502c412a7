//! [`tollgate::body::Judge`] and the edits of [`tollgate::rewrite::ask`].

use serde_json::{Value, json};
use tollgate::body::{Also, Judge};
use tollgate::model_name::ModelName;
use tollgate::rewrite::ask::{ADDED_LENGTH, Ask, Edit};

use crate::cuts::cuts;
use crate::json::is_object;

/// How a body is judged.
#[derive(Debug, Clone, Copy)]
struct Way {
    /// The length is announced.
    announced: bool,
    /// The usage is to be asked for, as far as is known before the model is.
    wanted_before: bool,
    /// The same, once the model is known.
    wanted: bool,
}

/// What came of a body.
#[derive(Debug)]
struct Judged {
    model: Option<ModelName>,
    /// The models that other members named.
    others: Vec<ModelName>,
    accepted: bool,
    /// What has passed.
    sent: Vec<u8>,
    /// How many bytes of the body that was made from.
    passed: usize,
    hides: bool,
}

/// The verdict does not depend on the cut; what passes is the same document, which asks for its usage where it is to,
/// and as long as was announced; and no server holds a document that was not judged.
pub fn check(input: &[u8]) {
    let value = serde_json::from_slice::<Value>(input).ok();
    for number in 0..8_u8 {
        let way = Way {
            announced: number & 1 == 0,
            wanted_before: number & 2 == 0,
            wanted: number & 4 == 0,
        };
        let whole = judge(way, &[input]);
        check_one(way, input, value.as_ref(), &whole);
        for chunks in cuts(input) {
            let cut = judge(way, &chunks);
            assert_eq!(
                cut.accepted, whole.accepted,
                "{way:?}, cut as {chunks:?}: the verdict"
            );
            check_one(way, input, value.as_ref(), &cut);
            if whole.accepted {
                assert_eq!(cut.model, whole.model);
                assert_eq!(cut.others, whole.others);
            }
        }
    }
}

fn judge(way: Way, chunks: &[&[u8]]) -> Judged {
    let length: usize = chunks.iter().map(|chunk| chunk.len()).sum();
    let length = way.announced.then_some(length as u64);
    let ask = Ask::new(length, way.wanted_before);
    assert_eq!(ask.announced(), length.map(|length| length + ADDED_LENGTH));
    let also = Also::Usage(ask);
    let mut judge = Judge::new(None, length, also, &crate::members());
    let mut judged = Judged {
        model: None,
        others: Vec::new(),
        accepted: false,
        sent: Vec::new(),
        passed: 0,
        hides: false,
    };
    let end: [&[u8]; 1] = [b""];
    let count = chunks.len();
    for (index, frame) in chunks.iter().chain(&end).enumerate() {
        let Ok(named) = judge.frame(frame, index == count) else {
            return judged;
        };
        judged.others.extend(named.others);
        let model = named.model;
        if model.is_some() {
            assert_eq!(judged.model, None, "the model is told once");
            judged.model = model;
            judge.ask_mut().expect("it asks").settle(way.wanted);
        }
        match judge.edit(frame) {
            Err(_) => return judged,
            Ok(Edit::Keep) => judged.sent.extend_from_slice(frame),
            Ok(Edit::Pad(spaces)) => {
                judged.sent.extend_from_slice(frame);
                judged.sent.resize(judged.sent.len() + spaces, b' ');
            }
            Ok(Edit::Replace(bytes)) => judged.sent.extend(bytes),
        }
        judged.passed += frame.len();
    }
    judged.accepted = true;
    judged.hides = judge.ask().is_some_and(Ask::is_hidden);
    judged
}

fn check_one(way: Way, input: &[u8], value: Option<&Value>, judged: &Judged) {
    let added = usize::try_from(ADDED_LENGTH).expect("a few bytes");
    assert!(judged.sent.len() <= judged.passed + added, "more is added");
    if !judged.accepted {
        // What may have passed as a whole was good as far as it went.
        if is_object(&judged.sent) {
            let passed = judge(way, &[&input[..judged.passed]]);
            assert!(passed.accepted, "{way:?}: a document that was not judged");
        }
        return;
    }
    assert!(is_object(&judged.sent), "{way:?}: no JSON any more");
    if way.announced {
        assert_eq!(judged.sent.len(), input.len() + added, "{way:?}: length");
    }
    if !way.wanted && !way.wanted_before {
        assert_eq!(judged.sent.trim_ascii_end(), input.trim_ascii_end());
        assert!(!judged.hides);
    }
    // Numbers that fit no type of Rust, and half a pair of UTF-16, are no `Value`.
    let Some(value) = value else {
        return;
    };
    let sent: Value = serde_json::from_slice(&judged.sent).expect("still a value");
    let model = judged.model.as_ref().expect("the model").as_str();
    assert_eq!(value["model"], model);
    check_members(value, &judged.others);
    let streams = value["stream"] == true;
    let included =
        |value: &Value| value.pointer("/stream_options/include_usage") == Some(&json!(true));
    let asked = included(value);
    assert_eq!(
        without_usage(value),
        without_usage(&sent),
        "{way:?}: something else has changed"
    );
    if way.wanted && way.wanted_before {
        assert_eq!(included(&sent), asked || included(&sent));
        if streams {
            assert!(included(&sent), "{way:?}: the usage is not asked for");
        }
        assert_eq!(judged.hides, streams && !asked, "{way:?}: what is hidden");
    } else if judged.hides {
        assert!(
            streams && !asked && included(&sent),
            "{way:?}: hides what was not asked for"
        );
    }
    if streams && !asked && included(&sent) {
        assert!(
            judged.hides,
            "{way:?}: the client sees what it has not asked for"
        );
    }
    if !streams {
        let options = |value: &Value| value.get("stream_options").map(Value::is_null);
        assert_eq!(options(value), options(&sent), "{way:?}: options from us");
    }
}

/// What a reader finds in a body that was accepted: nothing that steers it, and no model that was not told.
fn check_members(value: &Value, others: &[ModelName]) {
    let told = |name: &Value| {
        let mut others = others.iter();
        name.is_null() || others.any(|other| name == other.as_str())
    };
    for (name, value) in value.as_object().into_iter().flatten() {
        let entries = value.as_array().into_iter().flatten();
        match name.to_ascii_lowercase().as_str() {
            "priority" | "api_base" | "adapters" | "rid" => assert!(value.is_null(), "{name}"),
            "kv_transfer_params" | "extra_body" => {
                let members = value.as_object();
                assert!(members.is_none_or(serde_json::Map::is_empty), "{name}");
            }
            "draft_model" | "deployment_id" => assert!(told(value), "{name}"),
            "models" => assert!(entries.into_iter().all(told), "{name}"),
            "fallbacks" => {
                for entry in entries {
                    assert!(told(entry.get("model").unwrap_or(entry)), "{name}: {entry}");
                }
            }
            _ => {}
        }
    }
}

/// The document without what says whether usage is included; options that say nothing else are none.
fn without_usage(value: &Value) -> Value {
    let mut value = value.clone();
    if let Some(members) = value.as_object_mut() {
        let options = members.get_mut("stream_options");
        if let Some(options) = options.and_then(Value::as_object_mut) {
            options.remove("include_usage");
        }
        let says_nothing = match members.get("stream_options") {
            Some(Value::Object(options)) => options.is_empty(),
            Some(Value::Null) => true,
            _ => false,
        };
        if says_nothing {
            members.remove("stream_options");
        }
    }
    value
}
