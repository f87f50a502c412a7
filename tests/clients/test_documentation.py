"""docs/clients.md tells the truth."""

import contextlib
import io
import re

import anthropic
import openai
import pytest

from conftest import ACME
from conversations import CHAT, MESSAGE
from gateway import ROOT

PAGE = ROOT / "docs" / "clients.md"
# An example, and what it prints.
EXAMPLE = re.compile(r"^```python\n(?P<code>.*?)^```\n\n^```text\n(?P<prints>.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.simulated
def test_every_example_prints_what_stands_below_it(gateway):
    page = PAGE.read_text()
    examples = list(EXAMPLE.finditer(page))
    assert len(examples) == page.count("```python") > 0
    # As in a notebook, each goes on from those before it.
    names = {}
    for example in examples:
        code = example["code"].replace("http://127.0.0.1:10000", gateway.base)
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(code, names)
        assert printed.getvalue() == example["prints"], example["code"]


def test_the_environment_is_enough(gateway, monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", f"{gateway.base}/v1")
    monkeypatch.setenv("OPENAI_API_KEY", ACME)
    assert openai.OpenAI().chat.completions.create(**CHAT).usage.completion_tokens == 12
    monkeypatch.setenv("ANTHROPIC_BASE_URL", gateway.base)
    monkeypatch.setenv("ANTHROPIC_API_KEY", ACME)
    assert anthropic.Anthropic().messages.create(**MESSAGE).usage.output_tokens == 12
