"""Admission control: what the calls of one client share before they are sent."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any, Final

from genai_grpc._rpc.calls_in_flight import CallsInFlight
from genai_grpc._rpc.concurrency_limiter import ConcurrencyLimiter
from genai_grpc._rpc.counter import Counter
from genai_grpc._rpc.retry_budget import RetryBudget
from genai_grpc._services.method import Method
from genai_grpc.errors import DeadlineExceeded, ResourceExhausted, ServiceUnavailable

if TYPE_CHECKING:
    # These define dataclasses, or are needed by few programs.
    from genai_grpc._rpc.adaptive_limit import AdaptiveLimit
    from genai_grpc._rpc.client_stats import ClientStats
    from genai_grpc._rpc.rate_limiter import RateLimit, RateLimiter
    from genai_grpc._rpc.shared_rate_limiter import SharedRateLimiter

__all__ = ["Admission"]


class Admission:
    """Admission control of one client: its calls in flight, limiters, retry budget, and typical latencies.

    Args:
        max_in_flight: Limit on calls in flight; None for the default.
        rate_limit: Limit on requests and tokens per minute, or a limiter that other clients share, too; None for none.

    Attributes:
        delayed: Calls that the rate limit delays.
        streams: Open streams.
    """

    __slots__ = (
        "_latency_threshold",
        "_typical_latency",
        "calls",
        "delayed",
        "limiter",
        "rate_limiter",
        "retry_budget",
        "shared_rate_limiter",
        "streams",
    )

    def __init__(
        self, max_in_flight: int | AdaptiveLimit | None, rate_limit: RateLimit | SharedRateLimiter | None = None
    ) -> None:
        max_in_flight = MAX_IN_FLIGHT if max_in_flight is None else max_in_flight
        self.calls = CallsInFlight()
        self.limiter = ConcurrencyLimiter(max_in_flight)
        threshold = None if isinstance(max_in_flight, int) else max_in_flight.latency_threshold
        self._latency_threshold = inf if threshold is None else threshold
        self.rate_limiter, self.shared_rate_limiter = _rate_limiters(rate_limit)
        self.retry_budget = RetryBudget()
        self.delayed, self.streams = Counter(), Counter()
        # Per method: counting tokens takes milliseconds, a long generation takes minutes.
        self._typical_latency: dict[Method[Any, Any], float] = {}

    def cancel(self) -> None:
        """End the waits of the calls in flight, for a slot and between attempts."""
        self.calls.cancelled.set()
        self.limiter.close()

    def stats(self, now: float) -> ClientStats:
        """The state of the client, without its connections."""
        limiter, rate = self.limiter, self.rate_limiter
        requests, tokens = (None, None) if rate is None else rate.per_minute
        from genai_grpc._rpc.client_stats import ClientStats  # few programs ask for it

        return ClientStats(
            in_flight=limiter.in_flight,
            streams=self.streams.value,
            waiting=limiter.waiting,
            delayed=self.delayed.value,
            limit=limiter.limit,
            requests_per_minute=requests,
            tokens_per_minute=tokens,
            blocked_seconds=0.0 if rate is None else max(0.0, rate.blocked_until - now),
            retry_budget=self.retry_budget.left(now),
        )

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


# Some hundred connections.
MAX_IN_FLIGHT: Final = 10_000
# Weight of one reply in the typical latency.
_EWMA_WEIGHT: Final = 0.1


def _rate_limiters(
    rate_limit: RateLimit | SharedRateLimiter | None,
) -> tuple[RateLimiter | None, SharedRateLimiter | None]:
    """The rate limiter, and the shared one; that of a client with a shared one learns quotas and estimates tokens."""
    if rate_limit is None:
        return None, None
    from genai_grpc._rpc.rate_limiter import RateLimit, RateLimiter  # with dataclasses, 10 ms of the first call

    if isinstance(rate_limit, RateLimit):
        return RateLimiter(rate_limit), None
    return RateLimiter(RateLimit()), rate_limit
