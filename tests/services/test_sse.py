"""Server-Sent Events, cut anywhere."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genai_grpc._services import sse
from genai_grpc._services.sse import EventParser

ENDS = st.sampled_from([b"\n", b"\r\n", b"\r"])


def parsed(*pieces: bytes) -> list[bytes]:
    """The events of a stream in pieces."""
    parser = EventParser()
    return [event for piece in pieces for event in parser.feed(piece)]


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"data: a\n\n", [b"a"]),
        (b"data: a\r\n\r\ndata: b\r\n\r\n", [b"a", b"b"]),
        (b"data: a\r\rdata: b\r\r\n", [b"a", b"b"]),
        (b"data:a\ndata: b\ndata\n\n", [b"a\nb\n"]),
        (b"data:  a \n\n", [b" a "]),
        (b": comment\nevent: x\nid: 1\nretry: 5\ndata: a\n\n", [b"a"]),
        (b"\xef\xbb\xbfdata: a\n\n", [b"a"]),
        (b"event: x\n\ndata: a\n\n", [b"a"]),
        (b"database: a\n\n", []),
        (b"\n\n\n", []),
        (b"data: a\n", []),
        (b"", []),
    ],
)
def test_events(stream: bytes, events: list[bytes]) -> None:
    """Events are what the specification says."""
    assert parsed(stream) == events


@given(st.lists(st.lists(st.binary().filter(lambda line: not {10, 13} & {*line}), min_size=1)), ENDS, st.data())
def test_any_cut(events: list[list[bytes]], end: bytes, data: st.DataObject) -> None:
    """The events of a stream do not depend on where it is cut."""
    stream = b"".join(b"".join(b"data: " + line + end for line in event) + end for event in events)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)))))
    pieces = [stream[start:stop] for start, stop in zip([0, *cuts], [*cuts, None], strict=True)]
    # A CR at the end may be followed by an LF, which would belong to it.
    assert parsed(*pieces, b": \n") == [b"\n".join(event) for event in events]


def test_incomplete() -> None:
    """An event that has begun and not ended is incomplete."""
    parser = EventParser()
    assert not parser.incomplete
    for piece, incomplete in (b"da", True), (b"ta: a\n", True), (b"\n", False), (b"\r\n", False):
        parser.feed(piece)
        assert parser.incomplete == incomplete


def test_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """An event above the limit is a ValueError; many events are not."""
    monkeypatch.setattr(sse, "MAX_EVENT", 20)
    assert parsed(*[b"data: a\n\n"] * 10) == [b"a"] * 10
    with pytest.raises(ValueError, match="more than 20 bytes"):
        parsed(b"data: aaaaaaa", b"aaaaaaaaaaa")
