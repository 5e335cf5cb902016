from __future__ import annotations

from typing import Any

import pytest

from genai_grpc import protos
from genai_grpc.errors import InvalidArgument
from genai_grpc.local.engines.llama.sampling import SamplingDefaults, check_safety_settings, to_settings

DEFAULTS = SamplingDefaults(output_tokens=100)


def test_defaults() -> None:
    """Fields that a request does not set have the engine's defaults."""
    settings = to_settings(protos.GenerationConfig(), DEFAULTS)
    assert settings.options["temperature"] == 0
    assert settings.options["n_predict"] == 100
    assert (settings.candidates, settings.seed, settings.stops, settings.output_schema) == (1, None, (), None)


def test_zero_temperature() -> None:
    """A temperature of 0 is not replaced by the default."""
    config = protos.GenerationConfig(temperature=0.0, candidate_count=2)
    assert to_settings(config, DEFAULTS).options["temperature"] == 0


def test_several_candidates() -> None:
    """Several candidates have a temperature above 0, and seeds of their own."""
    settings = to_settings(protos.GenerationConfig(candidate_count=3, seed=-1), DEFAULTS)
    assert settings.options["temperature"] > 0
    assert len({settings.seed_of(candidate) for candidate in range(3)}) == 3


@pytest.mark.parametrize(
    ("field", "value", "expected"),
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
def test_ranges(field: str, value: Any, expected: str) -> None:
    """A value out of its range is an error that names the field and the range."""
    config = protos.GenerationConfig()
    setattr(config, field, value)
    with pytest.raises(InvalidArgument, match=rf"generation_config\.{field} is {value:g}; give a number {expected}"):
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
def test_unsupported_fields(config: protos.GenerationConfig, message: str) -> None:
    """A field that would change the response, and is not supported, is an error that names it."""
    with pytest.raises(InvalidArgument, match=message):
        to_settings(config, DEFAULTS)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ([(0, 4)], r"safety_settings\[0\].category is HARM_CATEGORY_UNSPECIFIED"),
        ([(99, 4)], "category is 99"),
        ([(7, 0)], "threshold is HARM_BLOCK_THRESHOLD_UNSPECIFIED"),
        ([(7, 9)], "threshold is 9"),
        ([(7, 4), (7, 1)], r"safety_settings\[1\].category is HARM_CATEGORY_HARASSMENT, which came before"),
    ],
)
def test_invalid_safety_settings(settings: list[tuple[Any, Any]], message: str) -> None:
    """A category or threshold that is unknown, unspecified or duplicate is an error that names it."""
    with pytest.raises(InvalidArgument, match=message):
        check_safety_settings(
            [protos.SafetySetting(category=category, threshold=threshold) for category, threshold in settings]
        )


def test_valid_safety_settings() -> None:
    """Known settings are valid, each category once."""
    check_safety_settings([protos.SafetySetting(category=category, threshold=5) for category in (7, 8)])  # type: ignore[arg-type]  # numbers, as on the wire


@pytest.mark.parametrize(
    ("config", "penalized"),
    [({}, True), ({"temperature": 1.0}, True), ({"presence_penalty": 0.0}, False), ({"frequency_penalty": 0.5}, False)],
)
def test_repetition_penalty(config: dict[str, Any], penalized: bool) -> None:
    """Repetition is penalized, unless the request sets a penalty of its own, zero included."""
    settings = to_settings(protos.GenerationConfig(**config), SamplingDefaults(output_tokens=10))
    assert settings.penalize_repetition is penalized
