"""Processes, threads, event loops and signals, over real gRPC."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import genai_grpc as genai
from genai_grpc import errors
from genai_grpc.local import STALL, ScriptEngine
from genai_grpc.local.server import Server

ROOT = Path(__file__).parents[2]
# gRPC has threads, so each fork after a call gives this warning, from Python 3.12 (docs/clients.md).
FORK_WARNING = "ignore:This process:DeprecationWarning"


def start(program: str, *arguments: str) -> subprocess.Popen[str]:
    """Start a Python program that imports this project."""
    path = os.pathsep.join(map(str, (ROOT, ROOT / "generated" / "python")))
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-W", FORK_WARNING, "-c", textwrap.dedent(program), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"},
    )


def test_killed_server() -> None:
    """A stream whose server process is killed yields the chunks before, and then raises ServiceUnavailable."""
    process = start(
        """
        import signal
        from genai_grpc.local import STALL, ScriptEngine, serve
        with serve(ScriptEngine().reply("One,", " two", STALL)) as server:
            print(server.endpoint)
            signal.pause()
        """
    )
    assert process.stdout is not None
    try:
        with genai.Client(endpoint=process.stdout.readline().strip()) as client:
            response = genai.GenerativeModel(client=client).generate_content("Count", stream=True)
            chunks = iter(response)
            assert [next(chunks).text, next(chunks).text] == ["One,", " two"]
            process.kill()
            with pytest.raises(errors.ServiceUnavailable):
                next(chunks)
    finally:
        process.kill()
        process.communicate()


STREAM = """
    import sys
    import genai_grpc as genai
    model = genai.GenerativeModel(client=genai.Client(endpoint=sys.argv[1]))
    for chunk in model.generate_content("Count", stream=True):
        print(chunk.text)
"""

UNARY = """
    import sys
    import genai_grpc as genai
    model = genai.GenerativeModel(client=genai.Client(endpoint=sys.argv[1]))
    print("calling")
    model.generate_content("Count")
"""

ASYNC = """
    import asyncio, sys
    import genai_grpc as genai
    async def main():
        async with genai.Client(endpoint=sys.argv[1]) as client:
            model = genai.GenerativeModel(client=client)
            async for chunk in await model.generate_content_async("Count", stream=True):
                print(chunk.text)
    asyncio.run(main())
"""


@pytest.mark.parametrize("program", [STREAM, UNARY, ASYNC], ids=["stream", "unary", "async"])
def test_ctrl_c(program: str, server: Server, script: ScriptEngine) -> None:
    """Ctrl-C ends a program with KeyboardInterrupt, and cancels its call and the engine's work."""
    script.reply("One,", STALL)
    process = start(program, server.endpoint)
    assert process.stdout is not None
    process.stdout.readline()
    while not script.requests:  # until the call reaches the engine
        pass
    process.send_signal(signal.SIGINT)
    try:
        _, stderr = process.communicate(timeout=10)
    except subprocess.TimeoutExpired:
        # Once in 1,000 times the signal comes just before asyncio's `select`, which then waits for another event.
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=30)
    assert process.returncode == -signal.SIGINT
    assert "KeyboardInterrupt" in stderr
    script.wait_cancelled()


def test_exit_with_open_stream(server: Server, script: ScriptEngine) -> None:
    """A program that ends with an open stream neither hangs nor writes to stderr."""
    script.reply("One,", STALL)
    process = start(
        """
        import sys
        import genai_grpc as genai
        model = genai.GenerativeModel(client=genai.Client(endpoint=sys.argv[1]))
        response = model.generate_content("Count", stream=True)
        print(next(iter(response)).text)
        """,
        server.endpoint,
    )
    assert process.communicate(timeout=30) == ("One,\n", "")
    assert process.returncode == 0
    script.wait_cancelled()


def test_fork(script: ScriptEngine, server: Server) -> None:
    """A forked child connects anew, and the parent's channel still works."""
    for _ in range(3):
        script.reply("Hello")
    process = start(
        """
        import os, sys
        import genai_grpc as genai
        model = genai.GenerativeModel(client=genai.Client(endpoint=sys.argv[1]))
        print(model.generate_content("parent").text)
        child = os.fork()
        print(model.generate_content("child" if child == 0 else "parent again").text)
        if child:
            os.waitpid(child, 0)
        """,
        server.endpoint,
    )
    stdout, stderr = process.communicate(timeout=30)
    # Lines that both processes write at the same time may be mixed.
    assert (stdout.count("Hello"), stderr) == (3, "")


def test_several_loops(model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """A client may be used in one event loop after another, with a channel for each."""

    async def call() -> str:
        return (await model.generate_content_async("Hi")).text

    for number in range(3):
        script.reply(str(number))
        assert asyncio.run(call()) == str(number)


def test_threads(model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """Threads share a client."""
    for _ in range(64):
        script.reply("Hello")
    with ThreadPoolExecutor(16) as pool:
        replies = list(pool.map(lambda _: model.generate_content("Hi").text, range(64)))
    assert replies == ["Hello"] * 64


def test_many_concurrent_calls(model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """Hundreds of async calls may be in flight at the same time."""
    for _ in range(300):
        script.reply("Hello")

    async def call_all() -> list[str]:
        async with model.client:
            responses = await asyncio.gather(*(model.generate_content_async("Hi") for _ in range(300)))
        return [response.text for response in responses]

    assert asyncio.run(call_all()) == ["Hello"] * 300


def _call(endpoint: str) -> str:
    return genai.GenerativeModel(client=genai.Client(endpoint=endpoint)).generate_content("Hi").text


def test_spawn(script: ScriptEngine, server: Server) -> None:
    """Each spawned process has its own client."""
    script.reply("Hello").reply("Hello")
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        assert pool.map(_call, [server.endpoint] * 2) == ["Hello"] * 2
