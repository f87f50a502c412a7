//! Embeddings that are no JSON.

use serde_json::json;

use crate::harness::demo::{ACME_KEY, LLAMA};
use crate::harness::{Gateway, Reply, send};

/// The header of vLLM's reply to `encoding_format: bytes`, as recorded.
const METADATA: &str = r#"{"id": "embd-8fce4aecc64a425a", "created": 1795217471, "model": "tiny", "data": [{"index": 0, "embed_dtype": "float32", "endianness": "native", "start": 0, "end": 512, "shape": [128]}], "usage": {"prompt_tokens": 4, "total_tokens": 4}}"#;

#[test]
fn embeddings_as_bytes_are_counted_by_the_header_that_comes_with_them() {
    let bytes = || Reply::fixed(200, "application/octet-stream", vec![0x1D; 100_000]);
    for (name, reply, entry) in [
        (
            "with the header",
            bytes().header("metadata", METADATA),
            json!(["reported", "4", "0"]),
        ),
        ("without it", bytes(), json!(["none", null, null])),
    ] {
        let gateway = Gateway::builder().reply(reply).start();
        let request = gateway.post("/v1/embeddings").bearer_auth(ACME_KEY);
        let body = json!({"model": LLAMA, "input": ["a", "b"], "encoding_format": "bytes"});
        let answer = send(request.json(&body));
        assert_eq!((answer.status, answer.body.len()), (200, 100_000), "{name}");
        let header = answer.header("metadata");
        assert_eq!(header.is_some(), name == "with the header", "{name}");
        let found = gateway.access_log(1).remove(0);
        let fields = ["usage_source", "input_tokens", "output_tokens"].map(|field| &found[field]);
        assert_eq!(json!(fields), entry, "{name}");
    }
}
