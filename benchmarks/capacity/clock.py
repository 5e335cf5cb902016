"""Simulated clock: a queue of events, ordered by time."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count

__all__ = ["Clock"]


class Clock:
    """Discrete-event clock.

    Attributes:
        now: Seconds since the start of the simulation.
    """

    __slots__ = ("_events", "_numbers", "now")

    def __init__(self) -> None:
        self.now = 0.0
        self._events: list[tuple[float, int, Callable[[], object]]] = []
        self._numbers = count()

    def time(self) -> float:
        """`now`, as a function."""
        return self.now

    def call_later(self, delay: float, callback: Callable[[], object]) -> None:
        """Call `callback` in `delay` seconds; callbacks that are due at one time run in the order of scheduling."""
        heappush(self._events, (self.now + max(0.0, delay), next(self._numbers), callback))

    def run(self) -> None:
        """Advance the time from event to event until none is left."""
        while self._events:
            self.now, _, callback = heappop(self._events)
            callback()
