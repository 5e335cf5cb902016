"""A clock that tests set."""

from __future__ import annotations


class ManualClock:
    """A clock that stands still until a test sets its time.

    Attributes:
        time: In seconds.
    """

    def __init__(self, time: float = 100.0) -> None:
        self.time = time

    def __call__(self) -> float:
        return self.time
