from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest

from genai_grpc import errors, protos
from genai_grpc._rpc.admission import Admission
from genai_grpc._rpc.attempts import run_attempts
from genai_grpc._rpc.call import Call, identity, reply_message
from genai_grpc._rpc.operation import Acquire, Attempt, Sleep
from genai_grpc._rpc.options import Limits
from genai_grpc._rpc.rate_limiter import RateLimit
from genai_grpc._rpc.retry_budget import RESERVE
from genai_grpc._rpc.retry_policy import NO_RETRY, RetryPolicy
from genai_grpc._services.generative_language import COUNT_TOKENS, STREAM_GENERATE_CONTENT
from genai_grpc_protos.protobuf import Duration
from genai_grpc_protos.rpc import RetryInfo
from tests.clock import ManualClock

CALL: Call[Any, Any, Any] = Call(COUNT_TOKENS, protos.CountTokensRequest(), reply_message)
REPLY = protos.CountTokensResponse(total_tokens=3), ((), ())
UNAVAILABLE = errors.ServiceUnavailable("no")
EXHAUSTED = errors.ResourceExhausted("no")
NO_BACKOFF = RetryPolicy(max_attempts=4, initial_backoff=0)


def unavailable(retry_delay: int) -> errors.ServiceUnavailable:
    """The error of a service that asks for a delay of so many seconds."""
    return errors.ServiceUnavailable("no", details=[RetryInfo(retry_delay=Duration(seconds=retry_delay))])


def start(
    admission: Admission,
    timeout: float = 60,
    retry: RetryPolicy = NO_RETRY,
    clock: Callable[[], float] = lambda: 100.0,
) -> Any:
    """The operation of a call, by default with a clock that stands still."""
    return run_attempts(CALL, Limits(timeout, 300, retry), admission, clock)


def end(operation: Any, reply: Any) -> None:
    """End the last attempt of an operation with a reply or an error."""
    with pytest.raises((StopIteration, errors.APIError)):
        operation.throw(reply) if isinstance(reply, Exception) else operation.send(reply)


def run_call(admission: Admission, seconds: float, reply: Any = REPLY) -> None:
    """Run a call whose only attempt ends with `reply` after so many seconds."""
    clock = ManualClock()
    operation = start(admission, clock=clock)
    assert isinstance(next(operation), Attempt)
    clock.time += seconds
    end(operation, reply)


# One call: attempts and backoff.


def drive(
    retry: RetryPolicy, timeout: float, replies: Iterable[tuple[float, Any]]
) -> tuple[list[Attempt | Sleep], Any]:
    """The steps of a call, and its result or error; each attempt takes some seconds, and then has its reply."""
    clock, steps, queue = ManualClock(), list[Any](), iter(replies)
    operation = start(Admission(10), timeout, retry, clock)
    try:
        step = next(operation)
        while True:
            steps.append(step)
            if isinstance(step, Sleep):
                clock.time += step.seconds
                step = operation.send(None)
                continue
            seconds, reply = next(queue)
            clock.time += seconds
            step = operation.throw(reply) if isinstance(reply, Exception) else operation.send(reply)
    except StopIteration as stop:
        return steps, stop.value
    except errors.APIError as error:
        return steps, error


def test_success() -> None:
    """A call that succeeds takes one attempt with the whole timeout, and returns its reply."""
    assert drive(NO_BACKOFF, 60, [(1, REPLY)]) == ([Attempt(CALL, 60, 300)], REPLY)


def test_attempts_share_one_deadline() -> None:
    """All attempts and the waits between them share one deadline."""
    error = unavailable(retry_delay=2)
    steps, result = drive(NO_BACKOFF, 60, [(10, error), (5, error), (1, REPLY)])
    assert steps == [Attempt(CALL, 60, 300), Sleep(2), Attempt(CALL, 48, 300), Sleep(2), Attempt(CALL, 41, 300)]
    assert result == REPLY


def test_attempts_used_up() -> None:
    """The error of the last attempt is raised, with the number of attempts."""
    failures = [errors.ServiceUnavailable(f"no {number}") for number in range(4)]
    steps, error = drive(NO_BACKOFF, 60, [(1, failure) for failure in failures])
    assert error is failures[-1]
    assert (error.attempts, str(error)) == (4, "503 no 3 (after 4 attempts)")
    assert sum(isinstance(step, Attempt) for step in steps) == 4


def test_error_not_retried() -> None:
    """An error that is not retried is raised at once, as it is."""
    error = errors.InvalidArgument("no")
    steps, raised = drive(NO_BACKOFF, 60, [(1, error)])
    assert (steps, raised) == ([Attempt(CALL, 60, 300)], error)
    assert (error.attempts, str(error)) == (1, "400 no")


def test_timeout_of_policy_bounds_retries() -> None:
    """A policy's timeout ends the retries, and neither the attempt that runs meanwhile nor the deadline changes."""
    policy = RetryPolicy(max_attempts=9, initial_backoff=0, timeout=10)
    slow, last = unavailable(retry_delay=1), unavailable(retry_delay=1)
    steps, error = drive(policy, 60, [(8, slow), (30, last)])
    assert steps == [Attempt(CALL, 60, 300), Sleep(1), Attempt(CALL, 51, 300)]
    assert (error, error.attempts) == (last, 2)
    assert drive(policy, 60, [(8, slow), (30, REPLY)])[1] == REPLY


