"""The requests of a model: its defaults, and what a call sets over them."""

from __future__ import annotations

from copy import copy
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, SupportsIndex, TypeVar

from genai_grpc import protos
from genai_grpc._coerce.content import to_contents, to_system_instruction
from genai_grpc._coerce.part_source import classify
from genai_grpc._coerce.resource_names import to_model_name
from genai_grpc._coerce.serialize import SerializedContents
from genai_grpc._coerce.settings import (
    answer_type,
    merge_generation_settings,
    to_generation_config,
    to_generation_settings,
    to_options,
    to_safety_map,
    to_safety_settings,
)
from genai_grpc._coerce.tools import FunctionLibrary, to_function_library, to_tool_config
from genai_grpc._rpc.call import Call, SerializedRequest, reply_message
from genai_grpc._rpc.options import NO_OPTIONS, CallOptions
from genai_grpc._rpc.secret import Secret
from genai_grpc._self import Self
from genai_grpc._services.generative_language import COUNT_TOKENS, GENERATE_CONTENT, STREAM_GENERATE_CONTENT
from genai_grpc.responses import AsyncGenerateContentResponse, GenerateContentResponse

if TYPE_CHECKING:
    from genai_grpc.types import (
        AnyModelNameOptions,
        ContentsType,
        ContentType,
        GenerationConfigType,
        RequestOptionsType,
        SafetySettingOptions,
        ToolConfigType,
        ToolsType,
    )

__all__ = ["GenerateRequest", "Overrides"]

Response = TypeVar("Response", GenerateContentResponse, AsyncGenerateContentResponse)


class Overrides(NamedTuple):
    """What a call sets over its model's defaults; None for nothing.

    Attributes:
        generation_config: Merged key by key over the model's.
        safety_settings: Merged category by category over the model's.
        tools: In place of the model's.
        tool_config: In place of the model's.
        request_options: Timeouts, retry policy and metadata of the call.
    """

    generation_config: GenerationConfigType | None = None
    safety_settings: SafetySettingOptions | None = None
    tools: ToolsType | None = None
    tool_config: ToolConfigType | None = None
    request_options: RequestOptionsType | None = None

    def keep_defaults(self) -> bool:
        """Whether the request has the model's defaults and nothing else."""
        return (
            self.generation_config is None
            and self.safety_settings is None
            and self.tools is None
            and self.tool_config is None
        )


