"""Stop sequences: a stream of text ends before the first of them.

llama.cpp has stop strings too, but it holds back a possible beginning of one, and loses that text if the token limit
ends the response next.

>>> stops = StopFilter(["END"])
>>> stops.feed("one E"), stops.feed("N"), stops.feed("DLESS"), stops.stopped
('one ', '', '', True)
"""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["StopFilter"]


class StopFilter:
    """Passes text on, piece by piece, up to the first stop sequence; drops that and everything after it.

    Args:
        stops: The stop sequences; none of them empty.
        strip_start: Drop white space at the beginning of the text.

    Attributes:
        stopped: A stop sequence was found; no more text follows.
    """

    def __init__(self, stops: Iterable[str], *, strip_start: bool = False) -> None:
        self.stopped = False
        self._stops = tuple(stops)
        self._stripping = strip_start
        self._buffer = ""

    def feed(self, piece: str) -> str:
        """Take the next piece, and return the text that cannot be the beginning of a stop sequence."""
        if self.stopped:
            return ""
        self._buffer += piece
        if self._stripping:
            self._buffer = self._buffer.lstrip()
            self._stripping = not self._buffer
        matches = [index for stop in self._stops if (index := self._buffer.find(stop)) >= 0]
        self.stopped = bool(matches)
        end = min(matches) if matches else len(self._buffer) - self._partial_match()
        text, self._buffer = self._buffer[:end], "" if matches else self._buffer[end:]
        return text

    def flush(self) -> str:
        """Return the text that is held back, at the end of the stream."""
        text, self._buffer = self._buffer, ""
        return text

    def _partial_match(self) -> int:
        """The number of characters at the end of the buffer that may be the beginning of a stop sequence."""
        longest = max((len(stop) for stop in self._stops), default=1) - 1
        for size in range(min(longest, len(self._buffer)), 0, -1):
            if any(stop.startswith(self._buffer[-size:]) for stop in self._stops):
                return size
        return 0
