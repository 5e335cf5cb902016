"""Admission control: what the calls of one client share before they are sent."""

from __future__ import annotations

from math import inf
from typing import Any, Final

from genai_grpc._rpc.adaptive_limit import AdaptiveLimit
from genai_grpc._rpc.concurrency_limiter import ConcurrencyLimiter
from genai_grpc._rpc.rate_limiter import RateLimit, RateLimiter
from genai_grpc._rpc.retry_budget import RetryBudget
from genai_grpc._services.method import Method
from genai_grpc.errors import DeadlineExceeded, ResourceExhausted, ServiceUnavailable

__all__ = ["Admission"]


class Admission:
    """Admission control of one client: its concurrency limiter, rate limiter, retry budget, and typical latencies.

    Args:
        max_in_flight: Limit on calls in flight.
        rate_limit: Limit on requests and tokens per minute; None for none.
    """

    __slots__ = ("_latency_threshold", "_typical_latency", "limiter", "rate_limiter", "retry_budget")

    def __init__(self, max_in_flight: int | AdaptiveLimit, rate_limit: RateLimit | None = None) -> None:
        self.limiter = ConcurrencyLimiter(max_in_flight)
        threshold = None if isinstance(max_in_flight, int) else max_in_flight.latency_threshold
        self._latency_threshold = inf if threshold is None else threshold
        self.rate_limiter = None if rate_limit is None else RateLimiter(rate_limit)
        self.retry_budget = RetryBudget()
        # Per method: counting tokens takes milliseconds, a long generation takes minutes.
        self._typical_latency: dict[Method[Any, Any], float] = {}

    def typical_latency(self, method: Method[Any, Any]) -> float:
        """Moving average of a method's latency in seconds, of a stream to its last chunk; 0 before the first reply."""
        return self._typical_latency.get(method, 0.0)

    def response_reserve(self, method: Method[Any, Any], timeout: float) -> float:
        """Part of the timeout reserved for the response, in seconds; queueing may use the rest.

        min(3 * typical latency, timeout / 2), and at least the typical latency. Three times the typical latency is
        enough for nearly all responses.
        """
        typical = self._typical_latency.get(method, 0.0)
        return 3 * typical if 6 * typical < timeout else max(typical, timeout / 2)

    def on_success(self, method: Method[Any, Any], started: float, first: float, now: float) -> None:
        """Record an attempt that succeeded, and release its slot.

        Args:
            method: The method called.
            started: When the attempt was sent, in seconds of a monotonic clock.
            first: When the reply or the first chunk arrived.
            now: When the reply or the last chunk arrived.
        """
        latency = now - started
        typical = self._typical_latency.get(method, latency)
        self._typical_latency[method] = typical + _EWMA_WEIGHT * (latency - typical)
        self.limiter.release(started, now, first - started > self._latency_threshold, typical)

    def on_failure(self, method: Method[Any, Any], started: float, now: float, error: BaseException) -> None:
        """Record an attempt that failed or was abandoned, and release its slot; times are as in `on_success`."""
        elapsed, typical = now - started, self._typical_latency.get(method, 0.0)
        overloaded = isinstance(error, (ServiceUnavailable, ResourceExhausted))
        if isinstance(error, DeadlineExceeded) and elapsed > typical:
            # A lower bound of the latency, and the only sample of a method whose calls all exceed their deadlines.
            overloaded = True
            self._typical_latency[method] = typical + _EWMA_WEIGHT * (elapsed - typical) if typical else elapsed
        self.limiter.release(started, now, overloaded or None, typical)


# Weight of one reply in the typical latency.
_EWMA_WEIGHT: Final = 0.1