@pytest.mark.parametrize("retry_delay", [59, 60, 3600])
def test_no_backoff_past_deadline(retry_delay: int) -> None:
    """If the backoff would end after the deadline, the error is raised at once."""
    error = unavailable(retry_delay)
    assert drive(NO_BACKOFF, 60, [(1, error)]) == ([Attempt(CALL, 60, 300)], error)


def test_deadline_passed_during_backoff() -> None:
    """A deadline that passed during the backoff is DeadlineExceeded, caused by the error before it."""
    clock = ManualClock()
    operation = start(Admission(10), 60, NO_BACKOFF, clock)
    next(operation)
    assert isinstance(operation.throw(unavailable(retry_delay=1)), Sleep)
    clock.time += 60
    with pytest.raises(
        errors.DeadlineExceeded, match="the deadline of 60 s passed after 1 attempts; the last: no"
    ) as caught:
        next(operation)
    assert caught.value.attempts == 1
    assert isinstance(caught.value.__cause__, errors.ServiceUnavailable)


def test_remaining_timeout_decreases() -> None:
    """Each attempt has less time left than the one before."""
    steps, _ = drive(RetryPolicy(max_attempts=9), 600, [(3, UNAVAILABLE)] * 9)
    timeouts = [step.timeout for step in steps if isinstance(step, Attempt)]
    assert len(timeouts) == 9
    assert all(later <= earlier - 3 for earlier, later in pairwise(timeouts))


def test_other_exceptions_not_retried() -> None:
    """An exception that is not an APIError is raised as it is."""
    operation = start(Admission(10), 60, NO_BACKOFF, ManualClock())
    next(operation)
    with pytest.raises(KeyboardInterrupt):
        operation.throw(KeyboardInterrupt())


def test_retry_budget_limits_retries_in_outage() -> None:
    """When the retry budget is used up, calls fail after one attempt."""
    admission, retry = Admission(9), RetryPolicy(max_attempts=9, initial_backoff=0)
    attempts = []
    for _ in range(100):
        operation = start(admission, retry=retry)
        step = next(operation)
        try:
            while True:
                failed = isinstance(step, Attempt)
                step = operation.throw(errors.ServiceUnavailable("no")) if failed else operation.send(None)
        except errors.ServiceUnavailable as error:
            attempts.append(error.attempts)
    assert attempts[0] == 9
    assert attempts[-1] == 1
    assert sum(attempts) - 100 <= RESERVE + 100 * 0.2 + 1


# Concurrency slots.


def test_call_waits_for_slot() -> None:
    """When the limit is reached, a call waits for a slot, at most until its deadline."""
    admission = Admission(1)
    first, second = start(admission), start(admission)
    assert isinstance(next(first), Attempt)
    assert next(second) == Acquire(admission.limiter, 60)
    with pytest.raises(StopIteration):
        first.send(REPLY)
    assert admission.limiter.try_acquire()  # as the transport does for the second call
    assert isinstance(second.send(True), Attempt)
    second.close()
    assert admission.limiter.in_flight == 0


def test_slot_wait_leaves_time_for_reply() -> None:
    """A call waits for a slot until too little time is left for its reply, and then fails."""
    admission, clock = Admission(1), ManualClock()
    run_call(admission, 3)
    assert admission.limiter.try_acquire()
    operation = start(admission, clock=clock)
    assert next(operation) == Acquire(admission.limiter, 51)
    clock.time += 51
    with pytest.raises(
        errors.DeadlineExceeded,
        match=r"1 calls were in flight, .* for 51\.0 s, .* in 9\.0 s, as a reply typically takes 3 s",
    ) as caught:
        operation.send(False)
    assert caught.value.attempts == 0


def test_slot_released_however_call_ends() -> None:
    """A reply, an error, Ctrl-C and an abandoned operation all release the slot."""
    admission = Admission(1)
    ends: list[Callable[[Any], Any]] = [
        lambda operation: operation.send(REPLY),
        lambda operation: operation.throw(EXHAUSTED),
        lambda operation: operation.throw(KeyboardInterrupt()),
    ]
    for end_call in ends:
        operation = start(admission)
        next(operation)
        with pytest.raises((StopIteration, errors.APIError, KeyboardInterrupt)):
            end_call(operation)
        assert admission.limiter.in_flight == 0
    abandoned = start(admission)
    next(abandoned)
    del abandoned
    assert admission.limiter.in_flight == 0


# Rate limit.


def test_call_waits_for_rate_limit() -> None:
    """A call waits for the rate limiter, or fails at once if that would take longer than its deadline."""
    admission = Admission(9, RateLimit(requests_per_minute=6, burst_seconds=0))
    assert isinstance(next(start(admission)), Attempt)
    assert next(start(admission)) == Sleep(10)
    message = r"rate limit delays the call by 20\.0 s, too late for its deadline in 15\.0 s; start fewer calls, or set"
    with pytest.raises(errors.DeadlineExceeded, match=message) as caught:
        next(start(admission, timeout=15))
    assert caught.value.attempts == 0


