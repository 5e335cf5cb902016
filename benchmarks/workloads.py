"""Workloads: the kinds of work that peers are compared on. Each is a generator that runs one timed round per step.

They run in every peer's environment, and so import only the standard library and `benchmarks.peers`.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, NamedTuple, TypeAlias

from benchmarks.peers import Peer

__all__ = ["BLOB", "MESSAGE", "WORKLOADS", "MakePeer", "Rounds", "Workload"]

MakePeer: TypeAlias = Callable[..., Peer]
"""Builds a peer; the optional argument is the number of its channel."""
Rounds: TypeAlias = Generator[list[float] | None, None, None]
"""Each step runs a round, and yields its latencies in seconds if the workload measures them."""

MESSAGE: Final = "a kilobyte of a user's words, " * 34
BLOB: Final = 10 * 1024 * 1024


class Workload(NamedTuple):
    """A kind of work.

    Attributes:
        title: Its name in a table.
        unit: The unit of an operation.
        operations: Operations per round.
        size: Size in the workload's own unit: threads, calls in flight, chunks of a stream, turns, bytes.
        scenario: Scenario of the server, by its name in `serving.SCENARIOS`.
        run: Returns the rounds for a way to build a peer, `operations` and `size`.
        base: The workload that the plain stub runs for comparison, by its name here; None for the same.
    """

    title: str
    unit: str
    operations: int
    size: int
    scenario: str
    run: Callable[[MakePeer, int, int], Rounds]
    base: str | None = None


def unary(make_peer: MakePeer, count: int, _: int) -> Rounds:
    """Sequential calls."""
    peer = make_peer()
    while True:
        for _ in range(count):
            peer.ask()
        yield None


def threads(make_peer: MakePeer, count: int, size: int) -> Rounds:
    """Calls from `size` threads."""
    return _threads([make_peer()], count, size)


def channels(make_peer: MakePeer, count: int, size: int) -> Rounds:
    """Calls from 16 threads on `size` channels."""
    return _threads([make_peer(number) for number in range(1, size + 1)], count, 16)


def _threads(peers: list[Peer], count: int, size: int) -> Rounds:
    def call_in_sequence(number: int) -> None:
        peer = peers[number % len(peers)]
        for _ in range(count // size):
            peer.ask()

    with ThreadPoolExecutor(size) as pool:
        while True:
            deque(pool.map(call_in_sequence, range(size)), 0)
            yield None


def in_flight(make_peer: MakePeer, count: int, size: int) -> Rounds:
    """`size` async calls in flight."""
    return _in_flight(make_peer(), count, size, asyncio.new_event_loop())


def in_flight_uvloop(make_peer: MakePeer, count: int, size: int) -> Rounds:
    """As `in_flight`, on uvloop."""
    return _in_flight(make_peer(), count, size, _uvloop())


def _in_flight(peer: Peer, count: int, size: int, loop: Any) -> Rounds:
    async def call_in_sequence() -> None:
        for _ in range(count // size):
            await peer.ask_async()

    async def call_concurrently() -> None:
        await asyncio.gather(*(call_in_sequence() for _ in range(size)))

    while True:
        loop.run_until_complete(call_concurrently())
        yield None


def held(make_peer: MakePeer, _: int, size: int) -> Rounds:
    """One async call in the first round, then `size` of them at once in each round."""
    return _held(make_peer(), size, asyncio.new_event_loop())


def _held(peer: Peer, size: int, loop: Any) -> Rounds:
    async def timed_call() -> tuple[float, float]:
        started = time.monotonic()
        await peer.ask_async()
        return started, time.monotonic()

    async def call_concurrently(calls: int) -> None:
        _expect_overlap(await asyncio.gather(*(timed_call() for _ in range(calls))))

    loop.run_until_complete(call_concurrently(1))
    yield None
    while True:
        loop.run_until_complete(call_concurrently(size))
        yield None


def held_threads(make_peer: MakePeer, _: int, size: int) -> Rounds:
    """As `held`, with sync calls, each on a thread of its own."""
    return _held_threads(make_peer(), size)


def _held_threads(peer: Peer, size: int) -> Rounds:
    def timed_call(_: int) -> tuple[float, float]:
        started = time.monotonic()
        peer.ask()
        return started, time.monotonic()

    timed_call(0)
    yield None
    with ThreadPoolExecutor(size) as pool:
        while True:
            _expect_overlap(list(pool.map(timed_call, range(size))))
            yield None


def stream(make_peer: MakePeer, count: int, size: int) -> Rounds:
    """Streams of `size` chunks; reads the text of each."""
    return _stream(make_peer(), count, size)


def _stream(peer: Peer, count: int, size: int) -> Rounds:
    while True:
        for _ in range(count // size):
            _expect(sum(1 for text in peer.texts() if text), size)
        yield None


def stream_async(make_peer: MakePeer, count: int, size: int) -> Rounds:
    """As `stream`, async."""
    return _stream_async(make_peer(), count, size, asyncio.new_event_loop())


def stream_uvloop(make_peer: MakePeer, count: int, size: int) -> Rounds:
    """As `stream_async`, on uvloop."""
    return _stream_async(make_peer(), count, size, _uvloop())


def _stream_async(peer: Peer, count: int, size: int, loop: Any) -> Rounds:
    async def read() -> int:
        found = 0
        async for text in peer.texts_async():
            found += bool(text)
        return found

    while True:
        for _ in range(count // size):
            _expect(loop.run_until_complete(read()), size)
        yield None


def chat(make_peer: MakePeer, count: int, _: int) -> Rounds:
    """A chat of `count` turns from its start, each of 1 kB + 1 kB."""
    peer = make_peer()
    while True:
        send = peer.start_chat([])
        for _ in range(count):
            send(MESSAGE)
        yield None


def late_chat(make_peer: MakePeer, count: int, size: int) -> Rounds:
    """A chat of `size` turns in the first round; each later round adds `count` turns."""
    send = make_peer().start_chat([])
    for _ in range(size):
        send(MESSAGE)
    yield None
    yield from _turns(send, count)


def resumed_chat(make_peer: MakePeer, count: int, size: int) -> Rounds:
    """A chat with a history of `size` turns, and one more turn in the first round; each later round adds `count`."""
    send = make_peer().start_chat([(role, MESSAGE) for _ in range(size) for role in ("user", "model")])
    send(MESSAGE)
    yield None
    yield from _turns(send, count)


def _turns(send: Callable[[str], str], count: int) -> Rounds:
    while True:
        for _ in range(count):
            send(MESSAGE)
        yield None


def blob(make_peer: MakePeer, count: int, size: int) -> Rounds:
    """Requests with an image file of `size` bytes; the client and the image are built before the first round."""
    peer = make_peer()
    data = b"\x89PNG" + bytes(range(256)) * (size // 256)
    peer.ask()  # so that the channel's own memory is not counted
    return _blob(peer, count, data)


def _blob(peer: Peer, count: int, data: bytes) -> Rounds:
    while True:
        for _ in range(count):
            peer.ask_of_blob(data)
        yield None


def image(make_peer: MakePeer, count: int, _: int) -> Rounds:
    """Requests with a Pillow image of 1024 x 1024 that is only in memory."""
    from benchmarks.micro.images import picture

    peer = make_peer()
    pixels = picture()
    while True:
        for _ in range(count):
            peer.ask_of_image(pixels)
        yield None


def latency(make_peer: MakePeer, count: int, _: int) -> Rounds:
    """Seconds from the call to its first chunk, then from the server's sending of each chunk to its text."""
    peer = make_peer()
    while True:
        latencies: list[float] = []
        for _ in range(count):
            started = time.monotonic_ns()
            for text in peer.texts():
                _record(latencies, started, text)
        yield latencies


