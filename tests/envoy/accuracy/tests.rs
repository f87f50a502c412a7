//! The measure itself: that it replays whatever an index may hold, and that it fails where it has to.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};

use super::counted::Counted;
use super::index;
use super::measure;
use super::replay::Arrival;
use super::table::{Replay, Row};
use super::verdict::{Passage, Verdict};
use crate::harness::Answer;

/// A reply that tells 11 tokens in, 4 of them cached, and 7 out, 2 of them reasoning.
const COMPLETION: &str = r#"{"object":"chat.completion","choices":[{"index":0,"message":{"content":"Hi."}}],
    "usage":{"prompt_tokens":11,"completion_tokens":7,"total_tokens":18,
    "prompt_tokens_details":{"cached_tokens":4},"completion_tokens_details":{"reasoning_tokens":2}}}"#;

/// Two events of a stream that tells on the way what it has cost so far: 9 in, 2 out.
const RUNNING: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":1}}\r\n\r\ndata: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"b\"}}],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":2}}\r\n\r\n";

/// Writes a folder of recordings: each body under its number, with its line of the index.
fn folder(name: &str, recordings: &[(&str, Value)]) -> PathBuf {
    let name = format!("recordings-{name}-{}", std::process::id());
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(folder.join("server")).unwrap();
    let mut index = String::new();
    for (number, (body, line)) in recordings.iter().enumerate() {
        let mut line = line.clone();
        line["file"] = json!(format!("server/{number}"));
        fs::write(folder.join(format!("server/{number}")), body).unwrap();
        index.push_str(&format!("{line}\n"));
    }
    fs::write(folder.join("INDEX.jsonl"), index).unwrap();
    folder
}

#[test]
fn whatever_an_index_holds_is_replayed_and_judged() {
    let chat = "/v1/chat/completions";
    let wrong = |why: &str| Verdict::Wrong(why.to_owned());
    let rows = [
        (
            "nothing is known but the body",
            COMPLETION,
            json!({}),
            Verdict::Unverified,
        ),
        (
            "all is known, and all is so",
            COMPLETION,
            json!({
                "endpoint": chat, "streamed": false, "status": 200, "content_type": "application/json",
                "transfer": "content-length", "complete": true, "client_aborted": false, "server": "of nobody",
                "truth": {"prompt": 11, "completion": 7, "cached": 4, "reasoning": 2, "source": "by construction"},
                "wire": {"api": "openai", "prompt": 11, "completion": 7, "cached": 4, "reasoning": 2}
            }),
            Verdict::Exact,
        ),
        (
            "another truth",
            COMPLETION,
            json!({"endpoint": chat, "truth": {"prompt": 11, "completion": 8}}),
            wrong("output is 8"),
        ),
        (
            "another truth about the cached part, which the reply tells",
            COMPLETION,
            json!({"truth": {"prompt": 11, "completion": 7, "cached": 5}, "wire": {"cached": 5}}),
            wrong("cached is 5"),
        ),
        (
            "another truth about the cached part, which the reply does not tell",
            COMPLETION,
            json!({"truth": {"prompt": 11, "completion": 7, "cached": 5}, "wire": {"cached": 4}}),
            Verdict::Exact,
        ),
        (
            "another truth about reasoning, which the reply tells",
            COMPLETION,
            json!({
                "truth": {"prompt": 11, "completion": 7, "reasoning": 3},
                "usage_last": {"completion_tokens_details": {"reasoning_tokens": 3}}
            }),
            wrong("reasoning is 3"),
        ),
        (
            "half a truth, and nulls",
            COMPLETION,
            json!({"status": null, "complete": null, "client_aborted": null, "truth": {"prompt": 11, "cached": null}}),
            Verdict::Unverified,
        ),
        (
            "half a truth that is another",
            COMPLETION,
            json!({"truth": {"prompt": 12}}),
            wrong("input is 12"),
        ),
        (
            "a number where the reply tells none",
            COMPLETION,
            json!({"truth": null, "wire": null}),
            wrong("the reply tells nothing"),
        ),
        (
            "another number than the reply tells",
            COMPLETION,
            json!({"truth": null, "wire": {"prompt": 12, "completion": 7}}),
            wrong("the reply tells input 12"),
        ),
        (
            "a stream cut by the server",
            RUNNING,
            json!({
                "endpoint": chat, "streamed": true, "transfer": "chunked", "content_type": "text/event-stream",
                "complete": false, "truth": {"prompt": 9, "completion": 5}
            }),
            Verdict::LowerBound,
        ),
        (
            "a stream cut by the server, with more than the truth",
            RUNNING,
            json!({"streamed": true, "complete": false, "truth": {"prompt": 9, "completion": 1}}),
            wrong("output is only 1"),
        ),
        (
            "a stream that the client left, with less known",
            RUNNING,
            json!({"streamed": true, "complete": false, "client_aborted": true, "truth": null}),
            Verdict::LowerBound,
        ),
        (
            "a document cut by the server",
            r#"{"choices":[{"index":0,"message":{"content":"Hi. How"#,
            json!({"endpoint": "/v1/completions", "content_type": "application/json", "complete": false}),
            Verdict::Unknown,
        ),
        (
            "a document that ends with its connection",
            COMPLETION,
            json!({"transfer": "close", "truth": {"prompt": 11, "completion": 7}}),
            Verdict::Exact,
        ),
        (
            "bytes in an encoding that nobody knows",
            "\u{1}\u{2}\u{3}",
            json!({"content_encoding": "snappy", "truth": {"prompt": 1, "completion": 1}}),
            Verdict::Unknown,
        ),
        (
            "no body",
            "",
            json!({"status": 204, "truth": null, "wire": null}),
            Verdict::Unknown,
        ),
        (
            "a broken server",
            "{\"error\": {}}",
            json!({"status": 503, "content_type": "application/json", "truth": {"prompt": 4, "completion": 2}}),
            Verdict::NotApplicable,
        ),
        (
            "an upload",
            "{\"text\": \"Hi.\"}",
            json!({"endpoint": "/v1/audio/transcriptions"}),
            Verdict::NotApplicable,
        ),
        (
            "a model",
            "{\"id\": \"m\"}",
            json!({"endpoint": "/v1/models/m"}),
            Verdict::NotApplicable,
        ),
        (
            "a path that the filter does not know",
            COMPLETION,
            json!({"endpoint": "/generate/now?id=1", "truth": {"prompt": 11, "completion": 7}}),
            Verdict::NotMetered,
        ),
    ];
    let recordings: Vec<_> = rows
        .iter()
        .map(|(_, body, line, _)| (*body, line.clone()))
        .collect();
    let folder = folder("all", &recordings);
    let measured = measure(&folder);
    fs::remove_dir_all(&folder).unwrap();
    let mut faults = Vec::new();
    for (row, (name, _, _, verdict)) in measured.rows.iter().zip(&rows) {
        assert_eq!(row.verdict, *verdict, "{name}");
        assert_eq!(row.passage, Passage::Same, "{name}");
        if matches!(verdict, Verdict::Wrong(_)) {
            faults.push(format!("{}: {}", row.recording.file, verdict.name()));
        }
    }
    assert_eq!(measured.rows.len(), rows.len());
    assert_eq!(measured.faults, faults);
}

