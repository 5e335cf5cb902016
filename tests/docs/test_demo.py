"""The program of `make demo`, and its picture."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

import genai_grpc as genai
from examples import demo
from genai_grpc.local import ScriptEngine, serve
from genai_grpc.local.engines.llama import function_selection, prompt

ROOT: Final = Path(__file__).parents[2]


@pytest.fixture
def printed(script: ScriptEngine, capsys: pytest.CaptureFixture[str]) -> str:
    """What the demo prints, on scripted replies."""
    script.reply("A warm", " glow.").reply("Hello!").reply("Honey.").reply("Your name is Ada.")
    script.reply('{"name": "Ada Lovelace", "age": 36, "city": "London"}')
    with serve(script) as server, genai.Client(endpoint=server.endpoint) as client:
        demo.run(genai.GenerativeModel("gemini-pro", client=client))
    return capsys.readouterr().out


def prompts_in(text: str) -> list[str]:
    """The prompts that the demo shows."""
    return [" ".join(found.split()) for found in re.findall(r"^  > (.*)$", text, re.MULTILINE)]


def test_shows_what_it_sends(printed: str, script: ScriptEngine) -> None:
    """The prompts that it prints are the last turns of its requests, in order."""
    sent = [request.contents[-1].parts[0].text for request in script.requests]
    assert prompts_in(printed) == sent
    assert len(sent) == 5


def test_asks_nothing_that_the_examples_have(printed: str) -> None:
    """The questions are not among the worked examples that the local model gets before them."""
    examples = (Path(module.__file__ or "").read_text().lower() for module in (prompt, function_selection))
    known = "".join(examples)
    assert [question for question in prompts_in(printed) if question.lower() in known] == []


def test_picture(printed: str) -> None:
    """docs/demo.svg shows these prompts, without an animation too, and its texts end within its window."""
    picture = (ROOT / "docs" / "demo.svg").read_text()
    [width, height] = map(float, re.findall(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', picture)[0])
    texts = re.findall(r'<text x="([\d.]+)" y="([\d.]+)"[^>]*>(.*?)</text>', picture)
    shown = re.sub(r"\s+", " ", " ".join(text for _, _, text in texts)).replace("&gt;", ">")
    assert [question for question in prompts_in(printed) if question not in shown] == []
    cell = float(re.findall(r"--cell: ([\d.]+)px", picture)[0])
    assert all(float(x) + cell * len(text) <= width and float(y) <= height for x, y, text in texts)
    assert "opacity: 0" not in re.sub(r"@keyframes.*?\}\s*\}", "", picture, flags=re.DOTALL)
