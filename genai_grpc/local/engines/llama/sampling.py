"""A request's generation config, validated and converted to llama.cpp's options.

llama.cpp does not validate them: it samples at a temperature of -5 without an error.

>>> from genai_grpc import protos
>>> to_settings(protos.GenerationConfig(top_k=3), SamplingDefaults(output_tokens=100)).options["top_k"]
3
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from genai_grpc import protos
from genai_grpc.errors import InvalidArgument
from genai_grpc.local.engines.llama.output_grammar import OutputSchema, to_output_schema

__all__ = ["REPETITION_PENALTY", "SamplingDefaults", "SamplingSettings", "check_safety_settings", "to_settings"]

_RANDOM_SEED: Final = 2**32 - 1
"""The seed for which llama.cpp takes a random one."""

_NumberField: TypeAlias = Literal[
    "temperature",
    "top_p",
    "top_k",
    "presence_penalty",
    "frequency_penalty",
    "candidate_count",
    "max_output_tokens",
]
_RANGES: Final[tuple[tuple[_NumberField, int, int | None], ...]] = (
    ("temperature", 0, 2),
    ("top_p", 0, 1),
    ("top_k", 1, None),
    ("presence_penalty", -2, 2),
    ("frequency_penalty", -2, 2),
    ("candidate_count", 1, 8),
)
"""Fields with their minimum and maximum."""

_UNSUPPORTED: Final = (
    "response_logprobs",
    "logprobs",
    "speech_config",
    "image_config",
    "enable_enhanced_civic_answers",
)
"""Fields that would change the response, which the engine does not implement."""

_TEXT_MODALITIES: Final = {protos.GenerationConfig.Modality.MODALITY_UNSPECIFIED, protos.GenerationConfig.Modality.TEXT}

_MAX_STOP_SEQUENCES: Final = 5

REPETITION_PENALTY: Final[dict[str, object]] = {
    "dry_multiplier": 0.8,
    "dry_base": 1.75,
    "dry_allowed_length": 6,
    "dry_penalty_last_n": 4096,
    "dry_sequence_breakers": [":"],
}
"""llama.cpp's DRY sampler: the longer the sequence that a token would repeat, from 6 tokens on, the less likely it is.

Without it, a small model repeats its last sentences without end. Unlike a penalty on single tokens, it leaves short
answers as they are. It does not go with a grammar, where keys repeat.
"""


@dataclass(frozen=True, slots=True)
class SamplingDefaults:
    """Values for the fields that a request does not set.

    Attributes:
        output_tokens: The maximum length of a response, which a request cannot exceed.
        temperature: 0 always takes the most likely token.
        candidates_temperature: The temperature for several candidates, which would be identical at 0.
    """

    output_tokens: int
    temperature: float = 0.0
    candidates_temperature: float = 0.7
    top_p: float = 0.95
    top_k: int = 40


@dataclass(frozen=True, slots=True)
class SamplingSettings:
    """How to generate a response.

    Attributes:
        options: Fields of llama.cpp's completion request, except the seed and the grammar.
        seed: None for a different response each time.
        candidates: The number of candidates.
        stops: The stop sequences.
        output_schema: What the response must look like; None for plain text.
        penalize_repetition: Whether plain text gets `REPETITION_PENALTY`.
    """

    options: dict[str, float]
    seed: int | None
    candidates: int
    stops: tuple[str, ...]
    output_schema: OutputSchema | None
    penalize_repetition: bool

    def seed_of(self, candidate: int) -> int:
        """The seed of one candidate, for llama.cpp."""
        return _RANDOM_SEED if self.seed is None else (self.seed + candidate) % _RANDOM_SEED


def to_settings(config: protos.GenerationConfig, defaults: SamplingDefaults) -> SamplingSettings:
    """Validate a generation config, and fill in the defaults.

    Raises:
        InvalidArgument: A value is out of its range, or the engine does not support a field.
    """
    ranges: tuple[tuple[_NumberField, int, int | None], ...] = (
        ("max_output_tokens", 1, defaults.output_tokens),
        *_RANGES,
    )
    for field, minimum, maximum in ranges:
        if config.HasField(field):
            _check_range(field, getattr(config, field), minimum, maximum)
    for descriptor, value in config.ListFields():
        if descriptor.name in _UNSUPPORTED and value is not False:
            raise InvalidArgument(f"generation_config.{descriptor.name} is set; the local model does not support it")
    if set(config.response_modalities) - _TEXT_MODALITIES:
        raise InvalidArgument("generation_config.response_modalities asks for more than TEXT; this model writes text")
    candidates = _value_or(config, "candidate_count", 1)
    temperature = (
        defaults.temperature if candidates == 1 else max(defaults.temperature, defaults.candidates_temperature)
    )
    options = {
        "temperature": _value_or(config, "temperature", temperature),
        "top_p": _value_or(config, "top_p", defaults.top_p),
        "top_k": _value_or(config, "top_k", defaults.top_k),
        "n_predict": _value_or(config, "max_output_tokens", defaults.output_tokens),
        "presence_penalty": _value_or(config, "presence_penalty", 0.0),
        "frequency_penalty": _value_or(config, "frequency_penalty", 0.0),
    }
    seed = config.seed if config.HasField("seed") else None
    penalized = config.HasField("presence_penalty") or config.HasField("frequency_penalty")
    return SamplingSettings(
        options, seed, int(candidates), _stop_sequences(config), to_output_schema(config), not penalized
    )


def check_safety_settings(settings: Iterable[protos.SafetySetting]) -> None:
    """Validate the safety settings, which have no other effect: the model rates nothing.

    Raises:
        InvalidArgument: A category or threshold is unknown or unspecified, or a category occurs twice.
    """
    seen: set[int] = set()
    for index, setting in enumerate(settings):
        place = f"safety_settings[{index}]"
        _check_enum(f"{place}.category", setting.category, protos.HarmCategory)
        _check_enum(f"{place}.threshold", setting.threshold, protos.SafetySetting.HarmBlockThreshold)
        if setting.category in seen:
            name = protos.HarmCategory.Name(setting.category)
            raise InvalidArgument(f"{place}.category is {name}, which came before; give each category once")
        seen.add(setting.category)


def _check_enum(place: str, value: int, enum: Any) -> None:
    """Check that a number is a value of an enum, other than the unspecified one."""
    if value and value in enum.values():
        return
    received = enum.Name(value) if value in enum.values() else value
    raise InvalidArgument(f"{place} is {received}; give one of {', '.join(enum.keys()[1:])}")


def _value_or(config: protos.GenerationConfig, field: _NumberField, default: float) -> float:
    value: float = getattr(config, field)
    return value if config.HasField(field) else default


def _check_range(field: str, value: float, minimum: float, maximum: float | None) -> None:
    if value >= minimum and (maximum is None or value <= maximum):  # false for NaN
        return
    expected = f"at least {minimum}" if maximum is None else f"from {minimum} to {maximum}"
    raise InvalidArgument(f"generation_config.{field} is {value:g}; give a number {expected}")


def _stop_sequences(config: protos.GenerationConfig) -> tuple[str, ...]:
    stops = tuple(config.stop_sequences)
    if len(stops) > _MAX_STOP_SEQUENCES:
        raise InvalidArgument(f"generation_config.stop_sequences has {len(stops)}; give at most {_MAX_STOP_SEQUENCES}")
    if "" in stops:
        raise InvalidArgument("generation_config.stop_sequences has an empty one; each needs a character")
    return stops
