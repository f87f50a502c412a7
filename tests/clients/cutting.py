"""A server whose streams end in the middle of an answer: it closes the connection after a few tokens."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# What has come until then.
BEGINNING = "Hello from the"


def chat_events(model):
    for word in ("Hello", " from", " the"):
        choice = {"index": 0, "delta": {"content": word}, "finish_reason": None}
        yield None, {
            "id": "chatcmpl-1",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": model,
            "choices": [choice],
        }


def message_events(model):
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": model, "content": [], "stop_reason": None}
    yield "message_start", {"message": {**message, "usage": {"input_tokens": 4, "output_tokens": 0}}}
    yield "content_block_start", {"index": 0, "content_block": {"type": "text", "text": ""}}
    for word in ("Hello", " from", " the"):
        yield "content_block_delta", {"index": 0, "delta": {"type": "text_delta", "text": word}}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        model = json.loads(self.rfile.read(int(self.headers["content-length"])))["model"]
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        events = message_events if self.path.startswith("/v1/messages") else chat_events
        for name, event in events(model):
            text = f"event: {name}\ndata: {json.dumps({'type': name, **event})}\n\n" if name else f"data: {json.dumps(event)}\n\n"
            self.wfile.write(f"{len(text.encode()):x}\r\n{text}\r\n".encode())
        # Without the last chunk: whoever reads sees that this is not the end.
        self.close_connection = True

    def log_message(self, *_):
        pass


class CuttingServer:
    def __init__(self):
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.address = f"127.0.0.1:{self.server.server_port}"

    def stop(self):
        self.server.shutdown()
