"""A client's calls in a simulated world: a clock that jumps, cores that are queues, a service with limits.

What decides in the client is the client's own code, as shipped: the plan of a call (`genai_grpc._rpc.attempts.run_attempts`), the
limiter, the rate and the balance of retries (`genai_grpc._rpc.admission`), `RetryPolicy`, and the pool that counts the calls of a
connection. Simulated are time, the CPU, the arrivals and the service. The same seed gives the same run.
"""

from __future__ import annotations

import random
import statistics
from dataclasses import dataclass, field
from functools import partial
from heapq import heappop, heappush
from itertools import count
from math import inf
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from genai_grpc import protos
from genai_grpc._rpc.admission import Admission
from genai_grpc._rpc.attempts import run_attempts
from genai_grpc._rpc.call import Call, identity
from genai_grpc._rpc.concurrency_limiter import ConcurrencyLimiter, Waiter
from genai_grpc._rpc.operation import Acquire, Attempt, Sleep
from genai_grpc._rpc.options import Limits
from genai_grpc._rpc.retry_policy import RetryPolicy
from genai_grpc._services.generative_language import GENERATE_CONTENT, STREAM_GENERATE_CONTENT
from genai_grpc._transport.grpc.channel_pool import ChannelPool, PooledChannel
from genai_grpc.errors import APIError, DeadlineExceeded

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.capacity.service import Outcome, Service
    from genai_grpc._rpc.adaptive_limit import AdaptiveLimit
    from genai_grpc._rpc.rate_limiter import RateLimit

__all__ = ["Clock", "Core", "Costs", "Ended", "Process", "Run", "Setting", "TurnedAway", "simulate"]


class Clock:
    """What is to happen, in the order of its second.

    Attributes:
        now: Seconds since the beginning.
    """

    __slots__ = ("_events", "_numbers", "now")

    def __init__(self) -> None:
        self.now = 0.0
        self._events: list[tuple[float, int, Callable[[], object]]] = []
        self._numbers = count()

    def time(self) -> float:
        """`now`, as a function."""
        return self.now

    def after(self, seconds: float, do: Callable[[], object]) -> None:
        """Have it done so many seconds from now; what is due at one moment is done in the order it was asked for."""
        heappush(self._events, (self.now + max(0.0, seconds), next(self._numbers), do))

    def run(self) -> None:
        """Let time pass until nothing is left to happen."""
        while self._events:
            self.now, _, do = heappop(self._events)
            do()


class Core:
    """A core's time, first come first served.

    Attributes:
        busy: Seconds that it worked.
        waits: Seconds that each piece of work waited for it.
    """

    __slots__ = ("_clock", "_free", "busy", "waits")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._free = 0.0
        self.busy = 0.0
        self.waits: list[float] = []

    def work(self, seconds: float, then: Callable[[], object]) -> None:
        """Work for so long once what came before is done, and then go on; at once, where there is nothing to do."""
        if not seconds:
            then()
            return
        now = self._clock.now
        begin = max(now, self._free)
        self._free = begin + seconds
        self.busy += seconds
        self.waits.append(begin - now)
        self._clock.after(self._free - now, then)


@dataclass(frozen=True, slots=True)
class Costs:
    """Seconds of CPU.

    Attributes:
        call: A try of a call, a stream's first chunk included.
        chunk: Each other chunk of a stream.
        sending: The part of `call` that is spent before the request is sent; the rest follows the reply.
    """

    call: float = 0.0
    chunk: float = 0.0
    sending: float = 0.5


@dataclass(frozen=True, slots=True)
class Setting:
    """A client, as a program would set it up, and what its calls cost; seconds.

    `begun` are the calls that the program itself has begun at most; it turns the others away.
    """

    costs: Costs = Costs()
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    max_in_flight: int | AdaptiveLimit = 10_000
    rate: RateLimit | None = None
    timeout: float = 60.0
    streaming: bool = False
    begun: float = inf


class Ended(NamedTuple):
    """How a call ended: seconds of the clock, requests sent, the error's class or None."""

    arrived: float
    at: float
    attempts: int
    error: type[Exception] | None


class TurnedAway(Exception):
    """A call that the program did not begin."""


