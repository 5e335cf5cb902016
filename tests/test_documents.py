"""What is written runs: the README's programs and the docstrings' examples, against a scripted server."""

from __future__ import annotations

import contextlib
import doctest
import importlib
import io
import pkgutil
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import prometheus_client
import pytest

import genai_grpc
from genai_grpc.local import ScriptEngine, serve

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)

# What the model says where a docstring shows an answer.
ANSWERS = {
    "genai_grpc": "In the quaint little town of Lakeside…",
    "genai_grpc.chat.ChatSession": "Nice to meet you, Ada!",
    "genai_grpc.chat.ChatSession.send_message": "Ask away!",
    "genai_grpc.generative_model.GenerativeModel.generate_content": "Once upon a time…",
}


@pytest.fixture
def scripted(script: ScriptEngine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[ScriptEngine]:
    """A program that asks Google's endpoint asks the script instead, in a directory with the files it reads."""
    image = pytest.importorskip("PIL.Image").new("RGB", (8, 8), "brown")
    image.save(tmp_path / "scones.jpeg")
    monkeypatch.chdir(tmp_path)
    with serve(script) as server:
        monkeypatch.setenv("GENAI_GRPC_ENDPOINT", server.endpoint)
        genai_grpc.configure()
        yield script


def calling(name: str, **arguments: Any) -> genai_grpc.protos.GenerateContentResponse:
    """A reply with one function call."""
    call = genai_grpc.protos.FunctionCall(name=name)
    call.args.update(arguments)
    content = genai_grpc.protos.Content(role="model", parts=[genai_grpc.protos.Part(function_call=call)])
    return genai_grpc.protos.GenerateContentResponse(candidates=[genai_grpc.protos.Candidate(content=content)])


# The reference page's program leaves its image file to the garbage collector.
@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_readme(scripted: ScriptEngine) -> None:
    """The README's programs run as shown, one after the other."""
    namespace: dict[str, Any] = {}
    printed = io.StringIO()
    answers: list[Any] = [
        *("A story", "**Blueberry Scones**", "Another story", "Ask away", "Hello", "It works"),
        '[{"name": "Italia", "capital": "Roma"}]',
        calling("set_light", brightness=80),
        *("The light is on.", "An async story"),
    ]
    for answer in answers:
        scripted.reply(answer)
    with contextlib.redirect_stdout(printed):
        for block in BLOCKS:
            exec(compile(block, "README.md", "exec"), namespace)  # noqa: S102 -- our own text
    said = printed.getvalue()
    for words in ("A story", "Scones", "Another story", "Ask away", "Italia Roma", "light is on", "An async story"):
        assert words in said
    assert "models/gemini-pro" in said
    with_image, conversation, answered = (scripted.requests[number] for number in (1, 5, 8))
    assert answered.contents[-1].parts[0].function_response.response["result"] == "white at 80 %"
    assert with_image.contents[0].parts[1].inline_data.mime_type == "image/jpeg"
    assert [turn.role for turn in conversation.contents] == ["user", "model", "user"]


def modules() -> Iterator[str]:
    """Our modules whose docstrings hold examples."""
    yield "genai_grpc"
    for module in pkgutil.walk_packages(genai_grpc.__path__, "genai_grpc."):
        if module.name not in ("genai_grpc.__main__", "genai_grpc.cli"):
            yield module.name


@pytest.mark.parametrize("name", list(modules()))
def test_docstrings(name: str, scripted: ScriptEngine) -> None:
    """The examples of a module's docstrings show what happens."""
    module = importlib.import_module(name)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    for example in doctest.DocTestFinder(exclude_empty=True).find(module, name):
        if example.name in ANSWERS:
            scripted.reply(ANSWERS[example.name])
        report = io.StringIO()
        failed, _ = runner.run(example, out=report.write)
        assert not failed, report.getvalue()


def test_telemetry(scripted: ScriptEngine) -> None:
    """The program of docs/telemetry.md runs as shown."""
    [block] = re.findall(r"```python\n(.*?)```", (ROOT / "docs/telemetry.md").read_text(), re.DOTALL)
    scripted.reply("A story")
    printed = io.StringIO()
    namespace: dict[str, Any] = {}
    with contextlib.redirect_stdout(printed):
        exec(compile(block, "docs/telemetry.md", "exec"), namespace)  # noqa: S102 -- our own text
    measured = prometheus_client.generate_latest().decode()
    namespace["meters"].shutdown()
    namespace["tracers"].shutdown()
    namespace["client"].close()
    assert printed.getvalue() == "A story\n"
    assert "gen_ai_client_operation_duration_seconds_count{" in measured
