"""What people's clients show them through the gateway: answers, refusals, streams that break off, and wrong base URLs."""

import os
import re

import pytest

from clients import CLIENTS, base_url
from conftest import ACME, GLOBEX, LLAMA, QWEN
from cutting import BEGINNING
from gateway import ROOT

STREAMED = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
EACH = pytest.mark.parametrize("client", CLIENTS)

INVALID = "The API key or token is not valid."
NOT_ALLOWED = "You do not have access to the model `qwen-3-32b`. `GET /v1/models` lists those that you may use."
LIMITED = "You have reached the limit `demo` of 1 requests per hour: 1 used, 0 reserved, 1 asked for. Try again in "
TWICE = {
    "openai": "Did you mean `POST /v1/chat/completions`? `/v1` is there twice: the base URL ends with one.",
    "anthropic": "Did you mean `POST /v1/messages`? `/v1` is there twice: the base URL of Anthropic's SDKs has none.",
}
ENDPOINT = {
    "openai": "Did you mean `POST /v1/chat/completions`? The endpoint is there twice: the base URL ends with `/v1`.",
    "anthropic": "Did you mean `POST /v1/messages`? The endpoint is there twice: the base URL of Anthropic's SDKs ends before"
    " `/v1`.",
}

# Client, and what it raises for 401, 403 and 429.
RAISED = {
    "openai": ("AuthenticationError", "PermissionDeniedError", "RateLimitError"),
    "openai-js": ("AuthenticationError", "PermissionDeniedError", "RateLimitError"),
    "anthropic": ("AuthenticationError", "PermissionDeniedError", "RateLimitError"),
    "anthropic-js": ("AuthenticationError", "PermissionDeniedError", "RateLimitError"),
    "litellm": ("AuthenticationError", "APIError", "RateLimitError"),
    "langchain-openai": ("OpenAIAuthenticationError", "OpenAIPermissionDeniedError", "OpenAIRateLimitError"),
    "langchain-anthropic": ("AnthropicAuthenticationError", "AnthropicPermissionDeniedError", "AnthropicRateLimitError"),
    "llama-index": ("AuthenticationError", "PermissionDeniedError", "RateLimitError"),
    "ai-sdk": ("AI_APICallError", "AI_APICallError", "AI_RetryError"),
}
# Those who ask again after 429 whatever the reply says of it: how often they ask in all, whole and streamed.
STUBBORN = {"ai-sdk": (3, 3), "llama-index": (2, 1)}

PAGE = ROOT / "docs" / "clients.md"
TABLE = re.compile(r"(?<=<!-- What each client shows: written by its test -->\n).*?(?=<!-- end -->)", re.DOTALL)


def usage(client, stream, asked):
    """Whether the user sees a usage: OpenAI's API tells it of a stream only to those who ask."""
    return [4, 12] if not stream or asked or CLIENTS[client].api == "anthropic" else None


@EACH
@pytest.mark.parametrize(
    "asked",
    [{"stream": False}, {"stream": True}, {"stream": True, "usage": True}],
    ids=["whole", "streamed", "streamed with usage"],
)
def test_a_client_gets_what_it_gets_from_the_server(client, asked, gateway, server, drivers):
    asked = {"key": ACME, "model": LLAMA, **asked}
    watch = gateway.watch()
    shown = drivers.ask(client, base=base_url(client, gateway.base), **asked)
    assert shown == drivers.ask(client, base=base_url(client, f"http://{server}"), **asked)
    assert (shown["error"], bool(shown["text"]), bool(shown["finish"])) == (None, True, True)
    told = usage(client, asked["stream"], asked.get("usage"))
    assert (shown["usage"] and shown["usage"][1]) == (told and told[1])
    assert watch.requests() == 1
    assert watch.moved("tollgate_requests_total", "outcome") == {("ok",): 1}


def refusals(gateway, limited_gateway):
    """Status, message, gateway, and what is asked."""
    return [
        (401, INVALID, gateway, {"key": "sk-wrong", "model": LLAMA}),
        (403, NOT_ALLOWED, gateway, {"key": GLOBEX, "model": QWEN}),
        (429, LIMITED, limited_gateway, {"key": ACME, "model": LLAMA}),
    ]


