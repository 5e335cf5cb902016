"""A request's generation config: checked, and in the words of llama.cpp.

llama.cpp checks none of it: it samples at a temperature of -5 without a word.

>>> from genai_grpc import protos
>>> to_settings(protos.GenerationConfig(top_k=3), Defaults(output_tokens=100)).options["top_k"]
3
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from genai_grpc import protos
from genai_grpc.errors import InvalidArgument
from genai_grpc.local.engines.llama.output_grammar import Form, to_form

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Defaults", "Settings", "check_safety", "to_settings"]

_RANDOM: Final = 2**32 - 1
"""The seed that means "any" to llama.cpp."""

_Number: TypeAlias = Literal[
    "temperature",
    "top_p",
    "top_k",
    "presence_penalty",
    "frequency_penalty",
    "candidate_count",
    "max_output_tokens",
]
_RANGES: Final[tuple[tuple[_Number, int, int | None], ...]] = (
    ("temperature", 0, 2),
    ("top_p", 0, 1),
    ("top_k", 1, None),
    ("presence_penalty", -2, 2),
    ("frequency_penalty", -2, 2),
    ("candidate_count", 1, 8),
)
"""Fields with their least and greatest value."""

_UNSUPPORTED: Final = (
    "response_logprobs",
    "logprobs",
    "speech_config",
    "image_config",
    "enable_enhanced_civic_answers",
)
"""Fields that would have to change the answer, and cannot."""

_TEXT: Final = {protos.GenerationConfig.Modality.MODALITY_UNSPECIFIED, protos.GenerationConfig.Modality.TEXT}

_MOST_STOPS: Final = 5


@dataclass(frozen=True, slots=True)
class Defaults:
    """What holds where a request says nothing.

    Attributes:
        output_tokens: The length of an answer, and the most that may be asked for.
        temperature: 0 always takes the likeliest token.
        varied: The temperature if several candidates are asked for, which at 0 would all be the same.
    """

    output_tokens: int
    temperature: float = 0.0
    varied: float = 0.7
    top_p: float = 0.95
    top_k: int = 40


@dataclass(frozen=True, slots=True)
class Settings:
    """How to write an answer.

    Attributes:
        options: Fields of llama.cpp's completion request, but for the seed and the grammar.
        seed: None for a different answer each time.
        candidates: How many answers.
        stops: Texts that end an answer, and are not part of it.
        form: What the answer must look like; None for plain text.
    """

    options: dict[str, float]
    seed: int | None
    candidates: int
    stops: tuple[str, ...]
    form: Form | None

    def seed_of(self, candidate: int) -> int:
        """The seed of one candidate, as llama.cpp takes it."""
        return _RANDOM if self.seed is None else (self.seed + candidate) % _RANDOM


def to_settings(config: protos.GenerationConfig, defaults: Defaults) -> Settings:
    """Check a generation config and fill it up.

    Raises:
        InvalidArgument: A value out of its range, or a field that a text model on this machine cannot honour.
    """
    ranges: tuple[tuple[_Number, int, int | None], ...] = (("max_output_tokens", 1, defaults.output_tokens), *_RANGES)
    for field, least, most in ranges:
        if config.HasField(field):
            _in_range(field, getattr(config, field), least, most)
    for descriptor, value in config.ListFields():
        if descriptor.name in _UNSUPPORTED and value is not False:
            raise InvalidArgument(f"generation_config.{descriptor.name} is set; the local model does not support it")
    if set(config.response_modalities) - _TEXT:
        raise InvalidArgument("generation_config.response_modalities asks for more than TEXT; this model writes text")
    candidates = _given(config, "candidate_count", 1)
    temperature = defaults.temperature if candidates == 1 else max(defaults.temperature, defaults.varied)
    options = {
        "temperature": _given(config, "temperature", temperature),
        "top_p": _given(config, "top_p", defaults.top_p),
        "top_k": _given(config, "top_k", defaults.top_k),
        "n_predict": _given(config, "max_output_tokens", defaults.output_tokens),
        "presence_penalty": _given(config, "presence_penalty", 0.0),
        "frequency_penalty": _given(config, "frequency_penalty", 0.0),
    }
    seed = config.seed if config.HasField("seed") else None
    return Settings(options, seed, int(candidates), _stops(config), to_form(config))


def check_safety(settings: Iterable[protos.SafetySetting]) -> None:
    """Check the safety settings, which have no other effect: the model has no ratings.

    Raises:
        InvalidArgument: A category or threshold that is not known or not given, or a category that comes twice.
    """
    seen: set[int] = set()
    for index, setting in enumerate(settings):
        where = f"safety_settings[{index}]"
        _known(f"{where}.category", setting.category, protos.HarmCategory)
        _known(f"{where}.threshold", setting.threshold, protos.SafetySetting.HarmBlockThreshold)
        if setting.category in seen:
            name = protos.HarmCategory.Name(setting.category)
            raise InvalidArgument(f"{where}.category is {name}, which came before; give each category once")
        seen.add(setting.category)


def _known(where: str, value: int, kind: Any) -> None:
    """Check that a number is one of an enum's, but not the unspecified one."""
    if value and value in kind.values():
        return
    came = kind.Name(value) if value in kind.values() else value
    raise InvalidArgument(f"{where} is {came}; give one of {', '.join(kind.keys()[1:])}")


def _given(config: protos.GenerationConfig, field: _Number, default: float) -> float:
    value: float = getattr(config, field)
    return value if config.HasField(field) else default


def _in_range(field: str, value: float, least: float, most: float | None) -> None:
    if value >= least and (most is None or value <= most):  # false for NaN
        return
    wanted = f"at least {least}" if most is None else f"from {least} to {most}"
    raise InvalidArgument(f"generation_config.{field} is {value:g}; give a number {wanted}")


def _stops(config: protos.GenerationConfig) -> tuple[str, ...]:
    stops = tuple(config.stop_sequences)
    if len(stops) > _MOST_STOPS:
        raise InvalidArgument(f"generation_config.stop_sequences has {len(stops)}; give at most {_MOST_STOPS}")
    if "" in stops:
        raise InvalidArgument("generation_config.stop_sequences has an empty one; each needs a character")
    return stops
