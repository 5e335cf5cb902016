"""The calls in flight of one client, and their end when it is closed. The transports wait. Thread-safe."""

from __future__ import annotations

import contextlib
import threading
from typing import Final

from genai_grpc._rpc.waiter import Waiter
from genai_grpc.errors import ClientClosed

__all__ = ["CANCELLED", "REFUSED", "CallsInFlight", "Signal"]


class Signal:
    """A one-shot event for which threads and event loops wait, each with a `Waiter` of its own.

    Attributes:
        is_set: Whether it has happened.
    """

    __slots__ = ("_lock", "_waiters", "is_set")

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._waiters: list[Waiter] = []
        self.is_set = False

    def enqueue(self, waiter: Waiter) -> bool:
        """Wait for the event; True if it has happened."""
        with self._lock:
            if not self.is_set:
                self._waiters.append(waiter)
            return self.is_set

    def cancel(self, waiter: Waiter) -> None:
        """Stop waiting."""
        with self._lock, contextlib.suppress(ValueError):
            self._waiters.remove(waiter)

    def set(self) -> None:
        """The event happens: notify the waiters."""
        with self._lock:
            self.is_set = True
            waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            with contextlib.suppress(RuntimeError):  # its event loop was closed while it waited
                waiter.notify()


class CallsInFlight:
    """Count of a client's calls, and whether it takes new ones.

    A call is in flight from its start to its end, of a stream to the end of the stream: also while it waits for
    admission or for its next attempt.

    Attributes:
        count: Calls in flight.
        closed: Whether new calls are refused.
        cancelled: Set when the waits of the calls in flight are to end.
        drained: Set when new calls are refused, and none is in flight.
    """

    __slots__ = ("_lock", "cancelled", "closed", "count", "drained")

    def __init__(self) -> None:
        # Reentrant, since the garbage collector may end a stream on the thread that holds it.
        self._lock = threading.RLock()
        self.count = 0
        self.closed = False
        self.cancelled = Signal()
        self.drained = Signal()

    def begin(self) -> None:
        """A call starts.

        Raises:
            ClientClosed: The client takes no new calls.
        """
        with self._lock:
            if self.closed:
                raise ClientClosed(REFUSED, attempts=0)
            self.count += 1

    def end(self) -> None:
        """A call that began has ended."""
        with self._lock:
            self.count -= 1
            if not self.closed or self.count:
                return
        self.drained.set()

    def close(self) -> None:
        """Refuse new calls; those in flight go on."""
        with self._lock:
            self.closed = True
            if self.count:
                return
        self.drained.set()

    def check_not_cancelled(self) -> None:
        """Raise ClientClosed if the calls in flight are to end."""
        if self.cancelled.is_set:
            raise ClientClosed(CANCELLED)


REFUSED: Final = "the client is closed and makes no more calls; create another, or close it after its last call"

CANCELLED: Final = "the client was closed while the call was in flight"
