from __future__ import annotations

from typing import Any

import pytest

from genai_grpc._rpc.adaptive_limit import AdaptiveLimit
from genai_grpc._rpc.concurrency_limiter import ConcurrencyLimiter


def run_rounds(limiter: ConcurrencyLimiter, count: int, overload_ratio: float = 0.0, started: float = 100.0) -> int:
    """The limit after `count` round trips of one second at full use, with this share of overloaded calls."""
    overload = 0.0
    for number in range(count):
        while limiter.try_acquire():
            pass
        for _ in range(limiter.in_flight):
            overload += overload_ratio
            limiter.release(started + number, started + number + 1, overload >= 1, 1.0)
            overload %= 1
            limiter.try_acquire()
    return limiter.limit


def test_growth() -> None:
    """While calls succeed, the limit grows ever faster, up to the maximum."""
    limiter = ConcurrencyLimiter(AdaptiveLimit(initial_limit=20))
    first, second, third = run_rounds(limiter, 3), run_rounds(limiter, 3), run_rounds(limiter, 3)
    assert 20 < first < 40 < second < 100 < 200 < third
    assert run_rounds(limiter, 30) == 1000
    assert run_rounds(ConcurrencyLimiter(AdaptiveLimit(initial_limit=20, max_limit=24)), 30) == 24


def test_backoff() -> None:
    """A round trip of overload reduces the limit once, whatever the number of calls, and not below the minimum."""
    halving = AdaptiveLimit(initial_limit=20, backoff_ratio=0.5)
    assert run_rounds(ConcurrencyLimiter(halving), 1, overload_ratio=1) == 10
    assert run_rounds(ConcurrencyLimiter(AdaptiveLimit(initial_limit=20, min_limit=3)), 50, overload_ratio=1) == 3


def test_one_cut_per_typical_latency() -> None:
    """However fast calls are refused, the limit is reduced once per typical latency."""
    limiter = ConcurrencyLimiter(AdaptiveLimit(initial_limit=300))
    limits = []
    for number in range(200):
        limiter.try_acquire()
        limiter.release(100 + number * 0.05, 100.05 + number * 0.05, True, 2.0)
        limits.append(limiter.limit)
    assert sorted(set(limits), reverse=True) == [300, 210, 147, 102, 72]


def test_calls_sent_before_a_cut() -> None:
    """Calls that were sent before the limit was reduced do not reduce it again, whenever they end."""
    limiter = ConcurrencyLimiter(AdaptiveLimit(initial_limit=20, backoff_ratio=0.5))
    assert run_rounds(limiter, 1, overload_ratio=1) == 10
    for _ in range(20):
        limiter.try_acquire()
        limiter.release(100, 109, True, 1.0)
    assert limiter.limit == 10


def test_recovery() -> None:
    """After an outage that reduced the limit to the minimum, twelve round trips raise it above 200."""
    limiter = ConcurrencyLimiter(AdaptiveLimit(initial_limit=300))
    assert run_rounds(limiter, 60, overload_ratio=1) == 1
    assert run_rounds(limiter, 12, started=200) > 200


def test_occasional_errors() -> None:
    """A service that refuses a few calls at all times does not keep the limit low; one that refuses many does."""
    assert run_rounds(ConcurrencyLimiter(AdaptiveLimit(initial_limit=20)), 20, overload_ratio=0.03) > 500
    assert run_rounds(ConcurrencyLimiter(AdaptiveLimit(initial_limit=300)), 20, overload_ratio=0.3) < 50


def test_no_growth_when_underused() -> None:
    """Successful calls far below the limit do not raise it."""
    limiter = ConcurrencyLimiter(AdaptiveLimit(initial_limit=20))
    for _ in range(100):
        limiter.try_acquire()
        limiter.release(100, 101, False, 1.0)
    assert limiter.limit == 20


@pytest.mark.parametrize(
    "settings",
    [
        {"initial_limit": 0},
        {"min_limit": 30},
        {"max_limit": 10},
        {"min_limit": 0},
        {"backoff_ratio": 1},
        {"backoff_ratio": 0},
    ],
    ids=str,
)
def test_invalid_settings(settings: Any) -> None:
    """Settings that contradict each other, or are out of range, are refused."""
    with pytest.raises(ValueError, match="got"):
        AdaptiveLimit(**settings)
