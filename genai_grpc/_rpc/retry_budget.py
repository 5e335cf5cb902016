"""Retry budget: how many retries a client may spend. The caller passes the time. Thread-safe."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from genai_grpc._rpc.retry_policy import RetryPolicy

__all__ = ["RESERVE", "WINDOW", "RetryBudget"]


class RetryBudget:
    """Retry budget, so that retries do not amplify an outage; as in Finagle (https://twitter.github.io/finagle/guide/Clients.html#retries).

    Each call deposits `budget_ratio` of a retry, each retry withdraws one. Deposits expire after 10 to 20 seconds; a
    reserve of 10 refills by one every 10 seconds. So a busy client can retry every call of a lost connection, while
    each of many clients that call seldom has little more than its reserve.
    """

    __slots__ = ("_carried_over", "_deposited", "_lock", "_window_ends")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # Left from earlier windows, less what was withdrawn since; deposited in this window; when the window ends.
        self._carried_over = RESERVE
        self._deposited = 0.0
        self._window_ends = 0.0

    def deposit(self, policy: RetryPolicy, now: float) -> None:
        """Add the share of one call."""
        if policy.budget_ratio is not None:
            if now >= self._window_ends:
                with self._lock:
                    self._begin_window(now)
            # Not under the lock, for speed: a race loses one share.
            self._deposited += policy.budget_ratio

    def try_withdraw(self, policy: RetryPolicy, now: float) -> bool:
        """Take one retry; False if the budget is used up."""
        if policy.budget_ratio is None:
            return True
        with self._lock:
            self._begin_window(now)
            if self._carried_over + self._deposited < 1:
                return False
            self._carried_over -= 1
            return True

    def left(self, now: float) -> float:
        """Retries that may be spent now."""
        with self._lock:
            self._begin_window(now)
            return self._carried_over + self._deposited

    def _begin_window(self, now: float) -> None:
        if now < self._window_ends:
            return
        # The reserve refills with time, however seldom the client calls.
        refilled = 1 + max(0.0, now - self._window_ends) // WINDOW
        recent = self._deposited if now < self._window_ends + WINDOW else 0.0
        self._carried_over = min(self._carried_over + self._deposited + refilled, RESERVE + recent)
        self._deposited, self._window_ends = 0.0, now + WINDOW


RESERVE: Final = 10.0
"""Retries that a client may spend at once after a quiet period."""
WINDOW: Final = 10.0
"""Seconds after which deposits begin to expire, and after each of which the reserve grows by one."""
