"""A Kubernetes without nodes: etcd, the API server, the controllers, and a registry of images."""

import base64
import json
import ssl
import urllib.error
import urllib.request
from pathlib import Path

from sandbox import HOST, run, until

API = "https://127.0.0.1:6443"
REGISTRY = "127.0.0.1:5000"

# Those that make something of nodes, of clouds or of volumes have nothing to do here.
CONTROLLERS = ",".join(
    [
        "*",
        "-cloud-node-lifecycle-controller",
        "-node-ipam-controller",
        "-node-lifecycle-controller",
        "-node-route-controller",
        "-persistentvolume-attach-detach-controller",
        "-persistentvolume-binder-controller",
        "-service-lb-controller",
        "-ttl-controller",
    ]
)


class Cluster:
    """`bin` has the programs, `folder` gets keys, state and logs."""

    def __init__(self, sandbox, bin, folder):
        self.sandbox, self.bin, self.folder = sandbox, Path(bin), Path(folder)
        self.kubeconfig = self.folder / "kubeconfig"
        self.keys()
        self.etcd = sandbox.start(
            "etcd", self.bin / "etcd", "--data-dir", self.folder / "etcd", "--unsafe-no-fsync", "--log-level", "warn"
        )
        self.server = self.start_server()
        self.context = ssl.create_default_context(cafile=self.folder / "ca.crt")
        self.context.load_cert_chain(self.folder / "admin.crt", self.folder / "admin.key")
        until("the API server", lambda: self.get("/readyz", text=True) == "ok", 180)
        self.controllers = sandbox.start(
            "controllers",
            self.bin / "kube-controller-manager",
            f"--kubeconfig={self.kubeconfig}",
            "--secure-port=0",
            "--leader-elect=false",
            f"--root-ca-file={self.folder / 'ca.crt'}",
            f"--service-account-private-key-file={self.folder / 'sa.key'}",
            f"--controllers={CONTROLLERS}",
        )
        until("a namespace", lambda: self.get("/api/v1/namespaces/default/serviceaccounts/default"))

    def start_server(self):
        return self.sandbox.start(
            "kube-apiserver",
            self.bin / "kube-apiserver",
            "--bind-address=0.0.0.0",
            f"--advertise-address={HOST}",
            "--secure-port=6443",
            "--etcd-servers=http://127.0.0.1:2379",
            "--service-cluster-ip-range=10.96.0.0/16",
            "--authorization-mode=RBAC",
            "--endpoint-reconciler-type=none",
            "--allow-privileged=true",
            f"--client-ca-file={self.folder / 'ca.crt'}",
            f"--tls-cert-file={self.folder / 'server.crt'}",
            f"--tls-private-key-file={self.folder / 'server.key'}",
            f"--service-account-key-file={self.folder / 'sa.pub'}",
            f"--service-account-signing-key-file={self.folder / 'sa.key'}",
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
            f"--cert-dir={self.folder / 'certs'}",
            "--profiling=false",
        )

    def keys(self):
        """The authority of the cluster, and what it has signed."""
        curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        self.folder.mkdir(parents=True, exist_ok=True)
        run(
            *["openssl", "req", "-x509", *curve, "-days", "30", "-subj", "/CN=cluster"],
            *["-keyout", "ca.key", "-out", "ca.crt", "-addext", "keyUsage=critical,keyCertSign,digitalSignature"],
            cwd=self.folder,
        )
        names = f"IP:127.0.0.1,IP:10.96.0.1,IP:{HOST},DNS:kubernetes.default.svc"
        for name, subject, extension in [
            ("server", "/CN=kube-apiserver", f"subjectAltName={names}\nextendedKeyUsage=serverAuth,clientAuth"),
            ("admin", "/O=system:masters/CN=admin", "extendedKeyUsage=clientAuth"),
        ]:
            run("openssl", "req", *curve, "-subj", subject, "-keyout", f"{name}.key", "-out", f"{name}.csr", cwd=self.folder)
            (self.folder / "extension").write_text(extension)
            run(
                *["openssl", "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key"],
                *["-CAcreateserial", "-days", "30", "-extfile", "extension", "-out", f"{name}.crt"],
                cwd=self.folder,
            )
        run("openssl", "genrsa", "-out", "sa.key", "2048", cwd=self.folder)
        run("openssl", "rsa", "-in", "sa.key", "-pubout", "-out", "sa.pub", cwd=self.folder)

        def data(file):
            return base64.b64encode((self.folder / file).read_bytes()).decode()

        user = {"client-certificate-data": data("admin.crt"), "client-key-data": data("admin.key")}
        server = {"server": API, "certificate-authority-data": data("ca.crt")}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "gateways", "cluster": server}],
            "users": [{"name": "admin", "user": user}],
            "contexts": [{"name": "gateways", "context": {"cluster": "gateways", "user": "admin"}}],
            "current-context": "gateways",
        }
        self.kubeconfig.write_text(json.dumps(config))

    def get(self, path, text=False):
        """An object of the API, or None if it is not there."""
        try:
            with urllib.request.urlopen(API + path, context=self.context, timeout=10) as reply:
                return reply.read().decode() if text else json.load(reply)
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise

    def send(self, method, path, body, kind="application/json"):
        """Changes an object of the API. One that has gone meanwhile is no fault."""
        request = urllib.request.Request(API + path, json.dumps(body).encode(), {"content-type": kind}, method=method)
        try:
            urllib.request.urlopen(request, context=self.context, timeout=10).close()
        except urllib.error.HTTPError as error:
            if error.code != 404:
                raise

    def kubectl(self, *arguments, **options):
        """What kubectl prints; if it fails, so does the test."""
        return run("kubectl", f"--kubeconfig={self.kubeconfig}", *arguments, **options)

    def refusal(self, *arguments, **options):
        """What kubectl says of a change that must not be made."""
        try:
            self.kubectl(*arguments, **options)
        except RuntimeError as error:
            return str(error)
        raise AssertionError(f"kubectl {arguments} was let in")

    def apply(self, manifest, *arguments):
        """Applies manifests: text, or values."""
        text = manifest if isinstance(manifest, str) else json.dumps(manifest)
        return self.kubectl("apply", "--server-side", "--force-conflicts", *arguments, "-f", "-", input=text)

    def define(self, *places):
        """Installs custom resource definitions from files or folders."""
        files = [argument for place in places for argument in ("-f", place)]
        self.kubectl("apply", "--server-side", *files)
        self.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")


class Registry:
    """A registry of images, without TLS, on the machine of the control planes."""

    def __init__(self, sandbox, bin, folder):
        self.sandbox, self.crane, self.folder = sandbox, Path(bin) / "crane", Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.process = None
        self.start()

    def start(self):
        command = [self.crane, "registry", "serve", "--address", REGISTRY, "--disk", self.folder]
        self.process = self.sandbox.start("registry", *command)
        until("the registry", lambda: run(self.crane, "catalog", REGISTRY) is not None)

    def push(self, layout, name):
        """Pushes an image from its folder; returns its digest as the registry says it, without `sha256:`."""
        run(self.crane, "push", layout, f"{REGISTRY}/{name}")
        return run(self.crane, "digest", f"{REGISTRY}/{name}").strip().removeprefix("sha256:")


def module_folder(module):
    """Where Go has unpacked a module, such as `example.com/module@v1.2.3`; fetched if it is not there."""
    return json.loads(run("go", "mod", "download", "-json", module, cwd="/"))["Dir"]
