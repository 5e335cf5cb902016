"""The rate of requests and of tokens: when each call has its turn.

No clock and no sleep: the time is told by the caller, and waiting is the shells'. Threads and loops share it.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Final

from genai_grpc.errors import APIError, ResourceExhausted

__all__ = ["Rate", "RateLimit"]


@dataclass(frozen=True, slots=True)
class RateLimit:
    """How many requests and tokens a client sends a minute, evenly spread, each caller in turn.

    A quota that the service says is used up (QuotaFailure) lowers the limit to what it says the quota is, and its
    RetryInfo holds back every call of the client for that long. What several clients share, each of them learns as a
    whole.

    Attributes:
        requests: Requests a minute; None for no limit until the service names one.
        tokens: Tokens a minute, prompts and answers together; None likewise. What a request will take is guessed from
            those before it, and set right when its reply says.
        burst: Seconds of the rate that may be used at once after a pause.

    >>> RateLimit(requests=600, tokens=1_000_000).burst
    1.0
    """

    requests: float | None = None
    tokens: float | None = None
    burst: float = 1.0

    def __post_init__(self) -> None:
        for name in ("requests", "tokens"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ValueError(f"{name} a minute are more than 0, or None for no limit; got {value}")
        if self.burst < 0:
            raise ValueError(f"burst is 0 seconds or more; got {self.burst}")


class Rate:
    """A rate of requests and one of tokens, as two queues in which every call has its time (GCRA, ITU-T I.371).

    Attributes:
        held: Until when the service has asked to be left alone, by the clock that the caller tells the time by.
    """

    __slots__ = ("_burst", "_guess", "_lock", "_per_minute", "_times", "held")

    def __init__(self, limit: RateLimit) -> None:
        self._lock = threading.Lock()
        self._burst = limit.burst
        self._per_minute = {_REQUESTS: limit.requests, _TOKENS: limit.tokens}
        self._times = {_REQUESTS: float("-inf"), _TOKENS: float("-inf")}
        self._guess = 0.0
        self.held = float("-inf")

    @property
    def per_minute(self) -> tuple[float | None, float | None]:
        """Requests and tokens a minute, as far as they are limited or learned."""
        return self._per_minute[_REQUESTS], self._per_minute[_TOKENS]

    def reserve(self, now: float, patience: float) -> tuple[float, float | None]:
        """The next call's turn: seconds to wait, and the tokens taken off for it.

        A call that would have to wait, and for more than `patience` seconds, takes no turn: None.
        """
        with self._lock:
            wait = max(0.0, *(time - self._burst - now for time in self._times.values()))
            if 0.0 < wait > patience:
                return wait, None
            self._take(_REQUESTS, now, 1.0)
            self._take(_TOKENS, now, self._guess)
            return wait, self._guess

    def settle(self, guessed: float, tokens: int | None) -> None:
        """Set right what a call took, when its reply has said; None for a call that took no tokens."""
        with self._lock:
            if tokens is not None:
                self._guess = tokens if not self._guess else self._guess + _FORGET * (tokens - self._guess)
            if (limit := self._per_minute[_TOKENS]) is not None:
                self._times[_TOKENS] += ((tokens or 0) - guessed) * 60 / limit

    def learn(self, error: APIError, now: float) -> None:
        """Take in what a quota's failure says of the quota, and when to come back."""
        if not isinstance(error, ResourceExhausted):
            return
        with self._lock:
            for kind, quota in _quotas(error):
                known = self._per_minute[kind]
                self._per_minute[kind] = quota if known is None else min(known, quota)
            if (delay := error.retry_delay) is not None:
                self.held = max(self.held, now + delay)
                for kind, time in self._times.items():
                    self._times[kind] = max(time, now + delay + self._burst)

    def _take(self, kind: str, now: float, amount: float) -> None:
        if (limit := self._per_minute[kind]) is not None:
            self._times[kind] = max(self._times[kind], now) + amount * 60 / limit


_REQUESTS: Final = "requests"
_TOKENS: Final = "tokens"
# How much a reply changes the guess of the next one's tokens.
_FORGET: Final = 0.2


def _quotas(error: APIError) -> list[tuple[str, float]]:
    """The quotas a minute that a failure names: of requests or of tokens, by the metric's and the quota's names."""
    violations = [
        violation
        for detail in error.details
        if detail.DESCRIPTOR.full_name == "google.rpc.QuotaFailure"
        for violation in detail.violations  # type: ignore[attr-defined] # its name says that it is a QuotaFailure
    ]
    return [
        (_TOKENS if "token" in (each.quota_metric + each.quota_id).lower() else _REQUESTS, float(each.quota_value))
        for each in violations
        if each.quota_value > 0 and "perminute" in each.quota_id.lower()
    ]
