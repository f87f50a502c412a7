"""What the page of `examples/envoy-gateway` says of budgets, of other filters, of teams, and of the cache of modules."""

import gzip
import json
import time

from client import ACME, CHAT, GLOBEX, TEAM, Load, ask
from cluster import REGISTRY
from envoy_gateway import NAMESPACE, Page, served
from envoy_gateway_rows import FAULT, MENDED, conditions, log, metrics, proxy
from rows import row
from sandbox import until

GROUP = "gateway.envoyproxy.io/v1alpha1"
LUA = """
function envoy_on_request(handle)
  handle:headers():add("x-lua-saw", handle:headers():get("authorization") and "key" or "no-key")
  handle:logWarn("lua was called")
end
"""


def target(**more):
    return {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "inference", **more}


def resource(kind, name, spec, namespace="inference", version=GROUP):
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": namespace}, "spec": spec}


def sum_of(text, series):
    """The sum of all series of this name, or those whose names begin so."""
    return sum(int(line.split()[-1]) for line in text.splitlines() if line.startswith(series))


@row("policies of routes, of listeners and of other namespaces, and routes that change what was judged are refused")
def admission(setup):
    lua = {"lua": [{"type": "Inline", "inline": LUA}]}
    route = setup.cluster.get("/apis/gateway.networking.k8s.io/v1/namespaces/inference/httproutes/vllm")["spec"]
    grant = {
        "from": [{"group": "gateway.envoyproxy.io", "kind": "EnvoyExtensionPolicy", "namespace": "default"}],
        "to": [{"group": "gateway.networking.k8s.io", "kind": "Gateway"}],
    }

    def with_filter(**filter):
        return {**route, "rules": [{**route["rules"][0], "filters": [filter]}]}

    rewrite = {"path": {"type": "ReplaceFullPath", "replaceFullPath": "/v1/chat/completions"}}
    tenant = {"set": [{"name": "X-Tollgate-Tenant", "value": "globex"}]}
    gateway_api = "gateway.networking.k8s.io/v1"
    refused = {
        "a policy of a route": resource(
            "EnvoyExtensionPolicy", "any", {"targetRefs": [target(kind="HTTPRoute", name="vllm")], **lua}
        ),
        "a policy of a listener": resource(
            "ClientTrafficPolicy", "any", {"targetRefs": [target(sectionName="http")], "tls": {}}
        ),
        "a policy that selects": resource(
            "EnvoyExtensionPolicy", "any", {"targetSelectors": [{"kind": "Gateway", "matchLabels": {"a": "b"}}], **lua}
        ),
        "a grant": resource("ReferenceGrant", "any", grant, version="gateway.networking.k8s.io/v1beta1"),
        "a route that rewrites": resource(
            "HTTPRoute", "any", with_filter(type="URLRewrite", urlRewrite=rewrite), version=gateway_api
        ),
        "a route that sets the tenant": resource(
            "HTTPRoute", "any", with_filter(type="RequestHeaderModifier", requestHeaderModifier=tenant), version=gateway_api
        ),
    }
    for what, manifest in refused.items():
        said = setup.cluster.refusal("apply", "--server-side", "-f", "-", input=json.dumps(manifest))
        assert "ValidatingAdmissionPolicy 'tollgate-" in said, f"{what}: {said}"
    return f"{len(refused)} kinds"


@row("Lua is called after Tollgate: it sees no key, and is not called without one")
def order(setup):
    page, pod = setup.page, proxy(setup)
    page.change("tollgate.yaml", (r"\n  wasm:\n", "\n  lua:\n  - type: Inline\n    inline: |\n" + LUA.replace("\n", "\n      ") + "\n  wasm:\n"))
    page.apply("tollgate.yaml")
    server = setup.kubelet.one({"app": "vllm"})
    until("Lua", lambda: ask(pod.address, ACME) and "x-lua-saw" in log(setup, server, "server"))
    assert "x-lua-saw: key" not in log(setup, server, "server").lower()
    time.sleep(1)
    called = log(setup, pod, "envoy").count("lua was called")
    assert called, "Lua logs nothing"
    for _ in range(5):
        assert ask(pod.address).status == 401
    time.sleep(1)
    assert log(setup, pod, "envoy").count("lua was called") == called
    page.change("tollgate.yaml", (r"\n  lua:\n(.*\n)*?  wasm:\n", "\n  wasm:\n"))
    page.apply("tollgate.yaml")
    served(pod.address, ACME)


@row("with traffic.yaml replies are compressed for those who ask for it, and their tokens are counted")
def compression(setup):
    page, pod = setup.page, proxy(setup)
    page.apply("traffic.yaml")

    def compressed():
        reply = ask(pod.address, ACME, headers={"accept-encoding": "gzip"})
        return reply.headers["content-encoding"] == "gzip" and reply

    def spent():
        return sum_of(metrics(pod), 'tollgate_tokens_total{tenant="acme"')

    reply = until("a compressed reply", compressed)
    usage = json.loads(gzip.decompress(reply.body))["usage"]
    before = spent()
    assert compressed()
    until("the count", lambda: spent() == before + usage["total_tokens"])
    return f"{usage['total_tokens']} tokens"


@row("with traffic.yaml a prompt of 100 kB passes, and one over its limit gets 413")
def long_prompts(setup):
    address = proxy(setup).address
    for size, status in [(100_000, 200), (5_000_000, 413)]:
        body = {**CHAT, "messages": [{"role": "user", "content": "x" * size}]}
        reply = ask(address, ACME, body=body)
        assert reply.status == status, f"{size} bytes: {reply}"