@EACH
@STREAMED
@pytest.mark.parametrize("row", [0, 1, 2], ids=["wrong key", "model not allowed", "limit reached"])
def test_a_refusal_is_an_error_with_its_message(client, stream, row, gateway, limited_gateway, drivers):
    status, message, by, asked = refusals(gateway, limited_gateway)[row]
    watch = by.watch()
    shown = drivers.ask(client, base=base_url(client, by.base), stream=stream, **asked)
    error = shown["error"]
    assert (shown["text"], error["class"], error["status"]) == ("", RAISED[client][row], status)
    assert message in error["message"]
    assert "sk-" not in error["message"]
    requests = STUBBORN.get(client, (1, 1))[stream] if status == 429 else 1
    assert watch.requests() == requests
    assert watch.moved("tollgate_requests_total", "outcome") == {("denied",): requests}


@EACH
@pytest.mark.simulated
def test_a_stream_that_the_server_cuts_is_the_error_that_it_is_without_the_gateway(
    client, cutting_gateway, cutting_server, drivers
):
    asked = {"key": ACME, "model": LLAMA, "stream": True}
    watch = cutting_gateway.watch()
    shown = drivers.ask(client, base=base_url(client, cutting_gateway.base), **asked)
    direct = drivers.ask(client, base=base_url(client, f"http://{cutting_server.address}"), **asked)
    assert shown["text"] == BEGINNING
    assert shown["error"] is not None
    assert shown == direct
    assert watch.requests() == 1
    assert watch.moved("tollgate_requests_total", "outcome") == {("upstream_reset",): 1}


@EACH
@pytest.mark.simulated
@pytest.mark.parametrize("mistake", ["slash at the end", "version twice", "endpoint"])
def test_a_wrong_base_url_works_or_is_told_what_it_should_be(client, mistake, gateway, drivers):
    api, base = CLIENTS[client].api, base_url(client, gateway.base)
    endpoint = "/chat/completions" if api == "openai" else "/v1/messages"
    base += {"slash at the end": "/", "version twice": "/v1", "endpoint": endpoint}[mistake]
    shown = drivers.ask(client, base=base, key=ACME, model=LLAMA, stream=False)
    if mistake == "slash at the end":
        assert shown["error"] is None
        return
    assert shown["error"]["status"] == 403
    # Some show the body as a literal of Python or JSON, with its quotes escaped.
    assert {"version twice": TWICE, "endpoint": ENDPOINT}[mistake][api] in shown["error"]["message"].replace("\\'", "'")


@EACH
@pytest.mark.simulated
def test_a_base_url_without_its_version_is_the_servers_own_404(client, gateway, server, drivers):
    if CLIENTS[client].api == "anthropic":
        pytest.skip("its base URL has none")
    asked = {"key": ACME, "model": LLAMA, "stream": False}
    shown = drivers.ask(client, base=gateway.base, **asked)
    assert shown["error"]["status"] == 404
    assert shown == drivers.ask(client, base=f"http://{server}", **asked)


def cell(error, requests):
    """What is raised, and what it says around the message of the reply."""
    message = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "…", error["message"])
    message = re.sub(r"in \d+ minutes", "in 60 minutes", message)
    again = f"; after {requests} requests" if requests > 1 else ""
    return f"`{error['class']}`{again}", message


def table(gateway, limited_gateway, drivers):
    lines = ["| client | wrong key | model not allowed | limit reached |", "|---|---|---|---|"]
    texts = ["| client | what the error says when a model is not allowed |", "|---|---|"]
    for client, about in CLIENTS.items():
        cells = []
        for status, _, by, asked in refusals(gateway, limited_gateway):
            watch = by.watch()
            shown = drivers.ask(client, base=base_url(client, by.base), stream=False, **asked)
            raised, message = cell(shown["error"], watch.requests())
            cells.append(raised)
            if status == 403:
                texts.append(f"| {about.label} | ``{message}`` |")
        lines.append(f"| {about.label} | {' | '.join(cells)} |")
    return "\n".join(["", *lines, "", *texts, "", ""])


@pytest.mark.simulated
def test_the_page_shows_what_each_client_shows(gateway, limited_gateway, drivers):
    page = PAGE.read_text()
    assert len(TABLE.findall(page)) == 1
    written = TABLE.sub(lambda _: table(gateway, limited_gateway, drivers), page)
    if os.environ.get("TOLLGATE_ACCEPT"):
        PAGE.write_text(written)
    assert written == page or os.environ.get("TOLLGATE_ACCEPT"), "TOLLGATE_ACCEPT=1 writes the tables anew"
