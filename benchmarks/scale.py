"""What more of it costs: threads, processes, channels, calls in flight, chunks, turns and bytes.

The plain stub and this project's client do the same work in turn, and the sizes take turns too: what slows the machine
down slows them all.
"""

from __future__ import annotations

import statistics
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from benchmarks.rounds import Cost, Worker, begin, end, ratios
from benchmarks.serving import SCENARIOS, serve
from benchmarks.workloads import WORKLOADS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["BASE", "OURS", "PAIR", "Figures", "Point", "from_json", "in_flight", "measure", "swept"]

BASE: Final = "plain"
OURS: Final = "genai_grpc"
PAIR: Final = (BASE, OURS)
# Rounds that a size has at the least, and the seconds that further ones may take.
LEAST: Final = 3
BUDGET: Final = 12.0
MIB: Final = 2**20


class Point(NamedTuple):
    """What a peer came to at one size.

    Attributes:
        cpu: Seconds of CPU an operation.
        rate: Operations a second, by the clock.
        memory: Bytes beyond those before, at the peak of the first round.
        first: Seconds of CPU of the first round.
        ratio: The CPU over the plain stub's: the median of the rounds.
    """

    cpu: float
    rate: float
    memory: float
    first: float
    ratio: float


# Each series: its sizes, and there the peers.
Figures: TypeAlias = "dict[str, dict[int, dict[str, Point]]]"


class Sweep(NamedTuple):
    """A kind of work at several sizes.

    Attributes:
        workload: Its name in `WORKLOADS`.
        sizes: Passed to the workload, unless they are of something else.
        operations: Of a round at a size.
        chunks: Of a streamed reply at a size.
        processes: Whether the size is the number of each peer's processes, and the workload has its own size.
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
# As they are measured, one of each kind at the same time: the small of one beside the large of the other.
HELD: Final[dict[str, tuple[int, ...]]] = {
    "held": (1_000, 2_000, 5_000, 10_000),
    "held_threads": (1_000, 500, 250, 125),
}


def measure(rounds: int) -> Figures:
    """All series, by the names of `SWEEPS` and `HELD`."""
    figures = in_flight(HELD, max(1, rounds // 3))
    for name, sweep in SWEEPS.items():
        print(f"  {name}", flush=True)
        figures[name] = swept(sweep, rounds)
    return figures


def swept(sweep: Sweep, rounds: int) -> dict[int, dict[str, Point]]:
    """Each peer at each size: a first round, and then so many, of the sizes in turn; fewer where they take long."""
    sizes = sweep.sizes
    found: dict[int, list[dict[str, Cost]]] = {size: [] for size in sizes}
    with ExitStack() as stack:
        crews = {size: _crews(sweep, size, stack) for size in sizes}
        # At once, since the first round of a chat is long, and only its sum is told.
        for size in sizes:
            for crew in crews[size].values():
                begin(crew)
        first = {size: {peer: end(crew) for peer, crew in crews[size].items()} for size in sizes}
        spent = dict.fromkeys(sizes, 0.0)
        for number in range(rounds):
            for size in sizes:
                if number >= LEAST and spent[size] > BUDGET:
                    continue
                began = time.monotonic()
                found[size].append({})
                for peer in PAIR if number % 2 else PAIR[::-1]:
                    begin(crews[size][peer])
                    found[size][-1][peer] = end(crews[size][peer])
                spent[size] += time.monotonic() - began
    return {
        size: {peer: _point(peer, first[size][peer], found[size], _operations(sweep, size)) for peer in PAIR}
        for size in sizes
    }


def _crews(sweep: Sweep, size: int, stack: ExitStack) -> dict[str, list[Worker]]:
    """For each peer the processes that do the work of one size, on a server of that size."""
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
    """How many of them a round of all processes performs."""
    count = WORKLOADS[sweep.workload].operations if sweep.operations is None else sweep.operations(size)
    return count * size if sweep.processes else count


def _point(peer: str, first: Cost, found: Sequence[dict[str, Cost]], count: int) -> Point:
    cpu = statistics.median(costs[peer].cpu for costs in found)
    wall = statistics.median(costs[peer].wall for costs in found)
    ratio = statistics.median(ratios(found, peer, BASE))
    return Point(cpu / count, count / wall, first.peak, first.cpu, ratio)


def in_flight(kinds: dict[str, tuple[int, ...]], rounds: int) -> Figures:
    """Calls held in flight by a slow server; each peer's memory in processes that have made one call before.

    The plain stub's server lets a connection carry any number of streams. The client's lets it carry a hundred, as
    Google's front end does; there, one channel would lose calls, or have them wait for each other.
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
                begin(workers.values())
                end(workers.values())
                # The replies take their time: what waits for them waits together, one size of each kind at once.
                for sizes in zip(*kinds.values(), strict=True):
                    now = [(kind, size, peer) for kind, size in zip(kinds, sizes, strict=True) for peer in PAIR]
                    begin(workers[each] for each in now)
                    for kind, size, peer in now:
                        found[kind][size][peer].append(workers[kind, size, peer].end())
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
    """The figures as they were before `json.dumps`, which makes words of numbers and lists of points."""
    return {
        name: {int(size): {peer: Point(*point) for peer, point in peers.items()} for size, peers in sizes.items()}
        for name, sizes in saved.items()
    }
