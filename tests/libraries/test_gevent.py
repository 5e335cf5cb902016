"""Sync calls in greenlets, where gevent has patched the process and gRPC cooperates with it."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pytest

from genai_grpc import testing
from genai_grpc.local import STALL, ScriptEngine, Server
from tests.libraries.example_processes import environment_of, post, serve_http, start
from tests.libraries.test_examples import HELLO, SERVERS

pytestmark = [pytest.mark.libraries, pytest.mark.venv, pytest.mark.timeout(300)]

PROGRAM: Final = Path(__file__).with_name("programs") / "gevent_calls.py"
SERVICE: Final = "/google.ai.generativelanguage.v1beta.GenerativeService"
REPLIES: Final = {
    f"{SERVICE}/GenerateContent": [testing.response("Hello")],
    f"{SERVICE}/StreamGenerateContent": [testing.response("Hel", finish_reason=""), testing.response("lo")],
}


def run(function: str, endpoint: str) -> str:
    """What a function of the program prints; it must end well, and write nothing to stderr."""
    process = start(environment_of("flask", endpoint), str(PROGRAM), function)
    stdout, stderr = process.communicate(timeout=60)
    assert (stderr, process.returncode) == ("", 0)
    return stdout


def test_overlapping_calls() -> None:
    """Calls and streams of several greenlets are in flight at once."""
    with testing.LoadServer(REPLIES, delay=0.3) as server:
        assert run("overlapping", server.endpoint).split() == ["Hello"] * 40
        assert server.counts.peak == 20


def test_limited_calls() -> None:
    """Greenlets wait for a slot of the client without blocking those that have one."""
    with testing.LoadServer(REPLIES, delay=0.01) as server:
        assert run("limited", server.endpoint).split() == ["Hello"] * 20
        assert server.counts.peak == 2


def test_ended_calls(server: Server, script: ScriptEngine) -> None:
    """The end of a greenlet, a deadline, an idle timeout and `close` cancel the call on the server."""
    for _ in range(8):
        script.reply(STALL)
    assert run("ended", server.endpoint).split() == [
        *("GreenletExit", "GreenletExit"),
        *("DeadlineExceeded", "DeadlineExceeded"),
        *("ClientClosed", "ClientClosed"),
    ]
    script.wait_cancelled(8)


def test_async_calls(server: Server) -> None:
    """An async call is an error, since gRPC's asyncio part would wait forever."""
    assert "an async call never ends where gevent has patched threads" in run("async_calls", server.endpoint)


def test_without_support(server: Server, script: ScriptEngine) -> None:
    """A program that has not called init_gevent gets a warning at its first call."""
    script.reply("Hello")
    printed = run("without_support", server.endpoint)
    assert printed.startswith("Hello gevent has patched this process, but not gRPC")


def test_more_calls_than_threads_of_gevent(server: Server, script: ScriptEngine) -> None:
    """In the example, a call returns while more streams are open than gevent's default of 10 threads."""
    framework, *command = SERVERS["gevent"]
    for _ in range(30):
        script.reply("One", STALL)
    script.reply("Hello")
    with serve_http(framework, server.endpoint, *command, "--workers=1") as http_server, ExitStack() as streams:
        for _ in range(30):
            assert streams.enter_context(post(http_server, "/stream", HELLO)).read1() == b"One"
        with post(http_server, "/generate", HELLO) as response:
            assert json.load(response) == {"text": "Hello"}
