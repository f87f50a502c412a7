//! Images and audio: tokens where the server reports them, and nothing missing where it does not.

use super::*;

const USAGE: &str = r#"{"total_tokens":1634,"input_tokens":50,"output_tokens":1584,"input_tokens_details":{"text_tokens":10,"image_tokens":40}}"#;

fn media(content_type: &str, body: &str, ended: End) -> Metered {
    let mut meter = meter(Work::Media, content_type);
    meter.push(body.as_bytes());
    meter.finish(ended)
}

#[wasm_bindgen_test(unsupported = test)]
fn media_is_counted_where_the_server_reports_it_and_never_missing() {
    let json = "application/json";
    let stream = "text/event-stream";
    let event =
        |kind: &str, rest: &str| format!("event: {kind}\ndata: {{\"type\":\"{kind}\",{rest}}}\n\n");
    let image = format!("\"b64_json\":\"AAAA\",\"usage\":{USAGE}");
    let partial = event(
        "image_generation.partial_image",
        r#""partial_image_index":0,"b64_json":"AAAA""#,
    );
    let text = event("transcript.text.delta", r#""delta":"I see""#);
    let sound = event("speech.audio.delta", r#""audio":"AAAA""#);
    let chunk = r#"data: {"object":"transcription.chunk","choices":[{"index":0,"delta":{"content":"I see"},"finish_reason":null}]}"#;
    let reported = |input, output| (Worth::Reported, Some(input), Some(output));
    let nothing = (Worth::NotApplicable, None, None);
    for (name, content_type, body, ended, expected) in [
        (
            "images",
            json,
            format!(r#"{{"created":1,"data":[{{"b64_json":"AAAA"}}],"usage":{USAGE}}}"#),
            End::Complete,
            reported(50, 1584),
        ),
        (
            "images, usage first, cut",
            json,
            format!(r#"{{"usage":{USAGE},"data":[{{"b64_json":"AAAA"#),
            End::ClientAborted,
            reported(50, 1584),
        ),
        (
            "images without usage",
            json,
            r#"{"created":1,"data":[{"url":"https://images.example/1.png"}]}"#.to_owned(),
            End::Complete,
            nothing,
        ),
        (
            "images, streamed",
            stream,
            partial.clone() + &event("image_generation.completed", &image),
            End::Complete,
            reported(50, 1584),
        ),
        (
            "an edit, streamed, left after its end",
            stream,
            event("image_edit.completed", &image),
            End::ClientAborted,
            reported(50, 1584),
        ),
        (
            "images, streamed, cut before the end",
            stream,
            partial,
            End::UpstreamReset,
            nothing,
        ),
        (
            "a transcription in tokens",
            json,
            r#"{"text":"I see","usage":{"type":"tokens","input_tokens":14,"input_token_details":{"text_tokens":0,"audio_tokens":14},"output_tokens":45,"total_tokens":59}}"#.to_owned(),
            End::Complete,
            reported(14, 45),
        ),
        (
            "a transcription in seconds",
            json,
            r#"{"text":"I see","usage":{"type":"duration","seconds":9}}"#.to_owned(),
            End::Complete,
            nothing,
        ),
        (
            "a transcription, streamed",
            stream,
            text.clone() + &event(
                "transcript.text.done",
                r#""text":"I see","usage":{"type":"tokens","input_tokens":14,"output_tokens":45,"total_tokens":59}"#,
            ),
            End::Complete,
            reported(14, 45),
        ),
        (
            "a transcription, streamed, without usage",
            stream,
            text + &event("transcript.text.done", r#""text":"I see""#),
            End::Complete,
            nothing,
        ),
        (
            "a transcription of vLLM's, streamed",
            stream,
            format!("{chunk}\n\ndata: {{\"choices\":[],\"usage\":{{\"prompt_tokens\":4,\"completion_tokens\":3,\"total_tokens\":7}}}}\n\ndata: [DONE]\n\n"),
            End::Complete,
            reported(4, 3),
        ),
        (
            "a transcription as text",
            "text/plain",
            "I see".to_owned(),
            End::Complete,
            nothing,
        ),
        (
            "speech, streamed",
            stream,
            sound + &event(
                "speech.audio.done",
                r#""usage":{"input_tokens":12,"output_tokens":150,"total_tokens":162}"#,
            ),
            End::Complete,
            reported(12, 150),
        ),
        ("speech", "audio/mpeg", "\u{1}\u{2}".to_owned(), End::Complete, nothing),
        ("an error", json, r#"{"error":{"message":"no"}}"#.to_owned(), End::Complete, nothing),
        ("no JSON", json, r#"{"data":[}"#.to_owned(), End::Complete, nothing),
        ("nothing", json, String::new(), End::UpstreamReset, nothing),
    ] {
        let metered = media(content_type, &body, ended);
        assert_eq!(tokens(&metered), expected, "{name}");
        assert_eq!((metered.missing, metered.estimate), (None, None), "{name}");
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn an_image_of_megabytes_takes_the_memory_of_a_small_one() {
    let held = |chunks: usize| {
        let mut meter = meter(Work::Media, "application/json");
        meter.push(br#"{"created":1,"data":[{"b64_json":""#);
        let chunk = [b'A'; 64 * 1024];
        let mut most = 0;
        for _ in 0..chunks {
            meter.push(&chunk);
            most = most.max(meter.reading.heap_bytes());
        }
        meter.push(format!(r#""}}],"usage":{USAGE}}}"#).as_bytes());
        assert_eq!(
            tokens(&meter.finish(End::Complete)),
            (Worth::Reported, Some(50), Some(1584))
        );
        most
    };
    let small = held(1);
    assert_eq!(held(64), small, "4 MiB");
    assert!(small < 4096, "{small} bytes");
}

#[wasm_bindgen_test(unsupported = test)]
fn a_body_that_tells_nothing_is_not_asked_for() {
    for (operation, content_type, encoding, reads) in [
        (Work::Media, "audio/mpeg", "", false),
        (Work::Media, "application/json", "", true),
        (Work::Media, "text/event-stream", "", true),
        (Work::Generate, "application/json", "gzip", false),
        (Work::Embed, "application/octet-stream", "", false),
        (Work::Other, "application/json", "", false),
    ] {
        let meter = Meter::new(
            operation,
            Some(content_type.as_bytes()),
            Some(encoding.as_bytes()),
            200,
        );
        assert_eq!(
            meter.reads_body(),
            reads,
            "{operation:?} {content_type} {encoding}"
        );
    }
}
