"""Runs pods as plain processes, each with a network and files of its own: as much of a kubelet as gateways need."""

import base64
import re
import signal
import threading
import time
import urllib.request
from pathlib import Path

from sandbox import run, until

MERGE = "application/merge-patch+json"


class Kubelet:
    """Runs every pod of the cluster whose containers are all in `programs`: by the first word of their command."""

    def __init__(self, cluster, programs):
        self.cluster, self.sandbox, self.programs = cluster, cluster.sandbox, programs
        self.pods = {}
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node"}}
        cluster.send("POST", "/api/v1/nodes", node)
        threading.Thread(target=self.watch, daemon=True).start()

    def watch(self):
        while True:
            try:
                self.look()
            except Exception as error:  # noqa: BLE001 - the next look may go better, and the log tells
                with (self.sandbox.folder / "kubelet.log").open("a") as log:
                    log.write(f"{type(error).__name__}: {error}\n")
            time.sleep(0.3)

    def look(self):
        found = set()
        for pod in self.cluster.get("/api/v1/pods")["items"]:
            uid = pod["metadata"]["uid"]
            found.add(uid)
            known = self.pods.get(uid)
            if known:
                known.look(pod)
            elif not pod["metadata"].get("deletionTimestamp") and self.can_run(pod):
                self.pods[uid] = Pod(self, pod)
        for uid in self.pods.keys() - found:
            self.pods.pop(uid).kill()

    def can_run(self, pod):
        return all(container.get("command", [""])[0] in self.programs for container in pod["spec"]["containers"])

    def of(self, labels):
        """The pods that have these labels, are ready and are not told to go, oldest first."""
        pods = [pod for pod in self.pods.values() if pod.ready and not pod.ending]
        return [pod for pod in pods if labels.items() <= pod.object["metadata"].get("labels", {}).items()]

    def one(self, labels, seconds=30):
        """The only pod of these labels, as soon as there is one."""
        return until(f"a pod {labels}", lambda: (pods := self.of(labels)) and len(pods) == 1 and pods[0], seconds)