class GenerateRequest:
    """Builds the requests and calls of one model. Arguments are those of `GenerativeModel`.

    Attributes:
        model_name: The resource name of the model.
        cached_content: The resource name of the cached content before every request, or None.
        settings: The default generation config, by field name.
        safety: The default threshold of each harm category.
        functions: The default tools, or None.
        system_instruction: The system instruction, or None.
        options: The options of calls that do not set them.
    """

    def __init__(
        self,
        model_name: AnyModelNameOptions,
        safety_settings: SafetySettingOptions | None = None,
        generation_config: GenerationConfigType | None = None,
        tools: ToolsType | None = None,
        tool_config: ToolConfigType | None = None,
        system_instruction: ContentType | None = None,
    ) -> None:
        self.model_name = to_model_name(model_name)
        self.cached_content: str | None = None
        self.safety = to_safety_map(safety_settings)
        self.settings = to_generation_settings(generation_config)
        to_generation_config(self.settings)  # a wrong default is an error here, not at the first call
        self.functions = to_function_library(tools)
        self.tool_config = to_tool_config(tool_config)
        self.system_instruction = to_system_instruction(system_instruction)
        self.options = NO_OPTIONS
        # The serialized request without contents, and the schema, of a call without overrides; built once.
        self._default: tuple[bytes, Any] | None = None

    def replace(self, **defaults: Any) -> GenerateRequest:
        """The same model with other defaults, by the names of the constructor's parameters."""
        unchanged = {
            "safety_settings": self.safety,
            "generation_config": self.settings,
            "tools": self.functions,
            "tool_config": self.tool_config,
            "system_instruction": self.system_instruction,
        }
        replaced = GenerateRequest(self.model_name, **{**unchanged, **defaults})
        replaced.cached_content = self.cached_content
        replaced.options = self.options
        return replaced

    def with_options(self, options: Secret) -> GenerateRequest:
        """The same model, with other default options of calls, as `request_options` has them."""
        request = copy(self)
        merged = options.apply(to_options).over(self.options)
        request.options = merged._replace(metadata=_ModelMetadata(merged.metadata))
        return request

    def functions_of(self, tools: ToolsType | None) -> FunctionLibrary | None:
        """The tools of a call that names these: they replace the model's."""
        return self.functions if tools is None else to_function_library(tools)

    def message(self, contents: ContentsType | None, overrides: Overrides) -> protos.GenerateContentRequest:
        """The request as a message."""
        request = self._without_contents(overrides)
        if contents is not None:
            request.contents.extend(to_contents(contents))
        return request

    def call(
        self, response_type: type[Response], contents: SerializedContents, stream: bool, overrides: Overrides
    ) -> Call[Any, Any, Response]:
        """The call that generates a response of this type."""
        if overrides.keep_defaults():
            if self._default is None:
                self._default = self._without_contents(overrides).SerializeToString(), self._schema(overrides)
            prefix, schema = self._default
        else:
            prefix, schema = self._without_contents(overrides).SerializeToString(), self._schema(overrides)
        request = SerializedRequest(protos.GenerateContentRequest, self.model_name, contents.to_bytes(prefix))
        parse: Any = response_type.from_stream if stream else response_type.from_reply
        return Call(
            STREAM_GENERATE_CONTENT if stream else GENERATE_CONTENT,
            request,
            parse if schema is None else partial(parse, schema=schema),
            self.options if overrides.request_options is None else self._options(overrides.request_options),
        )

    def count_tokens_call(
        self, contents: ContentsType | None, overrides: Overrides
    ) -> Call[Any, Any, protos.CountTokensResponse]:
        """The call that counts the tokens of the whole request; None and an empty history are no contents."""
        kind, given = classify(contents)
        if kind == "sequence":
            given = list(given) or None
        request = self.message(given, overrides)
        count = protos.CountTokensRequest(model=self.model_name, generate_content_request=request)
        return Call(COUNT_TOKENS, count, reply_message, self._options(overrides.request_options))

    def _options(self, options: RequestOptionsType | None) -> CallOptions:
        """The options of a call that has these `request_options`."""
        return to_options(options).over(self.options)

    def _without_contents(self, overrides: Overrides) -> protos.GenerateContentRequest:
        functions = self.functions_of(overrides.tools)
        tool_config = overrides.tool_config
        request = protos.GenerateContentRequest(
            model=self.model_name,
            cached_content=self.cached_content,
            system_instruction=self.system_instruction,
            tools=() if functions is None else functions.to_proto(),
            tool_config=self.tool_config if tool_config is None else to_tool_config(tool_config),
            safety_settings=to_safety_settings(self.safety | to_safety_map(overrides.safety_settings)),
        )
        settings = merge_generation_settings(self.settings, to_generation_settings(overrides.generation_config))
        if settings:
            request.generation_config.CopyFrom(to_generation_config(settings))
        if self.cached_content is not None:
            _check_cached(request)
        return request

    def _schema(self, overrides: Overrides) -> Any:
        """The type by which `response.parsed` reads the answer to a call; None for any JSON."""
        settings = merge_generation_settings(self.settings, to_generation_settings(overrides.generation_config))
        return answer_type(settings)


class _ModelMetadata(tuple[tuple[str, "str | bytes"], ...]):
    """The metadata of a model, which a pickle does not hold: it may be secret."""

    __slots__ = ()

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:
        if not self:
            return tuple, ()
        raise TypeError(
            "a model with metadata is not pickled, since metadata may be secret; call with_options where the model is "
            "loaded, or set the metadata of its Client"
        )


def _check_cached(request: protos.GenerateContentRequest) -> None:
    """Check that a request leaves out what belongs to its cached content."""
    fields = "system_instruction", "tools", "tool_config"
    if given := [field.name for field, _ in request.ListFields() if field.name in fields]:
        raise ValueError(
            f"{' and '.join(given)} cannot be combined with a cached content; "
            "give them to CachedContent.create, for the cached content to hold"
        )