class Process:
    """A process with a core and a client of its own."""

    def __init__(self, clock: Clock, service: Service, setting: Setting, draw: random.Random) -> None:
        self.clock = clock
        self.service = service
        self.costs = setting.costs
        self.begun = setting.begun
        self.core = Core(clock)
        self.admission = Admission(setting.max_in_flight, setting.rate)
        self.pool = ChannelPool(lambda _: None)
        retry: Any = _Drawn(setting.retry, draw)
        self.limits = Limits(setting.timeout, setting.timeout, retry)
        method: Any = STREAM_GENERATE_CONTENT if setting.streaming else GENERATE_CONTENT
        self.call: Call[Any, Any, Any] = Call(method, protos.GenerateContentRequest(), identity)
        self.arrived = 0
        self.ended: list[Ended] = []

    def begin(self) -> None:
        """A call arrives."""
        open_calls = self.arrived - len(self.ended)
        self.arrived += 1
        if open_calls < self.begun:
            _Running(self).begin()
        else:
            self.ended.append(Ended(self.clock.now, self.clock.now, 0, TurnedAway))


class _Drawn:
    """A policy whose chance is the run's."""

    def __init__(self, policy: RetryPolicy, draw: random.Random) -> None:
        self.budget_ratio = policy.budget_ratio
        self._policy = policy
        self._draw = draw.random

    def delay(self, error: APIError, tried: int, *, idempotent: bool) -> float | None:
        return self._policy.backoff(error, tried, idempotent=idempotent, jitter=self._draw)


class _Running:
    """The shell of one call: performs the steps of its plan, as the sync and the async shell do, on the clock."""

    __slots__ = ("_arrived", "_connection", "_plan", "_process", "_tries")

    def __init__(self, process: Process) -> None:
        self._process = process
        self._plan = run_attempts(process.call, process.limits, process.admission, process.clock.time)
        self._arrived = process.clock.now
        self._tries = 0
        self._connection: PooledChannel | None = None

    def begin(self) -> None:
        self._resume(self._plan.send, None)

    def _resume(self, how: Callable[[Any], Any], value: Any) -> None:
        try:
            step = how(value)
        except StopIteration as stop:
            if not isinstance(stop.value, tuple):
                self._end(None)
        except APIError as error:
            self._end(error)
        else:
            self._perform(step)

    def _perform(self, step: Any) -> None:
        process = self._process
        match step:
            case Attempt():
                costs = process.costs
                process.core.work(costs.call * costs.sending, partial(self._send, step.timeout))
            case Sleep(seconds):
                process.clock.after(seconds, self.begin)
            case Acquire(limiter, seconds):
                self._stand_in_line(limiter, seconds)
            case _:
                raise AssertionError(f"the plan of a call does not yield {step!r}")

    def _stand_in_line(self, limiter: ConcurrencyLimiter, seconds: float) -> None:
        clock = self._process.clock
        enter = partial(self._resume, self._plan.send, True)
        waiter = Waiter(partial(clock.after, 0.0, enter))
        if limiter.enqueue(waiter):
            enter()
        else:
            clock.after(seconds, partial(self._out_of_line, limiter, waiter))

    def _out_of_line(self, limiter: ConcurrencyLimiter, waiter: Waiter) -> None:
        if not waiter.admitted:
            limiter.cancel(waiter)
            self._resume(self._plan.send, False)

    def _send(self, timeout: float) -> None:
        process = self._process
        self._tries += 1
        self._connection = process.pool.acquire()
        outcome = process.service.ask()
        if outcome.seconds >= timeout:
            outcome = outcome._replace(seconds=timeout, error=DeadlineExceeded("no reply until the deadline"))
        process.clock.after(outcome.seconds, partial(self._come_back, outcome, timeout - outcome.seconds))

    def _come_back(self, outcome: Outcome, left: float) -> None:
        costs = self._process.costs
        self._process.core.work(costs.call * (1 - costs.sending), partial(self._receive, outcome, left))

    def _receive(self, outcome: Outcome, left: float) -> None:
        if outcome.error is not None:
            self._leave()
            self._resume(self._plan.throw, outcome.error)
        elif self._process.call.method.streaming:
            stream = _Stream()
            self._resume(self._plan.send, (stream, None))
            self._expect(stream, outcome, outcome.chunks - 1, left)
        else:
            self._leave()
            self._resume(self._plan.send, outcome.reply())

    def _expect(self, stream: _Stream, outcome: Outcome, chunks: int, left: float) -> None:
        """Wait for the next chunk, of so many that are to come; it comes whether or not the last one was read."""
        process = self._process
        if chunks <= 0:
            self._close(stream, None, outcome.reply())
        elif (gap := process.service.pause(outcome)) >= left:
            process.clock.after(left, partial(self._close, stream, DeadlineExceeded("the stream took too long"), None))
        else:
            process.clock.after(gap, partial(self._read, stream, outcome, chunks - 1, left - gap))

    def _read(self, stream: _Stream, outcome: Outcome, chunks: int, left: float) -> None:
        core, cost = self._process.core, self._process.costs.chunk
        if chunks:
            core.work(cost, _nothing)
            self._expect(stream, outcome, chunks, left)
        else:
            core.work(cost, partial(self._close, stream, None, outcome.reply()))

    def _close(self, stream: _Stream, error: APIError | None, last: Any) -> None:
        self._leave()
        stream.told(error, last)
        self._end(error)

    def _leave(self) -> None:
        if self._connection is not None:
            self._connection.release()

    def _end(self, error: APIError | None) -> None:
        kind = None if error is None else type(error)
        self._process.ended.append(Ended(self._arrived, self._process.clock.now, self._tries, kind))


