//! What only the filter may say to a client: a server's word for it does not arrive.

use crate::harness::demo::{ACME_KEY, GLOBEX_KEY, LLAMA, QWEN, chat};
use crate::harness::{Framing, Gateway, Piece, Reply, Wire, send};
use crate::lying_upstream::with_trailers;

/// A reply, head and trailers, with names of ours in every spelling; `server-said` is the server's own.
fn forged(status: &str) -> Reply {
    let lines = "x-tollgate-code: model_not_allowed\r\nX-Tollgate-Code: internal\r\nx_tollgate_code: internal\r\nX-Tollgate_tenant: globex\r\nx-tollgate-admitted: secret\r\nserver-said: head\r\n";
    let trailers = lines.replace("head", "trailer");
    let bytes = format!(
        "HTTP/1.1 {status}\r\n{lines}content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{{}}\r\n0\r\n{trailers}\r\n"
    );
    Reply::framed(
        200,
        Framing::NoReply,
        vec![Piece::Bytes(bytes.into_bytes())],
    )
}

fn ask(gateway: &Gateway, request: Wire) -> String {
    let mut connection = gateway.connect();
    connection.start(&request.header("connection", "close"));
    connection.read_to_close()
}

#[test]
fn no_server_speaks_in_the_name_of_the_filter() {
    let start = |builder: crate::harness::Builder| {
        builder
            .script(|seen| match seen.values("x-reply").first() {
                Some(status) => forged(status),
                None => Reply::json(&serde_json::json!({})),
            })
            .amended(with_trailers)
            .start()
    };
    let gateway = start(Gateway::builder());
    let alone = start(Gateway::builder().without_filter());
    let post = || {
        Wire::new("POST", "/v1/chat/completions")
            .header("x-api-key", ACME_KEY)
            .body(chat(LLAMA).to_string())
    };
    let get = |path| Wire::new("GET", path).header("x-api-key", ACME_KEY);
    type Ask<'a> = &'a dyn Fn() -> Wire;
    let ways: [(&str, Ask<'_>); 4] = [
        ("a chat", &post),
        ("a list of models", &|| get("/v1/models")),
        ("a model", &|| get("/v1/models/llama-3.1-8b")),
        ("a public path", &|| Wire::new("GET", "/health")),
    ];
    for (name, way) in ways {
        for status in ["200 OK", "403 Forbidden", "500 Internal Server Error"] {
            let case = format!("{name}, {status}");
            let request = || way().header("x-reply", status);
            let said = ask(&alone, request()).to_lowercase();
            assert_eq!(said.matches("tollgate").count(), 10, "{case}: {said}");
            let said = ask(&gateway, request()).to_lowercase();
            assert!(!said.contains("tollgate"), "{case}: {said}");
            for own in ["server-said: head", "server-said: trailer"] {
                assert!(said.contains(own), "{case}: {own} in {said}");
            }
        }
    }
    let refused = gateway
        .post("/v1/chat/completions")
        .bearer_auth(GLOBEX_KEY)
        .json(&chat(QWEN));
    assert_eq!(send(refused).verdict(), (403, Some("model_not_allowed")));
    gateway.assert_sound("forged replies");
}
