"""No judge serves a model that was not judged; and each would, if the filter were not there."""

import time

import pytest

from attacks import ATTACKS, CARRIERS, CURL, HONEST_FORMS, HONEST_JSON, LLAMA, PASSES, QWEN, SMUGGLED
from servers import JUDGES, PRESENT, models
from verdicts import BEHIND_ENVOY, BEHIND_THE_FILTER, DIRECTLY, fooled, to
from wire import FRAMINGS, Request

# cpp-httplib reads no body of a GET, and so takes it for the next request on the connection.
SMUGGLER = "cpp-httplib"
# What it gets of a connection at once, and loses where it is more than the head.
AT_ONCE = 4096
# How long a judge may take to read what was smuggled to it, in seconds: at most, and where nothing is to come.
PATIENCE, MOMENT = 5, 0.3

each_judge = pytest.mark.parametrize("name", PRESENT)


def faults(judge, envoy, rows):
    """What did not go as the rows say, behind the filter."""
    before = len(judge.served())
    found = {}
    for row in rows:
        for framing, send in FRAMINGS.items():
            answer = send(envoy.filtered, to(judge.judge, row.request))
            read = models(answer.text)
            if QWEN in read:
                fooled[judge.judge][BEHIND_THE_FILTER].add(row.name)
            as_told = answer.status == 200 and read == [LLAMA]
            if row.code is not PASSES:
                as_told = 400 <= answer.status < 500 and answer.code == row.code and not read
            if not as_told:
                found[row.name, framing] = (answer.status, answer.code, answer.text[:200])
    others = set(judge.served()[before:]) - {LLAMA}
    return {**found, "served": others} if others else found


@each_judge
def test_no_judge_is_fooled_behind_the_filter(judges, envoy, name):
    assert faults(judges[name], envoy, ATTACKS) == {}


@each_judge
def test_honest_requests_are_served_as_before(judges, envoy, name):
    # LiteLLM has no mock of what forms are sent for.
    for row in HONEST_JSON if name == "LiteLLM" else [*HONEST_JSON, *HONEST_FORMS]:
        request = to(name, row.request)
        read = {}
        for framing, send in FRAMINGS.items():
            read[framing], alone = (models(send(address, request).text) for address in (envoy.filtered, envoy.alone))
            assert read[framing] == alone, (row.name, framing)
        assert read["content-length"] == [LLAMA], row.name
    # Many people type this, and without the filter some readers take it for a form.
    assert faults(judges[name], envoy, [CURL]) == {}


@each_judge
def test_each_judge_is_fooled_without_the_filter(unguarded, name):
    assert fooled[name][DIRECTLY]
    assert fooled[name][BEHIND_ENVOY]


@pytest.mark.skipif(PRESENT != list(JUDGES), reason="some attacks are for judges that could not be installed")
def test_each_attack_fools_a_judge_without_the_filter(unguarded):
    by_all = set().union(*(fooled[name][way] for name in PRESENT for way in (DIRECTLY, BEHIND_ENVOY)))
    assert [row.name for row in ATTACKS if row.name not in by_all] == []


def carrying(carrier, body):
    request = to(SMUGGLER, carrier.request)
    return Request(request.method, request.path, request.headers, body)


def smuggling(carrier, address):
    """The carrier with a whole request where the judge begins to read anew."""
    send = FRAMINGS["content-length"]
    head = int(send(address, carrying(carrier, b" " * AT_ONCE)).headers["x-head"])
    smuggled = SMUGGLED.http1(("content-length", len(SMUGGLED.body)), body=SMUGGLED.body)
    return carrying(carrier, b" " * (AT_ONCE - head) + smuggled)


def served_since(judge, before, seconds):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and QWEN not in judge.served()[before:]:
        time.sleep(0.02)
    return judge.served()[before:]


@pytest.mark.skipif(SMUGGLER not in PRESENT, reason=f"{SMUGGLER} could not be installed")
@pytest.mark.parametrize("carrier", CARRIERS, ids=lambda carrier: carrier.name)
def test_nothing_is_smuggled_to_a_judge_that_leaves_bodies_unread(judges, envoy, carrier):
    judge = judges[SMUGGLER]
    for way, address in ((DIRECTLY, judge.address()), (BEHIND_ENVOY, envoy.alone)):
        request = smuggling(carrier, address)
        before = len(judge.served())
        FRAMINGS["content-length"](address, request)
        assert QWEN in served_since(judge, before, PATIENCE), way
        fooled[SMUGGLER][way].add(carrier.name)
    for framing, send in FRAMINGS.items():
        before = len(judge.served())
        answer = send(envoy.filtered, request)
        if QWEN in served_since(judge, before, MOMENT):
            fooled[SMUGGLER][BEHIND_THE_FILTER].add(carrier.name)
        assert (answer.status, answer.code, judge.served()[before:]) == (400, carrier.code, []), framing
