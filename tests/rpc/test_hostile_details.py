"""Details and usage of any value: a call raises nothing but its own error."""

from __future__ import annotations

from math import inf, isfinite
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genai_grpc import errors, protos
from genai_grpc._rpc.admission import Admission
from genai_grpc._rpc.attempts import run_attempts
from genai_grpc._rpc.call import Call, identity
from genai_grpc._rpc.operation import Attempt, Sleep
from genai_grpc._rpc.options import Limits
from genai_grpc._rpc.rate_limiter import RateLimit, RateLimiter
from genai_grpc._rpc.retry_policy import RetryPolicy
from genai_grpc._services.generative_language import GENERATE_CONTENT
from genai_grpc_protos.protobuf import Duration
from genai_grpc_protos.rpc import QuotaFailure, RetryInfo
from tests.clock import ManualClock

DAY = 24 * 3600
RETRYABLE = (errors.ResourceExhausted, errors.ServiceUnavailable, errors.Cancelled)

extremes = st.sampled_from([0, 1, -1, 59, 60, 61, DAY])
int64 = st.integers(-(2**63), 2**63 - 1) | extremes
int32 = st.integers(-(2**31), 2**31 - 1) | extremes | st.sampled_from([-(2**31), 2**31 - 1, 10**9, -(10**9)])
delays = st.builds(lambda seconds, nanos: RetryInfo(retry_delay=Duration(seconds=seconds, nanos=nanos)), int64, int32)
violations = st.builds(
    lambda value, quota_id, metric: QuotaFailure.Violation(quota_value=value, quota_id=quota_id, quota_metric=metric),
    int64,
    st.sampled_from(["GenerateRequestsPerMinutePerProject", "InputTokensPerModelPerMinute", "PerDay", ""]) | st.text(),
    st.sampled_from(["", "tokens"]) | st.text(),
)
quotas = st.builds(lambda items: QuotaFailure(violations=items), st.lists(violations, max_size=3))
failures = st.builds(
    lambda kind, details: kind("no", details=details), st.sampled_from(RETRYABLE), st.lists(delays | quotas, max_size=3)
)


def drive(admission: Admission, clock: ManualClock, replies: list[Any]) -> Any:
    """The reply of a call with a deadline of 60 s, or its error; checks each of its waits."""
    call: Call[Any, Any, Any] = Call(GENERATE_CONTENT, protos.GenerateContentRequest(), identity)
    deadline = clock.time + 60
    operation = run_attempts(call, Limits(60, 300, RetryPolicy(max_attempts=9, budget_ratio=None)), admission, clock)
    try:
        step = next(operation)
        while True:
            if isinstance(step, Sleep):
                assert 0 <= step.seconds <= deadline - clock.time
                clock.time += step.seconds
                step = operation.send(None)
                continue
            assert isinstance(step, Attempt)
            reply = replies.pop(0)
            step = operation.throw(reply) if isinstance(reply, Exception) else operation.send(reply)
    except StopIteration as stop:
        return stop.value
    except errors.APIError as error:
        return error


@given(failures)
def test_retry_delay(error: errors.APIError) -> None:
    """A RetryInfo of any value is a finite delay, 0 or more."""
    delay = error.retry_delay
    assert delay is None or (isinstance(delay, float) and 0 <= delay < inf)


@pytest.mark.parametrize(("seconds", "nanos", "delay"), [(-5, 0, 0), (-(2**63), -(2**31), 0), (1, -(10**9), 0)])
def test_negative_retry_delay(seconds: int, nanos: int, delay: float) -> None:
    """A negative delay asks for no wait."""
    info = RetryInfo(retry_delay=Duration(seconds=seconds, nanos=nanos))
    assert errors.ResourceExhausted("no", details=[info]).retry_delay == delay


@given(st.lists(failures, min_size=1, max_size=4), st.sampled_from([None, RateLimit(), RateLimit(60, 1000)]))
def test_call(sent: list[errors.APIError], limit: RateLimit | None) -> None:
    """A call with any details is retried within its deadline, or raises the error of an attempt."""
    reply = protos.GenerateContentResponse(), ((), ())
    result = drive(Admission(10, limit), ManualClock(), [*sent, reply])
    # A retry may wait in the queue of a quota that was learned, and then the deadline ends the call.
    assert result is reply or result in sent or isinstance(result, errors.DeadlineExceeded)
    if isinstance(result, errors.DeadlineExceeded):
        assert limit is not None
        assert result.__cause__ in sent


def test_delay_beyond_the_deadline() -> None:
    """A delay beyond the deadline is not waited for: the call raises the service's error."""
    info = RetryInfo(retry_delay=Duration(seconds=2**63 - 1, nanos=2**31 - 1))
    error = errors.ResourceExhausted("no", details=[info])
    for limit in (None, RateLimit()):
        assert drive(Admission(10, limit), ManualClock(), [error]) is error


@given(st.lists(failures, max_size=4), st.lists(int32, max_size=3))
def test_rate_limiter(sent: list[errors.APIError], usage: list[int]) -> None:
    """After any errors and usages the rate limiter gives finite waits, and is not blocked for more than a day."""
    limiter, now = RateLimiter(RateLimit(60, 1000)), 100.0
    for error in sent:
        limiter.on_error(error, now)
    assert limiter.blocked_until <= now + DAY
    for actual in usage:
        _, tokens = limiter.reserve(now, inf)
        assert tokens is not None
        assert 0 <= tokens < inf
        limiter.reconcile(tokens, actual)
    wait, _ = limiter.reserve(now, inf)
    assert 0 <= wait < inf
    assert all(limit is not None and limit > 0 and isfinite(limit) for limit in limiter.per_minute)


@given(st.sampled_from(["requests_per_minute", "tokens_per_minute", "burst_seconds"]), st.floats())
def test_rate_limit(name: str, value: float) -> None:
    """A rate limit is above 0 and a burst 0 or more and finite, or it is refused."""
    valid = 0 <= value < inf if name == "burst_seconds" else value > 0
    try:
        RateLimit(**{name: value})
        assert valid
    except ValueError:
        assert not valid
