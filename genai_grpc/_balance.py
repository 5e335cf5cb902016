"""The balance of retries: how many a client may spend.

No clock: the time is told by the caller. Threads and loops share it.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from genai_grpc._retry import RetryPolicy

__all__ = ["A_SECOND", "RESERVE", "Balance"]


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
