"""Refusals and errors become the exceptions that the SDKs have for them, and a refusal is never tried again."""

import anthropic
import openai
import pytest

from conftest import EXPIRED, GLOBEX, QWEN
from conversations import ASK, CHAT, LLAMA, MESSAGE


def chat(client, **changes):
    return client.chat.completions.create(**{**CHAT, **changes})


def streamed_chat(client, **changes):
    return chat(client, stream=True, **changes)


def message(client, **changes):
    return client.messages.create(**{**MESSAGE, **changes})


def streamed_message(client, **changes):
    return message(client, stream=True, **changes)


def response(client, **changes):
    return client.responses.create(model=LLAMA, input="Hello", **changes)


def is_refused_once(gateway, call, exception):
    """Makes a call that the gateway must refuse; returns what the SDK raised and what the gateway has in its books."""
    watch = gateway.watch()
    with pytest.raises(exception) as raised:
        call()
    error = raised.value
    assert type(error) is exception
    assert watch.requests() == 1, "a refusal was tried again"
    assert watch.moved("tollgate_requests_total", "outcome") == {("denied",): 1}
    assert error.response.headers["x-should-retry"] == "false"
    record = gateway.record(error.request_id)
    assert record["outcome"] == "denied"
    assert watch.moved("tollgate_denials_total", "code") == {(record["denial"],): 1}
    return error, record


# The SDKs insist on a key; without this header they have none.
OPENAI_WITHOUT_KEY = {"extra_headers": {"Authorization": openai.Omit()}}
ANTHROPIC_WITHOUT_KEY = {"extra_headers": {"Authorization": anthropic.Omit()}}

# Name, key, call, exception, status, code.
OPENAI_REFUSALS = [
    (
        "no key",
        "none",
        lambda client: chat(client, **OPENAI_WITHOUT_KEY),
        openai.AuthenticationError,
        401,
        "missing_credential",
    ),
    (
        "no key, streamed",
        "none",
        lambda client: streamed_chat(client, **OPENAI_WITHOUT_KEY),
        openai.AuthenticationError,
        401,
        "missing_credential",
    ),
    ("wrong key", "sk-wrong", chat, openai.AuthenticationError, 401, "invalid_credential"),
    ("wrong key, responses", "sk-wrong", response, openai.AuthenticationError, 401, "invalid_credential"),
    (
        "model not allowed",
        GLOBEX,
        lambda client: chat(client, model=QWEN),
        openai.PermissionDeniedError,
        403,
        "model_not_allowed",
    ),
    (
        "model not allowed, streamed",
        GLOBEX,
        lambda client: streamed_chat(client, model=QWEN),
        openai.PermissionDeniedError,
        403,
        "model_not_allowed",
    ),
    (
        "shown model not allowed",
        GLOBEX,
        lambda client: client.models.retrieve(QWEN),
        openai.PermissionDeniedError,
        403,
        "model_not_allowed",
    ),
    (
        "no such operation",
        GLOBEX,
        lambda client: client.files.list(),
        openai.PermissionDeniedError,
        403,
        "operation_not_allowed",
    ),
    (
        "in the background",
        GLOBEX,
        lambda client: response(client, background=True),
        openai.PermissionDeniedError,
        403,
        "background_not_allowed",
    ),
    ("no model", GLOBEX, lambda client: chat(client, model=""), openai.BadRequestError, 400, "missing_model"),
    (
        "two models",
        GLOBEX,
        lambda client: chat(client, extra_body={"Model": QWEN}),
        openai.BadRequestError,
        400,
        "ambiguous_model",
    ),
    (
        "malformed",
        GLOBEX,
        lambda client: client.post("/chat/completions", cast_to=object, content=b'{"model": "llama-3.1-8b",'),
        openai.BadRequestError,
        400,
        "malformed_body",
    ),
    (
        "two keys",
        GLOBEX,
        lambda client: chat(client, extra_headers={"x-api-key": "sk-another"}),
        openai.BadRequestError,
        400,
        "ambiguous_credential",
    ),
]


@pytest.mark.parametrize(
    "key, call, exception, status, code",
    [pytest.param(*row[1:], id=row[0]) for row in OPENAI_REFUSALS],
)
def test_openai_raises_what_the_refusal_means_and_asks_once(gateway, key, call, exception, status, code):
    client = openai.OpenAI(base_url=f"{gateway.base}/v1", api_key=key)
    error, record = is_refused_once(gateway, lambda: call(client), exception)
    assert (error.status_code, error.code) == (status, code)
    assert error.response.headers["x-tollgate-code"] == code
    assert record["denial"] == code
    assert "sk-" not in str(error.body)


