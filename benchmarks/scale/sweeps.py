"""Cost at growing sizes: threads, processes, channels, calls in flight, chunks, turns and bytes.

The rounds of the plain stub and of this client are interleaved, and so are the sizes: what slows the machine down
slows them all.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any, Final, NamedTuple, TypeAlias

from benchmarks.rounds import Cost, Worker, finish, ratios, start
from benchmarks.serving import SCENARIOS, serve
from benchmarks.workloads import WORKLOADS

__all__ = ["BASE", "OURS", "PAIR", "Figures", "Point", "from_json", "in_flight", "measure", "swept"]

BASE: Final = "plain"
OURS: Final = "genai_grpc"
PAIR: Final = (BASE, OURS)
# Minimum number of rounds of a size, and the seconds that further ones may take.
MIN_ROUNDS: Final = 3
MAX_SECONDS: Final = 12.0
MIB: Final = 2**20


class Point(NamedTuple):
    """Result of a peer at one size.

    Attributes:
        cpu: Seconds of CPU per operation.
        rate: Operations per second of wall time.
        memory: Peak memory in bytes in the first round, beyond that before it.
        first: Seconds of CPU of the first round.
        ratio: CPU over the plain stub's: the median of the rounds.
    """

    cpu: float
    rate: float
    memory: float
    first: float
    ratio: float


# By series, size and peer.
Figures: TypeAlias = dict[str, dict[int, dict[str, Point]]]


class Sweep(NamedTuple):
    """A kind of work at several sizes.

    Attributes:
        workload: Its name in `WORKLOADS`.
        sizes: Passed to the workload, except if `processes`.
        operations: Operations of a round at a size; by default those of the workload.
        chunks: Chunks of a streamed reply at a size; by default those of the scenario.
        processes: Whether the size is the number of processes of each peer; the workload then has its own size.
    """

    workload: str
    sizes: tuple[int, ...]
    operations: Callable[[int], int] | None = None
    chunks: Callable[[int], int] | None = None
    processes: bool = False


def _same(size: int) -> int:
    return size


STREAMS: Final = (1_000, 10_000, 100_000)
TURNS: Final = (10, 100, 1_000, 5_000)
SWEEPS: Final = {
    "threads": Sweep("threads", (1, 2, 4, 8, 16, 32, 64)),
    "processes": Sweep("threads", (1, 2, 4), processes=True),
    "channels": Sweep("channels", (1, 2, 4, 8)),
    "stream": Sweep("stream", STREAMS, operations=_same, chunks=_same),
    "stream_async": Sweep("stream_async", STREAMS, operations=_same, chunks=_same),
    "late_chat": Sweep("late_chat", TURNS, operations=lambda size: min(5, size // 5)),
    "resumed_chat": Sweep("resumed_chat", TURNS, operations=lambda size: min(5, size // 5)),
    "large": Sweep("blob", (MIB, 4 * MIB, 16 * MIB, 64 * MIB, 256 * MIB)),
}
# Measured in pairs, one of each kind at the same time: the small ones of one kind with the large ones of the other.
HELD: Final[dict[str, tuple[int, ...]]] = {
    "held": (1_000, 2_000, 5_000, 10_000),
    "held_threads": (1_000, 500, 250, 125),
}


def measure(rounds: int) -> Figures:
    """Measure all series, by their names in `SWEEPS` and `HELD`."""
    figures = in_flight(HELD, max(1, rounds // 3))
    for name, sweep in SWEEPS.items():
        print(f"  {name}", flush=True)
        figures[name] = swept(sweep, rounds)
    return figures


def swept(sweep: Sweep, rounds: int) -> dict[int, dict[str, Point]]:
    """Measure each peer at each size: a first round, then `rounds` interleaved ones, or fewer if they take long."""
    sizes = sweep.sizes
    found: dict[int, list[dict[str, Cost]]] = {size: [] for size in sizes}
    with ExitStack() as stack:
        crews = {size: _crews(sweep, size, stack) for size in sizes}
        # All at once: the first round of a chat is long, and only its total is reported.
        for size in sizes:
            for crew in crews[size].values():
                start(crew)
        first = {size: {peer: finish(crew) for peer, crew in crews[size].items()} for size in sizes}
        spent = dict.fromkeys(sizes, 0.0)
        for number in range(rounds):
            for size in sizes:
                if number >= MIN_ROUNDS and spent[size] > MAX_SECONDS:
                    continue
                started = time.monotonic()
                found[size].append({})
                for peer in PAIR if number % 2 else PAIR[::-1]:
                    start(crews[size][peer])
                    found[size][-1][peer] = finish(crews[size][peer])
                spent[size] += time.monotonic() - started
    return {
        size: {peer: _point(peer, first[size][peer], found[size], _operations(sweep, size)) for peer in PAIR}
        for size in sizes
    }


def _crews(sweep: Sweep, size: int, stack: ExitStack) -> dict[str, list[Worker]]:
    """Start the worker processes of each peer for one size, with a server for that size."""
    spec = WORKLOADS[sweep.workload]
    scenario = SCENARIOS[spec.scenario]
    if sweep.chunks is not None:
        scenario = scenario._replace(chunks=sweep.chunks(size))
    endpoint = stack.enter_context(serve(scenario))
    processes, own = (size, spec.size) if sweep.processes else (1, size)
    count = _operations(sweep, size) // processes
    return {
        peer: [
            stack.enter_context(Worker(peer, sweep.workload, endpoint, count=count, size=own)) for _ in range(processes)
        ]
        for peer in PAIR
    }


def _operations(sweep: Sweep, size: int) -> int:
    """Operations of a round, of all processes together."""
    count = WORKLOADS[sweep.workload].operations if sweep.operations is None else sweep.operations(size)
    return count * size if sweep.processes else count


def _point(peer: str, first: Cost, found: Sequence[dict[str, Cost]], count: int) -> Point:
    cpu = statistics.median(costs[peer].cpu for costs in found)
    wall = statistics.median(costs[peer].wall for costs in found)
    ratio = statistics.median(ratios(found, peer, BASE))
    return Point(cpu / count, count / wall, first.peak, first.cpu, ratio)


def in_flight(kinds: dict[str, tuple[int, ...]], rounds: int) -> Figures:
    """Measure calls held in flight by a slow server, in processes that have made one call before.

    The plain stub's server does not limit the streams of a connection. The client's limits them to 100, as Google's
    front end does; with that limit, a single channel would lose calls, or queue them.
    """
    print(f"  {', '.join(kinds)}", flush=True)
    found: dict[str, dict[int, dict[str, list[Cost]]]] = {
        kind: {size: {peer: [] for peer in PAIR} for size in sizes} for kind, sizes in kinds.items()
    }
    with ExitStack() as servers:
        slow = SCENARIOS["slow"]
        endpoints = {
            BASE: servers.enter_context(serve(slow)),
            OURS: servers.enter_context(serve(slow, "--streams", "100")),
        }
        for _ in range(rounds):
            with ExitStack() as stack:
                workers = {
                    (kind, size, peer): stack.enter_context(Worker(peer, kind, endpoints[peer], size=size))
                    for kind, sizes in kinds.items()
                    for size in sizes
                    for peer in PAIR
                }
                start(workers.values())
                finish(workers.values())
                # The replies take five seconds: one size of each kind waits for them at the same time.
                for sizes in zip(*kinds.values(), strict=True):
                    now = [(kind, size, peer) for kind, size in zip(kinds, sizes, strict=True) for peer in PAIR]
                    start(workers[each] for each in now)
                    for kind, size, peer in now:
                        found[kind][size][peer].append(workers[kind, size, peer].finish())
    return {
        kind: {size: {peer: _held_point(peer, costs, size) for peer in PAIR} for size, costs in sorted(by_size.items())}
        for kind, by_size in found.items()
    }


def _held_point(peer: str, costs: dict[str, list[Cost]], size: int) -> Point:
    cpu, base = (statistics.median(cost.cpu for cost in costs[each]) for each in (peer, BASE))
    wall = statistics.median(cost.wall for cost in costs[peer])
    memory = statistics.median(cost.peak for cost in costs[peer])
    return Point(cpu / size, size / wall, memory, cpu, cpu / base)


def from_json(saved: Any) -> Figures:
    """The figures, from their JSON, in which sizes are strings and points are lists."""
    return {
        name: {int(size): {peer: Point(*point) for peer, point in peers.items()} for size, peers in sizes.items()}
        for name, sizes in saved.items()
    }
