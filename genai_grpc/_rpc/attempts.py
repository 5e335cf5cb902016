"""The operation of one call: admission, attempts and backoff, within one deadline."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from genai_grpc._rpc.admission import Admission
from genai_grpc._rpc.call import AnyCall
from genai_grpc._rpc.calls_in_flight import CANCELLED
from genai_grpc._rpc.log import LOG
from genai_grpc._rpc.operation import Acquire, Attempt, Operation, Reserve, Sleep
from genai_grpc._rpc.options import Limits
from genai_grpc._services.method import Method
from genai_grpc.errors import APIError, ClientClosed, DeadlineExceeded

if TYPE_CHECKING:
    from genai_grpc._rpc.rate_limiter import RateLimiter
    from genai_grpc._rpc.shared_rate_limiter import SharedRateLimiter

__all__ = ["run_attempts"]


def run_attempts(
    call: AnyCall,
    limits: Limits,
    admission: Admission,
    clock: Callable[[], float],
    on_attempt: Callable[[int], object] | None = None,
) -> Operation[Any]:
    """Run one call with retries, within one deadline.

    Wait for the rate limiter and a concurrency slot, yield an `Attempt`, back off. Returns what the last attempt
    returned.

    Args:
        call: The call.
        limits: Its timeouts and retry policy.
        admission: Shared by the calls of the client.
        clock: A monotonic clock, in seconds.
        on_attempt: Called with the number of each attempt, from 1.

    Raises:
        APIError: The error of the last attempt, with the number of attempts.
        DeadlineExceeded: Likewise, or the deadline leaves too little time to wait for admission.
        ClientClosed: The client is closed, or was closed while the call was in flight.
    """
    admission.calls.begin()
    try:
        reply, started, estimated_tokens = yield from _attempts(call, limits, admission, clock, on_attempt)
    except BaseException:
        admission.calls.end()
        raise
    first, method = clock(), call.method
    if method.streaming:
        admission.streams.add(1)
        reply[0].add_done_callback(partial(_on_stream_end, admission, method, started, first, estimated_tokens, clock))
    else:
        admission.on_success(method, started, first, first)
        if admission.rate_limiter is not None:
            _reconcile(admission.rate_limiter, estimated_tokens, reply[0])
        admission.calls.end()
    return reply


def _attempts(
    call: AnyCall,
    limits: Limits,
    admission: Admission,
    clock: Callable[[], float],
    on_attempt: Callable[[int], object] | None,
) -> Operation[tuple[Any, float, float]]:
    """Attempt a call until it succeeds; the reply, when its attempt was sent, and the tokens reserved for it."""
    started = clock()
    deadline = started + limits.timeout
    method, limiter, rate_limiter = call.method, admission.limiter, admission.rate_limiter
    admission.retry_budget.deposit(limits.retry, started)
    attempt, estimated_tokens = 0, 0.0
    last: APIError | None = None
    while True:
        try:
            if rate_limiter is not None:
                estimated_tokens = yield from _acquire_rate(rate_limiter, call, limits, admission, deadline, clock)
            if not limiter.try_acquire():
                yield from _acquire_slot(call, limits, admission, deadline, clock)
        except (DeadlineExceeded, ClientClosed) as refused:
            refused.attempts = attempt
            raise refused from last
        started = clock()
        attempt += 1
        try:
            if on_attempt is not None:
                on_attempt(attempt)
            if call.options.on_attempt is not None:
                call.options.on_attempt(attempt)
            reply = yield Attempt(call, deadline - started, limits.idle_timeout)
        except APIError as error:
            admission.on_failure(method, started, clock(), error)
            error.attempts = attempt
            yield from _backoff(call, limits, admission, error, deadline, estimated_tokens, clock)
            last = error
            last.__traceback__ = None  # it refers to this frame
        except BaseException as error:
            # Ctrl-C, the cancellation of a task and an abandoned operation release the slot, too; no sample of load.
            admission.on_failure(method, started, clock(), error)
            raise
        else:
            return reply, started, estimated_tokens


def _backoff(
    call: AnyCall,
    limits: Limits,
    admission: Admission,
    error: APIError,
    deadline: float,
    estimated_tokens: float,
    clock: Callable[[], float],
) -> Operation[None]:
    """Wait until the next attempt; raise `error` if there is none."""
    policy, now = limits.retry, clock()
    if admission.rate_limiter is not None:
        admission.rate_limiter.on_error(error, now)
        if not isinstance(error, DeadlineExceeded):
            # A reply that comes after the deadline uses tokens all the same.
            admission.rate_limiter.reconcile(estimated_tokens, None)
    elapsed = now - (deadline - limits.timeout)
    delay = policy.backoff(error, error.attempts, idempotent=call.method.idempotent, elapsed=elapsed)
    if LOG.isEnabledFor(logging.DEBUG):
        # The status code only: a status message may quote the request.
        retry = "" if delay is None else f"; next attempt in {delay:.2f} s at the earliest"
        LOG.debug("%s: attempt %d ended with %s%s", call.method.path, error.attempts, error.status, retry)
    if delay is None or now + delay >= deadline or not admission.retry_budget.try_withdraw(policy, now):
        try:
            raise error
        finally:
            del error  # its traceback refers to this frame, and to those with the request
    yield Sleep(delay)
    if admission.calls.cancelled.is_set:
        raise ClientClosed(CANCELLED, attempts=error.attempts) from error
    if clock() >= deadline:
        raise DeadlineExceeded(
            f"the deadline of {limits.timeout:g} s passed after {error.attempts} attempts; the last: {error.message}",
            details=error.details,
            attempts=error.attempts,
        ) from error


def _acquire_rate(
    rate_limiter: RateLimiter,
    call: AnyCall,
    limits: Limits,
    admission: Admission,
    deadline: float,
    clock: Callable[[], float],
) -> Operation[float]:
    """Wait for the client's rate limiter, and for a shared one; returns the tokens reserved for the call."""
    tokens = yield from _acquire_own_rate(rate_limiter, call, limits, admission, deadline, clock)
    if (shared := admission.shared_rate_limiter) is not None:
        blocked_until = rate_limiter.blocked_until
        yield from _acquire_shared_rate(shared, tokens, rate_limiter, call, limits, admission, deadline - clock())
        # The service may have asked for a delay meanwhile (RetryInfo).
        if rate_limiter.blocked_until > max(blocked_until, clock()):
            tokens = yield from _acquire_own_rate(rate_limiter, call, limits, admission, deadline, clock)
    return tokens


