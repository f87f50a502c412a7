"""The requests of coding agents, as they were recorded: each agent asks in its own way, and takes its own hints from a refusal."""

import http.client
import json

import pytest

from conftest import ACME, GLOBEX, QWEN
from gateway import ROOT

pytestmark = pytest.mark.simulated

AGENTS = ROOT / "tests" / "clients" / "agents"


def recorded(agent, name):
    requests = json.loads((AGENTS / f"{agent}.json").read_text())["requests"]
    (request,) = [request for request in requests if request["name"] == name]
    if "max_tokens" in request.get("body", {}):
        # The simulated server says as much as it may.
        request["body"]["max_tokens"] = 12
    return request


BEARER = ("authorization", "Bearer {}")
# The agent, the header of its key, and where the text of an answer stands in its events.
TURNS = [
    pytest.param("codex", BEARER, "response.output_text.delta", id="codex"),
    pytest.param("claude-code", BEARER, "content_block_delta", id="claude code, token"),
    pytest.param("claude-code", ("x-api-key", "{}"), "content_block_delta", id="claude code, key"),
]


def send(address, request, credential=BEARER, key=ACME, **changes):
    """Status, headers and body of the reply to a recorded request."""
    headers = [*request["headers"], *([[credential[0], credential[1].format(key)]] if credential else [])]
    body = json.dumps({**request["body"], **changes}).encode() if "body" in request else None
    connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=10)
    connection.putrequest(request["method"], request["path"], skip_accept_encoding=True)
    for header in headers:
        connection.putheader(*header)
    if body is not None:
        connection.putheader("content-length", str(len(body)))
    connection.endheaders(body)
    reply = connection.getresponse()
    text = reply.read().decode()
    connection.close()
    return reply.status, dict(reply.getheaders()), text


def text_of(events, kind):
    """The answer in the events of a stream, and whether usage stands in the last of them."""
    data = [json.loads(line.removeprefix("data: ")) for line in events.splitlines() if line.startswith("data: {")]
    deltas = [event["delta"] for event in data if event["type"] == kind]
    text = "".join(delta if isinstance(delta, str) else delta.get("text", "") for delta in deltas)
    return text, [event["type"] for event in data][-1]


@pytest.mark.parametrize("agent, credential, kind", TURNS)
def test_a_turn_is_answered_as_by_the_server_and_counted(agent, credential, kind, gateway, server):
    # Without tools the simulated server answers with text.
    request = recorded(agent, "turn")
    watch = gateway.watch()
    status, _, through = send(gateway.base, request, credential, tools=[])
    direct_status, _, direct = send(f"http://{server}", request, credential, tools=[])
    assert (status, direct_status) == (200, 200)
    assert text_of(through, kind) == text_of(direct, kind)
    assert text_of(through, kind)[0]
    assert watch.requests() == 1
    assert watch.moved("tollgate_requests_total", "outcome") == {("ok",): 1}
    assert watch.moved("tollgate_tokens_total", tenant="acme") > 0
    assert watch.moved("tollgate_usage_missing_total") == 0


@pytest.mark.parametrize("agent, credential, kind", TURNS)
def test_its_tools_pass_as_they_are(agent, credential, kind, gateway, server):
    request = recorded(agent, "turn")
    status, _, through = send(gateway.base, request, credential)
    direct_status, _, direct = send(f"http://{server}", request, credential)
    assert status == direct_status
    assert len(through.splitlines()) == len(direct.splitlines())


@pytest.mark.parametrize(
    "key, changes, status, code",
    [
        pytest.param("sk-wrong", {}, 401, "invalid_credential", id="wrong key"),
        pytest.param(GLOBEX, {"model": QWEN}, 403, "model_not_allowed", id="model not allowed"),
    ],
)
@pytest.mark.parametrize("agent, credential, kind", TURNS)
def test_a_turn_is_refused_for_good(agent, credential, kind, key, changes, status, code, gateway):
    found, headers, text = send(gateway.base, recorded(agent, "turn"), credential, key, **changes)
    assert (found, headers["x-tollgate-code"], headers["x-should-retry"]) == (status, code, "false")
    assert json.loads(text)["error"]["message"]


@pytest.mark.parametrize("agent, credential, kind", TURNS)
def test_a_limit_says_when_to_come_back(agent, credential, kind, limited_gateway):
    status, headers, text = send(limited_gateway.base, recorded(agent, "turn"), credential)
    assert (status, headers["x-tollgate-code"], headers["x-should-retry"]) == (429, "quota_requests", "false")
    assert 0 < int(headers["retry-after"]) <= 3600
    assert "You have reached the limit" in json.loads(text)["error"]["message"]


def test_codex_tries_a_websocket_first_and_is_sent_to_plain_http(gateway):
    status, _, _ = send(gateway.base, recorded("codex", "websocket"))
    # On 426 it goes over to POST at once, and tries other statuses again.
    assert status == 426


def test_claude_code_looks_whether_anybody_is_there(gateway):
    # Without a key; it goes on after any status.
    watch = gateway.watch()
    status, _, text = send(gateway.base, recorded("claude-code", "probe"), credential=None)
    assert (status, text) == (403, "")
    assert watch.moved("tollgate_denials_total", "code") == {("operation_not_allowed",): 1}


def test_claude_code_counts_tokens_before_it_asks(gateway, server):
    turn = recorded("claude-code", "turn")
    members = {name: turn["body"][name] for name in ("model", "messages", "system")}
    counting = {**turn, "path": "/v1/messages/count_tokens?beta=true", "body": {**members, "tools": []}}
    status, _, through = send(gateway.base, counting)
    assert (status, through) == (200, send(f"http://{server}", counting)[2])
    assert json.loads(through)["input_tokens"] > 0
