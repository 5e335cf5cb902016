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


@pytest.mark.parametrize(
    ("stream", "rest"),
    [
        (b"", b""),
        (b"data: a\n\n", b""),
        (b"data: a\n\n\r\n", b""),
        (b"data: a\n\n: ping\n", b""),
        (b"data: a\n\nda", b"da"),
        (b"data: a\n\ndata: b", b" b"),
        (b"data: a\n\ndata: b\n", b"b"),
        (b'data: a\n\n{"error":\n  {}}', b'{"error":\n  {}}'),
        (b'data: a\n\n{"error":\n  {}}\n', b'{"error":\n  {}}'),
    ],
)
def test_incomplete(stream: bytes, rest: bytes) -> None:
    """What has begun and not ended is returned at the end."""
    parser = EventParser()
    parser.feed(stream)
    assert parser.close() == rest


def test_bare_json() -> None:
    """JSON without "data:" is an event, in one line or in several; other lines of no field are ignored."""
    stream = b'data: 1\n\n{"error": {}}\n\n{\n  "error": {\n  }\n}\n\nfoo: bar\n\ndata: 2\n\n'
    assert parsed(stream) == [b"1", b'{"error": {}}', b'{\n  "error": {\n  }\n}', b"2"]


def test_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """An event above the limit is a ValueError; many events are not."""
    monkeypatch.setattr(sse, "MAX_EVENT", 20)
    assert parsed(*[b"data: a\n\n"] * 10) == [b"a"] * 10
    with pytest.raises(ValueError, match="more than 20 bytes"):
        parsed(b"data: aaaaaaa", b"aaaaaaaaaaa")
