"""A counter that threads share."""

from __future__ import annotations

import threading

__all__ = ["Counter"]


class Counter:
    """An int that threads add to.

    Attributes:
        value: The sum.
    """

    __slots__ = ("_lock", "value")

    def __init__(self) -> None:
        # Reentrant, since the garbage collector may end a stream on the thread that holds it.
        self._lock = threading.RLock()
        self.value = 0

    def add(self, amount: int) -> None:
        """Add to the value."""
        with self._lock:
            self.value += amount