class Pod:
    """A pod that runs here."""

    def __init__(self, kubelet, pod):
        self.kubelet, self.cluster, self.object = kubelet, kubelet.cluster, pod
        self.name, self.namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
        self.network, self.address = kubelet.sandbox.network()
        self.ready = self.ending = False
        if "nodeName" not in pod["spec"]:
            node = {"apiVersion": "v1", "kind": "Node", "name": "node"}
            binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": self.name}, "target": node}
            self.cluster.send("POST", f"{self.path}/binding", binding)
        self.folder = Path("/run/pods") / self.name
        self.processes = [self.start(container) for container in pod["spec"]["containers"]]
        self.tell()

    @property
    def path(self):
        return f"/api/v1/namespaces/{self.namespace}/pods/{self.name}"

    def secret(self, kind, name):
        data = self.cluster.get(f"/api/v1/namespaces/{self.namespace}/{kind}/{name}")
        if data is None:
            raise RuntimeError(f"{self.name}: there is no {name} in {kind}")
        read = base64.b64decode if kind == "secrets" else str.encode
        return {key: read(value) for key, value in data.get("data", {}).items()}

    def environment(self, container):
        fields = {
            "metadata.name": self.name,
            "metadata.namespace": self.namespace,
            "status.podIP": self.address,
            "spec.nodeName": "node",
        }
        environment = {}
        for variable in container.get("env", []):
            source = variable.get("valueFrom", {})
            if "value" in variable:
                environment[variable["name"]] = variable["value"]
            elif "fieldRef" in source:
                environment[variable["name"]] = fields.get(source["fieldRef"]["fieldPath"], "")
            elif "secretKeyRef" in source:
                of = source["secretKeyRef"]
                environment[variable["name"]] = self.secret("secrets", of["name"])[of["key"]].decode()
        return environment

    def volume(self, name):
        """The folder of a volume, with its files."""
        folder = self.folder / name
        folder.mkdir(parents=True, exist_ok=True)
        volume = next(volume for volume in self.object["spec"].get("volumes", []) if volume["name"] == name)
        for field, kind, key in [("secret", "secrets", "secretName"), ("configMap", "configmaps", "name")]:
            if source := volume.get(field):
                renamed = {item["key"]: item["path"] for item in source.get("items", [])}
                for file, content in self.secret(kind, source[key]).items():
                    (folder / renamed.get(file, file)).write_bytes(content)
        return folder

    def start(self, container):
        environment = self.environment(container)

        def filled(text):
            return re.sub(r"\$\(([A-Z_]+)\)", lambda found: environment.get(found[1], found[0]), text)

        mounts = {mount["mountPath"]: self.volume(mount["name"]) for mount in container.get("volumeMounts", [])}
        command = [self.kubelet.programs[container["command"][0]], *container["command"][1:], *container.get("args", [])]
        # Names end with a dot there, and the file of hosts knows none that does.
        command = [filled(str(part)).replace("svc.cluster.local.", "svc.cluster.local") for part in command]
        name = f"{self.name}.{container['name']}"
        return self.kubelet.sandbox.start(
            name, *command, environment=environment, mounts=mounts, network=self.network
        )

    def look(self, pod):
        """Takes what the API says of it now, and says how it is."""
        self.object = pod
        if pod["metadata"].get("deletionTimestamp") and not self.ending:
            self.ending = True
            threading.Thread(target=self.end, daemon=True).start()
        was, self.ready = self.ready, not self.ending and self.is_ready()
        if was != self.ready:
            self.tell()

    def is_ready(self):
        if not all(process.runs() for process in self.processes):
            return False
        for container in self.object["spec"]["containers"]:
            if probe := container.get("readinessProbe", {}).get("httpGet"):
                try:
                    self.fetch(probe, 1)
                except OSError:
                    return False
        return True

    def fetch(self, probe, seconds):
        with urllib.request.urlopen(f"http://{self.address}:{probe['port']}{probe['path']}", timeout=seconds) as reply:
            return reply.read()

    def tell(self):
        """Writes the pod's status."""
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        ready = str(self.ready)
        conditions = {"PodScheduled": "True", "Initialized": "True", "ContainersReady": ready, "Ready": ready}
        status = {
            "phase": "Running",
            "podIP": self.address,
            "podIPs": [{"ip": self.address}],
            "conditions": [
                {"type": kind, "status": value, "lastTransitionTime": now} for kind, value in conditions.items()
            ],
        }
        self.cluster.send("PATCH", f"{self.path}/status", {"status": status}, MERGE)

    def end(self):
        """Ends it as Kubernetes does: `preStop` of each container, then a signal, then no more."""
        grace = self.object["spec"].get("terminationGracePeriodSeconds", 30)
        hooks = [
            threading.Thread(target=self.hook, args=(container, grace), daemon=True)
            for container in self.object["spec"]["containers"]
        ]
        for hook in hooks:
            hook.start()
        for hook in hooks:
            hook.join(grace)
        # Envoy Gateway's hooks tell each other so, in what would be the container's own folder.
        Path("/tmp/shutdown-ready").unlink(missing_ok=True)
        self.kill()
        self.cluster.send("DELETE", self.path, {"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0})

    def hook(self, container, grace):
        hook = container.get("lifecycle", {}).get("preStop", {})
        try:
            if "exec" in hook:
                program, *arguments = hook["exec"]["command"]
                run("ip", "netns", "exec", self.network, self.kubelet.programs[program], *arguments, timeout=grace)
            elif "httpGet" in hook:
                self.fetch(hook["httpGet"], grace)
        except (OSError, RuntimeError):
            pass  # as in Kubernetes, the container is ended all the same

    def kill(self):
        for process in self.processes:
            if process.runs():
                process.popen.send_signal(signal.SIGTERM)
        for process in self.processes:
            process.end()
