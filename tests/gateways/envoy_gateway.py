"""Envoy Gateway as it runs in a cluster, on the manifests of `examples/envoy-gateway`."""

import base64
import json
import re
import shutil
import subprocess
from pathlib import Path

from client import ask
from cluster import REGISTRY, module_folder
from sandbox import run, until

MODULE = "github.com/envoyproxy/gateway@v1.9.1"
NAMESPACE = "envoy-gateway-system"
PROXY = {"app.kubernetes.io/component": "proxy", "gateway.envoyproxy.io/owning-gateway-name": "inference"}

SETTINGS = {
    "apiVersion": "gateway.envoyproxy.io/v1alpha1",
    "kind": "EnvoyGateway",
    "gateway": {"controllerName": "gateway.envoyproxy.io/gatewayclass-controller"},
    "provider": {
        "type": "Kubernetes",
        "kubernetes": {"leaderElection": {"disable": True}, "proxyTopologyInjector": {"disabled": True}},
    },
    "extensionApis": {"enableBackend": True, "enableEnvoyPatchPolicy": True, "enableLua": True},
    "rateLimit": {"backend": {"type": "Redis", "redis": {"url": "redis.default.svc.cluster.local:6379"}}},
    "telemetry": {"metrics": {"prometheus": {"disable": True}}},
}


class EnvoyGateway:
    """The control plane."""

    def __init__(self, cluster, bin):
        self.cluster, self.program = cluster, Path(bin) / "envoy-gateway"
        crds = Path(module_folder(MODULE)) / "charts/gateway-helm/charts/crds/crds"
        cluster.define(crds / "gatewayapi-crds.yaml", crds / "generated")
        cluster.kubectl("create", "namespace", NAMESPACE)
        # What it makes for itself belongs to these.
        cluster.kubectl("-n", NAMESPACE, "create", "serviceaccount", "envoy-gateway")
        cluster.kubectl("-n", NAMESPACE, "create", "deployment", "envoy-gateway", "--image=example.com/any", "--replicas=0")
        cluster.kubectl("-n", NAMESPACE, "create", "service", "clusterip", "envoy-gateway", "--tcp=18000,18001,18002")
        self.folder = Path("/run/envoy-gateway")
        (self.folder / "cache").mkdir(parents=True)
        (self.folder / "settings.yaml").write_text(json.dumps(SETTINGS))
        self.environment = {"KUBECONFIG": str(cluster.kubeconfig), "ENVOY_GATEWAY_NAMESPACE": NAMESPACE}
        run(self.program, "certgen", "--disable-topology-injector", env={**self.environment, "HOME": "/run"})
        secret = cluster.get(f"/api/v1/namespaces/{NAMESPACE}/secrets/envoy-gateway")
        (self.folder / "certs").mkdir()
        for file, content in secret["data"].items():
            (self.folder / "certs" / file).write_bytes(base64.b64decode(content))
        self.start()

    def start(self):
        self.process = self.cluster.sandbox.start(
            "envoy-gateway",
            self.program,
            "server",
            "--config-path",
            self.folder / "settings.yaml",
            environment=self.environment,
            mounts={"/certs": self.folder / "certs", "/var/lib": self.folder / "cache"},
        )

    def log(self):
        return (self.cluster.sandbox.folder / "envoy-gateway.log").read_text()


class Page:
    """A folder of examples as an operator has it: copied, with the address of the image put in."""

    def __init__(self, cluster, folder, root, base=()):
        """Beside it are copies of the folders `base`."""
        self.cluster, self.source = cluster, root / folder
        self.folder = Path("/run/pages") / self.source.name / self.source.name
        for source in (folder, *base):
            shutil.copytree(root / source, self.folder.parent / Path(source).name)

    def image(self, digest):
        """Puts an image into the copy."""
        self.change("tollgate.yaml", (r"url: \S*tollgate@sha256:[0-9a-f]{64}", f"url: {REGISTRY}/tollgate@sha256:{digest}"))

    def change(self, file, *replacements):
        """Changes a file of the copy; each replacement must find what it replaces."""
        path = self.folder / file
        text = path.read_text()
        for old, new in replacements:
            text, found = re.subn(old, new, text)
            assert found, f"{file}: there is no {old}"
        path.write_text(text)

    def text(self):
        return (self.folder / "README.md").read_text()

    def commands(self, heading, start="kubectl "):
        """The commands below a heading that start so, each in one line."""
        section = re.split(rf"(?m)^##+ {re.escape(heading)}$", self.text())[1]
        section = re.split(r"(?m)^##+ ", section)[0]
        blocks = [block.split("```")[0] for block in section.split("```console\n")[1:]]
        lines = "".join(blocks).replace("\\\n", " ").splitlines()
        return [line[2:] for line in lines if line.startswith(f"$ {start}")]

    def run(self, command, check=True):
        """What a command of the page prints."""
        environment = {"PATH": subprocess.os.environ["PATH"], "KUBECONFIG": str(self.cluster.kubeconfig), "HOME": "/run"}
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", command], cwd=self.folder, env=environment, text=True, capture_output=True
        )
        if check and done.returncode:
            raise RuntimeError(f"{command}: {done.stdout}{done.stderr}")
        return done.stdout + done.stderr

    def apply(self, *files):
        for file in files:
            self.run(f"kubectl apply --server-side --force-conflicts -f {file}")


def served(address, key, status=200):
    """Waits until a key gets this status."""
    return until(f"{status} for {key}", lambda: (reply := ask(address, key)).status == status and reply)