def _acquire_own_rate(
    rate_limiter: RateLimiter,
    call: AnyCall,
    limits: Limits,
    admission: Admission,
    deadline: float,
    clock: Callable[[], float],
) -> Operation[float]:
    while True:
        now, blocked_until = clock(), rate_limiter.blocked_until
        left = deadline - now
        wait, tokens = rate_limiter.reserve(now, left - admission.response_reserve(call.method, limits.timeout))
        if tokens is None:
            raise DeadlineExceeded(
                f"the client's rate limit delays the call by {wait:.1f} s, {_too_late(call, admission, left)}; "
                "start fewer calls, or set a longer timeout or a higher rate_limit"
            )
        if wait > 0:
            yield from _delay(admission, wait)
            # The service may have asked for a longer delay meanwhile (RetryInfo).
            if rate_limiter.blocked_until > max(blocked_until, clock()):
                continue
        return tokens


def _acquire_shared_rate(
    shared: SharedRateLimiter,
    tokens: float,
    rate_limiter: RateLimiter,
    call: AnyCall,
    limits: Limits,
    admission: Admission,
    left: float,
) -> Operation[None]:
    max_wait = max(0.0, left - admission.response_reserve(call.method, limits.timeout))
    unreported = rate_limiter.take_unreported()
    wait: float | None = None
    try:
        wait = yield Reserve(shared, tokens + unreported, max_wait)
    finally:
        if wait is None:
            rate_limiter.return_unreported(unreported)
    admission.calls.check_not_cancelled()
    if wait is None or not wait <= max_wait:  # a limiter that returns inf or nan must not block the call for ever
        raise DeadlineExceeded(
            f"the shared rate limit delays the call by more than {max_wait:.1f} s, {_too_late(call, admission, left)}; "
            "start fewer calls, or set a longer timeout or a higher limit"
        )
    if wait > 0:
        yield from _delay(admission, wait)


def _delay(admission: Admission, seconds: float) -> Operation[None]:
    """Wait for a rate limit."""
    admission.delayed.add(1)
    try:
        yield Sleep(seconds)
    finally:
        admission.delayed.add(-1)
    admission.calls.check_not_cancelled()


def _acquire_slot(
    call: AnyCall, limits: Limits, admission: Admission, deadline: float, clock: Callable[[], float]
) -> Operation[None]:
    """Wait for a concurrency slot."""
    started = clock()
    left = deadline - started
    if not (yield Acquire(admission.limiter, left - admission.response_reserve(call.method, limits.timeout))):
        admission.calls.check_not_cancelled()
        now = clock()
        raise DeadlineExceeded(
            f"{admission.limiter.limit} calls were in flight, the client's max_in_flight, for {now - started:.1f} s, "
            f"and a later start is {_too_late(call, admission, deadline - now)}; start fewer calls, or set a longer "
            "timeout"
        )


def _too_late(call: AnyCall, admission: Admission, left: float) -> str:
    typical = admission.typical_latency(call.method)
    reply = f", as a reply typically takes {typical:.2g} s" if typical else ""
    return f"too late for its deadline in {max(0.0, left):.1f} s{reply}"


def _on_stream_end(
    admission: Admission,
    method: Method[Any, Any],
    started: float,
    first: float,
    estimated_tokens: float,
    clock: Callable[[], float],
    error: APIError | None,
    last_chunk: Any,
) -> None:
    """Record a stream whose first chunk arrived at `first`."""
    admission.calls.end()
    now, rate_limiter = clock(), admission.rate_limiter
    admission.streams.add(-1)
    if error is None:
        admission.on_success(method, started, first, now)
        if rate_limiter is not None:
            _reconcile(rate_limiter, estimated_tokens, last_chunk)
    else:
        admission.on_failure(method, started, now, error)
        if rate_limiter is not None:
            # The tokens of a partial response are unknown: the estimate stands.
            rate_limiter.on_error(error, now)


def _reconcile(rate_limiter: RateLimiter, estimated_tokens: float, reply: Any) -> None:
    """Correct the estimate by a reply's usage; a reply without usage, such as a list of models, used no tokens."""
    usage = getattr(reply, "usage_metadata", None)
    rate_limiter.reconcile(estimated_tokens, None if usage is None else usage.total_token_count)
