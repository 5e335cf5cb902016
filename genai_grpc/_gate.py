"""The bound on calls in flight, and the line before it.

No clock and no sleep: the time is told by the caller, and waiting is the shells'. Threads and loops share these.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

from genai_grpc.errors import ResourceExhausted, ServiceUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from genai_grpc._limits import AdaptiveLimit

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
