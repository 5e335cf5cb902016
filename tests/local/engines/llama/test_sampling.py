from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genai_grpc import protos
from genai_grpc.errors import InvalidArgument
from genai_grpc.local.engines.llama.sampling import Defaults, to_settings
from genai_grpc.local.engines.llama.stop_sequences import StopFilter

DEFAULTS = Defaults(output_tokens=100)


def test_defaults() -> None:
    """What a request does not say has the engine's defaults."""
    settings = to_settings(protos.GenerationConfig(), DEFAULTS)
    assert settings.options["temperature"] == 0
    assert settings.options["n_predict"] == 100
    assert (settings.candidates, settings.seed, settings.stops, settings.form) == (1, None, (), None)


def test_zero_is_a_value() -> None:
    """A temperature of 0 is not the same as none."""
    config = protos.GenerationConfig(temperature=0.0, candidate_count=2)
    assert to_settings(config, DEFAULTS).options["temperature"] == 0


def test_several_candidates_vary() -> None:
    """Several candidates are not all the likeliest one, and have seeds of their own."""
    settings = to_settings(protos.GenerationConfig(candidate_count=3, seed=-1), DEFAULTS)
    assert settings.options["temperature"] > 0
    assert len({settings.seed_of(candidate) for candidate in range(3)}) == 3


@pytest.mark.parametrize(
    ("field", "value", "wanted"),
    [
        ("temperature", 2.5, "from 0 to 2"),
        ("temperature", -1.0, "from 0 to 2"),
        ("temperature", float("nan"), "from 0 to 2"),
        ("top_p", 1.5, "from 0 to 1"),
        ("top_k", 0, "at least 1"),
        ("presence_penalty", 3.0, "from -2 to 2"),
        ("frequency_penalty", -3.0, "from -2 to 2"),
        ("candidate_count", 9, "from 1 to 8"),
        ("candidate_count", 0, "from 1 to 8"),
        ("max_output_tokens", 0, "from 1 to 100"),
        ("max_output_tokens", 101, "from 1 to 100"),
    ],
)
def test_ranges(field: str, value: Any, wanted: str) -> None:
    """A value out of its range is refused, by its name, with the range."""
    config = protos.GenerationConfig()
    setattr(config, field, value)
    with pytest.raises(InvalidArgument, match=rf"generation_config\.{field} is {value:g}; give a number {wanted}"):
        to_settings(config, DEFAULTS)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (protos.GenerationConfig(stop_sequences=list("abcdef")), "stop_sequences has 6; give at most 5"),
        (protos.GenerationConfig(stop_sequences=[""]), "empty"),
        (protos.GenerationConfig(response_logprobs=True), "response_logprobs"),
        (protos.GenerationConfig(speech_config=protos.SpeechConfig()), "speech_config"),
        (protos.GenerationConfig(response_modalities=[protos.GenerationConfig.Modality.IMAGE]), "response_modalities"),
    ],
)
def test_what_it_cannot_do(config: protos.GenerationConfig, message: str) -> None:
    """What would have to change the answer, and cannot, is refused by name."""
    with pytest.raises(InvalidArgument, match=message):
        to_settings(config, DEFAULTS)


TEXTS = st.text("ab\n", max_size=12)


@given(st.lists(TEXTS, max_size=8), st.lists(st.text("ab\n", min_size=1, max_size=4), max_size=3), st.booleans())
def test_stop_sequences(pieces: list[str], stops: list[str], trimmed: bool) -> None:
    """However the text comes in pieces, what comes out is the text up to the first stop sequence to be complete."""
    stop_filter = StopFilter(stops, trimmed=trimmed)
    out = "".join([stop_filter.feed(piece) for piece in itertools.chain.from_iterable(pieces)]) + stop_filter.flush()
    text = "".join(pieces)
    text = text.lstrip() if trimmed else text
    assert not any(stop in out for stop in stops)
    assert text.startswith(out)
    assert stop_filter.stopped == any(stop in text for stop in stops)
    if not stop_filter.stopped:
        assert out == text


def test_a_doubtful_end_comes_out() -> None:
    """What looked like the beginning of a stop sequence is text after all if nothing follows."""
    stop_filter = StopFilter(["END"])
    assert stop_filter.feed("the EN") == "the "
    assert stop_filter.flush() == "EN"
