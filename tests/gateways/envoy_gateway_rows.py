"""What the page of `examples/envoy-gateway` says, in the order in which an operator meets it."""

import re
import time
import urllib.request

from client import ACME, CHAT, GLOBEX, PORT, TEAM, Load, Stream, ask
from envoy_gateway import NAMESPACE, PROXY, served
from rows import row
from sandbox import run, until

SLOW = {"headers": {"x-slow": "yes"}}


def proxy(setup):
    """The pod of the gateway's proxy, as soon as there is one that is ready, and only one."""
    return setup.kubelet.one(PROXY, 120)


def metrics(pod):
    with urllib.request.urlopen(f"http://{pod.address}:19001/stats/prometheus", timeout=10) as reply:
        return reply.read().decode()


def log(setup, pod, container):
    return (setup.sandbox.folder / f"{pod.name}.{container}.log").read_text(errors="replace")


def conditions(setup):
    return setup.page.run(
        "kubectl -n inference get envoyextensionpolicy tollgate"
        " -o jsonpath='{range .status.ancestors[*].conditions[*]}{.type}={.status} {end}'"
    )


@row("the page's commands apply its manifests, and end when the proxy serves")
def applies(setup):
    server = (setup.tests / "server.yaml").read_text()
    lines = [line for line in setup.page.commands("Run") if "port-forward" not in line]
    assert sum("kubectl apply" in line for line in lines) == 2, lines
    for line in lines:
        setup.page.run(line)
        if "create namespace" in line:
            setup.cluster.apply(server.split("---\n")[0])
    setup.cluster.apply(server)
    served(proxy(setup).address, ACME)


@row("the page's status check says Accepted=True")
def accepted(setup):
    check = next(line for line in setup.page.commands("Run") if "envoyextensionpolicy" in line)
    said = setup.page.run(check)
    assert "EnvoyExtensionPolicy: Accepted=True" in said and "=False" not in said, said


@row("the four requests of the examples get 200, 401, 403 and 200")
def four_requests(setup):
    text = (setup.page.source.parent / "README.md").read_text()
    block = text.split("## Try a gateway")[1].split("```console\n")[1].split("```")[0]
    commands = [command for command in block.replace("\\\n", " ").split("$ curl")[1:]]
    token = "cargo run --quiet -p tollgate-examples --bin demo-token"
    address = f"http://{proxy(setup).address}:{PORT}"
    seen = []
    for command in commands:
        command = command.replace(token, str(setup.target / "debug/demo-token")).strip()
        said = setup.page.run(f"GATEWAY={address}; curl -s {command}")
        seen.append(int(said.split()[1]))
    assert seen == [200, 401, 403, 200], seen


@row("the server sees the tenant, and neither the key nor what opens the second lock")
def server_sees(setup):
    served(proxy(setup).address, ACME)
    said = log(setup, setup.kubelet.one({"app": "vllm"}), "server").lower()
    assert "x-tollgate-tenant: acme" in said
    for secret in ("sk-tollgate", "x-tollgate-admitted"):
        assert secret not in said, secret


@row("a key of the Secret works")
def team_key(setup):
    served(proxy(setup).address, TEAM)


@row("tokens are counted in series with labels, and times in the buckets of proxy.yaml")
def counted(setup):
    pod = proxy(setup)
    served(pod.address, ACME)

    def has_all():
        said = metrics(pod)
        series = r'tollgate_tokens_total\{tenant="acme",model="llama-3.1-8b",type="(in|out)put"\} \d+'
        bucket = r'tollgate_request_duration_milliseconds_bucket\{[^}]*le="600000"\}'
        return len(re.findall(series, said)) == 2 and re.search(bucket, said)

    until("the series", has_all)


@row("without a key nobody gets in, and nobody opens the second lock with a header of his own")
def forged(setup):
    reply = ask(proxy(setup).address, headers={"x-tollgate-admitted": "yes"})
    assert (reply.status, reply.code) == (401, "missing_credential"), reply


