"""FIFO concurrency limiter. Pure state: the caller passes the time, and the transport does the waiting. Thread-safe."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from typing import TYPE_CHECKING

from genai_grpc._rpc.waiter import Waiter

if TYPE_CHECKING:
    from genai_grpc._rpc.adaptive_limit import AdaptiveLimit, CubicLimit

__all__ = ["ConcurrencyLimiter"]


class ConcurrencyLimiter:
    """Limit on calls in flight, first in, first out.

    Args:
        limit: A fixed limit, or the settings of an adaptive one.

    Attributes:
        in_flight: Calls in flight.
        limit: Calls that may be in flight now.
        waiting: Calls that wait for a slot.
    """

    __slots__ = ("_closed", "_cubic", "_lock", "_queue", "in_flight", "limit", "waiting")

    def __init__(self, limit: int | AdaptiveLimit) -> None:
        self._cubic = None if isinstance(limit, int) else _cubic_limit(limit)
        self.limit = limit if isinstance(limit, int) else limit.initial_limit
        # Reentrant, since the garbage collector may end a stream on the thread that holds it.
        self._lock = threading.RLock()
        self._queue: deque[Waiter] = deque()
        self._closed = False
        self.in_flight = 0
        self.waiting = 0

    def try_acquire(self) -> bool:
        """Take a slot if one is free and no call waits; to be released with `release`."""
        with self._lock:
            if self.in_flight >= self.limit or self._queue:
                return False
            self.in_flight += 1
            return True

    def enqueue(self, waiter: Waiter) -> bool:
        """Wait for a slot; True if one became free meanwhile, or none ever will. An admitted call must `release`."""
        with self._lock:
            if self._closed:
                return True
            if self.in_flight < self.limit and not self._queue:
                self.in_flight += 1
                waiter.admitted = True
            else:
                self._queue.append(waiter)
                self.waiting += 1
            return waiter.admitted

    def cancel(self, waiter: Waiter) -> None:
        """Stop waiting; the slot is released if the waiter was admitted just now."""
        with self._lock:
            waiter.cancelled = True
            if not waiter.admitted:
                if not self._closed:
                    self.waiting -= 1
                if self._queue and self._queue[0] is waiter:
                    self._queue.popleft()
                return
            self.in_flight -= 1
        self._admit_waiters()

    def close(self) -> None:
        """End the wait of every call, now and later, without a slot."""
        with self._lock:
            self._closed, self.waiting = True, 0
            waiters, self._queue = [waiter for waiter in self._queue if not waiter.cancelled], deque()
        for waiter in waiters:
            with contextlib.suppress(RuntimeError):  # its event loop was closed while it waited
                waiter.notify()

    def release(self, started: float, now: float, overloaded: bool | None = None, typical_latency: float = 0.0) -> None:
        """Return a slot, and adapt the limit.

        Args:
            started: When the call was sent, in seconds of a monotonic clock.
            now: The time of that clock.
            overloaded: Whether the call met overload; None if its end says nothing about load.
            typical_latency: In seconds.
        """
        with self._lock:
            if self._cubic is not None and overloaded is not None:
                self._cubic.on_sample(started, now, typical_latency, overloaded, self.in_flight)
                self.limit = int(self._cubic.limit)
            self.in_flight -= 1
            if not self._queue:
                return
        self._admit_waiters()

    def _admit_waiters(self) -> None:
        while True:
            with self._lock:
                while self._queue and self._queue[0].cancelled:
                    self._queue.popleft()
                if not self._queue or self.in_flight >= self.limit:
                    return
                waiter = self._queue.popleft()
                waiter.admitted = True
                self.waiting -= 1
                self.in_flight += 1
            try:
                waiter.notify()
            except RuntimeError:
                # Its event loop was closed while it waited.
                with self._lock:
                    self.in_flight -= 1


def _cubic_limit(limit: AdaptiveLimit) -> CubicLimit:
    from genai_grpc._rpc.adaptive_limit import CubicLimit  # with dataclasses, 10 ms of the first call

    return CubicLimit(limit)