@row("with budgets.yaml tokens are charged to their tenant, and when its budget is spent it gets 429 and others do not")
def budgets(setup):
    page, address = setup.page, proxy(setup).address
    setup.start_budgets()
    page.change("traffic.yaml", ("requests: 1000000", "requests: 40"))
    page.apply("traffic.yaml", "budgets.yaml")
    said = until(
        "the patch",
        lambda: "Programmed=True"
        in (said := page.run(
            "kubectl -n inference get envoypatchpolicy budgets"
            " -o jsonpath='{range .status.ancestors[*].conditions[*]}{.type}={.status}:{.message} {end}'"
        ))
        and said,
    )
    left = []

    def remaining():
        reply = ask(address, ACME)
        left.append(reply.headers["x-ratelimit-remaining"] or reply.status)
        time.sleep(0.5)
        return reply.status == 429

    until("429", remaining, 60, 0.5)
    assert ask(address, GLOBEX).status == 200, "the other tenant"
    assert ask(address).code == "missing_credential"
    page.run("kubectl delete -f budgets.yaml -f traffic.yaml")
    served(address, ACME)
    return f"{said.split()[0]}, left {', '.join(str(number) for number in left)}"


@row("without budgets.yaml, Envoy Gateway's own field accepts and charges nothing")
def own_field(setup):
    page, address = setup.page, proxy(setup).address
    setup.start_budgets()
    metadata = "response: {from: Metadata, metadata: {namespace: wasm, key: tollgate.charge_tokens}}"
    page.change("traffic.yaml", (r"response: \{from: Number, number: 1\}", metadata), (r"requests: \d+", "requests: 40"))
    page.apply("traffic.yaml")
    try:
        until("the limit", lambda: ask(address, GLOBEX).headers["x-ratelimit-limit"])
        with Load(address, key=GLOBEX) as load:
            time.sleep(5)
    finally:
        page.change("traffic.yaml", (r"response: \{from: Metadata.*", "response: {from: Number, number: 1}"))
        page.run("kubectl delete -f traffic.yaml")
    assert set(load.seen) == {200} and load.seen[200] > 10, load.seen
    return f"{load.seen[200]} × 200 with a budget of 40"


@row("restarted while the registry is away, Envoy Gateway shuts everybody out with the second lock, until the Gateway is touched")
def cache(setup):
    address = proxy(setup).address
    setup.registry.process.end()
    try:
        setup.control.process.end()
        setup.control.start()
        until("a refusal", lambda: ask(address, ACME).status != 200)
        refused = ask(address, ACME)
    finally:
        setup.registry.start()
        setup.push("0.1.0")  # it keeps no manifests
    time.sleep(5)
    still = ask(address, ACME)
    way_out = next(line for line in setup.page.commands("The cache of modules") if "annotate" in line)
    setup.page.run(way_out)
    served(address, ACME)
    assert (refused.status, refused.body) == (403, b"RBAC: access denied"), refused
    return f"{still.status} five seconds after the registry was back"


@row("a new pod with a faulty configuration is ready, and answers 503 to everything")
def new_pod(setup):
    page, old = setup.page, proxy(setup)
    page.change("tollgate.yaml", FAULT)
    page.apply("tollgate.yaml")
    until("the refusal", lambda: "config rejected" in log(setup, old, "envoy"))
    page.run(f"kubectl -n {NAMESPACE} delete pod {old.name} --wait=false")
    new = until("a ready pod", lambda: (pod := proxy(setup)) is not old and pod, 120)
    answer = until("an answer", lambda: ask(new.address, ACME))
    said = conditions(setup)
    page.change("tollgate.yaml", MENDED)
    page.apply("tollgate.yaml")
    served(proxy(setup).address, ACME)
    assert answer.status == 503 and "Accepted=True" in said, (answer, said)


@row("the page's clean-up removes what it made, and leaves the namespace and the server")
def clean_up(setup):
    for line in setup.page.commands("Clean up"):
        setup.page.run(line)
    left = setup.cluster.kubectl("-n", "inference", "get", "service,networkpolicy,pod", "-o", "name")
    for kept in ("service/vllm", "networkpolicy.networking.k8s.io/vllm", "pod/vllm"):
        assert kept in left, left
    ours = "gateway,httproute,envoyextensionpolicy,securitypolicy,clienttrafficpolicy,envoyproxy,backendtrafficpolicy"
    left = setup.cluster.kubectl("-n", "inference", "get", ours, "-o", "name")
    assert left.split() == ["httproute.gateway.networking.k8s.io/slow"], left


@row("with Kustomize and other names it serves a Gateway beside, with its own configuration")
def kustomized(setup):
    yours = Page(setup.cluster, "examples/envoy-gateway-yours", setup.root, base=["examples/envoy-gateway"])
    yours.change(
        "kustomization.yaml",
        ("newName: .*", f"newName: {REGISTRY}/tollgate"),
        ("digest: .*", f"digest: sha256:{setup.digest}"),
    )
    setup.cluster.kubectl("create", "namespace", "team-a")
    server = (setup.tests / "server.yaml").read_text().split("---\n")[0]
    server = server.replace("inference\n", "team-a\n", 1).replace("vllm", "llama").replace("--log]", "--log, --model, llama-3.3-70b]")
    setup.cluster.apply(server)
    yours.run("kubectl apply --server-side -k .")
    pod = setup.kubelet.one({"gateway.envoyproxy.io/owning-gateway-name": "models"}, 120)
    body = {**CHAT, "model": "llama-3.3-70b"}
    until("200", lambda: ask(pod.address, ACME, body=body).status == 200)
    assert ask(pod.address, TEAM, body=body).code == "invalid_credential"
    assert ask(pod.address, body=body).code == "missing_credential"
    yours.run("kubectl delete -k . --ignore-not-found")
