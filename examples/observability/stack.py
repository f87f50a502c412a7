"""All that a metric passes, on free ports: the simulated inference server, a queue in front of it, two gateways, and
Prometheus with the files of this folder. For test.py and draw.py.

Python 3.8 or later, standard library only.
"""

import http.client
import json
import os
import shutil
import socket
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
# What a run leaves, by program.
FOLDER = ROOT / "target" / "observability" / Path(sys.argv[0]).stem
WASM = os.environ.get("TOLLGATE_WASM") or str(ROOT / "target/wasm32-wasip1/release/tollgate.wasm")

sys.path.insert(0, str(ROOT / "envoy"))
import run  # noqa: E402  envoy/run.py, which knows how to start and stop what `make run` needs

DEADLINE_SECONDS = 60

# What istiod and the agent of a gateway show while nothing is wrong, under their names.
ISTIO = """\
# TYPE pilot_total_xds_rejects counter
pilot_total_xds_rejects{type="ecds"} 0
# TYPE istio_agent_wasm_config_conversion_count counter
istio_agent_wasm_config_conversion_count{result="success"} 1
istio_agent_wasm_config_conversion_count{result="fetch_failure"} 0
"""

# Nothing here leaves the machine.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Stack:
    """Starts everything; `stop` ends it."""

    def __init__(self, changes, *, scrape_interval="1s", token_delay=5, slots=4):
        """`changes`: by gateway, the texts of its files in envoy/ that are others here."""
        run.RUN = FOLDER
        FOLDER.mkdir(parents=True, exist_ok=True)
        self.processes = run.Processes()
        try:
            self.start(changes, scrape_interval, token_delay, slots)
        except BaseException:
            self.stop()
            raise

    def start(self, changes, scrape_interval, token_delay, slots):
        programs = run.build_examples(self.processes, {"tollgate-examples": ["inference-simulator"]})
        simulator = [programs["inference-simulator"], "--token-delay", str(token_delay)]
        server = self.start_server("inference-simulator", simulator)
        command = [sys.executable, str(HERE / "scheduler.py"), "--upstream", server, "--slots", str(slots)]
        self.scheduler = self.start_server("scheduler", command)
        self.envoy = self.processes.run("the search for Envoy", [str(ROOT / "envoy" / "find-envoy.sh")]).split()
        self.gateways = {name: Gateway(self, name, texts) for name, texts in changes.items()}
        self.istio = start_istio()
        self.prometheus = self.start_prometheus(scrape_interval)

    def start_server(self, name, command):
        return ":".join(run.start_server(self.processes, name, FOLDER / f"{name}.log", command))

    def start_prometheus(self, scrape_interval):
        find = [str(HERE / "find-prometheus.sh")]
        prometheus = self.processes.run("the search for Prometheus", find).strip()
        admins = json.dumps([gateway.admin for gateway in self.gateways.values()])
        configuration = FOLDER / "prometheus.yml"
        text = replaced(
            (HERE / "prometheus.yml").read_text(),
            {
                "scrape_interval: 15s": f"scrape_interval: {scrape_interval}",
                "evaluation_interval: 15s": f"evaluation_interval: {scrape_interval}",
                "- rules.yaml": f"- {HERE / 'rules.yaml'}",
                '["127.0.0.1:9901"]': admins,
                '["127.0.0.1:9092"]': json.dumps([self.scheduler]),
                '["127.0.0.1:15014"]': json.dumps([self.istio]),
            },
        )
        configuration.write_text(text)
        address = f"127.0.0.1:{free_port()}"
        command = [prometheus, f"--config.file={configuration}", f"--web.listen-address={address}"]
        data = FOLDER / "data"
        shutil.rmtree(data, ignore_errors=True)
        command.append(f"--storage.tsdb.path={data}")
        self.launch("Prometheus", command, FOLDER / "prometheus.log")
        self.until("Prometheus is ready", lambda: answers(f"http://{address}/-/ready"))
        return Prometheus(address)

    def launch(self, name, command, log):
        with open(log, "wb") as output:
            self.processes.start(name, command, log, stdout=output, stderr=output)

    def until(self, what, question):
        """Asks until there is an answer that is true, and returns it."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not (answer := question()):
            self.processes.watch()
            if time.monotonic() > deadline:
                raise run.Failure(f"waited {DEADLINE_SECONDS} s until {what}")
        return answer

    def stop(self):
        self.processes.stop()


class Istio(BaseHTTPRequestHandler):
    """Stands in for Istio's own metrics."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("content-type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(ISTIO.encode())

    def log_message(self, *_):
        pass


