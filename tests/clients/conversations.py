"""Each call of the SDKs that has an answer: what is asked, and what the SDK makes of the answer."""

import asyncio

import anthropic
import openai

LLAMA = "llama-3.1-8b"

ASK = {"model": LLAMA, "messages": [{"role": "user", "content": "Hello, who are you?"}]}
# A real server shall say the same each time.
FIXED = {"temperature": 0, "seed": 0}
CHAT = {**ASK, **FIXED, "max_tokens": 12}
RESPONSE = {"model": LLAMA, "input": "Hello, who are you?", "temperature": 0, "max_output_tokens": 12}
COMPLETION = {"model": LLAMA, "prompt": ["Hello, who are you?", "And I?"], **FIXED, "max_tokens": 12}
MESSAGE = {**ASK, "max_tokens": 12, "extra_body": {"temperature": 0}}
WITH_USAGE = {"stream_options": {"include_usage": True}}


def schema(*names):
    return {"type": "object", "properties": {name: {"type": "string"} for name in names}, "required": list(names)}


WEATHER, TIME = schema("city", "unit"), schema("city")
CHAT_TOOLS = {
    "tools": [
        {"type": "function", "function": {"name": "weather", "parameters": WEATHER}},
        {"type": "function", "function": {"name": "time", "parameters": TIME}},
    ]
}
CHAT_TOOL_TOLD = {**CHAT_TOOLS, "tool_choice": {"type": "function", "function": {"name": "time"}}}
RESPONSE_TOOLS = {
    "tools": [
        {"type": "function", "name": "weather", "parameters": WEATHER, "strict": False},
        {"type": "function", "name": "time", "parameters": TIME, "strict": False},
    ]
}
MESSAGE_TOOLS = {
    "tools": [{"name": "weather", "input_schema": WEATHER}, {"name": "time", "input_schema": TIME}],
}


def chunks_of(stream):
    """What a program has that puts the chunks of a stream together by itself."""
    texts, finish_reasons, usages, calls, without_choices = {}, {}, [], {}, 0
    for chunk in stream:
        without_choices += not chunk.choices
        if chunk.usage:
            usages.append(chunk.usage.model_dump())
        for choice in chunk.choices:
            finish_reasons[choice.index] = choice.finish_reason or finish_reasons.get(choice.index)
            if hasattr(choice, "text"):
                texts[choice.index] = texts.get(choice.index, "") + choice.text
                continue
            texts[choice.index] = texts.get(choice.index, "") + (choice.delta.content or "")
            for call in choice.delta.tool_calls or []:
                name, arguments = calls.get(call.index, ("", ""))
                calls[call.index] = (
                    name + (call.function.name or ""),
                    arguments + (call.function.arguments or ""),
                )
    return {
        "texts": texts,
        "finish_reasons": finish_reasons,
        "usages": usages,
        "calls": calls,
        "without_choices": without_choices,
    }


def final_completion(client, **request):
    with client.chat.completions.stream(**request) as stream:
        try:
            return stream.get_final_completion()
        except openai.LengthFinishReasonError as cut:
            return cut.completion


def final_response(client, **request):
    with client.responses.stream(**request) as stream:
        return stream.get_final_response()


def final_message(client, **request):
    with client.messages.stream(**request) as stream:
        return stream.get_final_message()


def asynchronously(client, **request):
    async def ask():
        async with openai.AsyncOpenAI(base_url=client.base_url, api_key=client.api_key) as twin:
            whole = await twin.chat.completions.create(**request)
            stream = await twin.chat.completions.create(**request, stream=True, **WITH_USAGE)
            return [whole, *[chunk.usage for chunk in [chunk async for chunk in stream] if chunk.usage]]

    return asyncio.run(ask())


def message_asynchronously(client, **request):
    async def ask():
        async with anthropic.AsyncAnthropic(base_url=client.base_url, api_key=client.api_key) as twin:
            async with twin.messages.stream(**request) as stream:
                return await stream.get_final_message()

    return asyncio.run(ask())


