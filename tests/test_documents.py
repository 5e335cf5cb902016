"""The programs of the README and of docs/, and the examples of docstrings, run against a scripted server."""

from __future__ import annotations

import asyncio
import contextlib
import doctest
import importlib
import io
import json
import logging
import os
import pkgutil
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import prometheus_client
import pytest

import genai_grpc
from genai_grpc import errors, testing
from genai_grpc.local import ScriptEngine, serve
from genai_grpc_protos._convert import to_message

ROOT: Final = Path(__file__).parents[1]


class Program(NamedTuple):
    """A Python program of a Markdown page.

    Attributes:
        heading: The heading above it.
        code: Its source.
    """

    heading: str
    code: str


def programs(page: str) -> list[Program]:
    """The Python programs of a page, in order."""
    found, heading = [], ""
    for language, code, title in _BLOCK_OR_HEADING.findall((ROOT / page).read_text()):
        heading = title or heading
        if language == "python":
            found.append(Program(heading, code))
    return found


_BLOCK_OR_HEADING: Final = re.compile(r"^```(\w*)\n(.*?)^```$|^#+ ([^\n]+)$", re.MULTILINE | re.DOTALL)


def execute(code: str, page: str, namespace: dict[str, Any]) -> str:
    """Run a program of a page, and return what it prints."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, page, "exec", dont_inherit=True), namespace)  # noqa: S102 -- our own text
    return printed.getvalue()


def response(**fields: Any) -> genai_grpc.protos.GenerateContentResponse:
    """A reply, or a chunk of one."""
    return to_message(genai_grpc.protos.GenerateContentResponse, fields)


def function_call(name: str, **arguments: Any) -> genai_grpc.protos.GenerateContentResponse:
    """A reply with one function call."""
    call = {"function_call": {"name": name, "args": arguments}}
    return response(candidates=[{"content": {"role": "model", "parts": [call]}}])


# The model's replies to the docstrings' examples, each in chunks.
REPLIES: dict[str, list[tuple[Any, ...]]] = {
    "genai_grpc.answer": [("Tarts.",)],
    "genai_grpc.answer.generate_answer": [("Tarts.",)],
    "genai_grpc.files": [("A girl named Lily.",)],
    "genai_grpc": [("In the quaint little town of Lakeside…",)],
    "genai_grpc._base_response.BaseResponse.metadata": [("Hello!",)],
    "genai_grpc.bulk": [("Once upon a time…",), ("Another day…",)],
    "genai_grpc.caching": [("A girl named Lily.",)],
    "genai_grpc.chat.ChatSession": [("Nice to meet you, Ada!",)],
    "genai_grpc.chat.ChatSession.send_message": [("Ask away!",)],
    "genai_grpc.errors.BlockedPromptException": [(response(prompt_feedback={"block_reason": "SAFETY"}),)],
    "genai_grpc.errors.BrokenResponseError": [("Hello,", errors.DataLoss("the rest is lost"))],
    "genai_grpc.errors.FunctionCallingError": [(function_call("now"),)] * 2,
    "genai_grpc.errors.IncompleteIterationError": [("Hello,", " world")],
    "genai_grpc.errors.StopCandidateException": [(response(candidates=[{"finish_reason": "RECITATION"}]),)],
    "genai_grpc.generative_model.GenerativeModel.generate_content": [("Once upon a time…",)],
    "genai_grpc._live_session.LiveSession": [("Hello.",)],
    "genai_grpc.live": [("Hello.",)],
    "genai_grpc.live.connect": [("Hello.",)],
    "genai_grpc.types.GenerateOptions": [("Hello!",)],
}


@pytest.fixture
def scripted(script: ScriptEngine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[ScriptEngine]:
    """Calls to Google's endpoint go to the script, and the working directory has the image file of the programs."""
    image = pytest.importorskip("PIL.Image").new("RGB", (8, 8), "brown")
    image.save(tmp_path / "scones.jpeg")
    monkeypatch.chdir(tmp_path)
    with serve(script) as server:
        monkeypatch.setenv("GENAI_GRPC_ENDPOINT", server.endpoint)
        genai_grpc.configure()
        yield script


