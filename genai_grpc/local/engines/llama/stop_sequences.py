"""Stop sequences: a stream of text that ends before the first of them.

llama.cpp has stop strings of its own, but what it holds back as a possible beginning of one is lost when the token
limit ends the answer first, so the work is done here.

>>> stops = StopFilter(["END"])
>>> stops.feed("one E"), stops.feed("N"), stops.feed("DLESS"), stops.stopped
('one ', '', '', True)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["StopFilter"]


class StopFilter:
    """Passes text on, piece by piece, up to the first stop sequence, which it swallows with all that follows.

    Args:
        stops: The stop sequences; none of them empty.
        trimmed: Leave out white space at the beginning.

    Attributes:
        stopped: A stop sequence has come; no more text will.
    """

    def __init__(self, stops: Iterable[str], *, trimmed: bool = False) -> None:
        self.stopped = False
        self._stops = tuple(stops)
        self._trimming = trimmed
        self._held = ""

    def feed(self, piece: str) -> str:
        """Take the next piece, and return the text that is certain not to be the beginning of a stop sequence."""
        if self.stopped:
            return ""
        self._held += piece
        if self._trimming:
            self._held = self._held.lstrip()
            self._trimming = not self._held
        found = [at for stop in self._stops if (at := self._held.find(stop)) >= 0]
        self.stopped = bool(found)
        certain = min(found) if found else len(self._held) - self._doubtful()
        text, self._held = self._held[:certain], "" if found else self._held[certain:]
        return text

    def flush(self) -> str:
        """Return what was held back, once it is known that nothing follows."""
        text, self._held = self._held, ""
        return text

    def _doubtful(self) -> int:
        """How many characters at the end may be the beginning of a stop sequence."""
        longest = max((len(stop) for stop in self._stops), default=1) - 1
        for size in range(min(longest, len(self._held)), 0, -1):
            if any(stop.startswith(self._held[-size:]) for stop in self._stops):
                return size
        return 0
