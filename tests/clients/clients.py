"""The clients that are asked through a driver of their language, each as its users have it."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass

from gateway import ROOT

HERE = ROOT / "tests" / "clients"
TOOLS = ROOT / "target" / "tools"

PYTHON = [sys.executable, str(HERE / "driver.py")]
# Of its own, because it needs another version of OpenAI's SDK.
LLAMA_INDEX = [str(TOOLS / "clients-llama-index" / "bin" / "python"), str(HERE / "driver.py")]
# Modules are looked for beside the file.
NODE = ["node", str(TOOLS / "clients-node" / "driver.mjs")]


@dataclass(frozen=True)
class Client:
    """How its users call it, what runs it, and which API it speaks: OpenAI's wants `/v1` in the base URL, Anthropic's does
    not."""

    label: str
    command: tuple
    api: str


CLIENTS = {
    "openai": Client("OpenAI, Python", tuple(PYTHON), "openai"),
    "openai-js": Client("OpenAI, JavaScript", tuple(NODE), "openai"),
    "anthropic": Client("Anthropic, Python", tuple(PYTHON), "anthropic"),
    "anthropic-js": Client("Anthropic, JavaScript", tuple(NODE), "anthropic"),
    "litellm": Client("LiteLLM", tuple(PYTHON), "openai"),
    "langchain-openai": Client("LangChain, `langchain-openai`", tuple(PYTHON), "openai"),
    "langchain-anthropic": Client("LangChain, `langchain-anthropic`", tuple(PYTHON), "anthropic"),
    "llama-index": Client("LlamaIndex, `OpenAILike`", tuple(LLAMA_INDEX), "openai"),
    "ai-sdk": Client("Vercel AI SDK, `openai-compatible`", tuple(NODE), "openai"),
}


def base_url(client, address):
    """The base URL as the client's own documentation has it."""
    return f"{address}/v1" if CLIENTS[client].api == "openai" else address


class Drivers:
    """One process for each command, started when it is first needed."""

    def __init__(self):
        self.running = {}

    def ask(self, client, **asked):
        """What the client showed its user."""
        driver = self.driver(CLIENTS[client].command)
        driver.stdin.write(json.dumps({"client": client, "usage": False, **asked}) + "\n")
        driver.stdin.flush()
        answer = driver.stdout.readline()
        assert answer, f"the driver of {client} has ended"
        return json.loads(answer)

    def driver(self, command):
        if command not in self.running:
            if command[0] == "node":
                shutil.copy(HERE / "node" / "driver.mjs", command[1])
            self.running[command] = subprocess.Popen(
                command,
                env={**os.environ, "PYTHONWARNINGS": "ignore", "NO_PROXY": "127.0.0.1"},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        return self.running[command]

    def stop(self):
        for driver in self.running.values():
            driver.stdin.close()
            driver.wait(10)
