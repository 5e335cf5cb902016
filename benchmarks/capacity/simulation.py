"""Discrete-event simulation of clients: a simulated clock, cores as queues, and a service with limits.

The client's decisions are made by its own code, as shipped: the operation of a call (`genai_grpc._rpc.attempts`),
admission control with its concurrency limiter, rate limiter and retry budget (`genai_grpc._rpc.admission`),
`RetryPolicy`, and the pool that counts the streams of a channel. Time, CPU, arrivals and the service are simulated.
A seed determines the run.
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from math import inf
from typing import Any, Final, NamedTuple

from benchmarks.capacity.clock import Clock
from benchmarks.capacity.service import Outcome, Service
from genai_grpc import protos
from genai_grpc._rpc.adaptive_limit import AdaptiveLimit
from genai_grpc._rpc.admission import Admission
from genai_grpc._rpc.attempts import run_attempts
from genai_grpc._rpc.call import Call, identity
from genai_grpc._rpc.concurrency_limiter import ConcurrencyLimiter
from genai_grpc._rpc.operation import Acquire, Attempt, Sleep
from genai_grpc._rpc.options import Limits
from genai_grpc._rpc.rate_limiter import RateLimit
from genai_grpc._rpc.retry_policy import RetryPolicy
from genai_grpc._rpc.waiter import Waiter
from genai_grpc._services.generative_language import GENERATE_CONTENT, STREAM_GENERATE_CONTENT
from genai_grpc._transport.grpc.channel_pool import ChannelPool, PooledChannel
from genai_grpc.errors import APIError, DeadlineExceeded

__all__ = ["CallRecord", "CallRejected", "ClientSettings", "Core", "Costs", "Process", "Run", "simulate"]


class Core:
    """A core as a FIFO queue.

    Attributes:
        busy: Seconds of work.
        waits: Seconds that each piece of work waited in the queue.
    """

    __slots__ = ("_clock", "_idle_at", "busy", "waits")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._idle_at = 0.0
        self.busy = 0.0
        self.waits: list[float] = []

    def run(self, seconds: float, callback: Callable[[], object]) -> None:
        """Work for `seconds` after the work queued before, then call back; work of 0 seconds does not queue."""
        if not seconds:
            callback()
            return
        now = self._clock.now
        start = max(now, self._idle_at)
        self._idle_at = start + seconds
        self.busy += seconds
        self.waits.append(start - now)
        self._clock.call_later(self._idle_at - now, callback)


@dataclass(frozen=True, slots=True)
class Costs:
    """CPU costs, in seconds.

    Attributes:
        call: An attempt of a call, a stream's first chunk included.
        chunk: Each further chunk of a stream.
        sending: Share of `call` that is spent before the request is sent; the rest follows the reply.
    """

    call: float = 0.0
    chunk: float = 0.0
    sending: float = 0.5


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """Settings of a client, and the costs of its calls.

    Attributes:
        costs: CPU costs.
        retry: As of `genai_grpc.Client`.
        max_in_flight: As of `genai_grpc.Client`.
        rate_limit: As of `genai_grpc.Client`.
        timeout: Of each call, in seconds.
        streaming: Whether calls stream their replies.
        max_open_calls: Calls that the program has open at most; it rejects the others (load shedding).
    """

    costs: Costs = Costs()
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    max_in_flight: int | AdaptiveLimit = 10_000
    rate_limit: RateLimit | None = None
    timeout: float = 60.0
    streaming: bool = False
    max_open_calls: float = inf


class CallRecord(NamedTuple):
    """A call that has ended.

    Attributes:
        arrived: Time of its arrival.
        ended: Time of its end.
        attempts: Requests sent.
        error: Class of its error; None on success.
    """

    arrived: float
    ended: float
    attempts: int
    error: type[Exception] | None

    @property
    def latency(self) -> float:
        """Seconds from the arrival to the end."""
        return self.ended - self.arrived


class CallRejected(Exception):
    """A call that the program did not start, since `max_open_calls` were open."""


class Process:
    """A process with one core and one client."""

    def __init__(self, clock: Clock, service: Service, settings: ClientSettings, rng: random.Random) -> None:
        self.clock = clock
        self.service = service
        self.costs = settings.costs
        self.max_open_calls = settings.max_open_calls
        self.core = Core(clock)
        self.admission = Admission(settings.max_in_flight, settings.rate_limit)
        self.pool = ChannelPool(lambda _: None)
        retry: Any = _SeededRetryPolicy(settings.retry, rng)
        self.limits = Limits(settings.timeout, settings.timeout, retry)
        method: Any = STREAM_GENERATE_CONTENT if settings.streaming else GENERATE_CONTENT
        self.call: Call[Any, Any, Any] = Call(method, protos.GenerateContentRequest(), identity)
        self.arrived = 0
        self.records: list[CallRecord] = []

    def start_call(self) -> None:
        """Handle the arrival of a call."""
        open_calls = self.arrived - len(self.records)
        self.arrived += 1
        if open_calls < self.max_open_calls:
            _CallDriver(self).start()
        else:
            self.records.append(CallRecord(self.clock.now, self.clock.now, 0, CallRejected))


class _SeededRetryPolicy:
    """A retry policy whose jitter comes from the random numbers of the run."""

    def __init__(self, policy: RetryPolicy, rng: random.Random) -> None:
        self.budget_ratio = policy.budget_ratio
        self._policy = policy
        self._jitter = rng.random

    def backoff(self, error: APIError, attempt: int, *, idempotent: bool, elapsed: float) -> float | None:
        return self._policy.backoff(error, attempt, idempotent=idempotent, elapsed=elapsed, jitter=self._jitter)


class _CallDriver:
    """Driver of one call: performs the steps of its operation on the simulated clock, in place of a transport."""

    __slots__ = ("_arrived", "_attempts", "_channel", "_operation", "_process")

    def __init__(self, process: Process) -> None:
        self._process = process
        self._operation = run_attempts(process.call, process.limits, process.admission, process.clock.time)
        self._arrived = process.clock.now
        self._attempts = 0
        self._channel: PooledChannel | None = None

    def start(self) -> None:
        self._advance(self._operation.send, None)

    def _advance(self, resume: Callable[[Any], Any], value: Any) -> None:
        """Resume the operation with `send` or `throw`, and perform its next step."""
        try:
            step = resume(value)
        except StopIteration as stop:
            if not isinstance(stop.value[0], _Stream):  # an open stream ends with its last chunk
                self._end(None)
        except APIError as error:
            self._end(error)
        else:
            self._execute(step)

    def _execute(self, step: Any) -> None:
        process = self._process
        match step:
            case Attempt():
                costs = process.costs
                process.core.run(costs.call * costs.sending, partial(self._send, step.timeout))
            case Sleep(seconds):
                process.clock.call_later(seconds, self.start)
            case Acquire(limiter, seconds):
                self._acquire_slot(limiter, seconds)
            case _:
                raise AssertionError(f"the operation of a call yields Attempt, Sleep or Acquire; got {step!r}")

    def _acquire_slot(self, limiter: ConcurrencyLimiter, seconds: float) -> None:
        clock = self._process.clock
        on_slot = partial(self._advance, self._operation.send, True)
        waiter = Waiter(partial(clock.call_later, 0.0, on_slot))
        if limiter.enqueue(waiter):
            on_slot()
        else:
            clock.call_later(seconds, partial(self._on_slot_timeout, limiter, waiter))

    def _on_slot_timeout(self, limiter: ConcurrencyLimiter, waiter: Waiter) -> None:
        if not waiter.admitted:
            limiter.cancel(waiter)
            self._advance(self._operation.send, False)

    def _send(self, timeout: float) -> None:
        process = self._process
        self._attempts += 1
        self._channel = process.pool.acquire()
        outcome = process.service.handle_request()
        if outcome.seconds >= timeout:
            outcome = outcome._replace(seconds=timeout, error=DeadlineExceeded("no reply before the deadline"))
        process.clock.call_later(outcome.seconds, partial(self._on_response, outcome, timeout - outcome.seconds))

    def _on_response(self, outcome: Outcome, left: float) -> None:
        costs = self._process.costs
        self._process.core.run(costs.call * (1 - costs.sending), partial(self._receive, outcome, left))

    def _receive(self, outcome: Outcome, left: float) -> None:
        if outcome.error is not None:
            self._release_channel()
            self._advance(self._operation.throw, outcome.error)
        elif self._process.call.method.streaming:
            stream = _Stream()
            self._advance(self._operation.send, (stream, None))
            self._await_chunk(stream, outcome, outcome.chunks - 1, left)
        else:
            self._release_channel()
            self._advance(self._operation.send, (outcome.reply(), ((), ())))

    def _await_chunk(self, stream: _Stream, outcome: Outcome, chunks: int, left: float) -> None:
        """Wait for the next of `chunks` chunks; it arrives whether or not the last one was read."""
        process = self._process
        if chunks <= 0:
            self._close_stream(stream, None, outcome.reply())
        elif (gap := process.service.chunk_gap(outcome)) >= left:
            error = DeadlineExceeded("the stream did not end before the deadline")
            process.clock.call_later(left, partial(self._close_stream, stream, error, None))
        else:
            process.clock.call_later(gap, partial(self._read_chunk, stream, outcome, chunks - 1, left - gap))

    def _read_chunk(self, stream: _Stream, outcome: Outcome, chunks: int, left: float) -> None:
        core, cost = self._process.core, self._process.costs.chunk
        if chunks:
            core.run(cost, _do_nothing)
            self._await_chunk(stream, outcome, chunks, left)
        else:
            core.run(cost, partial(self._close_stream, stream, None, outcome.reply()))

    def _close_stream(self, stream: _Stream, error: APIError | None, last_chunk: Any) -> None:
        self._release_channel()
        stream.done_callback(error, last_chunk)
        self._end(error)

    def _release_channel(self) -> None:
        if self._channel is not None:
            self._channel.release()

    def _end(self, error: APIError | None) -> None:
        kind = None if error is None else type(error)
        self._process.records.append(CallRecord(self._arrived, self._process.clock.now, self._attempts, kind))


def _do_nothing() -> None:
    """Callback of a chunk that is not the last."""


class _Stream:
    """The part of an open stream that the operation of a call uses."""

    __slots__ = ("done_callback",)

    def add_done_callback(self, callback: Callable[[APIError | None, Any], object]) -> None:
        self.done_callback = callback


@dataclass(frozen=True, slots=True)
class Run:
    """Result of a run.

    Attributes:
        seconds: Time in which calls arrived.
        processes: The processes.
        service: The service.
    """

    seconds: float
    processes: list[Process]
    service: Service

    @property
    def arrived(self) -> int:
        """Number of calls that arrived."""
        return sum(process.arrived for process in self.processes)

    @property
    def records(self) -> list[CallRecord]:
        """Every call, by process and in the order of their ends."""
        return [call for process in self.processes for call in process.records]

    @property
    def answered(self) -> float:
        """Share of the calls that succeeded."""
        records = self.records
        return sum(call.error is None for call in records) / len(records)

    @property
    def attempts(self) -> float:
        """Requests sent per call that arrived."""
        records = self.records
        return sum(call.attempts for call in records) / len(records)

    @property
    def latencies(self) -> list[float]:
        """Seconds from arrival to the end of each call that succeeded, sorted."""
        return sorted(call.latency for call in self.records if call.error is None)

    @property
    def utilisation(self) -> float:
        """Mean utilisation of the cores while calls arrived."""
        return statistics.fmean(process.core.busy for process in self.processes) / self.seconds


SEED: Final = 1


def simulate(
    settings: ClientSettings,
    make_service: Callable[[Clock, random.Random], Service],
    rates: Sequence[float],
    seconds: float,
    seed: int = SEED,
) -> Run:
    """Run until all calls that arrived in `seconds` seconds have ended.

    Args:
        settings: Of the client of each process.
        make_service: Builds the service.
        rates: For each process, the mean rate of its arrivals, a Poisson process, per second.
        seconds: Time in which calls arrive.
        seed: Of the random numbers.
    """
    rng, clock = random.Random(seed), Clock()  # noqa: S311 -- no secret
    service = make_service(clock, rng)
    processes = [Process(clock, service, settings, rng) for _ in rates]
    for process, rate in zip(processes, rates, strict=True):
        _schedule_arrivals(clock, rng, rate, seconds, process.start_call)
    clock.run()
    return Run(seconds, processes, service)


def _schedule_arrivals(
    clock: Clock, rng: random.Random, rate: float, until: float, start_call: Callable[[], None]
) -> None:
    def arrive() -> None:
        schedule_next()
        start_call()

    def schedule_next() -> None:
        gap = rng.expovariate(rate)
        if clock.now + gap < until:
            clock.call_later(gap, arrive)

    if rate > 0:
        schedule_next()
