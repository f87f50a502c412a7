"""Asks with one of the Python clients what a line on stdin says, and writes a line of what the client showed its user.

A line asks for `client`, `base`, `key`, `model`, whether to `stream`, and whether to ask for `usage` in the stream. The answer
has `text`, `finish` and `usage` (tokens in and out, or null), and, where the client raised something, `error`.
"""

import json
import logging
import os
import sys
import time

# Its prices are of no use here, and it would fetch them.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

MAX_TOKENS = 12
PROMPT = "Hello, who are you?"
MESSAGES = [{"role": "user", "content": PROMPT}]


class Waits:
    """Some wait for minutes before they ask again. Here the time only seems to pass, as how often they ask depends on it."""

    def __init__(self):
        self.waited, self.now = 0, time.monotonic

    def sleep(self, seconds):
        self.waited += seconds

    def monotonic(self):
        return self.now() + self.waited


WAITS = Waits()
time.sleep, time.monotonic = WAITS.sleep, WAITS.monotonic


class Shown:
    """What the user of a client has seen so far."""

    def __init__(self):
        self.text, self.finish, self.usage, self.error = "", None, None, None

    def count(self, usage):
        """Keeps the last usage, whichever names it has."""
        if usage is None:
            return
        members = usage if isinstance(usage, dict) else usage.model_dump()
        tokens = [members.get("prompt_tokens"), members.get("completion_tokens")]
        if tokens[0] is None:
            tokens = [members.get("input_tokens"), members.get("output_tokens")]
        self.usage = tokens

    def fail(self, error):
        self.error = {
            "class": type(error).__name__,
            "message": str(error),
            "status": getattr(error, "status_code", None),
            "code": getattr(error, "code", None),
        }


def chat_chunks(shown, chunks):
    for chunk in chunks:
        shown.count(getattr(chunk, "usage", None))
        for choice in chunk.choices:
            shown.text += choice.delta.content or ""
            shown.finish = choice.finish_reason or shown.finish


def chat_completion(shown, completion):
    shown.text = completion.choices[0].message.content
    shown.finish = completion.choices[0].finish_reason
    shown.count(completion.usage)


def streamed(asked):
    """The options of a stream for the APIs that are OpenAI's."""
    if not asked["stream"]:
        return {}
    return {"stream": True, **({"stream_options": {"include_usage": True}} if asked["usage"] else {})}


def openai_client(asked, shown):
    import openai

    client = openai.OpenAI(base_url=asked["base"], api_key=asked["key"])
    result = client.chat.completions.create(
        model=asked["model"], messages=MESSAGES, max_tokens=MAX_TOKENS, temperature=0, **streamed(asked)
    )
    (chat_chunks if asked["stream"] else chat_completion)(shown, result)


def anthropic_client(asked, shown):
    import anthropic

    client = anthropic.Anthropic(base_url=asked["base"], api_key=asked["key"])
    request = {"model": asked["model"], "messages": MESSAGES, "max_tokens": MAX_TOKENS}
    if asked["stream"]:
        with client.messages.stream(**request) as stream:
            for text in stream.text_stream:
                shown.text += text
            message = stream.get_final_message()
    else:
        message = client.messages.create(**request)
        shown.text = "".join(block.text for block in message.content)
    shown.finish = message.stop_reason
    shown.count(message.usage)


def litellm_client(asked, shown):
    import litellm

    litellm.suppress_debug_info = True
    result = litellm.completion(
        model=f"openai/{asked['model']}",
        api_base=asked["base"],
        api_key=asked["key"],
        messages=MESSAGES,
        max_tokens=MAX_TOKENS,
        temperature=0,
        **streamed(asked),
    )
    (chat_chunks if asked["stream"] else chat_completion)(shown, result)


def langchain(asked, shown, chat):
    if not asked["stream"]:
        message = chat.invoke(PROMPT)
        shown.text = message.text
        shown.count(message.usage_metadata)
        shown.finish = finish_of(message)
        return
    usage = None
    for chunk in chat.stream(PROMPT):
        shown.text += chunk.text
        shown.finish = finish_of(chunk) or shown.finish
        # The pieces of a usage are to be added up, as the library does with chunks.
        if chunk.usage_metadata:
            tokens = chunk.usage_metadata["input_tokens"], chunk.usage_metadata["output_tokens"]
            usage = tokens if usage is None else (usage[0] + tokens[0], usage[1] + tokens[1])
    shown.usage = usage and list(usage)


def finish_of(message):
    about = message.response_metadata
    return about.get("finish_reason") or about.get("stop_reason")


def langchain_openai_client(asked, shown):
    from langchain_openai import ChatOpenAI

    asks = {"stream_usage": True} if asked["usage"] else {}
    chat = ChatOpenAI(
        base_url=asked["base"], api_key=asked["key"], model=asked["model"], max_tokens=MAX_TOKENS, temperature=0, **asks
    )
    langchain(asked, shown, chat)


def langchain_anthropic_client(asked, shown):
    from langchain_anthropic import ChatAnthropic

    chat = ChatAnthropic(base_url=asked["base"], api_key=asked["key"], model=asked["model"], max_tokens=MAX_TOKENS)
    langchain(asked, shown, chat)


def llama_index_client(asked, shown):
    from llama_index.core.llms import ChatMessage
    from llama_index.llms.openai_like import OpenAILike

    more = {key: value for key, value in streamed(asked).items() if key != "stream"}
    llm = OpenAILike(
        model=asked["model"],
        api_base=asked["base"],
        api_key=asked["key"],
        is_chat_model=True,
        max_tokens=MAX_TOKENS,
        temperature=0,
        additional_kwargs=more,
    )
    messages = [ChatMessage(role="user", content=PROMPT)]
    if not asked["stream"]:
        chat_completion(shown, llm.chat(messages).raw)
        return
    for part in llm.stream_chat(messages):
        shown.text += part.delta or ""
        shown.count(part.raw.usage)
        for choice in part.raw.choices:
            shown.finish = choice.finish_reason or shown.finish


CLIENTS = {
    "openai": openai_client,
    "anthropic": anthropic_client,
    "litellm": litellm_client,
    "langchain-openai": langchain_openai_client,
    "langchain-anthropic": langchain_anthropic_client,
    "llama-index": llama_index_client,
}


def main():
    # The answers go to stdout, alone.
    answers, sys.stdout = sys.stdout, sys.stderr
    logging.disable(logging.CRITICAL)
    for line in sys.stdin:
        asked, shown = json.loads(line), Shown()
        try:
            CLIENTS[asked["client"]](asked, shown)
        except Exception as error:
            shown.fail(error)
        print(json.dumps(vars(shown)), file=answers, flush=True)


if __name__ == "__main__":
    main()
