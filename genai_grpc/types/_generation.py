"""Settings of generation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, fields
from typing import Any, TypeAlias

from genai_grpc import protos
from genai_grpc.types._runtime import TypedDict

__all__ = ["GenerationConfig", "GenerationConfigDict", "GenerationConfigType"]


@dataclass
class GenerationConfig:
    """Settings of generation; None leaves one to the model. A dict with these keys is accepted in its place.

    Attributes:
        candidate_count: Number of candidates, 1 to 8.
        stop_sequences: Up to 5 strings that end the output, which does not include them.
        max_output_tokens: Maximum number of tokens of a candidate.
        temperature: Randomness, 0 (the most likely tokens) to 2.
        top_p: Sample from the most likely tokens whose probabilities sum to this.
        top_k: Sample from this many most likely tokens.
        seed: Makes sampling repeatable as far as the model supports it.
        response_mime_type: "text/plain", "application/json", or "text/x.enum".
        response_schema: Schema of JSON output: a Python type such as list[str], an Enum, a TypedDict, a
            dataclass or a pydantic model; or a Schema or a dict of one. `response.parsed` is of that type.
        response_json_schema: The same as JSON Schema; give only one of the two.
        presence_penalty: Above 0, tokens that have occurred become less likely.
        frequency_penalty: Above 0, tokens become less likely with each occurrence.
        response_logprobs: Whether to return log probabilities.
        logprobs: Number of most likely tokens to return log probabilities of, 0 to 20.
        enable_enhanced_civic_answers: Whether to answer civic questions in more depth.
        response_modalities: "TEXT", "IMAGE", "AUDIO".
        speech_config: A SpeechConfig or its dict.
        thinking_config: A ThinkingConfig or its dict.
        image_config: An ImageConfig or its dict.
        media_resolution: "MEDIA_RESOLUTION_LOW", "…_MEDIUM", "…_HIGH".

    >>> from genai_grpc import GenerativeModel
    >>> model = GenerativeModel(generation_config=GenerationConfig(temperature=0, response_schema=list[str]))
    >>> print(model.build_request("Three rivers, as JSON.").generation_config.response_schema)
    type: ARRAY
    items {
      type: STRING
    }
    <BLANKLINE>
    """

    candidate_count: int | None = None
    stop_sequences: Iterable[str] | None = None
    max_output_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    response_mime_type: str | None = None
    response_schema: Any = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    _: KW_ONLY
    seed: int | None = None
    response_json_schema: Any = None
    response_logprobs: bool | None = None
    logprobs: int | None = None
    enable_enhanced_civic_answers: bool | None = None
    response_modalities: Sequence[str | int] | None = None
    speech_config: protos.SpeechConfig | Mapping[str, Any] | None = None
    thinking_config: protos.ThinkingConfig | Mapping[str, Any] | None = None
    image_config: protos.ImageConfig | Mapping[str, Any] | None = None
    media_resolution: str | int | None = None

    def to_dict(self) -> dict[str, Any]:
        """The fields that are set, by name."""
        pairs = ((item.name, getattr(self, item.name)) for item in fields(self))
        return {name: value for name, value in pairs if value is not None}


class GenerationConfigDict(TypedDict, total=False):
    """The settings that google.generativeai has, as a dict; a dict may have the other fields of GenerationConfig, too.

    >>> from genai_grpc import GenerativeModel
    >>> config: GenerationConfigDict = {"temperature": 0, "max_output_tokens": 64}
    >>> GenerativeModel(generation_config=config).build_request("Hi").generation_config.max_output_tokens
    64
    """

    candidate_count: int
    stop_sequences: Iterable[str]
    max_output_tokens: int
    temperature: float
    top_p: float
    top_k: int
    response_mime_type: str
    response_schema: Any
    presence_penalty: float
    frequency_penalty: float


GenerationConfigType: TypeAlias = GenerationConfig | protos.GenerationConfig | Mapping[str, Any]