def test_readme(scripted: ScriptEngine) -> None:
    """The README's programs run as shown, one after the other."""
    namespace: dict[str, Any] = {}
    scripted.reply("A warm", " glow").reply("Tilly is a cat.").reply("Your cat", " is Tilly.")
    scripted.reply('{"name": "Grace Hopper", "age": 85, "city": "New York"}')
    scripted.reply(function_call("set_light", brightness=40, colour="green")).reply("The light is green.")
    scripted.reply("Apples").reply("The sea")
    printed = "".join(execute(program.code, "README.md", namespace) for program in programs("README.md"))
    for words in ("A warm glow\n", "Your cat is Tilly.", "Grace Hopper 85 New York", "The light is green."):
        assert words in printed
    assert {"Apples", "The sea"} <= {*printed.splitlines()}
    conversation, answered = scripted.requests[2], scripted.requests[5]
    assert [turn.role for turn in conversation.contents] == ["user", "model", "user"]
    assert answered.contents[-1].parts[0].function_response.response["result"] == "green at 40 %"


UNAVAILABLE: Final = (errors.ServiceUnavailable("overloaded"),)
HELLO: Final = ("Hello",)
# The replies to the programs of docs/clients.md, by heading; one "Hello" unless listed.
CLIENT_REPLIES: dict[str, list[tuple[Any, ...]]] = {
    "Several clients": [HELLO] * 2,
    "Deadlines": [HELLO] * 2,
    "Retries and backoff": [UNAVAILABLE, UNAVAILABLE, HELLO, UNAVAILABLE],
    "Errors": [(testing.api_error("INVALID_ARGUMENT", "API key not valid.", reason="API_KEY_INVALID"),)],
    "Endpoint and plaintext": [],
    "Several addresses": [],
    "Warm up and readiness": [],
    "Options of some calls": [HELLO] * 2,
    "Embeddings in batches": [],
    "Threads and event loops": [HELLO] * 4,
    "Fork and multiprocessing": [HELLO] * 3,
    "Close and graceful shutdown": [HELLO] * 2,
    "Logging": [UNAVAILABLE, HELLO],
}


# The fixtures of the programs that need more, by heading. Each returns arguments of `serve`.
CLIENT_FIXTURES: dict[str, str] = {
    "Rotate the API key": "key_file",
    "Shared rate limit": "redis_environment",
    "TLS and mutual TLS": "certificate_files",
    "OAuth (google-auth)": "service_account_file",
}


@pytest.fixture
def key_file(tmp_path: Path) -> dict[str, Any]:
    """A file with the only key that the server accepts."""
    (tmp_path / "api-key.txt").write_text("NEW_KEY\n")
    return {"api_key": "NEW_KEY"}


