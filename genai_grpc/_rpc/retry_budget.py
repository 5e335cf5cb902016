"""The balance of retries: how many a client may spend.

No clock: the time is told by the caller. Threads and loops share it.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from genai_grpc._rpc.retry_policy import RetryPolicy

__all__ = ["RESERVE", "WINDOW", "Balance"]


class Balance:
    """How many retries a client may spend, so that an outage is not made worse by all of them at once.

    Every call pays in a share of a retry, and every retry takes one out. What was paid in lapses after some ten
    seconds, but for a reserve. So a busy client can try all calls of a lost connection again, while the clients of a
    fleet that call seldom have little more than their reserves. The idea is that of Finagle's RetryBudget
    (https://twitter.github.io/finagle/guide/Clients.html#retries).
    """

    __slots__ = ("_ends", "_kept", "_lock", "_paid")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # What earlier windows left, less what was taken out since; what this window's calls paid in; when it ends.
        self._kept = RESERVE
        self._paid = 0.0
        self._ends = 0.0

    def pay_in(self, policy: RetryPolicy, now: float) -> None:
        """A call begins."""
        if policy.budget is not None:
            if now >= self._ends:
                with self._lock:
                    self._begin_window(now)
            # Without the lock, for speed: where threads meet, one share may be lost.
            self._paid += policy.budget

    def take_out(self, policy: RetryPolicy, now: float) -> bool:
        """Whether a retry may be spent; it is, then."""
        if policy.budget is None:
            return True
        with self._lock:
            self._begin_window(now)
            if self._kept + self._paid < 1:
                return False
            self._kept -= 1
            return True

    def _begin_window(self, now: float) -> None:
        if now < self._ends:
            return
        # However long ago it was, it is time that fills the reserve of one who calls seldom.
        refilled = 1 + max(0.0, now - self._ends) // WINDOW
        recent = self._paid if now < self._ends + WINDOW else 0.0
        self._kept = min(self._kept + self._paid + refilled, RESERVE + recent)
        self._paid, self._ends = 0.0, now + WINDOW


RESERVE: Final = 10.0
"""Retries that a client may spend at once after a quiet time."""
WINDOW: Final = 10.0
"""Seconds after which a call's share lapses, and for each of which the reserve grows by one."""
