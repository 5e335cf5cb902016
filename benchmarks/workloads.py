"""The work that peers are compared on. Each is a generator: a step of it is one round, which is what is timed.

Runs in every peer's environment, so it imports nothing but the standard library.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from benchmarks.peers import Peer

__all__ = ["CHUNKS", "MESSAGE", "WORKLOADS", "Rounds", "Workload"]

# Seconds of latencies, where a round has any to tell.
Rounds = "Generator[list[float] | None, None, None]"

THREADS: Final = 16
IN_FLIGHT: Final = 200
CHUNKS: Final = 1000
TURNS: Final = 200
MESSAGE: Final = "a kilobyte of a user's words, " * 34
BLOB: Final = 10 * 1024 * 1024


class Workload(NamedTuple):
    """A kind of work.

    Attributes:
        title: Its name in a table.
        unit: What one of its `count` operations is.
        count: How many of them a round performs.
        scenario: What the server does, by its name in `serving.SCENARIOS`.
        run: The rounds, given a peer and `count`.
    """

    title: str
    unit: str
    count: int
    scenario: str
    run: Callable[[Any, int], Any]


def unary(peer: Peer, count: int) -> Generator[None, None, None]:
    """One call after the other."""
    while True:
        for _ in range(count):
            peer.ask()
        yield


def threads(peer: Peer, count: int) -> Generator[None, None, None]:
    """Calls from 16 threads at once."""

    def some(_: int) -> None:
        for _ in range(count // THREADS):
            peer.ask()

    with ThreadPoolExecutor(THREADS) as pool:
        while True:
            deque(pool.map(some, range(THREADS)), 0)
            yield


def in_flight(peer: Peer, count: int) -> Generator[None, None, None]:
    """200 async calls in flight."""
    return _in_flight(peer, count, asyncio.new_event_loop())


def in_flight_uvloop(peer: Peer, count: int) -> Generator[None, None, None]:
    """`in_flight` on uvloop."""
    return _in_flight(peer, count, _uvloop())


def _in_flight(peer: Peer, count: int, loop: Any) -> Generator[None, None, None]:
    async def some() -> None:
        for _ in range(count // IN_FLIGHT):
            await peer.ask_async()

    async def all_of_them() -> None:
        await asyncio.gather(*(some() for _ in range(IN_FLIGHT)))

    while True:
        loop.run_until_complete(all_of_them())
        yield


def stream(peer: Peer, count: int) -> Generator[None, None, None]:
    """Streams of 1,000 chunks, the text of each read."""
    while True:
        for _ in range(count // CHUNKS):
            _expect(sum(1 for text in peer.texts() if text), CHUNKS)
        yield


def stream_async(peer: Peer, count: int) -> Generator[None, None, None]:
    """`stream`, async."""
    return _stream_async(peer, count, asyncio.new_event_loop())


def stream_uvloop(peer: Peer, count: int) -> Generator[None, None, None]:
    """`stream_async` on uvloop."""
    return _stream_async(peer, count, _uvloop())


def _stream_async(peer: Peer, count: int, loop: Any) -> Generator[None, None, None]:
    async def read() -> int:
        found = 0
        async for text in peer.texts_async():
            found += bool(text)
        return found

    while True:
        for _ in range(count // CHUNKS):
            _expect(loop.run_until_complete(read()), CHUNKS)
        yield


def chat(peer: Peer, count: int) -> Generator[None, None, None]:
    """A conversation of so many turns, 1 kB and 1 kB each."""
    while True:
        peer.chat(count, MESSAGE)
        yield


def blob(peer: Peer, count: int) -> Generator[None, None, None]:
    """Requests with 10 MB of image in them."""
    data = b"\x89PNG" + bytes(range(256)) * (BLOB // 256)
    peer.ask()
    while True:
        for _ in range(count):
            peer.ask_of_blob(data)
        yield


def image(peer: Peer, count: int) -> Generator[None, None, None]:
    """Requests with a Pillow image of 1024 x 1024 in them, made in memory."""
    from benchmarks.images import picture

    drawn = picture()
    while True:
        for _ in range(count):
            peer.ask_of_image(drawn)
        yield


def latency(peer: Peer, count: int) -> Generator[list[float], None, None]:
    """Seconds from the call to its first chunk, then from the sending of each chunk to its text in hand."""
    while True:
        latencies: list[float] = []
        for _ in range(count):
            began = time.monotonic_ns()
            for text in peer.texts():
                _arrived(latencies, began, text)
        yield latencies


def latency_async(peer: Peer, count: int) -> Generator[list[float], None, None]:
    """`latency`, async."""
    loop = asyncio.new_event_loop()

    async def read(latencies: list[float]) -> None:
        began = time.monotonic_ns()
        async for text in peer.texts_async():
            _arrived(latencies, began, text)

    while True:
        latencies: list[float] = []
        for _ in range(count):
            loop.run_until_complete(read(latencies))
        yield latencies


def _arrived(latencies: list[float], began: int, text: str) -> None:
    came = time.monotonic_ns()
    if not latencies:
        latencies.append((came - began) / 1e9)
    latencies.append((came - int(text)) / 1e9)


def _uvloop() -> Any:
    import uvloop

    return uvloop.new_event_loop()


def _expect(found: int, wanted: int) -> None:
    if found != wanted:
        raise AssertionError(f"{wanted} chunks were sent, {found} came")


WORKLOADS: Final = {
    "unary": Workload("unary, sync", "call", 1000, "short", unary),
    "threads": Workload("unary, 16 threads", "call", 1600, "short", threads),
    "async": Workload("unary, async, 200 in flight", "call", 2000, "short", in_flight),
    "uvloop": Workload("the same on uvloop", "call", 2000, "short", in_flight_uvloop),
    "stream": Workload("stream of 1,000, sync, `.text` of each", "chunk", 5 * CHUNKS, "short", stream),
    "stream_async": Workload("the same, async", "chunk", 5 * CHUNKS, "short", stream_async),
    "stream_uvloop": Workload("the same on uvloop", "chunk", 5 * CHUNKS, "short", stream_uvloop),
    "chat": Workload("chat of 200 turns, 1 kB + 1 kB", "turn", TURNS, "kilobyte", chat),
    "blob": Workload("inline image of 10 MB", "call", 2, "short", blob),
    "image": Workload("Pillow image of 1024 x 1024", "call", 1, "short", image),
    "latency": Workload("latency of paced chunks", "stream", 1, "paced", latency),
    "latency_async": Workload("the same, async", "stream", 1, "paced", latency_async),
}
