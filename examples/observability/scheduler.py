#!/usr/bin/env python3
"""Stands in for the inference scheduler: lets a few requests at a time through to the server, and the others wait.

For tests and pictures only. It schedules nothing and picks no endpoint, but it is a real queue: the waits that it exports
are measured, under the names, labels and buckets that llm-d's endpoint picker documents for its flow control, and by the
fairness id that reached it in the header.

    scheduler.py --upstream 127.0.0.1:8000 --slots 4 --listen 127.0.0.1:9092

Python 3.8 or later, standard library only.
"""

import argparse
import http.client
import json
import threading
import time
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

FAIRNESS_HEADER = "x-llm-d-inference-fairness-id"
# What a request without a fairness id is queued under.
DEFAULT_FLOW = "default-flow"

DURATION = "llm_d_epp_flow_control_request_queue_duration_seconds"
QUEUE_SIZE = "llm_d_epp_flow_control_queue_size"
BUCKETS = (0.0001, 0.0005, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, float("inf"))


class Queue:
    """Requests that wait for one of a number of slots, and the metrics of their waiting."""

    def __init__(self, slots):
        self.slots = threading.Semaphore(slots)
        self.lock = threading.Lock()
        self.waiting = defaultdict(int)
        self.waits = defaultdict(list)

    def enter(self, flow):
        begin = time.monotonic()
        with self.lock:
            self.waiting[flow] += 1
        self.slots.acquire()
        with self.lock:
            self.waiting[flow] -= 1
            self.waits[flow].append(time.monotonic() - begin)

    def leave(self):
        self.slots.release()

    def exposition(self):
        lines = [f"# TYPE {QUEUE_SIZE} gauge"]
        with self.lock:
            lines += [f"{QUEUE_SIZE}{{{labels(*flow)}}} {count}" for flow, count in self.waiting.items()]
            lines.append(f"# TYPE {DURATION} histogram")
            for flow, waits in self.waits.items():
                dispatched = labels(*flow) + ',outcome="Dispatched"'
                for bound in BUCKETS:
                    le = "+Inf" if bound == float("inf") else f"{bound:g}"
                    count = sum(wait <= bound for wait in waits)
                    lines.append(f'{DURATION}_bucket{{{dispatched},le="{le}"}} {count}')
                lines.append(f"{DURATION}_sum{{{dispatched}}} {sum(waits)}")
                lines.append(f"{DURATION}_count{{{dispatched}}} {len(waits)}")
        return "\n".join(lines) + "\n"


def labels(fairness_id, model):
    values = {
        "fairness_id": fairness_id,
        "priority": "0",
        "inference_pool": "simulated",
        "model_name": model,
        "target_model_name": model,
    }
    return ",".join(f"{name}={json.dumps(value)}" for name, value in values.items())


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self):
        if self.path == "/metrics":
            text = self.server.queue.exposition().encode()
            self.send_response(200)
            self.send_header("content-type", "text/plain; version=0.0.4")
            self.send_header("content-length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)
        else:
            self.forward(None)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        flow = (self.headers.get(FAIRNESS_HEADER, DEFAULT_FLOW), json.loads(body)["model"])
        self.server.queue.enter(flow)
        try:
            self.forward(body)
        finally:
            self.server.queue.leave()

    def forward(self, body):
        upstream = http.client.HTTPConnection(self.server.upstream)
        try:
            upstream.request(self.command, self.path, body, dict(self.headers))
            reply = upstream.getresponse()
            self.send_response_only(reply.status)
            for name, value in reply.getheaders():
                if name.lower() not in ("connection", "transfer-encoding"):
                    self.send_header(name, value)
            chunked = reply.length is None
            if chunked:
                self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            while data := reply.read1(65536):
                self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data) if chunked else data)
            if chunked:
                self.wfile.write(b"0\r\n\r\n")
        except ConnectionError:
            # The gateway has left, as its client has.
            self.close_connection = True
        finally:
            upstream.close()

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    request_queue_size = 128

    def __init__(self, address, upstream, slots):
        super().__init__(address, Handler)
        self.upstream = upstream
        self.queue = Queue(slots)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--upstream", required=True, help="host:port of the inference server")
    parser.add_argument("--slots", type=int, default=4, help="requests that it gets at a time [4]")
    parser.add_argument("--listen", default="127.0.0.1:9092", help="host:port; port 0 takes a free one [127.0.0.1:9092]")
    arguments = parser.parse_args()
    host, _, port = arguments.listen.rpartition(":")
    server = Server((host, int(port)), arguments.upstream, arguments.slots)
    print(f"listening on {host}:{server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