# By name: what a client is asked to do.
OPENAI = {
    "chat": lambda client: client.chat.completions.create(**CHAT),
    "chat stream": lambda client: chunks_of(client.chat.completions.create(**CHAT, stream=True)),
    "chat stream with usage": lambda client: chunks_of(
        client.chat.completions.create(**CHAT, stream=True, **WITH_USAGE)
    ),
    "chat stream that declines usage": lambda client: chunks_of(
        client.chat.completions.create(**CHAT, stream=True, stream_options={"include_usage": False})
    ),
    "chat stream helper": lambda client: final_completion(client, **CHAT),
    "chat stream helper with usage": lambda client: final_completion(client, **CHAT, **WITH_USAGE),
    "chat with a tool that is told": lambda client: client.chat.completions.create(**CHAT, **CHAT_TOOL_TOLD),
    "chat stream with a tool that is told": lambda client: chunks_of(
        client.chat.completions.create(**CHAT, **CHAT_TOOL_TOLD, stream=True)
    ),
    "chat asynchronously": lambda client: asynchronously(client, **CHAT),
    "response": lambda client: client.responses.create(**RESPONSE),
    "response stream": lambda client: final_response(client, **RESPONSE),
    "completions": lambda client: client.completions.create(**COMPLETION),
    "completions stream": lambda client: chunks_of(client.completions.create(**COMPLETION, stream=True)),
    "completions stream with usage": lambda client: chunks_of(
        client.completions.create(**COMPLETION, stream=True, **WITH_USAGE)
    ),
}
ANTHROPIC = {
    "message": lambda client: client.messages.create(**MESSAGE),
    "message stream": lambda client: final_message(client, **MESSAGE),
    "message stream asynchronously": lambda client: message_asynchronously(client, **MESSAGE),
    "count tokens": lambda client: client.messages.count_tokens(**ASK),
}

# What only the simulated server has an answer to: a model of random weights calls no tool unasked, vLLM gives one answer where
# none is left to chance, and does not show a model.
OPENAI_SIMULATED = {
    "chat, two choices": lambda client: client.chat.completions.create(**CHAT, n=2),
    "show model": lambda client: client.models.retrieve(LLAMA),
    "chat with tools": lambda client: client.chat.completions.create(**CHAT, **CHAT_TOOLS),
    "chat with one tool at a time": lambda client: client.chat.completions.create(
        **CHAT, **CHAT_TOOLS, parallel_tool_calls=False
    ),
    "chat stream with tools": lambda client: chunks_of(
        client.chat.completions.create(**CHAT, **CHAT_TOOLS, stream=True)
    ),
    "chat stream helper with tools": lambda client: final_completion(client, **CHAT, **CHAT_TOOLS),
    "response with tools": lambda client: client.responses.create(**RESPONSE, **RESPONSE_TOOLS),
    "response stream with tools": lambda client: final_response(client, **RESPONSE, **RESPONSE_TOOLS),
    "embeddings": lambda client: client.embeddings.create(model=LLAMA, input=["one", "two words"]),
}
ANTHROPIC_SIMULATED = {
    "message with tools": lambda client: client.messages.create(**MESSAGE, **MESSAGE_TOOLS),
    "message stream with tools": lambda client: final_message(client, **MESSAGE, **MESSAGE_TOOLS),
}

# Made anew for each request; but for the last, which vLLM moves into the event with the usage where it is asked for that,
# so that it is hidden with it from a client who did not ask.
OWN = {"id", "created", "created_at", "completed_at", "call_id", "system_fingerprint"}


def comparable(result):
    """The answer without what differs between any two requests."""
    if hasattr(result, "model_dump"):
        result = result.model_dump()
    if isinstance(result, dict):
        return {name: comparable(value) for name, value in result.items() if name not in OWN}
    if isinstance(result, (list, tuple)):
        return [comparable(value) for value in result]
    return result
