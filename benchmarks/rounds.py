"""Interleaved rounds of the same work by several peers, and the ratios of their costs."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from benchmarks.environments import python_of
from benchmarks.peers import VERTEX, Endpoint
from benchmarks.serving import SCENARIOS, serve
from benchmarks.workloads import WORKLOADS

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Cost", "Spread", "Worker", "finish", "interleaved", "ratios", "spread", "start"]

# Seconds: a peer whose round takes longer takes part in fewer of them.
SLOW: Final = 1.5


class Cost(NamedTuple):
    """Cost of one round.

    Attributes:
        cpu: Seconds of CPU.
        wall: Seconds of wall time.
        peak: Bytes of peak memory beyond those before the round.
        latencies: Seconds, if the workload measures them.
    """

    cpu: float
    wall: float
    peak: int
    latencies: list[float] | None


class Spread(NamedTuple):
    """Median and quartiles."""

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
        # The other clients warn of the end of their support.
        command = [python_of(peer), "-W", "ignore", "-m", "benchmarks.worker", peer, workload, str(self.count)]
        command += [str(spec.size if size is None else size), *endpoint]
        # The transports' environments have no messages of their own.
        environment = {**os.environ, "PYTHONPATH": "generated/python"}
        self._process = subprocess.Popen(  # noqa: S603
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        self._read_line()

    @property
    def pid(self) -> int:
        """Process ID."""
        return self._process.pid

    def start(self) -> None:
        """Start a round."""
        assert self._process.stdin is not None  # noqa: S101 -- it is a pipe
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def finish(self) -> Cost:
        """Wait for the round that was started."""
        return Cost(**json.loads(self._read_line()))

    def round(self) -> Cost:
        """Run one round."""
        self.start()
        return self.finish()

    def close(self) -> None:
        """End the process, and the round it may be in."""
        self._process.communicate()

    def _read_line(self) -> str:
        assert self._process.stdout is not None  # noqa: S101 -- it is a pipe
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name} ended with status {self._process.wait()}; its output is above")
        return line

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def start(workers: Iterable[Worker]) -> None:
    """Start a round of all workers at once."""
    for worker in workers:
        worker.start()


def finish(workers: Iterable[Worker]) -> Cost:
    """Wait for the round that was started: total CPU and memory, and the wall time of the slowest worker."""
    costs = [worker.finish() for worker in workers]
    cpu, wall, peak = (
        sum(cost.cpu for cost in costs),
        max(cost.wall for cost in costs),
        sum(cost.peak for cost in costs),
    )
    return Cost(cpu, wall, peak, None)


def interleaved(workload: str, peers: Sequence[str], rounds: int) -> list[dict[str, Cost]]:
    """Run rounds of the peers in turn; the first peer takes part in all of them, a slow one in at least two."""
    spec = WORKLOADS[workload]
    with ExitStack() as stack:
        endpoint = stack.enter_context(serve(SCENARIOS[spec.scenario], vertex=peers[0] in VERTEX))
        base = dict.fromkeys(("plain", "plain_vertex"), spec.base or workload)
        workers = {peer: stack.enter_context(Worker(peer, base.get(peer, workload), endpoint)) for peer in peers}
        every = {}
        for peer, worker in workers.items():
            slow = worker.round().wall / SLOW  # the first round also warms up
            every[peer] = min(max(1, round(slow)), max(1, rounds // 2))
        found = []
        for number in range(rounds):
            order = [peer for peer in peers if number % every[peer] == 0]
            # Rotate, so that the after-effects of one peer do not always fall on the same other one.
            order = order[number % len(order) :] + order[: number % len(order)]
            found.append({peer: workers[peer].round() for peer in order})
        return found


def ratios(found: Iterable[dict[str, Any]], peer: str, base: str) -> list[float]:
    """CPU of `peer` over that of `base`, for each round that both took part in."""
    return [costs[peer].cpu / costs[base].cpu for costs in found if peer in costs and base in costs]


def spread(values: Sequence[float]) -> Spread:
    """Median and quartiles of the values."""
    if len(values) < 2:
        return Spread(values[0], values[0], values[0])
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return Spread(low, median, high)