def test_rate_wait_leaves_time_for_reply() -> None:
    """A call whose rate limit delay leaves too little time for its reply fails at once, and reserves nothing."""
    admission = Admission(9, RateLimit(requests_per_minute=6, burst_seconds=0))
    run_call(admission, 3)
    assert next(start(admission)) == Sleep(10)
    with pytest.raises(
        errors.DeadlineExceeded,
        match=r"delays the call by 20\.0 s, too late .* in 25\.0 s, as a reply typically takes 3 s",
    ):
        next(start(admission, timeout=25))
    assert next(start(admission, timeout=35)) == Sleep(20)


def test_retry_info_delays_waiting_calls() -> None:
    """A RetryInfo that arrives while calls wait for the rate limiter delays them further."""
    admission, clock = Admission(9, RateLimit(requests_per_minute=60, burst_seconds=0)), ManualClock()
    assert isinstance(next(start(admission, clock=clock)), Attempt)
    first, second = start(admission, clock=clock), start(admission, clock=clock)
    assert [next(first), next(second)] == [Sleep(1), Sleep(2)]
    assert admission.rate_limiter is not None
    admission.rate_limiter.on_error(
        errors.ResourceExhausted("no", details=[RetryInfo(retry_delay=Duration(seconds=10))]), clock.time
    )
    third = start(admission, clock=clock)
    assert next(third) == Sleep(10)
    clock.time += 1
    assert first.send(None) == Sleep(10)
    clock.time += 1
    assert second.send(None) == Sleep(10)
    clock.time += 8
    assert isinstance(third.send(None), Attempt)
    clock.time += 1
    assert isinstance(first.send(None), Attempt)
    clock.time += 0.999999  # a reservation stands, however the clock rounds
    assert isinstance(second.send(None), Attempt)


def test_retry_refused_by_rate_limit() -> None:
    """A retry that the rate limiter refuses fails with the number of attempts, caused by the last error."""
    admission = Admission(9, RateLimit(requests_per_minute=6, burst_seconds=0))
    operation = start(admission, timeout=15, retry=RetryPolicy(initial_backoff=0))
    next(operation)
    assert next(start(admission)) == Sleep(10)
    assert operation.throw(UNAVAILABLE) == Sleep(0)
    with pytest.raises(errors.DeadlineExceeded, match="rate limit delays the call") as caught:
        next(operation)
    assert (caught.value.attempts, caught.value.__cause__) == (1, UNAVAILABLE)


@pytest.mark.parametrize("reply", [REPLY, EXHAUSTED], ids=["reply without usage", "error"])
def test_unused_tokens_returned(reply: Any) -> None:
    """The tokens reserved for a call that used none are returned, and do not change the estimate."""
    admission, clock = Admission(9, RateLimit(tokens_per_minute=600, burst_seconds=0)), ManualClock()
    assert admission.rate_limiter is not None
    admission.rate_limiter.reconcile(0, 50)
    clock.time += 5
    operation = start(admission, clock=clock)
    assert isinstance(next(operation), Attempt)
    assert admission.rate_limiter.reserve(clock.time, 0) == (5, None)
    end(operation, reply)
    assert admission.rate_limiter.reserve(clock.time, 0) == (0, 50)


def test_delayed_calls_are_counted() -> None:
    """A call counts as delayed while its rate limiter makes it wait, and no longer if it is abandoned."""
    admission = Admission(9, RateLimit(requests_per_minute=6, burst_seconds=0))
    next(start(admission))
    first, second = start(admission), start(admission)
    assert (next(first), next(second)) == (Sleep(10), Sleep(20))
    assert admission.stats(100.0).delayed == 2
    assert isinstance(first.send(None), Attempt)
    second.close()
    assert admission.stats(100.0).delayed == 0


# Typical latency.


def test_latency_recorded() -> None:
    """The latency of a reply is recorded, and that of an attempt whose deadline passed, but not of other errors."""
    admission = Admission(9)
    run_call(admission, 2)
    run_call(admission, 50, errors.InternalServerError("no"))
    assert admission.typical_latency(COUNT_TOKENS) == 2
    run_call(admission, 30, errors.DeadlineExceeded("late"))
    assert 2 < admission.typical_latency(COUNT_TOKENS) < 30


def test_stream_latency_to_last_chunk() -> None:
    """The latency of a stream is the time to its last chunk, not to its first one."""
    admission, clock, callbacks = Admission(9), ManualClock(), list[Any]()
    call: Call[Any, Any, Any] = Call(STREAM_GENERATE_CONTENT, protos.GenerateContentRequest(), identity)
    operation = run_attempts(call, Limits(60, 300, NO_RETRY), admission, clock)
    next(operation)
    clock.time += 1
    with pytest.raises(StopIteration):
        operation.send((SimpleNamespace(add_done_callback=callbacks.append), None))
    clock.time += 7
    callbacks[0](None, None)
    assert admission.typical_latency(STREAM_GENERATE_CONTENT) == 8
