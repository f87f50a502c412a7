"""What `make run` starts, started here: Envoy with the filter, on free ports, before a server."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
RUN = ROOT / "target" / "clients"

START_SECONDS = 600  # the first start builds and installs
SETTLE_SECONDS = 10

SERIES = re.compile(r"(?P<name>[\w:]+)(?:\{(?P<labels>.*)\})? (?P<value>\S+)")
LABEL = re.compile(r'(\w+)="(.*?)"')


class Program:
    """A program in a process group of its own, with its output in a file."""

    def __init__(self, name, command, **environment):
        self.name = name
        self.log = RUN / f"{name}.log"
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with open(self.log, "wb") as output:
            self.process = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def says(self, pattern):
        """Waits for a line and returns what the pattern finds in it."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            found = re.search(pattern, self.log.read_text())
            if found:
                return found.groups()
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        self.stop()
        raise AssertionError(f"{self.name} did not start: {self.log.read_text()}")

    def stop(self):
        # To the program alone: run.py ends what it has started.
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


class Simulator(Program):
    """The simulated inference server, faster than for human eyes."""

    def __init__(self):
        command = ["cargo", "run", "--quiet", "--package=tollgate-examples", "--bin=inference-simulator", "--"]
        super().__init__("simulator", [*command, "--listen", "127.0.0.1:0", "--token-delay", "5"])


class Gateway(Program):
    def __init__(self, name, server, configuration=None):
        folder = RUN / name
        folder.mkdir(parents=True, exist_ok=True)
        environment = {
            "UPSTREAM": server,
            "TOLLGATE_PORT": "0",
            "TOLLGATE_ADMIN_PORT": "0",
            "TOLLGATE_RUN": str(folder.relative_to(ROOT)),
        }
        if configuration is not None:
            path = folder / "config.json"
            path.write_text(json.dumps(configuration))
            environment["TOLLGATE_CONFIG"] = str(path)
        super().__init__(name, [sys.executable, "envoy/run.py"], **environment)
        self.base, self.admin = self.says(r"Ready: (\S+), admin (\S+),")

    def series(self):
        """All counters, by name and labels."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"{self.admin}/stats/prometheus", timeout=10) as reply:
            return read_series(reply.read().decode())

    def records(self):
        """The access log: one entry for each request that has ended."""
        lines = self.log.read_text().splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("\n")]

    def record(self, request_id):
        """The one entry of this request, once it is written."""
        return eventually(lambda: one([entry for entry in self.records() if entry["request_id"] == request_id]))

    def all_records(self):
        """The access log with all that Envoy has received; it writes the log some moments later."""
        received = Watch.total("envoy_http_downstream_rq_total", self.series())
        eventually(lambda: len(self.records()) == received)
        return self.records()

    def watch(self):
        return Watch(self)


class Watch:
    """What has happened in the gateway since a moment at which nothing was under way."""

    def __init__(self, gateway):
        self.gateway = gateway
        eventually(self.is_idle)
        self.before = gateway.series()
        self.requests_before = self.total("envoy_http_downstream_rq_total", self.before)

    def is_idle(self):
        series = self.gateway.series()
        return self.total("tollgate_requests_total", series) == self.total("envoy_http_downstream_rq_total", series)

    @staticmethod
    def total(name, series):
        """The sum of a counter of the listener or of the filter; Envoy's own has the admin interface apart."""
        return sum(
            value
            for (found, labels), value in series.items()
            if found == name and ("envoy_http_conn_manager_prefix", "admin") not in labels
        )

    def requests(self):
        """How many requests Envoy, which knows of no policy, has received; each is in the books once."""
        eventually(self.is_idle)
        return int(self.total("envoy_http_downstream_rq_total", self.gateway.series()) - self.requests_before)

    def moved(self, name, *by, **where):
        """By how much a counter has moved: in all, or for each value of the labels `by`."""
        eventually(self.is_idle)
        sums = defaultdict(int)
        for (found, labels), value in self.gateway.series().items():
            difference = int(value - self.before.get((found, labels), 0))
            if found == name and difference and set(where.items()) <= labels:
                values = dict(labels)
                sums[tuple(values.get(label) for label in by)] += difference
        return dict(sums) if by else sum(sums.values())


def read_series(text):
    """What a server shows to Prometheus: values by name and labels."""
    found = (SERIES.fullmatch(line) for line in text.splitlines())
    return {
        (line["name"], frozenset(LABEL.findall(line["labels"] or ""))): float(line["value"]) for line in found if line
    }


def eventually(condition):
    """Waits until a condition gives something, and returns that."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while time.monotonic() < deadline:
        result = condition()
        if result:
            return result
        time.sleep(0.05)
    raise AssertionError(f"not within {SETTLE_SECONDS} s")


def one(entries):
    assert len(entries) <= 1, entries
    return entries[0] if entries else None
