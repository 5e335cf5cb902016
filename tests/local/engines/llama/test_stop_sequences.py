from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from genai_grpc.local.engines.llama.stop_sequences import StopFilter

TEXTS = st.text("ab\n", max_size=12)


@given(st.lists(TEXTS, max_size=8), st.lists(st.text("ab\n", min_size=1, max_size=4), max_size=3), st.booleans())
def test_stop_sequences(pieces: list[str], stops: list[str], strip_start: bool) -> None:
    """However a text is split into pieces, the output is the text before the first complete stop sequence."""
    stop_filter = StopFilter(stops, strip_start=strip_start)
    out = "".join([stop_filter.feed(piece) for piece in itertools.chain.from_iterable(pieces)]) + stop_filter.flush()
    text = "".join(pieces)
    text = text.lstrip() if strip_start else text
    assert not any(stop in out for stop in stops)
    assert text.startswith(out)
    assert stop_filter.stopped == any(stop in text for stop in stops)
    if not stop_filter.stopped:
        assert out == text


def test_partial_match_at_the_end() -> None:
    """The beginning of a stop sequence is text if nothing follows."""
    stop_filter = StopFilter(["END"])
    assert stop_filter.feed("the EN") == "the "
    assert stop_filter.flush() == "EN"
