"""Rate limiter for requests and tokens per minute. The caller passes the time and does the waiting. Thread-safe."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from math import inf
from typing import Final

from genai_grpc.errors import APIError, ResourceExhausted

__all__ = ["RateLimit", "RateLimiter"]


@dataclass(frozen=True, slots=True)
class RateLimit:
    """Limit on requests and tokens per minute, evenly spaced, first in, first out.

    A QuotaFailure lowers the limit to the quota that the service names, and its RetryInfo delays every call of the
    client, by a day at most. Several clients of one quota each learn the whole of it, not a share.

    Attributes:
        requests_per_minute: None for no limit until the service names one.
        tokens_per_minute: Tokens of prompts and replies; None for no limit until the service names one. A call's tokens
            are estimated from the replies before it, and corrected by its own reply.
        burst_seconds: Seconds' worth of the rate that may be sent at once after a pause: the size of the token bucket.

    >>> RateLimit(requests_per_minute=600, tokens_per_minute=1_000_000).burst_seconds
    1.0
    """

    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    burst_seconds: float = 1.0

    def __post_init__(self) -> None:
        for name in ("requests_per_minute", "tokens_per_minute"):
            value = getattr(self, name)
            if value is not None and not value > 0:  # NaN is refused, too
                raise ValueError(f"{name} is more than 0, or None for no limit; got {value}")
        if not 0 <= self.burst_seconds < inf:
            raise ValueError(f"burst_seconds is 0 or more, and finite; got {self.burst_seconds}")


class RateLimiter:
    """Two GCRA instances (ITU-T I.371, equivalent to token buckets), one for requests and one for tokens.

    Attributes:
        blocked_until: Time of the caller's clock until which the service asked for no calls (RetryInfo).
    """

    __slots__ = (
        "_burst",
        "_estimated_tokens",
        "_lock",
        "_per_minute",
        "_theoretical_arrival",
        "_unreported",
        "blocked_until",
    )

    def __init__(self, limit: RateLimit) -> None:
        self._lock = threading.Lock()
        self._burst = limit.burst_seconds
        self._per_minute = {_REQUESTS: limit.requests_per_minute, _TOKENS: limit.tokens_per_minute}
        self._theoretical_arrival = {_REQUESTS: float("-inf"), _TOKENS: float("-inf")}
        self._estimated_tokens = 0.0
        # Actual less estimated tokens, for a shared rate limiter.
        self._unreported = 0.0
        self.blocked_until = float("-inf")

    @property
    def per_minute(self) -> tuple[float | None, float | None]:
        """Requests and tokens per minute, as configured or learned; None for no limit."""
        return self._per_minute[_REQUESTS], self._per_minute[_TOKENS]

    def reserve(self, now: float, max_wait: float) -> tuple[float, float | None]:
        """Reserve the next call: seconds until it may start, and the tokens reserved for it.

        Nothing is reserved, and the tokens are None, if the call would wait longer than `max_wait` seconds.
        """
        with self._lock:
            wait = max(0.0, *(arrival - self._burst - now for arrival in self._theoretical_arrival.values()))
            if 0.0 < wait > max_wait:
                return wait, None
            self._advance(_REQUESTS, now, 1.0)
            self._advance(_TOKENS, now, self._estimated_tokens)
            return wait, self._estimated_tokens

    def reconcile(self, estimated: float, actual: int | None) -> None:
        """Replace the estimated tokens of a call by the actual ones; None for a call that used none."""
        with self._lock:
            if actual is not None:
                actual = max(0, actual)  # no service refunds tokens
                before = self._estimated_tokens
                self._estimated_tokens = before + _EWMA_WEIGHT * (actual - before) if before else actual
            self._unreported += (actual or 0) - estimated
            if (limit := self._per_minute[_TOKENS]) is not None:
                self._theoretical_arrival[_TOKENS] += ((actual or 0) - estimated) * 60 / limit

    def take_unreported(self) -> float:
        """Actual less estimated tokens of the calls that were reconciled since this was last called."""
        with self._lock:
            taken, self._unreported = self._unreported, 0.0
            return taken

    def return_unreported(self, tokens: float) -> None:
        """Take back tokens that could not be reported."""
        with self._lock:
            self._unreported += tokens

    def on_error(self, error: APIError, now: float) -> None:
        """Learn the quota from a QuotaFailure, and the delay from RetryInfo."""
        if not isinstance(error, ResourceExhausted):
            return
        with self._lock:
            for kind, quota in _quotas(error):
                known = self._per_minute[kind]
                self._per_minute[kind] = quota if known is None else min(known, quota)
            if (delay := error.retry_delay) is not None:
                delay = min(delay, _MAX_BLOCK)
                self.blocked_until = max(self.blocked_until, now + delay)
                for kind, arrival in self._theoretical_arrival.items():
                    self._theoretical_arrival[kind] = max(arrival, now + delay + self._burst)

    def _advance(self, kind: str, now: float, amount: float) -> None:
        if (limit := self._per_minute[kind]) is not None:
            self._theoretical_arrival[kind] = max(self._theoretical_arrival[kind], now) + amount * 60 / limit


_REQUESTS: Final = "requests"
_TOKENS: Final = "tokens"
# Seconds: no quota lasts longer than a day, and a mistaken RetryInfo must not block a client until it is replaced.
_MAX_BLOCK: Final = 24 * 3600.0
# Weight of one reply in the estimate of the next call's tokens.
_EWMA_WEIGHT: Final = 0.2


def _quotas(error: APIError) -> list[tuple[str, float]]:
    """The quotas per minute that an error names, of requests or tokens by the name of the metric or of the quota."""
    violations = [
        violation
        for detail in error.details
        if detail.DESCRIPTOR.full_name == "google.rpc.QuotaFailure"
        for violation in detail.violations  # type: ignore[attr-defined] # a QuotaFailure, by its full name
    ]
    return [
        (_TOKENS if "token" in (each.quota_metric + each.quota_id).lower() else _REQUESTS, float(each.quota_value))
        for each in violations
        if each.quota_value > 0 and "perminute" in each.quota_id.lower()
    ]
