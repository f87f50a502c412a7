"""Checks the manifests and pages of `examples/` under the real control planes. `run.sh` starts it, in namespaces."""

import os
import sys
import time
from pathlib import Path

import envoy_gateway_rows  # noqa: F401 - its rows
import envoy_gateway_settings  # noqa: F401 - its rows
import rows
from cluster import Cluster, Registry
from envoy_gateway import EnvoyGateway, Page
from kubelet import Kubelet
from sandbox import HOST, Sandbox, run

ROOT = Path(__file__).resolve().parent.parent.parent


class Setup:
    """What the rows have at hand."""

    def __init__(self, state):
        bin = state / "bin"
        names = {f"envoy-gateway.envoy-gateway-system.svc{end}": HOST for end in (".cluster.local", "")}
        self.sandbox = Sandbox(state / "logs", {**names, "envoy-gateway": HOST})
        self.root, self.tests = ROOT, Path(__file__).resolve().parent
        self.target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
        self.registry = Registry(self.sandbox, bin, "/run/registry")
        self.digest = self.push("0.1.0")
        self.cluster = Cluster(self.sandbox, bin, "/run/cluster")
        self.control = EnvoyGateway(self.cluster, bin)
        programs = {
            "envoy": os.environ["ENVOY"],
            "envoy-gateway": bin / "envoy-gateway",
            "/bin/ratelimit": bin / "ratelimit",
            "redis": bin / "redis",
            "inference-simulator": self.target / "debug/inference-simulator",
        }
        self.kubelet = Kubelet(self.cluster, programs)
        self.page = Page(self.cluster, "examples/envoy-gateway", ROOT)
        self.page.image(self.digest)

    def push(self, version):
        """The filter as the image of a version, in the registry: its digest."""
        layout = Path("/run/images") / version
        layout.parent.mkdir(exist_ok=True)
        # Each version has other bytes: a section with its name at the end, which nobody reads.
        name = version.encode()
        section = bytes([0, len(name) + 1, len(name)]) + name
        module = layout.with_suffix(".wasm")
        module.write_bytes(Path(os.environ["TOLLGATE_WASM"]).read_bytes() + section)
        command = [sys.executable, ROOT / "release/oci.py", module, layout, "--version", version]
        digest = run(*command).strip().removeprefix("sha256:")
        pushed = self.registry.push(layout, f"tollgate:{version}")
        assert pushed == digest, f"the registry says {pushed}, release/oci.py said {digest}"
        return digest

    def start_budgets(self):
        """A Redis, and names for it and for the rate limit service that Envoy Gateway has made."""
        redis = {"name": "redis", "image": "example.com/redis", "command": ["redis"]}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "redis", "labels": {"app": "redis"}}}
        self.cluster.apply({**pod, "spec": {"containers": [redis]}}, "--namespace=default")
        self.sandbox.name("redis.default.svc.cluster.local", self.kubelet.one({"app": "redis"}).address)
        service = self.kubelet.one({"app.kubernetes.io/component": "ratelimit"})
        self.sandbox.name("envoy-ratelimit.envoy-gateway-system.svc.cluster.local", service.address)


def main():
    state = Path(os.environ["STATE"])
    for log in (state / "logs").glob("*.log"):
        log.unlink()
    began = time.monotonic()
    setup = Setup(state)
    print(f"The control plane runs after {time.monotonic() - began:.0f} s; logs are in {state / 'logs'}", flush=True)
    failed = rows.check(setup, sys.argv[1:])
    print(f"{failed} rows failed, in {time.monotonic() - began:.0f} s" if failed else "all rows hold")
    if os.environ.get("HOLD"):
        print(f"held: nsenter -t {os.environ.get('OUTSIDE', 'PID')} -a, KUBECONFIG={setup.cluster.kubeconfig}", flush=True)
        time.sleep(float(os.environ["HOLD"]))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
