"""The books of the gateway hold what the SDKs were told, and what they would not wait for."""

import urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from gateway import eventually, read_series
from conversations import (
    CHAT,
    CHAT_TOOL_TOLD,
    CHAT_TOOLS,
    COMPLETION,
    LLAMA,
    MESSAGE,
    MESSAGE_TOOLS,
    RESPONSE,
    RESPONSE_TOOLS,
    WITH_USAGE,
    chunks_of,
    final_completion,
    final_message,
    final_response,
)

OPENAI_USAGES = [
    lambda client: client.chat.completions.create(**CHAT).usage,
    lambda client: chunks_of(client.chat.completions.create(**CHAT, stream=True, **WITH_USAGE))["usages"][-1],
    lambda client: final_completion(client, **CHAT, **WITH_USAGE).usage,
    lambda client: client.chat.completions.create(**CHAT, **CHAT_TOOL_TOLD).usage,
    lambda client: client.completions.create(**COMPLETION).usage,
    lambda client: chunks_of(client.completions.create(**COMPLETION, stream=True, **WITH_USAGE))["usages"][-1],
    lambda client: client.responses.create(**RESPONSE).usage,
    lambda client: final_response(client, **RESPONSE).usage,
]
TWO_CHOICES = {**CHAT, "temperature": 1, "n": 2}
ANTHROPIC_USAGES = [
    lambda client: client.messages.create(**MESSAGE).usage,
    lambda client: final_message(client, **MESSAGE).usage,
]
OPENAI_USAGES_SIMULATED = [
    lambda client: client.chat.completions.create(**CHAT, **CHAT_TOOLS).usage,
    lambda client: final_completion(client, **CHAT, **CHAT_TOOLS, **WITH_USAGE).usage,
    lambda client: final_response(client, **RESPONSE, **RESPONSE_TOOLS).usage,
    lambda client: client.embeddings.create(model=LLAMA, input=["one", "two words"]).usage,
]
ANTHROPIC_USAGES_SIMULATED = [lambda client: final_message(client, **MESSAGE, **MESSAGE_TOOLS).usage]


def tokens(usage):
    """Input and output of a usage, whichever API it is from."""
    members = usage if isinstance(usage, dict) else usage.model_dump()
    return {
        ("input",): members.get("prompt_tokens") or members.get("input_tokens"),
        ("output",): members.get("completion_tokens") or members.get("output_tokens") or 0,
    }


def compare(gateway, calls):
    watch = gateway.watch()
    with ThreadPoolExecutor(4) as pool:
        usages = list(pool.map(lambda call: call[0](call[1]), calls))
    told = sum((Counter(tokens(usage)) for usage in usages), Counter())
    assert watch.requests() == len(calls)
    assert watch.moved("tollgate_tokens_total", "type", tenant="acme", model=LLAMA) == dict(told)
    assert watch.moved("tollgate_usage_missing_total") == 0


def test_prometheus_has_the_sum_of_what_the_sdks_were_told(gateway, openai_client, anthropic_client):
    calls = [(call, openai_client) for call in OPENAI_USAGES]
    calls.append((lambda client: client.chat.completions.create(**TWO_CHOICES).usage, openai_client))
    calls += [(call, anthropic_client) for call in ANTHROPIC_USAGES]
    compare(gateway, 3 * calls)


@pytest.mark.simulated
def test_so_it_has_of_tool_calls_and_embeddings(gateway, openai_client, anthropic_client):
    calls = [(call, openai_client) for call in OPENAI_USAGES_SIMULATED]
    calls += [(call, anthropic_client) for call in ANTHROPIC_USAGES_SIMULATED]
    compare(gateway, 3 * calls)


def test_streams_are_counted_whose_client_did_not_ask(gateway, openai_client):
    create = openai_client.chat.completions.create
    expected = tokens(create(**CHAT).usage)
    watch = gateway.watch()
    assert chunks_of(create(**CHAT, stream=True))["usages"] == []
    assert watch.moved("tollgate_tokens_total", "type") == expected


def counters_of_vllm(server):
    """What vLLM has counted itself, of all requests since it was started."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"http://{server}/metrics", timeout=10) as reply:
        series = read_series(reply.read().decode())
    names = {"vllm:prompt_tokens_total": ("input",), "vllm:generation_tokens_total": ("output",)}
    counted = Counter()
    for (name, _), value in series.items():
        if name in names:
            counted[names[name]] += int(value)
    return counted


# Not with several choices: its counter takes the prompt once for each, its usage once for all.
@pytest.mark.vllm
def test_vllm_has_counted_the_same(server, gateway, openai_client, anthropic_client):
    unasked = [
        lambda client: chunks_of(client.chat.completions.create(**CHAT, stream=True)),
        lambda client: chunks_of(client.completions.create(**COMPLETION, stream=True)),
    ]
    watch, before = gateway.watch(), counters_of_vllm(server)
    for call in 3 * [*OPENAI_USAGES, *unasked]:
        call(openai_client)
    for call in 3 * ANTHROPIC_USAGES:
        call(anthropic_client)
    moved = watch.moved("tollgate_tokens_total", "type")
    # It may count a moment after the last event.
    eventually(lambda: counters_of_vllm(server) - before == moved)
    assert min(moved.values()) > 0


LONG = 2_000


# Name, the stream, where its numbers come from once it is cut.
CUT = [
    (
        "chat",
        lambda openai, _: openai.chat.completions.create(**{**CHAT, "max_tokens": LONG}, stream=True),
        "estimated",
    ),
    (
        "chat that tells its usage all along",
        lambda openai, _: openai.chat.completions.create(
            **{**CHAT, "max_tokens": LONG},
            stream=True,
            stream_options={"include_usage": True, "continuous_usage_stats": True},
        ),
        "partial",
    ),
    (
        "completions",
        lambda openai, _: openai.completions.create(**{**COMPLETION, "max_tokens": LONG}, stream=True),
        "estimated",
    ),
    (
        "response",
        lambda openai, _: openai.responses.create(**{**RESPONSE, "max_output_tokens": LONG}, stream=True),
        "estimated",
    ),
    (
        "message",
        lambda _, anthropic: anthropic.messages.create(**{**MESSAGE, "max_tokens": LONG}, stream=True),
        "partial",
    ),
]


@pytest.mark.parametrize("start, source", [pytest.param(*row[1:], id=row[0]) for row in CUT])
def test_a_stream_that_the_client_leaves_is_in_the_books_once(gateway, openai_client, anthropic_client, start, source):
    watch = gateway.watch()
    before = len(gateway.all_records())
    stream = start(openai_client, anthropic_client)
    for _, _ in zip(range(8), stream):
        pass
    stream.close()

    assert watch.requests() == 1
    assert watch.moved("tollgate_requests_total", "model", "outcome") == {(LLAMA, "client_aborted"): 1}
    assert watch.moved("tollgate_usage_missing_total", "reason") == {("aborted",): 1}
    assert watch.moved("tollgate_estimated_tokens_total", "type")[("output",)] > 0
    counted = watch.moved("tollgate_tokens_total")
    assert counted > 0 if source == "partial" else counted == 0

    (record,) = gateway.all_records()[before:]
    assert (record["outcome"], record["usage_source"]) == ("client_aborted", source)
    assert 0 < int(record["charge_tokens"]) < LONG
