"""The example program of each language against the local server: its output, and the requests that it sends."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from genai_grpc.local import STALL, ScriptEngine, serve
from tests.polyglot.builds import LANGUAGES, require

if TYPE_CHECKING:
    from collections.abc import Iterator

    from genai_grpc.local.server import Server

# A build may take minutes on a busy machine.
pytestmark = [pytest.mark.polyglot, pytest.mark.timeout(600)]

KEY = "right-key"
# The names of status codes in each language's gRPC.
STATUS = {
    "go": {4: "DeadlineExceeded", 5: "NotFound", 16: "Unauthenticated"},
    "typescript": {4: "DeadlineExceeded", 5: "NotFound", 16: "Unauthenticated"},
    "java": {4: "DEADLINE_EXCEEDED", 5: "NOT_FOUND", 16: "UNAUTHENTICATED"},
    "cpp": {4: "status 4", 5: "status 5", 16: "status 16"},
}


class Program:
    """A built program."""

    def __init__(self, language: str) -> None:
        self.status = STATUS[language]
        self._command = LANGUAGES[language].build()

    def run(
        self, server: Server, model: str = "models/gemini-pro", seconds: float = 60, key: str = KEY
    ) -> tuple[int, str, str]:
        """Run it with a deadline in seconds for each call; return its exit code, output and errors."""
        completed = subprocess.run(
            [*self._command, model, str(seconds)],
            check=False,
            capture_output=True,
            text=True,
            timeout=120,
            env={**os.environ, "GENAI_GRPC_ENDPOINT": server.endpoint, "GEMINI_API_KEY": key},
        )
        return completed.returncode, completed.stdout, completed.stderr


@pytest.fixture(scope="module", params=LANGUAGES)
def program(request: pytest.FixtureRequest) -> Program:
    """The program of each language, built once."""
    require(request.param, LANGUAGES[request.param].needs)
    return Program(request.param)


@pytest.fixture
def server(script: ScriptEngine) -> Iterator[Server]:
    """A server on loopback that requires the key and replies from `script`."""
    with serve(script, api_key=KEY) as running:
        yield running


def test_replies(program: Program, script: ScriptEngine, server: Server) -> None:
    """It prints a reply, a streamed one and those of a chat, in which it sends the history."""
    script.reply("It scatters.").reply("Once", " upon").reply("Nice to meet you, Ada!").reply("Ada.")

    assert program.run(server) == (0, "It scatters.\nOnce upon\nNice to meet you, Ada!\nAda.\n", "")
    assert [[(turn.role, turn.parts[0].text) for turn in request.contents] for request in script.requests] == [
        [("user", "Name three fruits.")],
        [("user", "Describe a sunrise in one sentence.")],
        [("user", "My name is Ada.")],
        [("user", "My name is Ada."), ("model", "Nice to meet you, Ada!"), ("user", "What is my name?")],
    ]
    assert {request.generation_config.max_output_tokens for request in script.requests} == {100}


def test_unknown_model(program: Program, server: Server) -> None:
    """NOT_FOUND is printed with its google.rpc.ErrorInfo: the reason, the domain and the requested model."""
    code, output, errors = program.run(server, model="models/no-such-model")

    status, info = errors.splitlines()
    assert (code, output) == (1, "")
    assert status.startswith(f"{program.status[5]}: models/no-such-model is not served here")
    assert info.startswith("  google.rpc.ErrorInfo: ")
    for words in ("MODEL_NOT_FOUND", "local.genai-grpc", "models/no-such-model"):
        assert words in info


def test_wrong_key(program: Program, server: Server) -> None:
    """The key is sent as metadata, and a wrong one is UNAUTHENTICATED."""
    code, output, errors = program.run(server, key="wrong-key")

    assert (code, output) == (1, "")
    assert errors.startswith(f"{program.status[16]}: the API key in the metadata x-goog-api-key is not this server's")
    assert "API_KEY_INVALID" in errors


def test_stalled_call(program: Program, script: ScriptEngine, server: Server) -> None:
    """A call without a reply ends at its deadline, on both sides."""
    script.reply(STALL)

    code, output, errors = program.run(server, seconds=1)

    assert (code, output) == (1, "")
    assert errors.startswith(f"{program.status[4]}: ")
    script.wait_cancelled()


def test_stalled_stream(program: Program, script: ScriptEngine, server: Server) -> None:
    """A stream prints each chunk when it arrives, and ends at the deadline if no more arrive."""
    script.reply("It scatters.").reply("Once", STALL)

    code, output, errors = program.run(server, seconds=5)

    assert (code, output.rstrip("\n")) == (1, "It scatters.\nOnce")
    assert errors.startswith(f"{program.status[4]}: ")
    script.wait_cancelled()