#[test]
fn a_client_that_does_not_ask_for_usage_must_not_see_it() {
    let text = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}]}\n\n";
    let usage =
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":1}}\n\n";
    let whole = format!("{text}{usage}");
    let line = |seen: &str| {
        json!({"streamed": true, "content_type": "text/event-stream", "client_sees": seen,
            "request": {"n": 1}, "truth": {"prompt": 9, "completion": 1}})
    };
    let asked = json!({"streamed": true, "content_type": "text/event-stream"});
    let recordings = [
        (&*whole, line("server/2")),
        (&*whole, line("server/0")),
        (text, asked),
    ];
    let folder = folder("unasked", &recordings);
    let measured = measure(&folder);
    fs::remove_dir_all(&folder).unwrap();
    let passages: Vec<_> = measured.rows.iter().map(|row| &row.passage).collect();
    let differs = Passage::Differs("body".to_owned());
    assert_eq!(passages, [&Passage::Edited, &differs, &Passage::Same]);
    assert_eq!(measured.rows[0].verdict, Verdict::Exact);
}

#[test]
fn what_cannot_be_replayed_is_named() {
    let rows = [
        (
            json!({"body_bytes": 5}),
            "server/0: 2 bytes, not 5 as in the index",
        ),
        (json!({"status": 101}), "server/1: status 101 ends no reply"),
        (json!({"status": 304}), "server/2: status 304 with a body"),
        (
            json!({"transfer": "pigeon"}),
            "server/3: cannot be sent with the transfer \"pigeon\"",
        ),
        (
            json!({"content_type": "a\r\nb: c"}),
            "server/4: Some(\"a\\r\\nb: c\") is no value of a header",
        ),
        (
            json!({"endpoint": "/v1//x"}),
            "server/5: \"/v1//x\" is no path that can be asked for",
        ),
        (
            json!({"endpoint": "v1"}),
            "server/6: \"v1\" is no path that can be asked for",
        ),
        (
            json!({"truth": {"prompt": "many"}}),
            "server/7: invalid type: string \"many\", expected u64",
        ),
        (
            json!({"client_sees": "server/nothing"}),
            "server/8: server/nothing: No such file or directory (os error 2)",
        ),
    ];
    let recordings: Vec<_> = rows.iter().map(|(line, _)| ("{}", line.clone())).collect();
    let folder = folder("faults", &recordings);
    for file in ["forgotten.body", "listed.body", "listed.raw", "server.log"] {
        fs::write(folder.join("server").join(file), "{}").unwrap();
    }
    let path = folder.join("INDEX.jsonl");
    let mut lines = fs::read_to_string(&path).unwrap();
    lines.push_str(concat!(
        "{\"file\": \"server/9\"}\n",
        "{\"status\": 200}\n",
        "{\n",
        "\n",
        "{\"file\": \"server/0\"}\n",
        "{\"file\": \"server/0\"}\n",
        "{\"file\": \"server/listed.body\", \"raw\": \"server/listed.raw\"}\n",
    ));
    fs::write(&path, lines).unwrap();
    let (recordings, faults) = index::load(&folder);
    fs::remove_dir_all(&folder).unwrap();
    let mut expected: Vec<String> = rows
        .iter()
        .enumerate()
        .map(|(number, (_, fault))| format!("line {}: {fault}", number + 1))
        .collect();
    expected.extend([
        "line 10: server/9: No such file or directory (os error 2)".to_owned(),
        "line 11: no file: missing field `file`".to_owned(),
        "line 12: EOF while parsing an object at line 1 column 1".to_owned(),
        "line 15: server/0: again".to_owned(),
        "server/forgotten.body: not in the index".to_owned(),
    ]);
    assert_eq!(faults, expected);
    assert_eq!(recordings.len(), 2);
}

