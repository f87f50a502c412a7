"""Requests as they are written, and in which framing: no client library would send most of these."""

import http.client
import socket
from dataclasses import dataclass

import h2.config
import h2.connection
import h2.events

# How long an answer may take.
SECONDS = 10


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: tuple = ()
    body: bytes = b""

    def http1(self, *framing, body):
        lines = [f"{self.method} {self.path} HTTP/1.1", "host: judge"]
        lines += [f"{name}: {value}" for name, value in (*self.headers, *framing)]
        return "\r\n".join([*lines, "", ""]).encode() + body


@dataclass(frozen=True)
class Answer:
    """Status 0: the connection was closed, or nothing came."""

    status: int = 0
    headers: dict = None
    text: str = ""

    @property
    def code(self):
        return (self.headers or {}).get("x-tollgate-code")


def with_length(address, request):
    return exchange(address, request, request.http1(("content-length", len(request.body)), body=request.body))


def chunked(address, request):
    chunks = b"%x\r\n%s\r\n0\r\n\r\n" % (len(request.body), request.body)
    return exchange(address, request, request.http1(("transfer-encoding", "chunked"), body=chunks))


def exchange(address, request, sent):
    try:
        with socket.create_connection(address, SECONDS) as connection:
            connection.sendall(sent)
            reply = http.client.HTTPResponse(connection, method=request.method)
            reply.begin()
            headers = {name.lower(): value for name, value in reply.getheaders()}
            return Answer(reply.status, headers, reply.read().decode(errors="replace"))
    except (OSError, http.client.HTTPException):
        return Answer()


def http2(address, request, length=False):
    configuration = h2.config.H2Configuration(header_encoding="utf-8", validate_outbound_headers=False)
    state = h2.connection.H2Connection(configuration)
    state.initiate_connection()
    pseudo = ((":method", request.method), (":path", request.path), (":scheme", "http"), (":authority", "judge"))
    framing = (("content-length", str(len(request.body))),) if length else ()
    state.send_headers(1, [*pseudo, *request.headers, *framing])
    state.send_data(1, request.body, end_stream=True)
    headers, body = {}, b""
    try:
        with socket.create_connection(address, SECONDS) as connection:
            connection.sendall(state.data_to_send())
            while True:
                received = connection.recv(65536)
                events = state.receive_data(received) if received else [h2.events.ConnectionTerminated()]
                for event in events:
                    if isinstance(event, h2.events.ResponseReceived):
                        headers = dict(event.headers)
                    elif isinstance(event, h2.events.DataReceived):
                        body += event.data
                ended = (h2.events.StreamEnded, h2.events.StreamReset, h2.events.ConnectionTerminated)
                if any(isinstance(event, ended) for event in events):
                    return Answer(int(headers.get(":status", 0)), headers, body.decode(errors="replace"))
                connection.sendall(state.data_to_send())
    except OSError:
        return Answer()


def http2_with_length(address, request):
    return http2(address, request, length=True)


HTTP1 = {"content-length": with_length, "chunked": chunked}
FRAMINGS = {**HTTP1, "HTTP/2": http2, "HTTP/2 with a length": http2_with_length}
