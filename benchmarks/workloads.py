"""The work that peers are compared on. Each is a generator: a step of it is one round, which is what is timed.

Runs in every peer's environment, so it imports nothing but the standard library.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from benchmarks.peers import Peer

__all__ = ["BLOB", "MESSAGE", "WORKLOADS", "Make", "Rounds", "Workload"]

# Makes a peer; with a number, one on a channel of that number.
Make: TypeAlias = "Callable[..., Peer]"
# A step returns the latencies in seconds that the round found, where that is what it looks for.
Rounds: TypeAlias = "Generator[list[float] | None, None, None]"

MESSAGE: Final = "a kilobyte of a user's words, " * 34
BLOB: Final = 10 * 1024 * 1024


class Workload(NamedTuple):
    """A kind of work.

    Attributes:
        title: Its name in a table.
        unit: What one of its `count` operations is.
        operations: How many of them a round performs.
        size: How large it is, by its own measure: threads, calls in flight, chunks of a stream, turns, bytes.
        scenario: What the server does, by its name in `serving.SCENARIOS`.
        run: The rounds, given how to make a peer, `operations` and `size`.
        base: What the plain stub does beside it, by its name here; None for the same.
    """

    title: str
    unit: str
    operations: int
    size: int
    scenario: str
    run: Callable[[Make, int, int], Rounds]
    base: str | None = None


def unary(make: Make, count: int, _: int) -> Rounds:
    """One call after the other."""
    peer = make()
    while True:
        for _ in range(count):
            peer.ask()
        yield None


def threads(make: Make, count: int, size: int) -> Rounds:
    """Calls from so many threads at once."""
    return _threads([make()], count, size)


def channels(make: Make, count: int, size: int) -> Rounds:
    """Calls from 16 threads at once, on so many channels."""
    return _threads([make(number) for number in range(1, size + 1)], count, 16)


def _threads(peers: list[Peer], count: int, size: int) -> Rounds:
    def some(number: int) -> None:
        peer = peers[number % len(peers)]
        for _ in range(count // size):
            peer.ask()

    with ThreadPoolExecutor(size) as pool:
        while True:
            deque(pool.map(some, range(size)), 0)
            yield None


def in_flight(make: Make, count: int, size: int) -> Rounds:
    """So many async calls in flight."""
    return _in_flight(make(), count, size, asyncio.new_event_loop())


def in_flight_uvloop(make: Make, count: int, size: int) -> Rounds:
    """`in_flight` on uvloop."""
    return _in_flight(make(), count, size, _uvloop())


def _in_flight(peer: Peer, count: int, size: int, loop: Any) -> Rounds:
    async def some() -> None:
        for _ in range(count // size):
            await peer.ask_async()

    async def all_of_them() -> None:
        await asyncio.gather(*(some() for _ in range(size)))

    while True:
        loop.run_until_complete(all_of_them())
        yield None


def held(make: Make, _: int, size: int) -> Rounds:
    """One async call; from then on so many in flight at once, each round."""
    return _held(make(), size, asyncio.new_event_loop())


def _held(peer: Peer, size: int, loop: Any) -> Rounds:
    async def one() -> tuple[float, float]:
        began = time.monotonic()
        await peer.ask_async()
        return began, time.monotonic()

    async def at_once(calls: int) -> None:
        _expect_overlap(await asyncio.gather(*(one() for _ in range(calls))))

    loop.run_until_complete(at_once(1))
    yield None
    while True:
        loop.run_until_complete(at_once(size))
        yield None


def held_threads(make: Make, _: int, size: int) -> Rounds:
    """`held`, of sync calls on a thread each."""
    return _held_threads(make(), size)


def _held_threads(peer: Peer, size: int) -> Rounds:
    def one(_: int) -> tuple[float, float]:
        began = time.monotonic()
        peer.ask()
        return began, time.monotonic()

    one(0)
    yield None
    with ThreadPoolExecutor(size) as pool:
        while True:
            _expect_overlap(list(pool.map(one, range(size))))
            yield None


def stream(make: Make, count: int, size: int) -> Rounds:
    """Streams of so many chunks, the text of each read."""
    return _stream(make(), count, size)


def _stream(peer: Peer, count: int, size: int) -> Rounds:
    while True:
        for _ in range(count // size):
            _expect(sum(1 for text in peer.texts() if text), size)
        yield None


def stream_async(make: Make, count: int, size: int) -> Rounds:
    """`stream`, async."""
    return _stream_async(make(), count, size, asyncio.new_event_loop())


def stream_uvloop(make: Make, count: int, size: int) -> Rounds:
    """`stream_async` on uvloop."""
    return _stream_async(make(), count, size, _uvloop())


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


def chat(make: Make, count: int, _: int) -> Rounds:
    """A conversation of so many turns from its beginning, 1 kB and 1 kB each."""
    peer = make()
    while True:
        send = peer.start_chat([])
        for _ in range(count):
            send(MESSAGE)
        yield None


def late_chat(make: Make, count: int, size: int) -> Rounds:
    """A conversation of so many turns in the first round; from then on `count` more turns of it, each round."""
    send = make().start_chat([])
    for _ in range(size):
        send(MESSAGE)
    yield None
    yield from _turns(send, count)


def resumed_chat(make: Make, count: int, size: int) -> Rounds:
    """A conversation begun with so many turns, and one turn more; from then on `count` more turns of it, each round."""
    send = make().start_chat([(role, MESSAGE) for _ in range(size) for role in ("user", "model")])
    send(MESSAGE)
    yield None
    yield from _turns(send, count)


def _turns(send: Callable[[str], str], count: int) -> Rounds:
    while True:
        for _ in range(count):
            send(MESSAGE)
        yield None


def blob(make: Make, count: int, size: int) -> Rounds:
    """Requests with an image file of so many bytes in them; client and image are made before the first round."""
    peer = make()
    data = b"\x89PNG" + bytes(range(256)) * (size // 256)
    peer.ask()  # the channel's own memory is not the image's
    return _blob(peer, count, data)


def _blob(peer: Peer, count: int, data: bytes) -> Rounds:
    while True:
        for _ in range(count):
            peer.ask_of_blob(data)
        yield None


def image(make: Make, count: int, _: int) -> Rounds:
    """Requests with a Pillow image of 1024 x 1024 in them, made in memory."""
    from benchmarks.images import picture

    peer = make()
    drawn = picture()
    while True:
        for _ in range(count):
            peer.ask_of_image(drawn)
        yield None


def latency(make: Make, count: int, _: int) -> Rounds:
    """Seconds from the call to its first chunk, then from the sending of each chunk to its text in hand."""
    peer = make()
    while True:
        latencies: list[float] = []
        for _ in range(count):
            began = time.monotonic_ns()
            for text in peer.texts():
                _arrived(latencies, began, text)
        yield latencies


def latency_async(make: Make, count: int, _: int) -> Rounds:
    """`latency`, async."""
    peer = make()
    loop = asyncio.new_event_loop()

    async def read() -> list[float]:
        latencies: list[float] = []
        for _ in range(count):
            began = time.monotonic_ns()
            async for text in peer.texts_async():
                _arrived(latencies, began, text)
        return latencies

    while True:
        yield loop.run_until_complete(read())


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


def _expect_overlap(calls: list[tuple[float, float]]) -> None:
    if max(began for began, _ in calls) > min(ended for _, ended in calls):
        raise AssertionError(f"{len(calls)} calls were not in flight at once: some had ended before all had begun")


WORKLOADS: Final = {
    "unary": Workload("unary, sync", "call", 800, 1, "short", unary),
    "threads": Workload("unary, 16 threads", "call", 1600, 16, "short", threads),
    "async": Workload("unary, async, 200 in flight", "call", 2000, 200, "short", in_flight),
    "uvloop": Workload(
        "the same on uvloop (the stub on asyncio)", "call", 2000, 200, "short", in_flight_uvloop, "async"
    ),
    "stream": Workload("stream of 1,000, sync, `.text` of each", "chunk", 5000, 1000, "short", stream),
    "stream_async": Workload("the same, async", "chunk", 5000, 1000, "short", stream_async),
    "stream_uvloop": Workload(
        "the same stream on uvloop (the stub on asyncio)", "chunk", 5000, 1000, "short", stream_uvloop, "stream_async"
    ),
    "chat": Workload("chat of 200 turns, 1 kB + 1 kB", "turn", 200, 1, "kilobyte", chat),
    "blob": Workload("inline image of 10 MiB", "call", 3, BLOB, "short", blob),
    "image": Workload("Pillow image of 1024 x 1024", "call", 1, 1, "short", image),
    "latency": Workload("paced stream, sync", "stream", 1, 1, "paced", latency),
    "latency_async": Workload("paced stream, async", "stream", 1, 1, "paced", latency_async),
    "channels": Workload("unary, 16 threads on several channels", "call", 1600, 1, "short", channels),
    "held": Workload("async calls in flight", "call", 1, 1000, "slow", held),
    "held_threads": Workload("sync calls in flight, a thread each", "call", 1, 1000, "slow", held_threads),
    "late_chat": Workload("a late turn of a chat", "turn", 5, 100, "kilobyte", late_chat),
    "resumed_chat": Workload("a turn of a chat begun late", "turn", 5, 100, "kilobyte", resumed_chat),
}
