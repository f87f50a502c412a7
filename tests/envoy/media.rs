//! Images and audio: counted where the server reports tokens, and never missing.

use serde_json::{Value, json};

use crate::harness::demo::{ACME_KEY, LLAMA};
use crate::harness::{Gateway, Piece, Reply, send};

const COUNTED: &[&str] = &[
    "tollgate_requests_total",
    "tollgate_tokens_total",
    "tollgate_usage_missing_total",
    "tollgate_estimated_tokens_total",
];

fn lines(operation: &str, input: u64, output: u64) -> String {
    let labels = format!("tenant=\"acme\",model=\"{LLAMA}\"");
    let mut lines =
        format!("tollgate_requests_total{{{labels},operation=\"{operation}\",outcome=\"ok\"}} 1\n");
    for (kind, count) in [("input", input), ("output", output)] {
        if count > 0 {
            lines.push_str(&format!(
                "tollgate_tokens_total{{{labels},type=\"{kind}\"}} {count}\n"
            ));
        }
    }
    lines
}

#[test]
fn images_and_speech_are_counted_by_what_the_server_reports() {
    let usage = json!({
        "total_tokens": 1634, "input_tokens": 50, "output_tokens": 1584,
        "input_tokens_details": {"text_tokens": 10, "image_tokens": 40}
    });
    let image = "A".repeat(4 << 20);
    let event = |body: &Value| Piece::Bytes(format!("data: {body}\n\n").into_bytes());
    let streamed = Reply::stream(vec![
        event(&json!({"type": "image_generation.partial_image", "b64_json": image})),
        event(&json!({"type": "image_generation.completed", "b64_json": image, "usage": usage})),
    ]);
    for (name, path, operation, reply, counted, source) in [
        (
            "an image of 4 MiB",
            "/v1/images/generations",
            "generate_images",
            Reply::json(&json!({"data": [{"b64_json": image}], "usage": usage})),
            (50, 1584),
            "reported",
        ),
        (
            "the same, streamed",
            "/v1/images/generations",
            "generate_images",
            streamed,
            (50, 1584),
            "reported",
        ),
        (
            "an image without usage",
            "/v1/images/generations",
            "generate_images",
            Reply::json(&json!({"data": [{"url": "https://images.example/1.png"}]})),
            (0, 0),
            "not_applicable",
        ),
        (
            "speech",
            "/v1/audio/speech",
            "speech",
            Reply::fixed(200, "audio/mpeg", vec![0xFF; 100_000]),
            (0, 0),
            "not_applicable",
        ),
    ] {
        let gateway = Gateway::builder().reply(reply).start();
        let request = gateway.post(path).bearer_auth(ACME_KEY);
        let answer = send(request.json(&json!({"model": LLAMA, "prompt": "a toll booth"})));
        assert_eq!((answer.status, answer.complete), (200, true), "{name}");
        println!("{name}");
        gateway.expect_counted(COUNTED, &lines(operation, counted.0, counted.1));
        assert_eq!(gateway.access_log(1)[0]["usage_source"], source, "{name}");
    }
}
