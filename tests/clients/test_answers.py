"""Through the gateway the SDKs get what they get from the server itself."""

import pytest

from conftest import QWEN
from conversations import (
    ANTHROPIC,
    ANTHROPIC_SIMULATED,
    CHAT,
    CHAT_TOOLS,
    LLAMA,
    MESSAGE,
    MESSAGE_TOOLS,
    OPENAI,
    OPENAI_SIMULATED,
    WITH_USAGE,
    chunks_of,
    comparable,
    final_completion,
    final_message,
)


def rows(calls, simulated):
    marked = [pytest.param(call, id=name, marks=pytest.mark.simulated) for name, call in simulated.items()]
    return [pytest.param(call, id=name) for name, call in calls.items()] + marked


@pytest.mark.parametrize("call", rows(OPENAI, OPENAI_SIMULATED))
def test_openai_gets_what_it_gets_from_the_server(call, openai_client, openai_direct):
    assert comparable(call(openai_client)) == comparable(call(openai_direct))


@pytest.mark.parametrize("call", rows(ANTHROPIC, ANTHROPIC_SIMULATED))
def test_anthropic_gets_what_it_gets_from_the_server(call, anthropic_client, anthropic_direct):
    assert comparable(call(anthropic_client)) == comparable(call(anthropic_direct))


def test_usage_shows_only_where_it_was_asked_for(openai_client):
    create = openai_client.chat.completions.create
    unasked = chunks_of(create(**CHAT, stream=True))
    assert (unasked["usages"], unasked["without_choices"]) == ([], 0)
    declined = chunks_of(create(**CHAT, stream=True, stream_options={"include_usage": False}))
    assert (declined["usages"], declined["without_choices"]) == ([], 0)
    asked = chunks_of(create(**CHAT, stream=True, **WITH_USAGE))
    assert [usage["completion_tokens"] for usage in asked["usages"]] == [12]
    assert asked["without_choices"] == 1
    assert final_completion(openai_client, **CHAT).usage is None
    assert final_completion(openai_client, **CHAT, **WITH_USAGE).usage.completion_tokens == 12


@pytest.mark.simulated
def test_parallel_tool_calls_are_put_together_from_their_pieces(openai_client, anthropic_client):
    expected = [("weather", '{"city":"Hello","unit":"Hello"}'), ("time", '{"city":"Hello"}')]

    chunks = chunks_of(openai_client.chat.completions.create(**CHAT, **CHAT_TOOLS, stream=True))
    assert [chunks["calls"][index] for index in (0, 1)] == expected
    assert chunks["finish_reasons"] == {0: "tool_calls"}

    completion = final_completion(openai_client, **CHAT, **CHAT_TOOLS)
    calls = [call.function for call in completion.choices[0].message.tool_calls]
    assert [(call.name, call.arguments) for call in calls] == expected

    message = final_message(anthropic_client, **MESSAGE, **MESSAGE_TOOLS)
    assert message.stop_reason == "tool_use"
    assert [(block.name, block.input) for block in message.content] == [
        ("weather", {"city": "Hello", "unit": "Hello"}),
        ("time", {"city": "Hello"}),
    ]


@pytest.mark.simulated
def test_the_result_of_a_tool_goes_back_to_the_model(openai_client):
    first = openai_client.chat.completions.create(**CHAT, **CHAT_TOOLS, parallel_tool_calls=False)
    (call,) = first.choices[0].message.tool_calls
    conversation = [
        *CHAT["messages"],
        first.choices[0].message.model_dump(exclude_none=True),
        {"role": "tool", "tool_call_id": call.id, "content": "Sunny."},
    ]
    second = openai_client.chat.completions.create(**{**CHAT, "messages": conversation}, **CHAT_TOOLS)
    assert second.choices[0].message.content.startswith("Hello from the simulated")


def test_the_lists_of_models_show_what_the_caller_may_use(gateway, openai_client, anthropic_client):
    assert [model.id for model in openai_client.models.list()] == [LLAMA, QWEN]
    assert [model.id for model in anthropic_client.models.list()] == [LLAMA, QWEN]
    others = openai_client.with_options(api_key="sk-tollgate-globex-demo")
    assert [model.id for model in others.models.list()] == [LLAMA]