def _nothing() -> None:
    """What follows a chunk that is not the last."""


class _Stream:
    """An open stream, as far as the plan of a call knows one."""

    __slots__ = ("told",)

    def on_end(self, tell: Callable[[APIError | None, Any], object]) -> None:
        self.told = tell


@dataclass(frozen=True, slots=True)
class Run:
    """What came of a run.

    Attributes:
        seconds: How long calls arrived.
        processes: The processes.
        service: The service.
    """

    seconds: float
    processes: list[Process]
    service: Service

    @property
    def arrived(self) -> int:
        """Calls that arrived."""
        return sum(process.arrived for process in self.processes)

    @property
    def ended(self) -> list[Ended]:
        """Every call, by process and in the order of their ends."""
        return [call for process in self.processes for call in process.ended]

    @property
    def answered(self) -> float:
        """The part of the calls that were answered."""
        ended = self.ended
        return sum(call.error is None for call in ended) / len(ended)

    @property
    def tries(self) -> float:
        """Requests sent for each call that arrived."""
        ended = self.ended
        return sum(call.attempts for call in ended) / len(ended)

    @property
    def latencies(self) -> list[float]:
        """Seconds from arrival to the whole answer, of the calls that had one, from the shortest."""
        return sorted(call.at - call.arrived for call in self.ended if call.error is None)

    @property
    def utilisation(self) -> float:
        """The part of its time that a core worked while calls arrived, on average."""
        return statistics.fmean(process.core.busy for process in self.processes) / self.seconds


SEED: Final = 1


def simulate(
    setting: Setting,
    service: Callable[[Clock, random.Random], Service],
    rates: Sequence[float],
    seconds: float,
    seed: int = SEED,
) -> Run:
    """Let calls arrive for so many seconds, and all of them end.

    Args:
        setting: The client of each process.
        service: Makes the service.
        rates: For each process, the calls that arrive a second, on average and independently of each other (Poisson).
        seconds: How long they do.
        seed: Of all that is left to chance.
    """
    draw, clock = random.Random(seed), Clock()  # noqa: S311 -- no secret
    made = service(clock, draw)
    processes = [Process(clock, made, setting, draw) for _ in rates]
    for process, rate in zip(processes, rates, strict=True):
        _arrivals(clock, draw, rate, seconds, process.begin)
    clock.run()
    return Run(seconds, processes, made)


def _arrivals(clock: Clock, draw: random.Random, rate: float, until: float, begin: Callable[[], None]) -> None:
    def arrive() -> None:
        following()
        begin()

    def following() -> None:
        wait = draw.expovariate(rate)
        if clock.now + wait < until:
            clock.after(wait, arrive)

    if rate > 0:
        following()
