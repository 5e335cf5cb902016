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
from genai_grpc._coerce.messages import to_message
from genai_grpc.local import ScriptEngine, serve

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)


def response(**fields: Any) -> genai_grpc.protos.GenerateContentResponse:
    """A reply, or a chunk of one."""
    return to_message(genai_grpc.protos.GenerateContentResponse, fields)


def calling(name: str, **arguments: Any) -> genai_grpc.protos.GenerateContentResponse:
    """A reply with one function call."""
    call = {"function_call": {"name": name, "args": arguments}}
    return response(candidates=[{"content": {"role": "model", "parts": [call]}}])


# What the model says where a docstring shows answers: replies, in chunks.
REPLIES: dict[str, list[tuple[Any, ...]]] = {
    "genai_grpc": [("In the quaint little town of Lakeside…",)],
    "genai_grpc.caching": [("A girl named Lily.",)],
    "genai_grpc.chat.ChatSession": [("Nice to meet you, Ada!",)],
    "genai_grpc.chat.ChatSession.send_message": [("Ask away!",)],
    "genai_grpc.errors.BlockedPromptException": [(response(prompt_feedback={"block_reason": "SAFETY"}),)],
    "genai_grpc.errors.BrokenResponseError": [("Hello,", genai_grpc.errors.DataLoss("the rest is lost"))],
    "genai_grpc.errors.FunctionCallingError": [(calling("now"),)] * 2,
    "genai_grpc.errors.IncompleteIterationError": [("Hello,", " world")],
    "genai_grpc.errors.StopCandidateException": [(response(candidates=[{"finish_reason": "RECITATION"}]),)],
    "genai_grpc.generative_model.GenerativeModel.generate_content": [("Once upon a time…",)],
    "genai_grpc.types.GenerateOptions": [("Hello!",)],
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


# The program leaves its image file to the garbage collector.
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


@pytest.mark.parametrize("page", ["clients"])
def test_pages(page: str, scripted: ScriptEngine) -> None:
    """The programs of the guides run as shown."""
    for block in re.findall(r"```python\n(.*?)```", (ROOT / "docs" / f"{page}.md").read_text(), re.DOTALL):
        scripted.reply("Hello")
        exec(compile(block, page, "exec"), {})  # noqa: S102 -- our own text


# The programs of google.generativeai's reference page of GenerativeModel, in its order. The import is ours, and so is
# the history where the page has "[...]"; what it does not show of answers is filled in.
REFERENCE_PAGE = """
>>> import genai_grpc as genai
>>> import PIL.Image
>>> genai.configure(api_key='YOUR_API_KEY')
>>> model = genai.GenerativeModel('models/gemini-pro')
>>> result = model.generate_content('Tell me a story about a magic backpack')
>>> result.text
"In the quaint little town of Lakeside, there lived a young girl named Lily..."

>>> model = genai.GenerativeModel('models/gemini-pro')
>>> result = model.generate_content([
...     "Give me a recipe for these:", PIL.Image.open('scones.jpeg')])
>>> result.text
"**Blueberry Scones** ..."

>>> chat = model.start_chat()
>>> response = chat.send_message("Hi, I have some questions for you.")
>>> response.text
"Sure, I'll do my best to answer your questions..."

>>> for m in genai.list_models():
...     if 'generateContent' in m.supported_generation_methods:
...         print(m.name)
models/...

>>> model = genai.GenerativeModel('models/gemini-pro')
>>> response = model.generate_content('Tell me a story about a magic backpack')
>>> response.text
'Once...'

>>> response = model.generate_content('Tell me a story about a magic backpack', stream=True)
>>> for chunk in response:
...   print(chunk.text)
Once upon
 a time

>>> messages = [{'role':'user', 'parts': ['hello']}]
>>> response = model.generate_content(messages) # "Hello, how can I help"
>>> messages.append(response.candidates[0].content)
>>> messages.append({'role':'user', 'parts': ['How does quantum physics work?']})
>>> response = model.generate_content(messages)

>>> model = genai.GenerativeModel()
>>> chat = model.start_chat(history=chat.history)
>>> response = chat.send_message("Hello?")
"""


# The page's program leaves its image file to the garbage collector.
@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_reference_page(scripted: ScriptEngine) -> None:
    """The programs of the old package's reference page run as written, import aside."""
    for reply in (
        ("In the quaint little town of Lakeside, there lived a young girl named Lily. She didn't know yet.",),
        ("**Blueberry Scones** Don't stir too long.",),
        ("Sure, I'll do my best to answer your questions.",),
        ("Once upon a time",),
        ("Once upon", " a time"),
        ("Hello, how can I help",),
        ("It isn't simple.",),
        ("Hello again",),
    ):
        scripted.reply(*reply)
    page = doctest.DocTestParser().get_doctest(REFERENCE_PAGE, {}, "reference page", None, None)
    report = io.StringIO()
    failed, run = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(page, out=report.write)
    assert (failed, run) == (0, 26), report.getvalue()
    sent = [
        [(turn.role, *(part.WhichOneof("data") for part in turn.parts)) for turn in request.contents]
        for request in scripted.requests
    ]
    assert sent[1] == [("user", "text", "inline_data")]
    assert sent[6] == [("user", "text"), ("model", "text"), ("user", "text")]
    assert sent[7] == [("user", "text"), ("model", "text"), ("user", "text")]


def modules() -> Iterator[Any]:
    """Our modules whose docstrings hold examples."""
    yield "genai_grpc"
    for module in pkgutil.walk_packages(genai_grpc.__path__, "genai_grpc."):
        if module.name == "genai_grpc.local.engines.llama.engine":
            yield pytest.param(module.name, marks=pytest.mark.llama)
        elif module.name not in ("genai_grpc.__main__", "genai_grpc.cli"):
            yield module.name


@pytest.mark.parametrize("name", list(modules()))
def test_docstrings(name: str, scripted: ScriptEngine) -> None:
    """The examples of a module's docstrings show what happens."""
    module = importlib.import_module(name)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    for example in doctest.DocTestFinder(exclude_empty=True).find(module, name):
        for reply in REPLIES.get(example.name, ()):
            scripted.reply(*reply)
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
    # Before it stands the span, if the exporter was imported just now: it prints to what was then the standard output.
    assert printed.getvalue().endswith("A story\n")
    assert "gen_ai_client_operation_duration_seconds_count{" in measured
