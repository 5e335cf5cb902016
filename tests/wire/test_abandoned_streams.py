"""Streams that are not read to their end: what they free, and which other calls they leave alone."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any

import pytest

import genai_grpc as genai
from genai_grpc import errors
from genai_grpc.local import STALL, ScriptEngine
from genai_grpc.local.server import Server
from tests.conftest import Connect
from tests.faults.leaks import Wrapping


def add(left: int, right: int) -> int:
    """Add two numbers."""
    return left + right


def open_streams(client: genai.Client) -> dict[str, Any]:
    """Functions that open a stream: of a model, a chat, a chat that calls functions."""
    model = genai.GenerativeModel(client=client, tools=[add])
    return {
        "model": lambda: model.generate_content("Count", stream=True),
        "chat": lambda: model.start_chat().send_message("Count", stream=True),
        "function calls": lambda: model.start_chat(enable_automatic_function_calling=True).send_message(
            "Count", stream=True
        ),
    }


@pytest.mark.parametrize("source", ["model", "chat", "function calls"])
def test_slot_of_dropped_stream(connect: Connect, script: ScriptEngine, source: str, server: Server) -> None:
    """A stream that is dropped ends at once, and frees its slot, also if it was the last one that was opened."""
    with connect(server, max_in_flight=1) as limited:
        open_stream = open_streams(limited)[source]
        for _ in range(3):
            script.reply("One,", STALL)
            for chunk in open_stream():
                assert chunk.text == "One,"
                break
            script.wait_cancelled()
        script.reply("Hello")
        model = genai.GenerativeModel(client=limited)
        assert model.generate_content("Hi", request_options={"timeout": 10}).text == "Hello"


def test_slot_of_dropped_async_stream(connect: Connect, script: ScriptEngine, server: Server) -> None:
    """The same for an async stream."""

    async def drop_then_call() -> str:
        async with connect(server, max_in_flight=1) as limited:
            model = genai.GenerativeModel(client=limited)
            script.reply("One,", STALL)
            async for chunk in await model.generate_content_async("Count", stream=True):
                assert chunk.text == "One,"
                break
            script.reply("Hello")
            return (await model.generate_content_async("Hi", request_options={"timeout": 10})).text

    assert asyncio.run(drop_then_call()) == "Hello"
    script.wait_cancelled()


@pytest.mark.parametrize(
    ("transport", "wrapped"),
    [("grpc", False), ("grpc", True), ("rest", False)],
    ids=["gRPC's stream", "a generator of an interceptor of gRPC's", "HTTP's stream"],
)
@pytest.mark.parametrize("source", ["model", "chat", "function calls"])
def test_closed_by_another_thread(
    connect: Connect, script: ScriptEngine, server: Server, source: str, wrapped: bool
) -> None:
    """A stream of any source may be closed while another thread waits for its next chunk, which ends the wait."""
    with connect(server, interceptors=[Wrapping()] if wrapped else []) as client:
        script.reply("One,", STALL)
        opened = open_streams(client)[source]()
        chunks = iter(opened)
        assert next(chunks).text == "One,"
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(next, chunks)
            with pytest.raises(FutureTimeoutError):
                waiting.result(timeout=0.1)
            opened.close()
            with pytest.raises(errors.Cancelled):
                waiting.result(timeout=10)
        script.wait_cancelled()


@pytest.mark.parametrize("source", ["model", "chat", "function calls"])
def test_closed_between_chunks(client: genai.Client, script: ScriptEngine, source: str) -> None:
    """One thread may read a stream of any source while another closes it at any time; it ends, or is cancelled."""
    open_stream = open_streams(client)[source]

    def read(opened: Any) -> None:
        for _ in opened:
            pass

    with ThreadPoolExecutor(1) as pool:
        for _ in range(50):
            script.reply(*"abcdefghij", STALL)
            opened = open_stream()
            reading = pool.submit(read, opened)
            opened.close()
            assert isinstance(reading.exception(timeout=10), (errors.Cancelled, type(None)))
            script.wait_cancelled()


def test_idle_timeout_of_wrapped_stream(script: ScriptEngine, server: Server) -> None:
    """The idle timeout ends a stream that an interceptor has wrapped in a generator, and later ones."""
    with genai.Client(endpoint=server.endpoint, interceptors=[Wrapping()], idle_timeout=0.1) as client:
        model = genai.GenerativeModel(client=client)
        for _ in range(2):
            script.reply("One,", STALL)
            with pytest.raises(errors.DeadlineExceeded, match="idle_timeout"):
                model.generate_content("Count", stream=True).resolve()


def test_cancelled_unary_call(connect: Connect, script: ScriptEngine, server: Server) -> None:
    """Cancelling the task that waits for a reply cancels the call, and frees its slot."""

    async def cancel_then_call() -> str:
        async with connect(server, max_in_flight=1) as client:
            model = genai.GenerativeModel(client=client)
            script.reply(STALL)
            task = asyncio.ensure_future(model.generate_content_async("Hi"))
            await asyncio.sleep(0.05)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            script.reply("Hello")
            return (await model.generate_content_async("Hi", request_options={"timeout": 10})).text

    assert asyncio.run(cancel_then_call()) == "Hello"
    script.wait_cancelled()
