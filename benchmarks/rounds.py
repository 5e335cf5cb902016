"""Rounds of the same work by several peers in turn, and what they say: ratios of one round, their median and spread."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from benchmarks.environments import python_of
from benchmarks.serving import SCENARIOS, serve
from benchmarks.workloads import WORKLOADS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from types import TracebackType

    from typing_extensions import Self

    from benchmarks.peers import Endpoint

__all__ = ["Cost", "Spread", "Worker", "begin", "end", "interleaved", "ratios", "spread"]

# Seconds: a peer whose round takes longer takes part in fewer of them.
SLOW: Final = 1.5


class Cost(NamedTuple):
    """What one round cost: seconds of CPU and of the clock, bytes of memory beyond those before, latencies found."""

    cpu: float
    wall: float
    peak: int
    latencies: list[float] | None


class Spread(NamedTuple):
    """A median between its quartiles."""

    low: float
    median: float
    high: float


class Worker:
    """A peer in its own process, ready for rounds of one workload."""

    def __init__(
        self, peer: str, workload: str, endpoint: Endpoint, *, count: int | None = None, size: int | None = None
    ) -> None:
        spec = WORKLOADS[workload]
        self.count = spec.operations if count is None else count
        self.name = f"{peer} at {workload}"
        # The other clients warn of their own end.
        words = [python_of(peer), "-W", "ignore", "-m", "benchmarks.worker", peer, workload, str(self.count)]
        words += [str(spec.size if size is None else size), *endpoint]
        # The transports bring no messages of their own.
        environment = {**os.environ, "PYTHONPATH": "generated/python"}
        self._process = subprocess.Popen(  # noqa: S603
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        self._line()

    @property
    def pid(self) -> int:
        """The number of its process."""
        return self._process.pid

    def begin(self) -> None:
        """Let it begin a round."""
        assert self._process.stdin is not None  # noqa: S101 -- it is a pipe
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def end(self) -> Cost:
        """Wait for the round that it began."""
        return Cost(**json.loads(self._line()))

    def round(self) -> Cost:
        """One round."""
        self.begin()
        return self.end()

    def close(self) -> None:
        """End the process; a round under way is cut short."""
        self._process.communicate()

    def _line(self) -> str:
        assert self._process.stdout is not None  # noqa: S101 -- it is a pipe
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name} ended with status {self._process.wait()}; what it printed is above")
        return line

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def begin(workers: Iterable[Worker]) -> None:
    """Let them begin a round, all at once."""
    for worker in workers:
        worker.begin()


def end(workers: Iterable[Worker]) -> Cost:
    """Wait for the round that they began: the CPU and the memory of all, the time of the slowest."""
    costs = [worker.end() for worker in workers]
    cpu, wall, peak = (
        sum(cost.cpu for cost in costs),
        max(cost.wall for cost in costs),
        sum(cost.peak for cost in costs),
    )
    return Cost(cpu, wall, peak, None)


def interleaved(workload: str, peers: Sequence[str], rounds: int) -> list[dict[str, Cost]]:
    """So many rounds of each peer in turn, the first peer in all of them, a slow one in at least two."""
    spec = WORKLOADS[workload]
    with ExitStack() as stack:
        endpoint = stack.enter_context(serve(SCENARIOS[spec.scenario]))
        base = {"plain": spec.base or workload}
        workers = {peer: stack.enter_context(Worker(peer, base.get(peer, workload), endpoint)) for peer in peers}
        every = {}
        for peer, worker in workers.items():
            slow = worker.round().wall / SLOW  # which also warms it
            every[peer] = min(max(1, round(slow)), max(1, rounds // 2))
        found = []
        for number in range(rounds):
            turn = [peer for peer in peers if number % every[peer] == 0]
            # Each begins as often as it ends, so that what one leaves behind is not always the same one's to bear.
            turn = turn[number % len(turn) :] + turn[: number % len(turn)]
            found.append({peer: workers[peer].round() for peer in turn})
        return found


def ratios(found: Iterable[dict[str, Any]], peer: str, base: str) -> list[float]:
    """The CPU of `peer` over that of `base`, for each round that both took part in."""
    return [costs[peer].cpu / costs[base].cpu for costs in found if peer in costs and base in costs]


def spread(values: Sequence[float]) -> Spread:
    """Their median and quartiles."""
    if len(values) < 2:
        return Spread(values[0], values[0], values[0])
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return Spread(low, median, high)
