from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genai_grpc import errors
from genai_grpc._rpc.rate_limiter import RateLimit, RateLimiter
from genai_grpc_protos.protobuf import Duration
from genai_grpc_protos.rpc import QuotaFailure, RetryInfo


@given(
    per_minute=st.floats(1, 6000),
    burst=st.floats(0, 5),
    pauses=st.lists(st.floats(0, 3), min_size=2, max_size=60),
)
def test_rate_and_burst(per_minute: float, burst: float, pauses: list[float]) -> None:
    """No interval has more requests than the rate and the burst allow, plus one."""
    limiter = RateLimiter(RateLimit(requests_per_minute=per_minute, burst_seconds=burst))
    now, sent = 0.0, list[float]()
    for pause in pauses:
        now += pause
        wait, _ = limiter.reserve(now, 1e9)
        now += wait
        sent.append(now)
    for first in range(len(sent)):
        for last in range(first, len(sent)):
            allowed = (sent[last] - sent[first] + burst) * per_minute / 60 + 1
            assert last - first + 1 <= allowed + 1e-6


def test_token_estimate() -> None:
    """The tokens of a reply delay later calls, and are the estimate for them."""
    limiter = RateLimiter(RateLimit(tokens_per_minute=600, burst_seconds=0))
    assert limiter.reserve(0, 100) == (0, 0)
    limiter.reconcile(0, 50)  # takes 5 seconds
    assert limiter.reserve(0, 100) == (5, 50)
    limiter.reconcile(50, 30)
    assert limiter.reserve(0, 100) == (8, 46)


def test_nothing_reserved_beyond_max_wait() -> None:
    """A call that would wait longer than `max_wait` reserves nothing."""
    limiter = RateLimiter(RateLimit(requests_per_minute=60, burst_seconds=0))
    assert limiter.reserve(0, 10) == (0, 0)
    assert limiter.reserve(0, 0.5) == (1, None)
    assert limiter.reserve(0, 10) == (1, 0)


def violation(quota_id: str, value: int, metric: str = "") -> QuotaFailure:
    """The violation of one quota."""
    return QuotaFailure(violations=[QuotaFailure.Violation(quota_id=quota_id, quota_value=value, quota_metric=metric)])


@pytest.mark.parametrize(
    ("detail", "per_minute"),
    [
        (violation("GenerateRequestsPerMinutePerProjectPerModel", 15), (15, None)),
        (violation("GenerateContentInputTokensPerModelPerMinute", 32000), (None, 32000)),
        (violation("PerMinute", 9, "generate_content_free_tier_input_token_count"), (None, 9)),
        (violation("GenerateRequestsPerDayPerProjectPerModel", 50), (None, None)),
        (violation("GenerateRequestsPerMinute", 0), (None, None)),
    ],
    ids=["requests", "tokens by quota id", "tokens by metric", "per day", "no value"],
)
def test_quota_learned(detail: QuotaFailure, per_minute: tuple[float | None, float | None]) -> None:
    """A quota per minute that the service names becomes the limit."""
    limiter = RateLimiter(RateLimit())
    limiter.on_error(errors.ResourceExhausted("no", details=[detail]), 0)
    assert limiter.per_minute == per_minute


def test_quota_only_lowers_limit() -> None:
    """A quota above the configured limit does not raise it; other errors change nothing."""
    limiter, limits = RateLimiter(RateLimit(requests_per_minute=10)), []
    for error_type, quota in (errors.ResourceExhausted, 15), (errors.NotFound, 5), (errors.ResourceExhausted, 5):
        limiter.on_error(error_type("no", details=[violation("RequestsPerMinute", quota)]), 0)
        limits.append(limiter.per_minute)
    assert limits == [(10, None), (10, None), (5, None)]


def test_retry_info_delays_every_call() -> None:
    """The delay that the service asks of one call delays every call of the client."""
    limiter = RateLimiter(RateLimit())
    error = errors.ResourceExhausted("no", details=[RetryInfo(retry_delay=Duration(seconds=7))])
    limiter.on_error(error, 100)
    assert limiter.reserve(101, 60) == (6, 0)


@pytest.mark.parametrize(
    "settings", [{"requests_per_minute": 0}, {"tokens_per_minute": -1}, {"burst_seconds": -1}], ids=str
)
def test_invalid_settings(settings: Any) -> None:
    """Rates are above 0, and the burst is 0 or more."""
    with pytest.raises(ValueError, match="got"):
        RateLimit(**settings)
