"""Starts the judges, and one Envoy before all of them: with the filter, and beside it without."""

import json
import os
import re
import subprocess
import sys
import urllib.request
from pathlib import Path

import yaml

from gateway import ROOT, Program, eventually

HERE = Path(__file__).parent
BUILT = ROOT / "target" / "judges"

SERVED = re.compile(r"served (\S+) by ")

PYTHON = [sys.executable, str(HERE / "python" / "judges.py")]
NODE = ["node", str(HERE / "node" / "judges.js")]
GO = [str(BUILT / "go")]
JAVA = ["java", "-cp", f"{BUILT / 'java'}/*", str(HERE / "java" / "Judge.java")]
CPP = [str(BUILT / "cpp")]

# Name: how it is started, and the file without which it is not there.
JUDGES = {
    "aiohttp": ([*PYTHON, "aiohttp"], None),
    "Django": ([*PYTHON, "django"], None),
    "Flask": ([*PYTHON, "flask"], None),
    "LiteLLM": ([*PYTHON, "litellm"], None),
    "Starlette": ([*PYTHON, "starlette"], None),
    "Tornado": ([*PYTHON, "tornado"], None),
    "busboy": ([*NODE, "busboy"], BUILT / "node" / "installed"),
    "Express": ([*NODE, "express"], BUILT / "node" / "installed"),
    "Fastify": ([*NODE, "fastify"], BUILT / "node" / "installed"),
    "net/http": ([*GO, "plain"], BUILT / "go"),
    "echo": ([*GO, "echo"], BUILT / "go"),
    "Javalin": (JAVA, BUILT / "java" / "installed"),
    "cpp-httplib": (CPP, BUILT / "cpp"),
}
PRESENT = [name for name, (_, needed) in JUDGES.items() if needed is None or needed.exists()]


def models(text):
    """What a judge says that it would serve."""
    found = SERVED.search(text)
    return [] if found is None or found[1] == "nothing" else found[1].split(",")


class Judge(Program):
    def __init__(self, name):
        self.judge = name
        super().__init__(f"judge-{name.replace('/', '-')}", JUDGES[name][0], JUDGES_NODE=str(BUILT / "node"))

    def address(self):
        host, port = self.says(r"listening on (\S+):(\d+)")
        return host, int(port)

    def served(self):
        """All models that it has ever read, asked for by whatever connection."""
        lines = self.log.read_text(errors="replace").splitlines()
        return [model for line in lines for model in models(line)]


class Envoy(Program):
    """envoy/local.yaml with each judge behind it, chosen by the header `x-judge`."""

    def __init__(self, addresses):
        wasm = os.environ.get("TOLLGATE_WASM") or str(ROOT / "target/wasm32-wasip1/release/tollgate.wasm")
        bootstrap = yaml.safe_load((ROOT / "envoy" / "local.yaml").read_text())
        bootstrap["admin"]["address"]["socket_address"]["port_value"] = 0
        resources = bootstrap["static_resources"]
        (shipped,) = resources["clusters"]
        resources["clusters"] = [behind(shipped, name, address) for name, address in addresses.items()]
        (listener,) = resources["listeners"]
        listener["address"]["socket_address"]["port_value"] = 0
        manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
        (host,) = manager["route_config"]["virtual_hosts"]
        (route,) = host["routes"]
        host["routes"] = [to(route, name) for name in addresses]
        for filter in manager["http_filters"]:
            if filter["name"] == "tollgate":
                filter["typed_config"]["config"]["vm_config"]["code"]["local"]["filename"] = wasm
        alone = json.loads(json.dumps(listener))
        alone["name"] = "alone"
        of_alone = alone["filter_chains"][0]["filters"][0]["typed_config"]
        of_alone["http_filters"] = [manager["http_filters"][-1]]
        resources["listeners"].append(alone)
        BUILT.mkdir(parents=True, exist_ok=True)
        file, admin = BUILT / "envoy.json", BUILT / "admin"
        file.write_text(json.dumps(bootstrap))
        admin.unlink(missing_ok=True)
        found = subprocess.run([ROOT / "envoy" / "find-envoy.sh"], check=True, capture_output=True, text=True)
        options = ["--concurrency", "1", "--use-dynamic-base-id", "--admin-address-path", str(admin)]
        super().__init__("judges-envoy", [*found.stdout.split(), "-c", str(file), *options])
        self.says("starting main dispatch loop")
        listeners = eventually(lambda: self.listeners(admin))
        self.filtered, self.alone = listeners["inference"], listeners["alone"]

    @staticmethod
    def listeners(admin):
        """The addresses of both listeners, once they are there."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"http://{admin.read_text()}/listeners?format=json", timeout=10) as reply:
            statuses = json.loads(reply.read()).get("listener_statuses", [])
        sockets = {status["name"]: status["local_address"]["socket_address"] for status in statuses}
        addresses = {name: (socket["address"], socket["port_value"]) for name, socket in sockets.items()}
        return addresses if len(addresses) == 2 else None


def behind(shipped, name, address):
    host, port = address
    endpoint = {"address": {"socket_address": {"address": host, "port_value": port}}}
    endpoints = [{"lb_endpoints": [{"endpoint": endpoint}]}]
    return {**shipped, "name": name, "load_assignment": {"cluster_name": name, "endpoints": endpoints}}


def to(route, name):
    chosen = [{"name": "x-judge", "string_match": {"exact": name}}]
    return {"match": {**route["match"], "headers": chosen}, "route": {**route["route"], "cluster": name}}
