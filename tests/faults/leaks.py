"""Measures what each way to leave a call leaves in the memory of a process.

Run as a program with PYTHONMALLOC=malloc, so that glibc counts Python's memory too: `leaks.py ENDPOINT sync` (or
async) prints each way, what was called, and the bytes per call, as a line of JSON.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import json
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any, Final

import grpc
import grpc.aio

import genai_grpc as genai
from genai_grpc import errors

WARM_UP: Final = 30
CALLS: Final = 50
# Seconds for the server to end the calls that were left, and for the client to free them.
SETTLE: Final = 0.02
# The ways that an interceptor's stream can change.
LEFT: Final = ("left by break", "dropped", "closed", "cancelled while it waits")
STALL: Final[Any] = {"retry": None, "timeout": 0.005}


FIELDS: Final = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"


class MallocInfo(ctypes.Structure):
    """The result of glibc's mallinfo2, which counts the arenas of all threads."""

    _fields_ = tuple((name, ctypes.c_size_t) for name in FIELDS.split())


def allocated(repeat: Callable[[int], Any]) -> int:
    """Bytes that are allocated in this process after a few more calls, at which gRPC frees what the last ones left."""
    for _ in range(2):
        time.sleep(SETTLE)
        gc.collect()
        repeat(1)
    time.sleep(SETTLE)
    gc.collect()
    mallinfo2 = ctypes.CDLL(None).mallinfo2
    mallinfo2.restype = MallocInfo
    found = mallinfo2()
    return int(found.uordblks + found.hblkhd)