def start_istio():
    server = HTTPServer(("127.0.0.1", 0), Istio)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"127.0.0.1:{server.server_port}"


class Gateway:
    """An Envoy on envoy/local.yaml or envoy/live.yaml, with other texts for some that stand there once."""

    def __init__(self, stack, name, texts):
        self.port, admin = free_port(), free_port()
        self.admin = f"127.0.0.1:{admin}"
        self.discovered = FOLDER / "live"
        self.discovered.mkdir(exist_ok=True)
        values = {
            "port_value: 10000": f"port_value: {self.port}",
            "port_value: 9901": f"port_value: {admin}",
            "port_value: 8000": f"port_value: {stack.scheduler.rpartition(':')[2]}",
            # Histograms show after a flush, which is every five seconds by default.
            "\nstats_config:\n": "\nstats_flush_interval: 1s\nstats_config:\n",
        }
        own = texts.get(f"{name}.yaml", {})
        bootstrap = replaced(source(f"{name}.yaml"), {**values, **own})
        if name == "live":
            self.filter = replaced(source("live/tollgate.yaml"), texts.get("live/tollgate.yaml", {}))
            self.publish(self.filter)
        path = FOLDER / f"{name}.yaml"
        path.write_text(bootstrap)
        log = FOLDER / f"{name}.log"
        # One worker, as bounds on labels are those of a worker.
        options = ["-c", str(path), "--concurrency", "1", "--use-dynamic-base-id"]
        stack.launch(f"Envoy on {name}.yaml", [*stack.envoy, *options], log)
        stack.until(f"{name} is ready", lambda: answers(f"http://{self.admin}/ready"))

    def publish(self, text):
        """Moves another version of the discovered filter to its place."""
        path = FOLDER / "next.yaml"
        path.write_text(text)
        path.rename(self.discovered / "tollgate.yaml")

    def post(self, key, body, path="/v1/chat/completions", *, leave_after=None, connection=None):
        """Sends a request and returns its status. With `leave_after`, the reply is left after so many bytes."""
        own = connection or http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE_SECONDS)
        headers = {"content-type": "application/json"}
        if key:
            headers["authorization"] = f"Bearer {key}"
        own.request("POST", path, json.dumps(body), headers)
        reply = own.getresponse()
        reply.read(leave_after)
        if not connection:
            own.close()
        return reply.status


class Prometheus:
    """The HTTP API of Prometheus."""

    def __init__(self, address):
        self.address = address

    def get(self, path, **parameters):
        url = f"http://{self.address}/api/v1/{path}?{urllib.parse.urlencode(parameters, doseq=True)}"
        try:
            with OPENER.open(url) as reply:
                return json.load(reply)["data"]
        except urllib.error.HTTPError as error:
            raise run.Failure(f"{json.load(error)['error']}: {parameters}") from error

    def query(self, query):
        """What an instant query returns: pairs of labels and value."""
        result = self.get("query", query=query)["result"]
        return [(sample["metric"], float(sample["value"][1])) for sample in result]


def source(name):
    return (
        (ROOT / "envoy" / name)
        .read_text()
        .replace("target/wasm32-wasip1/release/tollgate.wasm", WASM)
        .replace("envoy/live", str(FOLDER / "live"))
    )


def replaced(text, changes):
    """The text with other texts for some that stand there exactly once."""
    for old, new in changes.items():
        if text.count(old) != 1:
            raise run.Failure(f"{text.count(old)} times instead of once: {old}")
        text = text.replace(old, new)
    return text


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def answers(url):
    try:
        with OPENER.open(url, timeout=1) as reply:
            return reply.status == 200
    except OSError:
        return False
