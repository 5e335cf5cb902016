"""Memory that calls of plain grpcio leave: a program for its maintainers, which needs nothing but grpcio and Linux.

Each way to leave a call is measured in a process of its own, with PYTHONMALLOC=malloc, so that glibc's mallinfo2 counts
Python's memory too. docs/grpcio.md explains the results.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any, Final

import grpc
import grpc.aio

CALLS: Final = 300
FIELDS: Final = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"
OPTIONS: Final = [("SingleThreadedUnaryStream", 1)]


class MallocInfo(ctypes.Structure):
    """The result of mallinfo2."""

    _fields_ = tuple((name, ctypes.c_size_t) for name in FIELDS.split())


def allocated() -> int:
    """Bytes that are allocated in this process."""
    time.sleep(0.2)
    gc.collect()
    mallinfo2 = ctypes.CDLL(None).mallinfo2
    mallinfo2.restype = MallocInfo
    found = mallinfo2()
    return int(found.uordblks + found.hblkhd)


class Handler(grpc.GenericRpcHandler):
    """Replies with 20 messages to "/s/stream", with one to "/s/unary", and never to "/s/stall"."""

    def service(self, handler_call_details: Any) -> Any:
        """The handler of a method."""
        if handler_call_details.method == "/s/stream":
            return grpc.unary_stream_rpc_method_handler(lambda _, __: iter([b"x" * 100] * 20))
        seconds = 60 if handler_call_details.method == "/s/stall" else 0

        def reply(_: bytes, context: Any) -> bytes:
            deadline = time.monotonic() + seconds
            while context.is_active() and time.monotonic() < deadline:
                time.sleep(0.001)
            return b"x"

        return grpc.unary_unary_rpc_method_handler(reply)


def serve() -> None:
    """Serve until stdin ends; prints the port."""
    server = grpc.server(ThreadPoolExecutor(64))
    server.add_generic_rpc_handlers((Handler(),))
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    server.start()
    sys.stdin.read()
    server.stop(None)


@contextmanager
def server() -> Iterator[str]:
    """The address of a server in a process of its own."""
    command = [sys.executable, __file__, "serve"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        assert process.stdout is not None  # noqa: S101 -- a pipe
        yield f"127.0.0.1:{process.stdout.readline().strip()}"
        process.communicate("")


def sync_stream(address: str, leave: Callable[[Any], Any], options: Any = OPTIONS) -> float:
    """Bytes per sync stream of one channel."""
    with grpc.insecure_channel(address, options=options) as channel:
        stream: Any = channel.unary_stream("/s/stream")

        def repeat(calls: int) -> None:
            for _ in range(calls):
                leave(stream(b""))

        return growth(repeat)


def aio(address: str, call: Callable[[Any], Any]) -> float:
    """Bytes per call of one channel of grpc.aio, on one event loop."""
    with asyncio.Runner() as runner:  # Python 3.11

        async def connect() -> Any:
            return grpc.aio.insecure_channel(address)

        channel = runner.run(connect())

        async def repeat(calls: int) -> None:
            for _ in range(calls):
                await call(channel)
            await asyncio.sleep(0.1)

        result = growth(lambda calls: runner.run(repeat(calls)))
        runner.run(channel.close())
        return result


def growth(repeat: Callable[[int], Any]) -> float:
    """Bytes that each call leaves."""
    repeat(100)
    before = allocated()
    repeat(CALLS)
    return (allocated() - before) / CALLS


def cancel_below(rpc: Any) -> None:
    """Cancel the call below grpcio's object, and read to the end: what genai_grpc does."""
    next(rpc)
    rpc._call.cancel(grpc.StatusCode.CANCELLED.value[0], "cancelled")
    with suppress(grpc.RpcError):
        for _ in rpc:
            pass


async def leave_stream(channel: Any) -> None:
    async for _ in channel.unary_stream("/s/stream")(b""):
        break


async def cancel_stream(channel: Any) -> None:
    rpc = channel.unary_stream("/s/stream")(b"")
    await rpc.read()
    rpc.cancel()


async def cancel_unary(channel: Any) -> None:
    with suppress(asyncio.TimeoutError):
        await asyncio.wait_for(channel.unary_unary("/s/stall")(b""), 0.005)


def loops_beside_a_channel(address: str) -> float:
    """Bytes per event loop that makes one call, while another loop has a channel."""

    async def call() -> None:
        async with grpc.aio.insecure_channel(address) as channel:
            unary: Any = channel.unary_unary("/s/unary")
            await unary(b"")

    def repeat(calls: int) -> None:
        for _ in range(calls):
            asyncio.run(call())

    async def main() -> float:
        async with grpc.aio.insecure_channel(address):
            return await asyncio.to_thread(growth, repeat)

    return asyncio.run(main())


WAYS: Final[dict[str, Callable[[str], float]]] = {
    "sync stream, SingleThreadedUnaryStream, read to the end": lambda at: sync_stream(at, list),
    "sync stream, SingleThreadedUnaryStream, dropped": lambda at: sync_stream(at, next),
    "sync stream, SingleThreadedUnaryStream, cancel()": lambda at: sync_stream(
        at, lambda rpc: (next(rpc), rpc.cancel())
    ),
    "sync stream, SingleThreadedUnaryStream, _call.cancel() and read to the end": lambda at: sync_stream(
        at, cancel_below
    ),
    "sync stream, default, dropped": lambda at: sync_stream(at, next, None),
    "grpc.aio stream, left by break": lambda at: aio(at, leave_stream),
    "grpc.aio stream, cancel()": lambda at: aio(at, cancel_stream),
    "grpc.aio unary call, task cancelled": lambda at: aio(at, cancel_unary),
    "grpc.aio, one event loop per call, while another loop has a channel": loops_beside_a_channel,
}


def main() -> None:
    """Print the table."""
    print(f"grpcio {grpc.__version__}, Python {sys.version.split()[0]}: KiB left per call")
    for number, way in enumerate(WAYS):
        with server() as address:
            environment = {**os.environ, "PYTHONMALLOC": "malloc", "MALLOC_ARENA_MAX": "1"}
            command = [sys.executable, __file__, address, str(number)]
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)  # noqa: S603
        print(f"{float(done.stdout) / 1024:6.1f}  {way}", flush=True)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["serve"]:
            serve()
        case [address, number]:
            print([*WAYS.values()][int(number)](address))
        case _:
            main()
