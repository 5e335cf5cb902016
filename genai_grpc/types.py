"""Types: settings, aliases of the accepted values, and the errors of responses.

>>> from genai_grpc import types
>>> types.GenerationConfig(temperature=0.2, max_output_tokens=64).to_dict()
{'max_output_tokens': 64, 'temperature': 0.2}
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, fields
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypedDict

from genai_grpc import protos
from genai_grpc._coerce.tools import FunctionDeclaration, FunctionLibrary, Tool
from genai_grpc._responses.models import Hyperparameters, Model, TunedModel, TuningSnapshot, TuningTask
from genai_grpc._rpc.adaptive_limit import AdaptiveLimit
from genai_grpc._rpc.interceptors import CallInfo, Interceptor
from genai_grpc._rpc.rate_limiter import RateLimit
from genai_grpc._rpc.retry_policy import RetryPolicy
from genai_grpc._transport.tls import TLS
from genai_grpc.errors import (
    BlockedPromptException,
    BrokenResponseError,
    IncompleteIterationError,
    StopCandidateException,
)
from genai_grpc.responses import AsyncGenerateContentResponse, GenerateContentResponse

if TYPE_CHECKING:
    import datetime
    from pathlib import Path

    import PIL.Image

    from genai_grpc_protos.protobuf import Duration, Timestamp

__all__ = [
    "TLS",
    "AdaptiveLimit",
    "AnyModelNameOptions",
    "AsyncGenerateContentResponse",
    "AutomaticFunctionCalling",
    "BaseModelNameOptions",
    "BlobDict",
    "BlobType",
    "BlockedPromptException",
    "BrokenResponseError",
    "CallInfo",
    "ContentDict",
    "ContentType",
    "ContentsType",
    "ExpireTimeType",
    "FunctionDeclaration",
    "FunctionDeclarationType",
    "FunctionLibrary",
    "GenerateContentResponse",
    "GenerationConfig",
    "GenerationConfigType",
    "HarmBlockThreshold",
    "HarmCategory",
    "Hyperparameters",
    "IncompleteIterationError",
    "Interceptor",
    "Model",
    "PartDict",
    "PartMessage",
    "PartType",
    "RateLimit",
    "RequestOptions",
    "RequestOptionsType",
    "RetryPolicy",
    "SafetySettingDict",
    "SafetySettingOptions",
    "StopCandidateException",
    "StrictContentType",
    "TTLType",
    "Tool",
    "ToolConfigType",
    "ToolType",
    "ToolsType",
    "TunedModel",
    "TunedModelNameOptions",
    "TuningSnapshot",
    "TuningTask",
]


class HarmCategory(IntEnum):
    """The category of a safety setting or rating; the numbers are those of `protos.HarmCategory`.

    >>> from genai_grpc import protos
    >>> rating = protos.SafetyRating(category=7, probability="LOW")
    >>> HarmCategory(rating.category).name
    'HARM_CATEGORY_HARASSMENT'
    """

    HARM_CATEGORY_UNSPECIFIED = 0
    HARM_CATEGORY_DEROGATORY = 1
    HARM_CATEGORY_TOXICITY = 2
    HARM_CATEGORY_VIOLENCE = 3
    HARM_CATEGORY_SEXUAL = 4
    HARM_CATEGORY_MEDICAL = 5
    HARM_CATEGORY_DANGEROUS = 6
    HARM_CATEGORY_HARASSMENT = 7
    HARM_CATEGORY_HATE_SPEECH = 8
    HARM_CATEGORY_SEXUALLY_EXPLICIT = 9
    HARM_CATEGORY_DANGEROUS_CONTENT = 10
    HARM_CATEGORY_CIVIC_INTEGRITY = 11


class HarmBlockThreshold(IntEnum):
    """The probability of harm from which content is blocked.

    >>> from genai_grpc import GenerativeModel
    >>> settings = {HarmCategory.HARM_CATEGORY_HARASSMENT: HarmBlockThreshold.BLOCK_NONE}
    >>> print(*GenerativeModel(safety_settings=settings).build_request("Hi").safety_settings)
    category: HARM_CATEGORY_HARASSMENT
    threshold: BLOCK_NONE
    <BLANKLINE>
    """

    HARM_BLOCK_THRESHOLD_UNSPECIFIED = 0
    BLOCK_LOW_AND_ABOVE = 1
    BLOCK_MEDIUM_AND_ABOVE = 2
    BLOCK_ONLY_HIGH = 3
    BLOCK_NONE = 4
    OFF = 5


class BlobDict(TypedDict):
    """A Blob as a dict.

    >>> from genai_grpc import GenerativeModel
    >>> scone: BlobDict = {"mime_type": "image/jpeg", "data": b"..."}
    >>> len(GenerativeModel().build_request(["What is this?", scone]).contents[0].parts)
    2
    """

    mime_type: str
    data: bytes


class PartDict(TypedDict, total=False):
    """A Part as a dict: one of the fields up to `code_execution_result`, and any of the others.

    >>> from genai_grpc import GenerativeModel
    >>> video: PartDict = {"file_data": {"file_uri": "files/clip"}, "video_metadata": {"fps": 1}}
    >>> len(GenerativeModel().build_request(["What happens here?", video]).contents[0].parts)
    2
    """

    text: str
    inline_data: BlobType
    function_call: protos.FunctionCall | dict[str, Any]
    function_response: protos.FunctionResponse | dict[str, Any]
    file_data: protos.FileData | dict[str, Any]
    executable_code: protos.ExecutableCode | dict[str, Any]
    code_execution_result: protos.CodeExecutionResult | dict[str, Any]
    thought: bool
    thought_signature: bytes
    video_metadata: protos.VideoMetadata | dict[str, Any]


class ContentDict(TypedDict, total=False):
    """A turn as a dict.

    >>> from genai_grpc import GenerativeModel
    >>> turns: list[ContentDict] = [{"role": "model", "parts": "Yes?"}, {"role": "user", "parts": ["Who are", "you?"]}]
    >>> len(GenerativeModel().build_request(turns).contents)
    2
    """

    role: str
    parts: PartType | Iterable[PartType]


BlobType: TypeAlias = "protos.Blob | BlobDict | PIL.Image.Image"
PartMessage: TypeAlias = "protos.Part | protos.FileData | protos.File | protos.FunctionCall | protos.FunctionResponse"
PartType: TypeAlias = "str | Path | BlobType | PartDict | PartMessage"
StrictContentType: TypeAlias = "protos.Content | ContentDict"
ContentType: TypeAlias = "StrictContentType | PartType | Iterable[PartType]"
# One iterable, of turns or of parts: mypy finds no type for a list that could be either of two.
ContentsType: TypeAlias = "StrictContentType | PartType | Iterable[StrictContentType | PartType]"
SafetySettingDict: TypeAlias = "Mapping[Any, str | int]"
SafetySettingOptions: TypeAlias = "str | int | SafetySettingDict | Sequence[protos.SafetySetting | SafetySettingDict]"
FunctionDeclarationType: TypeAlias = (
    "FunctionDeclaration | protos.FunctionDeclaration | Mapping[str, Any] | Callable[..., Any]"
)
ToolType: TypeAlias = "str | Tool | protos.Tool | Mapping[str, Any] | FunctionDeclarationType"
ToolsType: TypeAlias = "FunctionLibrary | ToolType | Iterable[ToolType | Iterable[FunctionDeclarationType]]"
ToolConfigType: TypeAlias = "protos.ToolConfig | Mapping[str, Any]"
BaseModelNameOptions: TypeAlias = "str | Model | protos.Model"
TunedModelNameOptions: TypeAlias = "str | TunedModel | protos.TunedModel"
AnyModelNameOptions: TypeAlias = "BaseModelNameOptions | TunedModelNameOptions"
TTLType: TypeAlias = "int | float | datetime.timedelta | Duration | Mapping[str, int]"
ExpireTimeType: TypeAlias = "int | datetime.datetime | Timestamp | Mapping[str, int]"


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


GenerationConfigType: TypeAlias = "GenerationConfig | protos.GenerationConfig | Mapping[str, Any]"


@dataclass(kw_only=True)
class RequestOptions(Mapping[str, Any]):
    """Options of one call; also a mapping of them, as `request_options` takes a dict of the same keys.

    Attributes:
        timeout: Seconds for the call, all attempts and the waits between them included; None for the default.
        idle_timeout: Seconds that a stream may take to its next chunk; None for the default.
        retry: A retry policy, or a `Retry` of `google.api_core`; None for no retries; "default" for the client's.
        metadata: Pairs to send after the client's.

    >>> from genai_grpc import get_model
    >>> get_model("gemini-pro", request_options=RequestOptions(timeout=5, retry=None)).name
    'models/gemini-pro'
    >>> dict(RequestOptions(timeout=5))
    {'timeout': 5, 'idle_timeout': None, 'retry': 'default', 'metadata': ()}
    """

    timeout: float | None = None
    idle_timeout: float | None = None
    retry: RetryPolicy | Literal["default"] | None = "default"
    metadata: Sequence[tuple[str, str]] = ()

    def __getitem__(self, name: str) -> Any:
        if name not in RequestOptions.__dataclass_fields__:
            raise KeyError(f"{name!r} is none of {', '.join(self)}")
        return getattr(self, name)

    def __iter__(self) -> Iterator[str]:
        return iter(RequestOptions.__dataclass_fields__)

    def __len__(self) -> int:
        return len(RequestOptions.__dataclass_fields__)


RequestOptionsType: TypeAlias = "RequestOptions | Mapping[str, Any]"


@dataclass(frozen=True, slots=True)
class AutomaticFunctionCalling:
    """Settings of automatic function calling.

    Attributes:
        max_rounds: Replies with function calls that are answered per message; one more is a FunctionCallingError.
        on_error: What an exception in a function does: "raise" raises it in the program, "model" sends it to the model.
        approve: Called before each function call with the FunctionCall. False rejects the call, a str rejects it with
            this reason for the model, any other result runs it. In async chats it may be a coroutine function.

    >>> AutomaticFunctionCalling(max_rounds=3, on_error="model").max_rounds
    3
    """

    max_rounds: int = 10
    on_error: Literal["raise", "model"] = "raise"
    approve: Callable[[protos.FunctionCall], object | Awaitable[object]] | None = None

    def __post_init__(self) -> None:
        if self.max_rounds < 1:
            raise ValueError(f"max_rounds is at least 1; got {self.max_rounds}")
        if self.on_error not in ("raise", "model"):
            raise ValueError(f"on_error is 'raise' or 'model'; got {self.on_error!r}")


def __dir__() -> list[str]:
    return __all__
