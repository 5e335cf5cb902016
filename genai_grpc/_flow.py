"""What calls of one client share while they wait and are in flight: a bound, a rate, and a balance of retries.

No clock and no sleep: the time is told by the caller, and waiting is the shells'. Threads and loops share these.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Final

from genai_grpc.errors import APIError, ResourceExhausted, ServiceUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from genai_grpc._limits import AdaptiveLimit, RateLimit
    from genai_grpc._retry import RetryPolicy

__all__ = ["Balance", "Flow", "Gate", "Rate", "Waiter"]


class Flow:
    """The gate, the rate and the balance of one client."""

    __slots__ = ("balance", "gate", "rate")

    def __init__(self, max_in_flight: int | AdaptiveLimit, rate: RateLimit | None = None) -> None:
        self.gate = Gate(max_in_flight)
        self.rate = None if rate is None else Rate(rate)
        self.balance = Balance()


class Waiter:
    """One who waits at a gate.

    Attributes:
        wake: Called when it may go through, by whichever thread left; raises RuntimeError if its loop is gone.
        admitted: Whether it may go through.
    """

    __slots__ = ("admitted", "gone", "wake")

    def __init__(self, wake: Callable[[], object]) -> None:
        self.wake = wake
        self.admitted = False
        self.gone = False


class Gate:
    """A bound on calls in flight: first come, first served."""

    __slots__ = ("_adaptive", "_cut", "_limit", "_lock", "_queue", "inside")

    def __init__(self, limit: int | AdaptiveLimit) -> None:
        self._adaptive = None if isinstance(limit, int) else limit
        self._limit: float = limit if isinstance(limit, int) else limit.initial
        self._cut = 0.0
        # Taken again by the same thread when the garbage collector ends a stream meanwhile.
        self._lock = threading.RLock()
        self._queue: deque[Waiter] = deque()
        self.inside = 0

    @property
    def limit(self) -> int:
        """How many may be in flight now."""
        return int(self._limit)

    @property
    def waiting(self) -> int:
        """How many wait."""
        return sum(not waiter.gone for waiter in self._queue)

    def enter(self) -> bool:
        """Go through at once, if there is room and nobody waits; whoever did must `leave`."""
        with self._lock:
            if self.inside >= int(self._limit) or self._queue:
                return False
            self.inside += 1
            return True

    def wait(self, waiter: Waiter) -> bool:
        """Stand in line; True if it could go through meanwhile. Whoever was admitted must `leave`."""
        with self._lock:
            if self.inside < int(self._limit) and not self._queue:
                self.inside += 1
                waiter.admitted = True
            else:
                self._queue.append(waiter)
            return waiter.admitted

    def give_up(self, waiter: Waiter) -> None:
        """Step out of the line, or leave again if it was admitted just then."""
        with self._lock:
            waiter.gone = True
            if not waiter.admitted:
                if self._queue and self._queue[0] is waiter:
                    self._queue.popleft()
                return
            self.inside -= 1
        self._let_in()

    def leave(
        self, began: float, now: float, error: BaseException | None = None, answered: float | None = None
    ) -> None:
        """Make room, and learn.

        Args:
            began: When the call was sent, in seconds of a clock that never goes back.
            now: What that clock says now.
            error: What the call failed with.
            answered: When the reply or the first chunk came.
        """
        with self._lock:
            if self._adaptive is not None:
                self._learn(self._adaptive, began, now, error, answered)
            self.inside -= 1
            if not self._queue:
                return
        self._let_in()

    def _let_in(self) -> None:
        while True:
            with self._lock:
                while self._queue and self._queue[0].gone:
                    self._queue.popleft()
                if not self._queue or self.inside >= int(self._limit):
                    return
                waiter = self._queue.popleft()
                waiter.admitted = True
                self.inside += 1
            try:
                waiter.wake()
            except RuntimeError:
                # Its loop was closed under it.
                with self._lock:
                    self.inside -= 1

    def _learn(
        self, rule: AdaptiveLimit, began: float, now: float, error: BaseException | None, answered: float | None
    ) -> None:
        slow = rule.latency is not None and answered is not None and answered - began > rule.latency
        if slow or isinstance(error, (ServiceUnavailable, ResourceExhausted)):
            # Calls that were in flight together tell of one overload.
            if began >= self._cut:
                self._limit, self._cut = max(float(rule.minimum), self._limit * rule.backoff), now
        elif error is None and self.inside * 2 >= int(self._limit):
            # A limit that is far from used up teaches nothing about more.
            self._limit = min(float(rule.maximum), self._limit + 1 / self._limit)


class Rate:
    """A rate of requests and one of tokens, as two queues in which every call has its time (GCRA, ITU-T I.371)."""

    __slots__ = ("_burst", "_guess", "_lock", "_per_minute", "_times")

    def __init__(self, limit: RateLimit) -> None:
        self._lock = threading.Lock()
        self._burst = limit.burst
        self._per_minute = {_REQUESTS: limit.requests, _TOKENS: limit.tokens}
        self._times = {_REQUESTS: float("-inf"), _TOKENS: float("-inf")}
        self._guess = 0.0

    @property
    def per_minute(self) -> tuple[float | None, float | None]:
        """Requests and tokens a minute, as far as they are limited or learned."""
        return self._per_minute[_REQUESTS], self._per_minute[_TOKENS]

    def reserve(self, now: float, left: float) -> tuple[float, float]:
        """The next call's turn: seconds to wait, and the tokens taken off for it.

        A call with fewer seconds `left` than its turn is away takes no turn.
        """
        with self._lock:
            wait = max(0.0, *(time - self._burst - now for time in self._times.values()))
            if wait < left:
                self._take(_REQUESTS, now, 1.0)
                self._take(_TOKENS, now, self._guess)
            return wait, self._guess

    def settle(self, guessed: float, tokens: int) -> None:
        """Set right what a call took, when its reply has said."""
        with self._lock:
            self._guess = tokens if not self._guess else self._guess + _FORGET * (tokens - self._guess)
            if (limit := self._per_minute[_TOKENS]) is not None:
                self._times[_TOKENS] += (tokens - guessed) * 60 / limit

    def learn(self, error: APIError, now: float) -> None:
        """Take in what a quota's failure says of the quota, and when to come back."""
        if not isinstance(error, ResourceExhausted):
            return
        with self._lock:
            for kind, quota in _quotas(error):
                known = self._per_minute[kind]
                self._per_minute[kind] = quota if known is None else min(known, quota)
            if (delay := error.retry_delay) is not None:
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


class Balance:
    """How many retries a client may spend, so that an outage is not made worse by all of them at once.

    Every call pays in a share of a retry, time a little, and every retry takes one out.
    """

    __slots__ = ("_lock", "_retries", "_seen")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._retries = RESERVE
        self._seen: float | None = None

    def pay_in(self, policy: RetryPolicy) -> None:
        """A call begins."""
        if policy.budget is not None and self._retries < RESERVE:
            with self._lock:
                self._retries = min(RESERVE, self._retries + policy.budget)

    def take_out(self, policy: RetryPolicy, now: float) -> bool:
        """Whether a retry may be spent; it is, then."""
        if policy.budget is None:
            return True
        with self._lock:
            if self._seen is not None:
                self._retries = min(RESERVE, self._retries + (now - self._seen) * A_SECOND)
            self._seen = now
            if self._retries < 1:
                return False
            self._retries -= 1
            return True


RESERVE: Final = 100.0
"""Retries that a client may spend at once after a quiet time."""
A_SECOND: Final = 1.0
"""Retries that a second pays in, for clients that call seldom."""