@row("keys change under load: no request fails, and a stream over the change ends whole")
def key_change(setup):
    page, address = setup.page, proxy(setup).address
    stream = Stream(address, ACME, **SLOW)
    with Load(address, key=ACME) as load:
        page.change("tollgate.yaml", ("    tenant: globex\n        keyHash: sha256:d0c6", "    tenant: acme\n        keyHash: sha256:d0c6"))
        page.apply("tollgate.yaml")
        began = time.monotonic()
        # Globex has no access to this model, and acme has.
        until("the change", lambda: ask(address, GLOBEX, body={**CHAT, "model": "qwen-3-32b"}).status == 200)
        took = time.monotonic() - began
        time.sleep(5)
    assert set(load.seen) == {200}, load.seen
    assert stream.end(), stream.text[-200:]
    page.change("tollgate.yaml", ("    tenant: acme\n        keyHash: sha256:d0c6", "    tenant: globex\n        keyHash: sha256:d0c6"))
    page.apply("tollgate.yaml")
    until("the way back", lambda: ask(address, GLOBEX, body={**CHAT, "model": "qwen-3-32b"}).status == 403)
    return f"{load.seen[200]} × 200, there after {took:.1f} s, a stream of 16 s whole"


@row("a connection from before a change is closed with its next reply, and a removed key with it")
def old_connection(setup):
    import http.client

    page, address = setup.page, proxy(setup).address
    connection = http.client.HTTPConnection(address, PORT, timeout=30)
    assert ask(address, GLOBEX, connection=connection).status == 200
    page.change("tollgate.yaml", ("- id: globex-demo\n", "- id: globex-demo\n        disabled: true\n"))
    page.apply("tollgate.yaml")
    until("the change", lambda: ask(address, GLOBEX).code == "expired_credential")
    time.sleep(2)
    first = ask(address, GLOBEX, connection=connection)
    page.change("tollgate.yaml", ("\n        disabled: true\n", "\n"))
    page.apply("tollgate.yaml")
    served(address, GLOBEX)
    assert first.headers["connection"] == "close", first.headers.items()
    return f"the old connection got {first.status} once more, with `connection: close`"


@row("the Secret changes with a restart: no request fails, a stream over it ends whole, and the new key works")
def secret_change(setup):
    page, old = setup.page, proxy(setup)
    new_hash = run("sh", "-c", "printf %s sk-new-team-key | sha256sum").split()[0]
    stream = Stream(old.address, ACME, **SLOW)
    page.change("keys.yaml", (r"team-demo=sha256:[0-9a-f]{64}", f"team-new=sha256:{new_hash}"))
    page.apply("keys.yaml")
    restart = next(line for line in re.findall(r"`(kubectl[^`]*)`", page.text()) if "rollout restart" in line)
    with Load(old.address, key=ACME) as load:
        page.run(restart)
        until("another pod", lambda: proxy(setup) is not old, 120)
        served(proxy(setup).address, "sk-new-team-key")
    assert stream.end(), stream.text[-200:]
    failed = {what: times for what, times in load.seen.items() if what != 200}
    assert not failed or set(failed) <= {"ConnectionRefusedError"}, load.seen
    assert ask(proxy(setup).address, TEAM).code == "invalid_credential"
    return f"{load.seen[200]} × 200"


@row("a new module under load: no request fails, and a stream over the change ends whole")
def upgrade(setup):
    page, address = setup.page, proxy(setup).address
    digest = setup.push("0.1.1")
    assert digest != setup.digest
    before = metrics(proxy(setup)).count("tollgate_config_hash")
    stream = Stream(address, ACME, **SLOW)
    fetched = setup.control.log().count(digest)
    with Load(address, key=ACME) as load:
        page.image(digest)
        page.apply("tollgate.yaml")
        time.sleep(10)
    assert before and set(load.seen) == {200}, load.seen
    assert stream.end(), stream.text[-200:]
    page.image(setup.digest)
    page.apply("tollgate.yaml")
    served(address, ACME)
    return f"{load.seen[200]} × 200" + (", fetched" if fetched else "")