@pytest.fixture
def redis_environment(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A Redis server, whose address is in the environment."""
    monkeypatch.setenv("REDIS_URL", redis_url)
    return {}


@pytest.fixture
def certificate_files(tmp_path: Path) -> dict[str, Any]:
    """PEM files for mutual TLS, and a server that requires a client certificate."""
    authority = testing.CertificateAuthority()
    key, chain = authority.issue()
    for name, pem in (("ca.pem", authority.root), ("client.pem", chain), ("client.key", key)):
        (tmp_path / name).write_bytes(pem)
    return {"credentials": authority.server(mutual=True)}


@pytest.fixture
def service_account_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The file of a service account, whose token needs no token server."""
    service_account = pytest.importorskip("google.oauth2.service_account")
    rsa = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.rsa")
    serialization = pytest.importorskip("cryptography.hazmat.primitives.serialization")
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    account = {"type": "service_account", "client_email": "a@b", "private_key": pem, "token_uri": "http://127.0.0.1:1"}
    (tmp_path / "service-account.json").write_text(json.dumps(account))

    def refresh(credentials: Any, request: object) -> None:
        del request
        credentials.token = "a-token"  # noqa: S105 -- no real one

    monkeypatch.setattr(service_account.Credentials, "refresh", refresh)
    return {}


def run_as_script(code: str) -> str:
    """Run a program in an interpreter of its own, and return what it prints; multiprocessing imports its file."""
    Path("program.py").write_text(code)
    path = os.pathsep.join(map(str, (ROOT, ROOT / "generated" / "python")))
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run(
        [sys.executable, "program.py"], capture_output=True, text=True, timeout=60, check=False, env=environment
    )
    assert (done.stderr, done.returncode) == ("", 0)
    return done.stdout


@pytest.mark.parametrize("program", programs("docs/clients.md"), ids=lambda program: program.heading)
def test_clients(
    program: Program,
    script: ScriptEngine,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Each program of docs/clients.md runs on its own, and prints what its comments say."""
    if "as_numpy" in program.code:
        pytest.importorskip("numpy")  # which the environments of the matrix do not have
    caplog.set_level(logging.NOTSET, logger="genai_grpc")  # restores the level that a program sets
    monkeypatch.chdir(tmp_path)
    fixture = CLIENT_FIXTURES.get(program.heading)
    arguments = {} if fixture is None else request.getfixturevalue(fixture)
    for reply in CLIENT_REPLIES.get(program.heading, [HELLO]):
        script.reply(*reply)
    with serve(script, **arguments) as server:
        monkeypatch.setenv("GENAI_GRPC_ENDPOINT", server.endpoint)
        code = program.code.replace("https://gateway.example.com", server.endpoint)
        code = code.replace("http://127.0.0.1:50052", str(server.http_endpoint))
        printed = run_as_script(code) if "__main__" in code else execute(code, "docs/clients.md", {})
    expected = re.findall(r"# prints (.+)", code)
    assert [line for line in printed.splitlines() if line in expected] == expected


def test_gevent_config() -> None:
    """docs/clients.md shows the configuration that tests/libraries runs with gunicorn."""
    _, _, config = (ROOT / "examples" / "python" / "gunicorn_gevent.py").read_text().partition('"""\n\n')
    assert f"```py\n{config}```" in (ROOT / "docs" / "clients.md").read_text()


@pytest.mark.parametrize("page", ["README.md", *sorted(f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md"))])
def test_links(page: str) -> None:
    """Links within the repository lead to files and headings that exist."""
    for link in re.findall(r"\]\((?!https?:)([^)\s]+)\)", (ROOT / page).read_text()):
        path, _, anchor = link.partition("#")
        file = (ROOT / page).parent / path if path else ROOT / page
        assert file.exists(), link
        assert not anchor or anchor in anchors(file), link


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub forms them."""
    headings = [title for _, _, title in _BLOCK_OR_HEADING.findall(page.read_text()) if title]
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


# The programs of google.generativeai's reference page of GenerativeModel, in its order. The import is ours, and so is
# the history where the page has "[...]"; answers that it does not show are filled in.
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
    """The programs of the reference page of google.generativeai run as written, except the import."""
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
    """Our modules whose docstrings have examples."""
    yield "genai_grpc"
    for module in pkgutil.walk_packages(genai_grpc.__path__, "genai_grpc."):
        if module.name in ("genai_grpc.local.engines.e5", "genai_grpc.local.engines.llama.engine"):
            yield pytest.param(module.name, marks=pytest.mark.llama)
        elif module.name not in ("genai_grpc.__main__", "genai_grpc.cli"):
            yield module.name


@pytest.mark.parametrize("name", list(modules()))
def test_docstrings(name: str, scripted: ScriptEngine) -> None:
    """The examples of a module's docstrings give the output they show."""
    module = importlib.import_module(name)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    for example in doctest.DocTestFinder(exclude_empty=True).find(module, name):
        for reply in REPLIES.get(example.name, ()):
            scripted.reply(*reply)
        report = io.StringIO()
        failed, _ = runner.run(example, out=report.write)
        assert not failed, report.getvalue()


def test_files(scripted: ScriptEngine) -> None:
    """The program of docs/files.md runs as shown."""
    [program] = programs("docs/files.md")
    scripted.reply("A girl named Lily.")
    assert execute(program.code, "docs/files.md", {}) == "A girl named Lily.\n"


def test_retriever(scripted: ScriptEngine) -> None:
    """The programs of docs/retriever.md run as shown, one after the other."""
    scripted.reply("Tarts.")
    namespace: dict[str, Any] = {}
    printed = "".join(execute(each.code, "docs/retriever.md", namespace) for each in programs("docs/retriever.md"))
    found = "The queen of hearts likes tarts."
    assert printed == f"{found}\nTarts. {found}\nOWNER None\nREADER ada@example.com\n"


def test_mcp(scripted: ScriptEngine) -> None:
    """The program of docs/mcp.md runs as shown, with an MCP server."""
    pytest.importorskip("mcp")
    scripted.reply(testing.response(testing.function_call("add", a=2, b=3))).reply("5")
    [program] = programs("docs/mcp.md")
    server = str(ROOT / "tests" / "mcp_server.py")
    code = program.code.replace('"python"', repr(sys.executable)).replace('"server.py"', repr(server))
    assert run_as_script(code) == "5\n"


def test_live(scripted: ScriptEngine) -> None:
    """The programs of docs/live.md run as shown, and a session that the service ends is resumed."""
    scripted.reply("Light is scattered.").reply(function_call("light", brightness=50)).reply("Half.")
    scripted.reply("One").reply(errors.Aborted("the time is over")).reply("Two")
    first, functions, resumption = programs("docs/live.md")
    namespace: dict[str, Any] = {}
    assert run_as_script(first.code) == "Light is scattered.\n"
    execute(first.code, "docs/live.md", namespace)
    execute(functions.code, "docs/live.md", namespace)
    execute(resumption.code, "docs/live.md", namespace)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        asyncio.run(namespace["talk"]())
        asyncio.run(namespace["ask"](["1?", "2?"]))
    assert printed.getvalue() == "Half.\nOne\nTwo\n"
    assert [turn.parts[0].text for turn in scripted.requests[-1].contents] == ["1?", "One", "2?"]


def test_vertex(monkeypatch: pytest.MonkeyPatch) -> None:
    """The programs of docs/vertex.md run as shown, on the local server."""
    with serve(ScriptEngine().reply("Hello!").reply("Hello!")) as server:
        monkeypatch.setenv("GENAI_GRPC_ENDPOINT", server.endpoint)
        namespace: dict[str, Any] = {}
        printed = "".join(execute(each.code, "docs/vertex.md", namespace) for each in programs("docs/vertex.md"))
        namespace["client"].close()
    assert printed == "Hello!\nHello!\n"


def test_tuning(scripted: ScriptEngine) -> None:
    """The program of docs/tuning.md runs as shown."""
    [program] = programs("docs/tuning.md")
    scripted.reply("POSITIVE")
    assert execute(program.code, "docs/tuning.md", {}).endswith("100 %\nPOSITIVE\n")


def test_telemetry(scripted: ScriptEngine) -> None:
    """The program of docs/telemetry.md runs as shown."""
    [program] = programs("docs/telemetry.md")
    scripted.reply("A story")
    namespace: dict[str, Any] = {}
    printed = execute(program.code, "docs/telemetry.md", namespace)
    measured = prometheus_client.generate_latest().decode()
    namespace["meters"].shutdown()
    namespace["tracers"].shutdown()
    namespace["client"].close()
    # The span comes first if the exporter was imported just now: it prints to the standard output of that moment.
    assert printed.endswith("A story\n")
    assert "gen_ai_client_operation_duration_seconds_count{" in measured