#[test]
fn a_folder_without_an_index_is_named() {
    let (recordings, faults) = index::load(Path::new("/nowhere"));
    assert!(recordings.is_empty());
    assert_eq!(
        faults,
        ["/nowhere/INDEX.jsonl: No such file or directory (os error 2)"]
    );
}

/// A reply of 200 with these headers and this body, read to its end.
fn arrival(headers: &[(&str, &str)], body: &str) -> Arrival {
    let headers = headers
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Arrival {
        answer: Some(Answer {
            status: 200,
            headers: headers.collect(),
            body: body.into(),
            complete: true,
        }),
        chunks: 0,
        out_of_step: 0,
    }
}

#[test]
fn replays_that_disagree_are_wrong_and_so_is_what_passes_differently() {
    let folder = folder("rows", &[(COMPLETION, json!({}))]);
    let recording = Arc::new(index::load(&folder).0.remove(0));
    fs::remove_dir_all(&folder).unwrap();
    let counted = |output| Counted {
        source: "reported".to_owned(),
        input: Some(11),
        output: Some(output),
        ..Counted::default()
    };
    let plain = arrival(&[("date", "now"), ("vary", "Origin")], COMPLETION);
    let row = |outputs: [u64; 2], filtered: Arrival| {
        let counted = outputs.map(counted);
        let replays: Vec<_> = ["whole", "bytes"]
            .into_iter()
            .zip(&counted)
            .map(|(kind, counted)| Replay {
                kind,
                writes: 1,
                counted,
                filtered: &filtered,
                plain: &plain,
            })
            .collect();
        Row::new(&recording, &replays)
    };
    let same = arrival(&[("date", "later"), ("vary", "Origin")], COMPLETION);
    assert_eq!(row([7, 7], same).fault(), None);

    let same = arrival(&[("vary", "Origin")], COMPLETION);
    let fault = row([7, 8], same).fault().unwrap();
    assert!(fault.contains("bytes differs from whole"), "{fault}");

    let mut cut = arrival(&[("vary", "Origin")], COMPLETION);
    cut.answer.as_mut().unwrap().complete = false;
    let mut refused = arrival(&[("vary", "Origin")], COMPLETION);
    refused.answer.as_mut().unwrap().status = 500;
    let mut silent = arrival(&[], "");
    silent.answer = None;
    for (filtered, what) in [
        (arrival(&[("vary", "Accept")], COMPLETION), "headers"),
        (arrival(&[], COMPLETION), "headers"),
        (arrival(&[("vary", "Origin")], "{}"), "body"),
        (cut, "its end"),
        (refused, "status 500"),
        (silent, "the connection ended without an answer"),
    ] {
        let fault = format!("server/0: passes differently: {what}");
        assert_eq!(row([7, 7], filtered).fault(), Some(fault));
    }
}
