"""Async calls where no event loop of asyncio runs: under trio, and by hand."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from typing import Any

import anyio
import pytest
import trio

import genai_grpc as genai
from genai_grpc import types
from genai_grpc.local import ScriptEngine, Server
from tests.conftest import Connect

REFUSED = "run on asyncio, and no asyncio event loop is running here.*trio.to_thread.run_sync with the sync calls"


def run_under_anyio(function: Callable[[], Any]) -> Any:
    """Run an async function on anyio's trio backend."""
    return anyio.run(function, backend="trio")


def run_by_hand(function: Callable[[], Any]) -> Any:
    """Drive a coroutine without an event loop."""
    coroutine = function()
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    pytest.fail("the coroutine waits for something")


RUNNERS: dict[str, Callable[[Callable[[], Any]], Any]] = {
    "trio": trio.run,
    "anyio": run_under_anyio,
    "no loop": run_by_hand,
}
CALLS: dict[str, Callable[[genai.Client], Any]] = {
    "unary": lambda client: genai.GenerativeModel(client=client).generate_content_async("Hi"),
    "stream": lambda client: genai.GenerativeModel(client=client).generate_content_async("Hi", stream=True),
    "chat": lambda client: genai.GenerativeModel(client=client).start_chat().send_message_async("Hi"),
    "get": lambda client: genai.get_model_async("gemini-pro", client=client),
    "list": lambda client: anext(aiter(genai.list_models_async(client=client))),
}


@pytest.mark.parametrize("runner", RUNNERS)
@pytest.mark.parametrize("call", CALLS)
def test_call(connect: Connect, runner: str, call: str, server: Server) -> None:
    """An async call is a RuntimeError that says what to do, and leaves nothing in flight."""

    async def main() -> None:
        await CALLS[call](client)

    with connect(server, max_in_flight=1) as client:
        for _ in range(2):
            with pytest.raises(RuntimeError, match=REFUSED):
                RUNNERS[runner](main)


@pytest.mark.parametrize("runner", RUNNERS)
def test_call_that_waits_for_admission(connect: Connect, runner: str, server: Server, script: ScriptEngine) -> None:
    """The same for a call that would have to wait for the rate limiter first."""
    script.reply("Hello")
    limit = types.RateLimit(requests_per_minute=60, burst_seconds=0)

    async def main() -> None:
        await genai.GenerativeModel(client=client).generate_content_async("Hi")

    with connect(server, rate_limit=limit) as client:
        assert genai.GenerativeModel(client=client).generate_content("Hi").text == "Hello"
        with pytest.raises(RuntimeError, match=REFUSED):
            RUNNERS[runner](main)


def test_sync_calls_under_trio(connect: Connect, server: Server, script: ScriptEngine) -> None:
    """Under trio a program makes sync calls on threads, and may use the client as an async context manager."""
    script.reply("Hello")

    async def main() -> str:
        async with connect(server) as client:
            response = await trio.to_thread.run_sync(genai.GenerativeModel(client=client).generate_content, "Hi")
            return str(response.text)

    assert trio.run(main) == "Hello"


def test_error_of_a_function(connect: Connect, server: Server, script: ScriptEngine) -> None:
    """A RuntimeError of the program's own code stays as it is where an event loop runs."""

    def key() -> str:
        raise RuntimeError("no event loop")

    async def main() -> None:
        async with connect(server, key) as client:
            await genai.GenerativeModel(client=client).generate_content_async("Hi")

    with pytest.raises(RuntimeError, match="^no event loop$"):
        anyio.run(main)


@pytest.mark.parametrize("how", ["aclose", "close", "dropped"])
def test_client_that_ends_before_its_loop(
    connect: Connect, how: str, server: Server, script: ScriptEngine, caplog: pytest.LogCaptureFixture
) -> None:
    """A client that ends just before its event loop leaves no task of its own that would be destroyed with the loop."""
    script.reply("Hello", " world")

    async def main() -> None:
        client = connect(server)
        async for _ in await genai.GenerativeModel(client=client).generate_content_async("Hi", stream=True):
            break
        if how == "aclose":
            await client.aclose()
        if how == "close":
            client.close()
            await asyncio.sleep(0.05)  # gRPC's objects are closed by the loop

    gc.disable()
    try:
        loop = asyncio.new_event_loop()
        loop.run_until_complete(main())
        gc.collect()
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
        gc.collect()
    finally:
        gc.enable()
    # Those of gRPC's calls have other names.
    assert [record.message for record in caplog.records if "async_generator_athrow" in record.message] == []