def latency_async(make_peer: MakePeer, count: int, _: int) -> Rounds:
    """As `latency`, async."""
    peer = make_peer()
    loop = asyncio.new_event_loop()

    async def read() -> list[float]:
        latencies: list[float] = []
        for _ in range(count):
            started = time.monotonic_ns()
            async for text in peer.texts_async():
                _record(latencies, started, text)
        return latencies

    while True:
        yield loop.run_until_complete(read())


def _record(latencies: list[float], started: int, text: str) -> None:
    now = time.monotonic_ns()
    if not latencies:
        latencies.append((now - started) / 1e9)
    latencies.append((now - int(text)) / 1e9)


def _uvloop() -> Any:
    import uvloop

    return uvloop.new_event_loop()


def _expect(found: int, sent: int) -> None:
    if found != sent:
        raise AssertionError(f"the server sent {sent} chunks; the client received {found}")


def _expect_overlap(calls: list[tuple[float, float]]) -> None:
    if max(started for started, _ in calls) > min(ended for _, ended in calls):
        raise AssertionError(f"{len(calls)} calls were not in flight at once: some ended before all had started")


WORKLOADS: Final = {
    "unary": Workload("unary, sync", "call", 800, 1, "short", unary),
    "threads": Workload("unary, 16 threads", "call", 1600, 16, "short", threads),
    "async": Workload("unary, async, 200 in flight", "call", 2000, 200, "short", in_flight),
    "uvloop": Workload(
        "unary, uvloop, 200 in flight (stub: asyncio)", "call", 2000, 200, "short", in_flight_uvloop, "async"
    ),
    "stream": Workload("stream of 1,000 chunks, sync, `.text` of each", "chunk", 5000, 1000, "short", stream),
    "stream_async": Workload("stream of 1,000 chunks, async", "chunk", 5000, 1000, "short", stream_async),
    "stream_uvloop": Workload(
        "stream of 1,000 chunks, uvloop (stub: asyncio)", "chunk", 5000, 1000, "short", stream_uvloop, "stream_async"
    ),
    "chat": Workload("chat of 200 turns, 1 kB + 1 kB", "turn", 200, 1, "kilobyte", chat),
    "blob": Workload("inline image of 10 MiB", "call", 3, BLOB, "short", blob),
    "image": Workload("Pillow image of 1024 x 1024", "call", 1, 1, "short", image),
    "latency": Workload("paced stream, sync", "stream", 1, 1, "paced", latency),
    "latency_async": Workload("paced stream, async", "stream", 1, 1, "paced", latency_async),
    "channels": Workload("unary, 16 threads, several channels", "call", 1600, 1, "short", channels),
    "held": Workload("async calls in flight", "call", 1, 1000, "slow", held),
    "held_threads": Workload("sync calls in flight, one thread per call", "call", 1, 1000, "slow", held_threads),
    "late_chat": Workload("late turn of a chat", "turn", 5, 100, "kilobyte", late_chat),
    "resumed_chat": Workload("turn of a chat with an initial history", "turn", 5, 100, "kilobyte", resumed_chat),
}
