"""Processes, threads, event loops and signals."""

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
from typing import Any

import pytest

import genai_grpc as genai
from genai_grpc import errors
from genai_grpc.local import STALL, ScriptEngine

ROOT = Path(__file__).parents[2]


def start(program: str, *arguments: str) -> subprocess.Popen[str]:
    """A Python program of its own, on this project."""
    path = os.pathsep.join(map(str, (ROOT, ROOT / "generated" / "python")))
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(program), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"},
    )


def test_a_killed_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the server's process is killed in a stream, the chunks before come, then ServiceUnavailable."""
    served = start(
        """
        import signal
        from genai_grpc.local import STALL, ScriptEngine, serve
        with serve(ScriptEngine().reply("One,", " two", STALL)) as server:
            print(server.endpoint)
            signal.pause()
        """
    )
    assert served.stdout is not None
    try:
        with genai.Client(endpoint=served.stdout.readline().strip()) as client:
            response = genai.GenerativeModel(client=client).generate_content("Count", stream=True)
            chunks = iter(response)
            assert [next(chunks).text, next(chunks).text] == ["One,", " two"]
            served.kill()
            with pytest.raises(errors.ServiceUnavailable):
                next(chunks)
    finally:
        served.kill()
        served.communicate()


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
    print("asking")
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
def test_ctrl_c(program: str, server: Any, script: ScriptEngine) -> None:
    """Ctrl-C ends the program with KeyboardInterrupt, cancels the call, and the model's work ends."""
    script.reply("One,", STALL)
    running = start(program, server.endpoint)
    assert running.stdout is not None
    running.stdout.readline()
    while not script.requests:  # the call has reached the engine
        pass
    running.send_signal(signal.SIGINT)
    _, complaints = running.communicate(timeout=30)
    assert running.returncode == -signal.SIGINT
    assert "KeyboardInterrupt" in complaints
    script.wait_cancelled()


def test_exit_with_a_stream_open(server: Any, script: ScriptEngine) -> None:
    """A program may end with a stream half read: it does not hang and says nothing."""
    script.reply("One,", STALL)
    running = start(
        """
        import sys
        import genai_grpc as genai
        model = genai.GenerativeModel(client=genai.Client(endpoint=sys.argv[1]))
        response = model.generate_content("Count", stream=True)
        print(next(iter(response)).text)
        """,
        server.endpoint,
    )
    assert running.communicate(timeout=30) == ("One,\n", "")
    assert running.returncode == 0
    script.wait_cancelled()


def test_a_fork(model: genai.GenerativeModel, script: ScriptEngine, server: Any) -> None:
    """A forked child makes a channel of its own, and the parent's goes on."""
    del server
    for _ in range(3):
        script.reply("Hello")
    running = start(
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
        model.client.endpoint,
    )
    said, complaints = running.communicate(timeout=30)
    # The two may write at once, so that their lines run together.
    assert (said.count("Hello"), complaints) == (3, "")


def test_several_loops(model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """Each asyncio.run has a channel of its own."""

    async def ask() -> str:
        async with model.client:
            return (await model.generate_content_async("Hi")).text

    for number in range(3):
        script.reply(str(number))
        assert asyncio.run(ask()) == str(number)


def test_threads(model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """Threads share a client."""
    for _ in range(64):
        script.reply("Hello")
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: model.generate_content("Hi").text, range(64)))
    assert answers == ["Hello"] * 64


def test_many_at_once(model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """Hundreds of async calls are in flight together."""
    for _ in range(300):
        script.reply("Hello")

    async def ask_all() -> list[str]:
        async with model.client:
            responses = await asyncio.gather(*(model.generate_content_async("Hi") for _ in range(300)))
        return [response.text for response in responses]

    assert asyncio.run(ask_all()) == ["Hello"] * 300


def test_a_closed_client(client: genai.Client, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """A client that was closed connects again at the next call."""
    for word in "one", "two":
        script.reply(word)
        assert model.generate_content("Hi").text == word
        client.close()


def _ask(endpoint: str) -> str:
    return genai.GenerativeModel(client=genai.Client(endpoint=endpoint)).generate_content("Hi").text


def test_spawn(script: ScriptEngine, server: Any) -> None:
    """Spawned processes make clients of their own."""
    script.reply("Hello").reply("Hello")
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        assert pool.map(_ask, [server.endpoint] * 2) == ["Hello"] * 2