# Name, key, call, exception, status, type of the body, code.
ANTHROPIC_REFUSALS = [
    (
        "no key",
        "none",
        lambda client: message(client, **ANTHROPIC_WITHOUT_KEY),
        anthropic.AuthenticationError,
        401,
        "authentication_error",
        "missing_credential",
    ),
    (
        "wrong key",
        "sk-wrong",
        message,
        anthropic.AuthenticationError,
        401,
        "authentication_error",
        "invalid_credential",
    ),
    (
        "wrong key, streamed",
        "sk-wrong",
        streamed_message,
        anthropic.AuthenticationError,
        401,
        "authentication_error",
        "invalid_credential",
    ),
    (
        "model not allowed",
        GLOBEX,
        lambda client: message(client, model=QWEN),
        anthropic.PermissionDeniedError,
        403,
        "permission_error",
        "model_not_allowed",
    ),
    (
        "model not allowed, streamed",
        GLOBEX,
        lambda client: streamed_message(client, model=QWEN),
        anthropic.PermissionDeniedError,
        403,
        "permission_error",
        "model_not_allowed",
    ),
    (
        "tokens of a model not allowed",
        GLOBEX,
        lambda client: client.messages.count_tokens(**{**ASK, "model": QWEN}),
        anthropic.PermissionDeniedError,
        403,
        "permission_error",
        "model_not_allowed",
    ),
    (
        "no model",
        GLOBEX,
        lambda client: message(client, model=""),
        anthropic.BadRequestError,
        400,
        "invalid_request_error",
        "missing_model",
    ),
    (
        "two models",
        GLOBEX,
        lambda client: message(client, extra_body={"Model": QWEN}),
        anthropic.BadRequestError,
        400,
        "invalid_request_error",
        "ambiguous_model",
    ),
]


@pytest.mark.parametrize(
    "key, call, exception, status, kind, code",
    [pytest.param(*row[1:], id=row[0]) for row in ANTHROPIC_REFUSALS],
)
def test_anthropic_raises_what_the_refusal_means_and_asks_once(gateway, key, call, exception, status, kind, code):
    client = anthropic.Anthropic(base_url=gateway.base, api_key=key)
    error, record = is_refused_once(gateway, lambda: call(client), exception)
    assert error.status_code == status
    assert error.type == kind
    assert error.body["type"] == "error"
    assert error.body["error"]["type"] == kind
    assert error.response.headers["x-tollgate-code"] == code
    assert record["denial"] == code


def test_an_expired_key_is_refused_with_its_own_code(hiding_gateway):
    client = openai.OpenAI(base_url=f"{hiding_gateway.base}/v1", api_key=EXPIRED)
    error, _ = is_refused_once(hiding_gateway, lambda: chat(client), openai.AuthenticationError)
    assert error.code == "expired_credential"
    client = anthropic.Anthropic(base_url=hiding_gateway.base, api_key=EXPIRED)
    error, _ = is_refused_once(hiding_gateway, lambda: message(client), anthropic.AuthenticationError)
    assert error.type == "authentication_error"


def test_a_hidden_model_is_not_found(hiding_gateway):
    client = openai.OpenAI(base_url=f"{hiding_gateway.base}/v1", api_key=GLOBEX)
    error, record = is_refused_once(hiding_gateway, lambda: chat(client, model=QWEN), openai.NotFoundError)
    assert (error.code, error.param) == ("model_not_found", "model")
    assert record["denial"] == "model_not_allowed"
    client = anthropic.Anthropic(base_url=hiding_gateway.base, api_key=GLOBEX)
    error, _ = is_refused_once(hiding_gateway, lambda: message(client, model=QWEN), anthropic.NotFoundError)
    assert error.type == "not_found_error"


@pytest.mark.simulated
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(
    "status, exception, requests",
    [
        pytest.param(429, "RateLimitError", 3, id="429"),
        pytest.param(500, "InternalServerError", 3, id="500"),
        pytest.param(422, "UnprocessableEntityError", 1, id="422"),
    ],
)
def test_an_error_of_the_server_is_tried_again_as_without_the_gateway(
    gateway, openai_client, anthropic_client, status, exception, requests, streamed
):
    failing = {"extra_headers": {"x-simulator-status": str(status)}, "stream": streamed}
    outcome = "upstream_4xx" if status < 500 else "upstream_5xx"
    for sdk, call, client in ((openai, chat, openai_client), (anthropic, message, anthropic_client)):
        watch = gateway.watch()
        with pytest.raises(getattr(sdk, exception)) as raised:
            call(client, **failing)
        assert raised.value.status_code == status
        assert watch.requests() == requests
        assert watch.moved("tollgate_requests_total", "outcome") == {(outcome,): requests}
        assert watch.moved("tollgate_tokens_total") == 0


def test_a_prompt_that_is_too_long_is_the_servers_own_400(gateway, openai_client):
    watch = gateway.watch()
    with pytest.raises(openai.BadRequestError, match="maximum context length|max_model_len"):
        chat(openai_client, max_tokens=131_072)
    assert watch.moved("tollgate_requests_total", "outcome") == {("upstream_4xx",): 1}
