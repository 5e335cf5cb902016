"""What waits for something, on a thread or on an event loop. The transports do the waiting."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

__all__ = ["WaitQueue", "Waiter"]


class Waiter:
    """A call that waits for a slot, or for an event.

    Attributes:
        notify: Called when the wait ends, on the thread that ends it, such as the one that released the slot. Raises
            RuntimeError if the waiter's event loop is closed.
        admitted: Whether it has a slot.
        cancelled: Whether it no longer waits.
    """

    __slots__ = ("admitted", "cancelled", "notify")

    def __init__(self, notify: Callable[[], object]) -> None:
        self.notify = notify
        self.admitted = False
        self.cancelled = False


class WaitQueue(Protocol):
    """What threads and tasks wait for, each with a `Waiter`."""

    def enqueue(self, waiter: Waiter) -> bool:
        """Start waiting; True if there is nothing to wait for."""
        ...

    def cancel(self, waiter: Waiter) -> None:
        """Stop waiting."""
