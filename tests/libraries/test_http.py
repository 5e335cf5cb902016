"""Published libraries that speak HTTP/JSON run on the local server."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from genai_grpc import testing
from genai_grpc.local import ScriptEngine, serve
from tests.docs.test_pages import OTHERS, check_side_by_side, script_side_by_side
from tests.libraries.environments import folder_of_node, interpreter_of

pytestmark = [pytest.mark.libraries, pytest.mark.venv, pytest.mark.timeout(600)]

PROGRAMS = Path(__file__).with_name("programs")
GOOGLE_GENAI = """\
Hello
['It', ' streams']
1 2 4
['3', ' too']
5
[Person(name='Ada')]
2
[64, 64]
ACTIVE 16 Tale [True]
A tale
models/gemini-2.5-flash True
Cached
True 1
['models/script', 'models/gemini-pro'] models/gemini-2.5-flash
Async
It
 streams
404 NOT_FOUND
400 INVALID_ARGUMENT API_KEY_INVALID
"""
LANGCHAIN = """\
Hello
['It', ' streams']
[('left', 2), ('right', 3)]
name='Ada'
768 2
"""


NODE = """\
"Hello"
["It"," streams"]
"1" ["2"," too"] 5
[["add",[["left",2],["right",3]]]]
["Ada"]
2
[64,64]
"ACTIVE" "16" "Tale"
"A tale"
"models/gemini-2.5-flash" "Cached"
"ApiError" 404
"""


def run(program: str, script: ScriptEngine, **settings: Any) -> str:
    """What a program prints that calls a server."""
    with serve(script, **settings) as server:
        command: list[Any] = [interpreter_of("google-genai"), PROGRAMS / program, str(server.http_endpoint)]
        completed = subprocess.run(command, check=False, capture_output=True, text=True)
    assert completed.returncode == 0, completed.stderr
    return str(completed.stdout)


def test_google_genai() -> None:
    """google-genai generates, streams, chats, calls functions, counts, embeds, and uses files and caches."""
    script = ScriptEngine().reply("Hello").reply("It", " streams").reply("1").reply("2").reply("3", " too")
    script.reply(testing.response(testing.function_call("add", left=2, right=3))).reply("5")
    script.reply('[{"name": "Ada"}]').reply("A tale").reply("Cached").reply("Async").reply("It", " streams")
    script.reply(testing.api_error("INVALID_ARGUMENT", "No.", reason="API_KEY_INVALID"))
    assert run("http_google_genai.py", script) == GOOGLE_GENAI
    assert script.requests[6].contents[-1].parts[0].function_response.response["result"] == 5
    assert script.requests[8].contents[0].parts[-1].text.endswith("Once upon a time")


def test_google_genai_side_by_side(tmp_path: Path) -> None:
    """The program of google-genai in docs/side-by-side.md prints what that of this package does."""
    script = ScriptEngine()
    expected = script_side_by_side(script)
    page = Path(__file__).parents[2] / "docs" / "side-by-side.md"
    (tmp_path / "program.py").write_text(dict(OTHERS.findall(page.read_text()))["google-genai"])
    with serve(script) as server:
        environment = {**os.environ, "GOOGLE_GEMINI_BASE_URL": str(server.http_endpoint)}
        command: list[Any] = [interpreter_of("google-genai"), tmp_path / "program.py"]
        done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [*expected[:2], "name='Ada' age=36", *expected[2:]]
    check_side_by_side(script)


@pytest.mark.skipif(shutil.which("npm") is None and "CI" not in os.environ, reason="npm is not installed")
def test_google_genai_of_node() -> None:
    """@google/genai generates, streams, chats, calls functions, counts, embeds, and uses files and caches."""
    script = ScriptEngine().reply("Hello").reply("It", " streams").reply("1").reply("2", " too")
    script.reply(testing.response(testing.function_call("add", left=2, right=3))).reply('["Ada"]')
    script.reply("A tale").reply("Cached")
    program = folder_of_node() / "http_google_genai.mjs"  # Node.js looks for packages above the program
    program.write_bytes((PROGRAMS / program.name).read_bytes())
    with serve(script) as server:
        command: list[Any] = ["node", program, str(server.http_endpoint)]
        completed = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (completed.stdout, completed.returncode) == (NODE, 0), completed.stderr


def test_langchain() -> None:
    """langchain-google-genai generates, streams, binds tools, parses output and embeds."""
    script = ScriptEngine().reply("Hello").reply("It", " streams")
    script.reply(testing.response(testing.function_call("add", left=2, right=3))).reply('{"name": "Ada"}')
    assert run("http_langchain.py", script) == LANGCHAIN
