from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genai_grpc import errors
from genai_grpc._rpc.rate_limiter import RateLimit, RateLimiter
from genai_grpc_protos.rpc import QuotaFailure, RetryInfo

FULL = errors.ResourceExhausted("no")


@given(
    per_minute=st.floats(1, 6000),
    burst=st.floats(0, 5),
    pauses=st.lists(st.floats(0, 3), min_size=2, max_size=60),
)
def test_no_more_than_the_rate(per_minute: float, burst: float, pauses: list[float]) -> None:
    """In no stretch of time are more requests sent than the rate, one, and the burst allow."""
    rate, now, sent = RateLimiter(RateLimit(requests_per_minute=per_minute, burst_seconds=burst)), 0.0, list[float]()
    for pause in pauses:
        now += pause
        wait, _ = rate.reserve(now, 1e9)
        now += wait
        sent.append(now)
    for first in range(len(sent)):
        for last in range(first, len(sent)):
            allowed = (sent[last] - sent[first] + burst) * per_minute / 60 + 1
            assert last - first + 1 <= allowed + 1e-6


def test_tokens() -> None:
    """What a reply says it took holds back those after it, and is the guess for them."""
    rate = RateLimiter(RateLimit(tokens_per_minute=600, burst_seconds=0))
    assert rate.reserve(0, 100) == (0, 0)
    rate.reconcile(0, 50)  # takes 5 seconds
    assert rate.reserve(0, 100) == (5, 50)
    rate.reconcile(50, 30)
    assert rate.reserve(0, 100) == (8, 46)


def test_no_turn_past_the_deadline() -> None:
    """A call whose turn would come too late takes none from the others."""
    rate = RateLimiter(RateLimit(requests_per_minute=60, burst_seconds=0))
    assert rate.reserve(0, 10) == (0, 0)
    assert rate.reserve(0, 0.5) == (1, None)
    assert rate.reserve(0, 10) == (1, 0)


def asks_to_wait(seconds: int) -> errors.ResourceExhausted:
    """A failure with which the service asks to be left alone for so long."""
    info = RetryInfo()
    info.retry_delay.seconds = seconds
    return errors.ResourceExhausted("no", details=[info])


def violation(quota_id: str, value: int, metric: str = "") -> QuotaFailure:
    """A failure of one quota."""
    return QuotaFailure(violations=[QuotaFailure.Violation(quota_id=quota_id, quota_value=value, quota_metric=metric)])


@pytest.mark.parametrize(
    ("detail", "learned"),
    [
        (violation("GenerateRequestsPerMinutePerProjectPerModel", 15), (15, None)),
        (violation("GenerateContentInputTokensPerModelPerMinute", 32000), (None, 32000)),
        (violation("PerMinute", 9, "generate_content_free_tier_input_token_count"), (None, 9)),
        (violation("GenerateRequestsPerDayPerProjectPerModel", 50), (None, None)),
        (violation("GenerateRequestsPerMinute", 0), (None, None)),
    ],
    ids=["requests", "tokens", "tokens by the metric", "a day", "no value"],
)
def test_a_quota_is_learned(detail: QuotaFailure, learned: tuple[float | None, float | None]) -> None:
    """A quota a minute that the service names becomes the limit."""
    rate = RateLimiter(RateLimit())
    rate.on_error(errors.ResourceExhausted("no", details=[detail]), 0)
    assert rate.per_minute == learned


def test_a_quota_lowers_only() -> None:
    """A quota above what the program set does not raise it; other errors teach nothing."""
    rate, learned = RateLimiter(RateLimit(requests_per_minute=10)), []
    for kind, quota in (errors.ResourceExhausted, 15), (errors.NotFound, 5), (errors.ResourceExhausted, 5):
        rate.on_error(kind("no", details=[violation("RequestsPerMinute", quota)]), 0)
        learned.append(rate.per_minute)
    assert learned == [(10, None), (10, None), (5, None)]


def test_everybody_is_held_back() -> None:
    """The wait that the service asks of one call holds back all calls of the client."""
    rate = RateLimiter(RateLimit())
    rate.on_error(asks_to_wait(7), 100)
    assert rate.reserve(101, 60) == (6, 0)


@pytest.mark.parametrize(
    "wrong", [{"requests_per_minute": 0}, {"tokens_per_minute": -1}, {"burst_seconds": -1}], ids=str
)
def test_a_wrong_rate(wrong: Any) -> None:
    """Rates are above 0."""
    with pytest.raises(ValueError, match="got"):
        RateLimit(**wrong)
