"""The requests of a model: its defaults, and what a call sets over them."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple, SupportsIndex, TypeVar

from genai_grpc import protos as gemini
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
from genai_grpc._coerce.tool_config import to_tool_config
from genai_grpc._coerce.tools import FunctionLibrary, to_function_library
from genai_grpc._rpc.call import Call, SerializedRequest, reply_message
from genai_grpc._rpc.options import NO_OPTIONS, CallOptions
from genai_grpc._rpc.secret import Secret
from genai_grpc._self import Self
from genai_grpc._services.dialects import GEMINI_API, Dialect
from genai_grpc.responses import AsyncGenerateContentResponse, GenerateContentResponse
from genai_grpc_protos._convert import to_message

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


# Fields of requests to Vertex AI only.
_OF_SOME_APIS: Final = ("labels", "model_armor_config")


class Overrides(NamedTuple):
    """What a call sets over its model's defaults; None for nothing.

    Attributes:
        generation_config: Merged key by key over the model's.
        safety_settings: Merged category by category over the model's.
        tools: In place of the model's.
        tool_config: In place of the model's.
        request_options: Timeouts, retry policy and metadata of the call.
        labels: In place of the model's.
        model_armor_config: In place of the model's.
    """

    generation_config: GenerationConfigType | None = None
    safety_settings: SafetySettingOptions | None = None
    tools: ToolsType | None = None
    tool_config: ToolConfigType | None = None
    request_options: RequestOptionsType | None = None
    labels: Mapping[str, str] | None = None
    model_armor_config: Any = None

    def keep_defaults(self) -> bool:
        """Whether the request has the model's defaults and nothing else."""
        return (
            self.generation_config is None
            and self.safety_settings is None
            and self.tools is None
            and self.tool_config is None
            and self.labels is None
            and self.model_armor_config is None
        )

    def arguments(self) -> dict[str, Any]:
        """The arguments of `generate_content`; what only some APIs take is left out if it is not set."""
        arguments = self._asdict()
        return {name: value for name, value in arguments.items() if value is not None or name not in _OF_SOME_APIS}


