"""Clients of a gateway."""

import collections
import http.client
import json
import threading
import time

CHAT = {"model": "llama-3.1-8b", "messages": [{"role": "user", "content": "Hello"}]}
ACME, GLOBEX, TEAM = (f"sk-tollgate-{name}-demo" for name in ("acme", "globex", "team"))
PORT = 10080


class Reply:
    """What a gateway answered."""

    def __init__(self, reply):
        self.status, self.headers, self.body = reply.status, reply.headers, reply.read()

    @property
    def code(self):
        """Why Tollgate refused, or None."""
        return self.headers["x-tollgate-code"]

    def __repr__(self):
        return f"{self.status} {self.code or ''} {self.body[:200]!r}"


def ask(address, key=None, path="/v1/chat/completions", body=CHAT, headers=None, method=None, connection=None):
    """One request to the gateway at this address."""
    connection = connection or http.client.HTTPConnection(address, PORT, timeout=30)
    headers = {**({"authorization": f"Bearer {key}"} if key else {}), **(headers or {})}
    payload = None if body is None else json.dumps(body)
    if payload is not None:
        headers.setdefault("content-type", "application/json")
    connection.request(method or ("POST" if payload is not None else "GET"), path, payload, headers)
    return Reply(connection.getresponse())


class Load:
    """Clients that ask again and again while something else happens: `with Load(…) as load: …`, then `load.seen`."""

    def __init__(self, address, clients=3, keep_alive=True, pause=0.02, **request):
        self.address, self.keep_alive, self.pause, self.request = address, keep_alive, pause, request
        self.seen, self.over = collections.Counter(), threading.Event()
        self.threads = [threading.Thread(target=self.ask_on, daemon=True) for _ in range(clients)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        time.sleep(0.5)
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join()

    def ask_on(self):
        connection = None
        while not self.over.is_set():
            connection = connection or http.client.HTTPConnection(self.address, PORT, timeout=30)
            try:
                reply = ask(self.address, connection=connection, **self.request)
                self.seen[reply.status if reply.code is None else f"{reply.status} {reply.code}"] += 1
                if not self.keep_alive or reply.headers["connection"] == "close":
                    connection.close()
                    connection = None
            except OSError as error:
                self.seen[type(error).__name__] += 1
                connection = None
            except http.client.HTTPException as error:
                self.seen[type(error).__name__] += 1
                connection = None
            time.sleep(self.pause)


class Stream(threading.Thread):
    """A streamed reply that is read while something else happens: `stream.end()` is whether it came whole."""

    def __init__(self, address, key, **request):
        super().__init__(daemon=True)
        self.address, self.key, self.request, self.text = address, key, request, ""
        self.start()
        time.sleep(1)

    def run(self):
        try:
            self.text = ask(self.address, self.key, body={**CHAT, "stream": True}, **self.request).body.decode()
        except (OSError, http.client.HTTPException) as error:
            self.text = type(error).__name__

    def end(self, seconds=60):
        self.join(seconds)
        return self.text.rstrip().endswith("data: [DONE]")
