"""Server-Sent Events (https://html.spec.whatwg.org/multipage/server-sent-events.html): the data of each."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["MAX_EVENT", "EventParser"]

MAX_EVENT: Final = 256 * 1024 * 1024
"""Bytes of an event, at most."""

_LINE_END: Final = re.compile(rb"\r\n|\n|\r(?!\Z)")
"""The end of a line; a CR at the end of the data may be followed by an LF."""

_BOM: Final = b"\xef\xbb\xbf"


class EventParser:
    r"""Parses events from the bytes of a stream, in pieces of any size.

    JSON without `data:` before it is an event, too, unlike in the standard: Google sends errors so.

    >>> parser = EventParser()
    >>> parser.feed(b'data: {"a": 1}\n\ndata: [')
    [b'{"a": 1}']
    >>> parser.feed(b"2]\n\n")
    [b'[2]']
    """

    def __init__(self) -> None:
        self._pieces: list[bytes] = []  # of a line whose end has not arrived
        self._data: list[bytes] = []
        self._size = 0
        self._started = self._bare = False

    def feed(self, piece: bytes) -> list[bytes]:
        """The data of the events that end in the next piece.

        Raises:
            ValueError: An event is larger than `MAX_EVENT`.
        """
        events: list[bytes] = []
        self._size += len(piece)
        if self._size > MAX_EVENT:
            raise ValueError(f"an event has more than {MAX_EVENT:,} bytes")
        if self._pieces and self._pieces[-1].endswith(b"\r"):
            piece = self._pieces.pop() + piece
        if not _LINE_END.search(piece):
            self._pieces.append(piece)  # joined once, at the end of the line
            return events
        *lines, rest = _LINE_END.split(b"".join((*self._pieces, piece)))
        self._pieces = [rest]
        for line in lines:
            if not self._started:
                line, self._started = line.removeprefix(_BOM), True
            if line:
                self._add(line)
            elif self._data:
                events.append(b"\n".join(self._data))
                self._data, self._size, self._bare = [], len(rest), False
        return events

    def _add(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        if name == b"data":
            self._data.append(value.removeprefix(b" "))
        elif line.startswith((b"{", b"[")) or self._bare:
            self._bare = True
            self._data.append(line)

    def close(self) -> bytes:
        """What has begun and not ended; b"" if there is nothing. The parser cannot go on."""
        if (line := b"".join(self._pieces)).strip():
            self._data.append(line.removeprefix(b"data:"))
        return b"\n".join(self._data)