class GenerateRequest:
    """Builds the requests and calls of one model, for one API. Arguments are those of `GenerativeModel`.

    Attributes:
        dialect: The API.
        protos: Its messages.
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
        *,
        labels: Mapping[str, str] | None = None,
        model_armor_config: Any = None,
        dialect: Dialect = GEMINI_API,
    ) -> None:
        self.dialect = dialect
        self.protos = protos = dialect.protos
        self._given_name = model_name
        self.model_name = to_model_name(model_name, dialect)
        self.cached_content: str | None = None
        self.safety = to_safety_map(safety_settings, protos)
        self.settings = to_generation_settings(generation_config, protos)
        self.functions = to_function_library(tools)
        self.tool_config = to_tool_config(tool_config, protos)
        self.system_instruction = to_system_instruction(system_instruction, protos)
        given = {"labels": labels, "model_armor_config": model_armor_config}
        self.fields = {name: value for name, value in given.items() if value is not None}
        # A wrong default is an error here, not at the first call.
        to_generation_config(self.settings, protos)
        to_message(protos.GenerateContentRequest, self.fields)
        self.options = NO_OPTIONS
        # The same model for the other API, of a client that was not known when this was built.
        self._others: dict[Dialect, GenerateRequest] = {}
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
            "dialect": self.dialect,
            **self.fields,
        }
        replaced = GenerateRequest(self._given_name, **{**unchanged, **defaults})
        replaced.cached_content = self.cached_content
        replaced.options = self.options
        return replaced

    def for_api(self, dialect: Dialect) -> GenerateRequest:
        """The same model for the API of a client.

        Raises:
            ValueError: A default has a field that this API lacks.
        """
        if dialect is self.dialect:
            return self
        if (other := self._others.get(dialect)) is None:
            other = self._others[dialect] = self.replace(dialect=dialect)
        return other

    def with_options(self, options: Secret) -> GenerateRequest:
        """The same model, with other default options of calls, as `request_options` has them."""
        request = copy(self)
        request._others = {}
        merged = options.apply(to_options).over(self.options)
        request.options = merged._replace(metadata=_ModelMetadata(merged.metadata))
        return request

    def functions_of(self, tools: ToolsType | None) -> FunctionLibrary | None:
        """The tools of a call that names these: they replace the model's."""
        return self.functions if tools is None else to_function_library(tools)

    def message(self, contents: ContentsType | None, overrides: Overrides) -> gemini.GenerateContentRequest:
        """The request as a message."""
        request = self._without_contents(overrides)
        if contents is not None:
            request.contents.extend(to_contents(contents, self.protos))
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
        request = SerializedRequest(self.protos.GenerateContentRequest, self.model_name, contents.to_bytes(prefix))
        parse: Any = response_type.from_stream if stream else response_type.from_reply
        return Call(
            self.dialect.stream if stream else self.dialect.generate,
            request,
            parse if schema is None else partial(parse, schema=schema),
            self.options if overrides.request_options is None else self._options(overrides.request_options),
        )

    def count_tokens_call(
        self, contents: ContentsType | None, overrides: Overrides
    ) -> Call[Any, Any, gemini.CountTokensResponse]:
        """The call that counts the tokens of the whole request; None and an empty history are no contents."""
        kind, given = classify(contents)
        if kind == "sequence":
            given = list(given) or None
        request = self.message(given, overrides)
        count = _to_count_request(self.dialect, request)
        return Call(self.dialect.method("CountTokens"), count, reply_message, self._options(overrides.request_options))

    def _options(self, options: RequestOptionsType | None) -> CallOptions:
        """The options of a call that has these `request_options`."""
        return to_options(options).over(self.options)

    def _without_contents(self, overrides: Overrides) -> gemini.GenerateContentRequest:
        protos = self.protos
        functions = self.functions_of(overrides.tools)
        tool_config = overrides.tool_config
        request = protos.GenerateContentRequest(
            model=self.model_name,
            cached_content=self.cached_content,
            system_instruction=self.system_instruction,
            tools=() if functions is None else functions.to_proto(protos),
            tool_config=self.tool_config if tool_config is None else to_tool_config(tool_config, protos),
            safety_settings=to_safety_settings(self.safety | to_safety_map(overrides.safety_settings, protos), protos),
        )
        settings = self._settings(overrides)
        if settings:
            request.generation_config.CopyFrom(to_generation_config(settings, protos))
        given = {"labels": overrides.labels, "model_armor_config": overrides.model_armor_config}
        if fields := self.fields | {name: value for name, value in given.items() if value is not None}:
            request.MergeFrom(to_message(protos.GenerateContentRequest, fields))
        if self.cached_content is not None:
            _check_cached(request)
        return request

    def _schema(self, overrides: Overrides) -> Any:
        """The type by which `response.parsed` reads the answer to a call; None for any JSON."""
        return answer_type(self._settings(overrides))

    def _settings(self, overrides: Overrides) -> dict[str, Any]:
        given = to_generation_settings(overrides.generation_config, self.protos)
        return merge_generation_settings(self.settings, given)


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


def _to_count_request(dialect: Dialect, request: gemini.GenerateContentRequest) -> Any:
    """The request that counts the tokens of a request for content.

    Raises:
        ValueError: It has a cached content, whose tokens the API cannot count.
    """
    shape = dialect.shape
    names: dict[str, Any] = dict.fromkeys(shape.count_names, request.model)
    count: Any = dialect.protos.CountTokensRequest(**names)
    if shape.count_fields is None:
        count.generate_content_request.CopyFrom(request)
        return count
    if request.cached_content:
        raise ValueError(f"cached_content: {dialect.protos.title} counts no tokens with it; the Gemini API does")
    # The other fields have no tokens.
    fields = {field.name: value for field, value in request.ListFields() if field.name in shape.count_fields}
    count.MergeFrom(type(count)(**fields))
    return count


def _check_cached(request: gemini.GenerateContentRequest) -> None:
    """Check that a request leaves out what belongs to its cached content."""
    fields = "system_instruction", "tools", "tool_config"
    if given := [field.name for field, _ in request.ListFields() if field.name in fields]:
        raise ValueError(
            f"{' and '.join(given)} cannot be combined with a cached content; "
            "give them to CachedContent.create, for the cached content to hold"
        )
