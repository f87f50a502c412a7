//! How far estimates are from the truth, on complete streams of real servers.

use std::collections::BTreeMap;

use super::*;

#[derive(Deserialize)]
struct Stream {
    file: String,
    #[serde(default)]
    server: String,
    streamed: Option<bool>,
    #[serde(default)]
    complete: bool,
    content_encoding: Option<String>,
    content_type: Option<String>,
    truth: Option<Truth>,
    #[serde(default)]
    derived: bool,
}

#[derive(Deserialize)]
struct Truth {
    completion: Option<u64>,
}

/// The estimate of a reply, divided by its true count, in percent.
fn ratio(stream: &Stream) -> Option<u64> {
    // LiteLLM's mocks make up their counts.
    let real = !stream.derived && !stream.server.starts_with("litellm");
    let plain = stream.content_encoding.is_none() && real;
    let truth = stream.truth.as_ref()?.completion?;
    if !(plain && stream.streamed == Some(true) && stream.complete && truth > 0) {
        return None;
    }
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/recordings/");
    let body = std::fs::read(format!("{folder}{}", stream.file)).unwrap();
    let mut meter = meter(Work::Generate, stream.content_type.as_deref()?);
    meter.push(&body);
    let seen = &meter.reading.seen;
    seen.content_seen().then(|| seen.estimate() * 100 / truth)
}

#[test]
fn estimates_are_near_the_truth_for_each_server() {
    let index = include_str!("../../../tests/fixtures/recordings/INDEX.jsonl");
    let mut servers = BTreeMap::<String, Vec<u64>>::new();
    for line in index.lines() {
        let stream: Stream = serde_json::from_str(line).unwrap();
        if let Some(ratio) = ratio(&stream) {
            servers.entry(stream.server).or_default().push(ratio);
        }
    }
    let found = servers.iter_mut().map(|(server, ratios)| {
        ratios.sort_unstable();
        let median = ratios[ratios.len() / 2];
        let (lowest, highest) = (ratios[0], ratios[ratios.len() - 1]);
        (server.as_str(), ratios.len(), lowest, median, highest)
    });
    // None is wrong by a factor of two; docs/token-counting.md shows these.
    assert_eq!(
        found.collect::<Vec<_>>(),
        [
            ("llama-cpp-python server (sse-starlette)", 5, 87, 93, 100),
            ("llama.cpp server", 18, 52, 95, 100),
            ("vllm", 24, 73, 95, 100),
        ]
    );
}