class Passing(grpc.UnaryStreamClientInterceptor):
    """A gRPC interceptor that returns gRPC's stream."""

    def intercept_unary_stream(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        return continuation(client_call_details, request)


class Wrapping(grpc.UnaryStreamClientInterceptor):
    """A gRPC interceptor that returns a generator, as that of OpenTelemetry does."""

    def intercept_unary_stream(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        rpc = continuation(client_call_details, request)

        def chunks() -> Iterator[Any]:
            yield from rpc

        return chunks()


class AsyncPassing(grpc.aio.UnaryStreamClientInterceptor):
    """Its async twin."""

    async def intercept_unary_stream(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        return await continuation(client_call_details, request)


class AsyncWrapping(grpc.aio.UnaryStreamClientInterceptor):
    """Its async twin."""

    async def intercept_unary_stream(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        rpc = await continuation(client_call_details, request)

        async def chunks() -> AsyncIterator[Any]:
            async for chunk in rpc:
                yield chunk

        return chunks()


class Observing(genai.types.Interceptor):
    """An interceptor of whole calls."""


def add(left: float, right: float) -> float:
    """Add two numbers."""
    return left + right


def sources(model: Any, tools_model: Any) -> dict[str, Callable[..., Any]]:
    """What opens a stream: a model, a chat, a chat that calls functions."""

    def chat(prompt: str, **arguments: Any) -> Any:
        return model.start_chat().send_message(prompt, stream=True, **arguments)

    def functions(prompt: str, **arguments: Any) -> Any:
        session = tools_model.start_chat(enable_automatic_function_calling=True)
        return session.send_message(prompt, stream=True, **arguments)

    return {"model": partial(model.generate_content, stream=True), "chat": chat, "function calls": functions}


def async_sources(model: Any, tools_model: Any) -> dict[str, Callable[..., Any]]:
    """Their async twins."""

    async def chat(prompt: str, **arguments: Any) -> Any:
        return await model.start_chat().send_message_async(prompt, stream=True, **arguments)

    async def functions(prompt: str, **arguments: Any) -> Any:
        session = tools_model.start_chat(enable_automatic_function_calling=True)
        return await session.send_message_async(prompt, stream=True, **arguments)

    return {"model": partial(model.generate_content_async, stream=True), "chat": chat, "function calls": functions}


READER: Final = ThreadPoolExecutor(1)


def read(opened: Callable[..., Any]) -> None:
    opened("many").resolve()


def leave(opened: Callable[..., Any]) -> None:
    for _ in opened("many"):
        break


def drop(opened: Callable[..., Any]) -> None:
    opened("many")


def close(opened: Callable[..., Any]) -> None:
    with opened("many") as response:
        next(iter(response))


def cancel(opened: Callable[..., Any]) -> None:
    """Close a stream while another thread waits for its next chunk."""
    response, began = opened("stall"), threading.Event()

    def wait() -> None:
        for _ in response:
            began.set()

    waiting = READER.submit(wait)
    began.wait(10)
    response.close()
    with suppress(errors.Cancelled):
        waiting.result(10)


def deadline(opened: Callable[..., Any]) -> None:
    with suppress(errors.DeadlineExceeded):
        opened("stall", request_options=STALL).resolve()


def idle(opened: Callable[..., Any]) -> None:
    with suppress(errors.DeadlineExceeded):
        opened("stall", request_options={"idle_timeout": 0.005}).resolve()


def error(opened: Callable[..., Any]) -> None:
    with suppress(errors.DataLoss):
        opened("error").resolve()


async def read_async(opened: Callable[..., Any]) -> None:
    await (await opened("many")).resolve()


async def leave_async(opened: Callable[..., Any]) -> None:
    async for _ in await opened("many"):
        break


async def drop_async(opened: Callable[..., Any]) -> None:
    await opened("many")


async def close_async(opened: Callable[..., Any]) -> None:
    async with await opened("many") as response:
        await anext(aiter(response))


async def cancel_async(opened: Callable[..., Any]) -> None:
    """Cancel a task that waits for the next chunk."""
    began = asyncio.Event()

    async def wait() -> None:
        async for _ in await opened("stall"):
            began.set()

    task = asyncio.create_task(wait())
    await began.wait()
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def deadline_async(opened: Callable[..., Any]) -> None:
    with suppress(errors.DeadlineExceeded):
        await (await opened("stall", request_options=STALL)).resolve()


async def idle_async(opened: Callable[..., Any]) -> None:
    with suppress(errors.DeadlineExceeded):
        await (await opened("stall", request_options={"idle_timeout": 0.005})).resolve()


async def error_async(opened: Callable[..., Any]) -> None:
    with suppress(errors.DataLoss):
        await (await opened("error")).resolve()


WAYS: Final[dict[str, tuple[Callable[..., Any], Callable[..., Any]]]] = {
    "read to the end": (read, read_async),
    "left by break": (leave, leave_async),
    "dropped": (drop, drop_async),
    "closed": (close, close_async),
    "cancelled while it waits": (cancel, cancel_async),
    "deadline": (deadline, deadline_async),
    "idle timeout": (idle, idle_async),
    "error": (error, error_async),
}
INTERCEPTORS: Final[dict[str, list[Any]]] = {
    "gRPC interceptor": [Passing(), AsyncPassing()],
    "wrapping interceptor": [Wrapping(), AsyncWrapping()],
    "interceptor": [Observing()],
}


def report(fault: str, source: str, repeat: Callable[[int], Any]) -> None:
    """Print the bytes that each of many calls leaves."""
    repeat(WARM_UP)
    before = allocated(repeat)
    repeat(CALLS)
    sys.stdout.write(json.dumps([fault, source, (allocated(repeat) - before) / CALLS]) + "\n")
    sys.stdout.flush()


def models(client: genai.Client) -> tuple[genai.GenerativeModel, genai.GenerativeModel]:
    return genai.GenerativeModel(client=client), genai.GenerativeModel(client=client, tools=[add])


def measure_streams(endpoint: str) -> None:
    """Each way to leave a stream, of each source."""
    for name, interceptors in {"": [], **INTERCEPTORS}.items():
        with genai.Client(endpoint=endpoint, interceptors=interceptors) as client:
            opened = sources(*models(client))
            for source, open_stream in ({name: opened["model"]} if name else opened).items():
                for fault, (way, _) in WAYS.items():
                    if name and fault not in LEFT:
                        continue
                    report(fault, f"sync, {source}", partial(repeat_sync, partial(way, open_stream)))


def measure_async_streams(endpoint: str) -> None:
    """The same on one event loop."""
    with new_runner() as runner:
        for name, interceptors in {"": [], **INTERCEPTORS}.items():
            client = genai.Client(endpoint=endpoint, interceptors=interceptors)
            opened = async_sources(*models(client))
            for source, open_stream in ({name: opened["model"]} if name else opened).items():
                for fault, (_, way) in WAYS.items():
                    if name and fault not in LEFT:
                        continue
                    report(fault, f"async, {source}", partial(repeat_async, runner, partial(way, open_stream)))
            runner.run(client.aclose())


class Runner:
    """The part of Python 3.11's asyncio.Runner that is used here."""

    def __enter__(self) -> Runner:
        self._loop = asyncio.new_event_loop()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    def run(self, main: Any) -> Any:
        return self._loop.run_until_complete(main)


def new_runner() -> Any:
    return asyncio.Runner() if sys.version_info >= (3, 11) else Runner()


def repeat_sync(call: Callable[[], Any], calls: int) -> None:
    for _ in range(calls):
        call()


def repeat_run(run: Callable[[Any], Any], main: Callable[[], Any], calls: int) -> None:
    for _ in range(calls):
        run(main())


def repeat_async(runner: Any, call: Callable[[], Any], calls: int) -> None:
    async def repeat() -> None:
        for _ in range(calls):
            await call()
        await asyncio.sleep(SETTLE)  # what was dropped is cancelled by the loop

    runner.run(repeat())


def measure_loops(endpoint: str) -> None:
    """An event loop for each call."""
    with genai.Client(endpoint=endpoint) as client:
        model, _ = models(client)
        source = async_sources(model, model)["model"]

        async def reply() -> None:
            await model.generate_content_async("one")

        def run_unclean(main: Any) -> None:
            loop = asyncio.new_event_loop()
            loop.run_until_complete(main)
            loop.close()  # without shutdown_asyncgens

        mains: dict[str, Callable[[], Any]] = {
            "async, no stream": reply,
            "async, model": partial(read_async, source),
        }
        for name, main in mains.items():
            report("an event loop for each call", name, partial(repeat_run, asyncio.run, main))
            unclean = partial(repeat_run, run_unclean, main)
            report("an event loop for each call, closed without shutdown_asyncgens", name, unclean)
        left = partial(repeat_run, asyncio.run, partial(leave_async, source))
        report("an event loop for each call", "async, model, left by break", left)


def measure_clients(endpoint: str) -> None:
    """A client for each call."""

    def call() -> None:
        with genai.Client(endpoint=endpoint) as client:
            leave(sources(*models(client))["model"])

    async def call_async() -> None:
        async with genai.Client(endpoint=endpoint) as client:
            await leave_async(async_sources(*models(client))["model"])

    report("a client for each call", "sync, model, left by break", partial(repeat_sync, call))
    with new_runner() as runner:
        report("a client for each call", "async, model, left by break", partial(repeat_async, runner, call_async))


def measure_replies(endpoint: str) -> None:
    """Calls without a stream."""
    faults: dict[str, tuple[str, dict[str, Any]]] = {
        "read to the end": ("one", {}),
        "deadline": ("stall", STALL),
        "error": ("error", {}),
    }
    with genai.Client(endpoint=endpoint) as client, new_runner() as runner:
        model, _ = models(client)

        def call(prompt: str, options: Any) -> None:
            with suppress(errors.DataLoss, errors.DeadlineExceeded):
                model.generate_content(prompt, request_options=options)

        async def call_async(prompt: str, options: Any) -> None:
            with suppress(errors.DataLoss, errors.DeadlineExceeded):
                await model.generate_content_async(prompt, request_options=options)

        async def cancelled() -> None:
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(model.generate_content_async("stall"), 0.01)

        for fault, given in faults.items():
            report(fault, "sync, no stream", partial(repeat_sync, partial(call, *given)))
            report(fault, "async, no stream", partial(repeat_async, runner, partial(call_async, *given)))
        report("cancelled while it waits", "async, no stream", partial(repeat_async, runner, cancelled))


def measure_sessions(endpoint: str) -> None:
    """Live sessions."""

    async def session(client: genai.Client, prompt: str) -> None:
        async with client.live.connect("gemini-pro") as opened:
            await opened.send_client_content(prompt)
            with suppress(errors.DataLoss):
                async for message in opened.receive():
                    if prompt == "stall" and message.text:
                        break

    with new_runner() as runner:
        client = genai.Client(endpoint=endpoint)
        for fault, prompt in {"read to the end": "many", "left by break": "stall", "error": "error"}.items():
            repeat = partial(repeat_async, runner, partial(session, client, prompt))
            report(fault, "async, live session", repeat)
        runner.run(client.aclose())


PARTS: Final = {
    "sync": (measure_streams, measure_clients, measure_replies),
    "async": (measure_async_streams, measure_sessions, measure_loops),
}

if __name__ == "__main__":
    gc.collect()
    gc.freeze()  # what was imported, so that later collections are quick
    for measure in PARTS[sys.argv[2]]:
        measure(sys.argv[1])