FAULT = ("        tenant: acme\n        keyHash: sha256:b0bc", "        tenant: nobody\n        keyHash: sha256:b0bc")
MENDED = (FAULT[1], FAULT[0])


@row("a faulty configuration changes nothing, and only the proxy's log tells: the status says Accepted=True")
def faulty(setup):
    page, pod = setup.page, proxy(setup)
    page.change("tollgate.yaml", FAULT)
    with Load(pod.address, key=ACME) as load:
        page.apply("tollgate.yaml")
        until("the refusal", lambda: "config rejected: keys[0].tenant" in log(setup, pod, "envoy"))
        time.sleep(3)
    said = conditions(setup)
    refused = re.search(r"envoy_listener_manager_lds_update_rejected\{\} ([1-9]\d*)", metrics(pod))
    page.change("tollgate.yaml", MENDED)
    page.apply("tollgate.yaml")
    assert set(load.seen) == {200}, load.seen
    assert "Accepted=True" in said, said
    return f"{load.seen[200]} × 200" + (", and lds.update_rejected counts it" if refused else "")


@row("renamed with a faulty configuration, the filter is gone: the second lock lets nobody in, with a key or without")
def renamed(setup):
    page, address = setup.page, proxy(setup).address
    page.change("tollgate.yaml", FAULT, ("  name: tollgate\n  namespace", "  name: renamed\n  namespace"))
    with Load(address, keep_alive=False) as load, Load(address, key=ACME, keep_alive=False) as with_key:
        page.apply("tollgate.yaml")
        page.run("kubectl -n inference delete envoyextensionpolicy tollgate")
        time.sleep(10)
        body = ask(address, ACME).body
    page.change("tollgate.yaml", MENDED, ("  name: renamed\n  namespace", "  name: tollgate\n  namespace"))
    page.apply("tollgate.yaml")
    page.run("kubectl -n inference delete envoyextensionpolicy renamed")
    served(address, ACME)
    assert 200 not in load.seen, load.seen
    assert load.seen[403], f"the filter was never gone: {load.seen}"
    assert b"RBAC: access denied" in body, body
    return f"without a key {dict(load.seen)}, with one {dict(with_key.seen)}"


@row("a new module and a faulty configuration in one change: 503 for everybody, until it is mended")
def combined(setup):
    page, address = setup.page, proxy(setup).address
    digest = setup.push("0.1.2")
    page.image(digest)
    page.change("tollgate.yaml", FAULT)
    with Load(address, key=ACME, keep_alive=False) as load:
        page.apply("tollgate.yaml")
        time.sleep(10)
    page.image(setup.digest)
    page.change("tollgate.yaml", MENDED)
    page.apply("tollgate.yaml")
    served(address, ACME)
    assert load.seen[503], f"expected 503, as the page says: {load.seen}"
    return f"{dict(load.seen)}"


@row("a faulty key set of the token's issuer: 403 for everybody, keys included, until it is mended")
def faulty_key_set(setup):
    page, address = setup.page, proxy(setup).address
    page.change("tokens.yaml", ('"crv": "P-256"', '"crv": "P-257"'))
    page.apply("tokens.yaml")
    until("the change", lambda: ask(address, ACME).status != 200, 30)
    with Load(address, key=ACME, keep_alive=False) as load, Load(address, keep_alive=False) as without:
        time.sleep(3)
    page.change("tokens.yaml", ('"crv": "P-257"', '"crv": "P-256"'))
    page.apply("tokens.yaml")
    served(address, ACME)
    assert set(load.seen) == {403} and 200 not in without.seen, (load.seen, without.seen)
