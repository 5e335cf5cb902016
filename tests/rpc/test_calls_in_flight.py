from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from genai_grpc import errors, protos
from genai_grpc._rpc.admission import Admission
from genai_grpc._rpc.attempts import run_attempts
from genai_grpc._rpc.call import Call, identity
from genai_grpc._rpc.calls_in_flight import CallsInFlight, Signal
from genai_grpc._rpc.operation import Acquire, Attempt, Sleep
from genai_grpc._rpc.options import Limits
from genai_grpc._rpc.rate_limiter import RateLimit
from genai_grpc._rpc.retry_policy import RetryPolicy
from genai_grpc._rpc.waiter import Waiter
from genai_grpc._services.generative_language import COUNT_TOKENS, STREAM_GENERATE_CONTENT

UNARY: Call[Any, Any, Any] = Call(COUNT_TOKENS, protos.CountTokensRequest(), identity)
STREAM: Call[Any, Any, Any] = Call(STREAM_GENERATE_CONTENT, protos.GenerateContentRequest(), identity)
REPLY = protos.CountTokensResponse(total_tokens=3)
UNAVAILABLE = errors.ServiceUnavailable("no")


def start(admission: Admission, call: Call[Any, Any, Any] = UNARY) -> Any:
    """The operation of a call, with a clock that stands still."""
    return run_attempts(call, Limits(60, 300, RetryPolicy()), admission, lambda: 100.0)


@pytest.mark.parametrize(
    "ends",
    [
        [lambda operation: operation.send(REPLY)],
        [lambda operation: operation.throw(errors.NotFound("no"))],
        [lambda operation: operation.throw(KeyboardInterrupt())],
        [lambda operation: operation.close()],
        [lambda operation: operation.throw(UNAVAILABLE), lambda operation: operation.close()],
        [lambda operation: operation.throw(UNAVAILABLE), lambda operation: operation.throw(KeyboardInterrupt())],
    ],
    ids=["reply", "error", "Ctrl-C", "abandoned", "abandoned in backoff", "Ctrl-C in backoff"],
)
def test_unary(ends: list[Any]) -> None:
    """A call is in flight from its start to its end, however it ends, and in the waits between its attempts."""
    admission = Admission(9)
    operation = start(admission)
    assert isinstance(next(operation), Attempt)
    for end in ends:
        assert admission.calls.count == 1
        try:
            step = end(operation)
        except (StopIteration, errors.APIError, KeyboardInterrupt):
            step = None
        assert step is None or isinstance(step, Sleep)
    assert admission.calls.count == 0


@pytest.mark.parametrize("error", [None, UNAVAILABLE], ids=["complete", "failed"])
def test_stream(error: errors.APIError | None) -> None:
    """A stream is in flight to its end."""
    admission, callbacks = Admission(9), list[Any]()
    operation = start(admission, STREAM)
    next(operation)
    with pytest.raises(StopIteration):
        operation.send((SimpleNamespace(add_done_callback=callbacks.append), None))
    admission.calls.close()
    assert (admission.calls.count, admission.calls.drained.is_set) == (1, False)
    callbacks[0](error, None)
    assert (admission.calls.count, admission.calls.drained.is_set) == (0, True)


def test_closed() -> None:
    """A call that starts after the client was closed is refused; calls before go on, and the last one to end drains."""
    admission = Admission(9)
    before = start(admission)
    next(before)
    admission.calls.close()
    with pytest.raises(errors.ClientClosed, match="the client is closed and makes no more calls") as caught:
        next(start(admission))
    assert caught.value.attempts == 0
    assert isinstance(before.throw(UNAVAILABLE), Sleep)
    assert isinstance(before.send(None), Attempt)
    assert not admission.calls.drained.is_set
    with pytest.raises(StopIteration):
        before.send(REPLY)
    assert admission.calls.drained.is_set


def test_closed_without_calls() -> None:
    """A client without calls in flight is drained at once."""
    calls = CallsInFlight()
    calls.close()
    assert calls.drained.is_set


@pytest.mark.parametrize(
    ("admission", "step"),
    [
        pytest.param(Admission(1), Acquire, id="slot"),
        pytest.param(Admission(9, RateLimit(requests_per_minute=6, burst_seconds=0)), Sleep, id="rate limit"),
    ],
)
def test_admission_cancelled(admission: Admission, step: type[Any]) -> None:
    """A call whose wait for admission is cancelled ends with ClientClosed, without an attempt."""
    first, second = start(admission), start(admission)
    assert isinstance(next(first), Attempt)
    assert isinstance(next(second), step)
    admission.cancel()
    with pytest.raises(errors.ClientClosed, match="closed while the call was in flight") as caught:
        second.send(False)
    assert caught.value.attempts == 0


def test_backoff_cancelled() -> None:
    """A call whose wait for its next attempt is cancelled ends with ClientClosed, and its last error as the cause."""
    admission = Admission(9)
    operation = start(admission)
    next(operation)
    assert isinstance(operation.throw(UNAVAILABLE), Sleep)
    admission.cancel()
    with pytest.raises(errors.ClientClosed, match="closed while the call was in flight") as caught:
        operation.send(False)
    assert (caught.value.attempts, caught.value.__cause__) == (1, UNAVAILABLE)


def test_signal() -> None:
    """A signal notifies each waiter once; one that was cancelled or whose event loop is closed is skipped."""
    signal, notified, loop = Signal(), list[int](), asyncio.new_event_loop()
    loop.close()
    waiters = [Waiter(lambda number=number: notified.append(number)) for number in range(3)]  # type: ignore[misc]
    for waiter in [Waiter(lambda: loop.call_soon_threadsafe(print)), *waiters]:
        assert not signal.enqueue(waiter)
    signal.cancel(waiters[1])
    for _ in range(2):
        signal.set()
    assert notified == [0, 2]
    assert signal.enqueue(waiters[1])
    signal.cancel(waiters[1])
