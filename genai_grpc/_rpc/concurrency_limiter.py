"""The bound on calls in flight, and the line before it.

No clock and no sleep: the time is told by the caller, and waiting is the shells'. Threads and loops share these.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

from genai_grpc._rpc.adaptive_limit import Height

if TYPE_CHECKING:
    from collections.abc import Callable

    from genai_grpc._rpc.adaptive_limit import AdaptiveLimit

__all__ = ["Gate", "Waiter"]


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
    """A bound on calls in flight: first come, first served.

    Attributes:
        inside: How many are in flight.
        limit: How many may be in flight now.
    """

    __slots__ = ("_height", "_lock", "_queue", "inside", "limit")

    def __init__(self, limit: int | AdaptiveLimit) -> None:
        self._height = None if isinstance(limit, int) else Height(limit)
        self.limit = limit if isinstance(limit, int) else limit.initial
        # Taken again by the same thread when the garbage collector ends a stream meanwhile.
        self._lock = threading.RLock()
        self._queue: deque[Waiter] = deque()
        self.inside = 0

    @property
    def waiting(self) -> int:
        """How many wait."""
        return sum(not waiter.gone for waiter in self._queue)

    def enter(self) -> bool:
        """Go through at once, if there is room and nobody waits; whoever did must `leave`."""
        with self._lock:
            if self.inside >= self.limit or self._queue:
                return False
            self.inside += 1
            return True

    def wait(self, waiter: Waiter) -> bool:
        """Stand in line; True if it could go through meanwhile. Whoever was admitted must `leave`."""
        with self._lock:
            if self.inside < self.limit and not self._queue:
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

    def leave(self, began: float, now: float, overloaded: bool | None = None, usual: float = 0.0) -> None:
        """Make room, and learn.

        Args:
            began: When the call was sent, in seconds of a clock that never goes back.
            now: What that clock says now.
            overloaded: Whether it met overload, or was answered; None if it tells neither.
            usual: Seconds that its answer would usually take.
        """
        with self._lock:
            if self._height is not None and overloaded is not None:
                self._height.learn(began, now, usual, overloaded, self.inside)
                self.limit = int(self._height.limit)
            self.inside -= 1
            if not self._queue:
                return
        self._let_in()

    def _let_in(self) -> None:
        while True:
            with self._lock:
                while self._queue and self._queue[0].gone:
                    self._queue.popleft()
                if not self._queue or self.inside >= self.limit:
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
