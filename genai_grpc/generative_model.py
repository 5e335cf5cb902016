"""`GenerativeModel`: a model with the defaults of its calls."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from google.protobuf.message import Message

from genai_grpc import protos
from genai_grpc._coerce.content import to_contents, to_system_instruction
from genai_grpc._coerce.resource_names import to_model_name
from genai_grpc._coerce.serialize import serialize_contents
from genai_grpc._coerce.settings import (
    to_generation_config,
    to_generation_settings,
    to_options,
    to_safety_map,
    to_safety_settings,
)
from genai_grpc._coerce.tools import FunctionLibrary, to_function_library, to_tool_config
from genai_grpc._rpc.call import (
    COUNT_TOKENS,
    DEFAULTS,
    GENERATE_CONTENT,
    STREAM_GENERATE_CONTENT,
    Call,
    SerializedRequest,
    identity,
)
from genai_grpc.client import Client, default_client
from genai_grpc.responses import AsyncGenerateContentResponse, GenerateContentResponse

if TYPE_CHECKING:
    from collections.abc import Iterable

    from typing_extensions import Self, Unpack

    from genai_grpc.caching import CachedContent
    from genai_grpc.chat import ChatSession
    from genai_grpc.types import (
        AutomaticFunctionCalling,
        ContentsType,
        ContentType,
        GenerateOptions,
        GenerationConfigType,
        RequestOptionsType,
        SafetySettingOptions,
        StrictContentType,
        ToolConfigType,
        ToolsType,
    )

__all__ = ["GenerativeModel"]

Response = TypeVar("Response", GenerateContentResponse, AsyncGenerateContentResponse)


class GenerativeModel:
    """A model, with defaults for the calls made on it.

    Args:
        model_name: The resource name, `models/…` or `tunedModels/…`; a bare name is put under `models/`.
        safety_settings: One threshold for all categories, a dict of thresholds by category, or a list of settings.
        generation_config: A GenerationConfig or a dict of its fields.
        tools: A Python function, a FunctionDeclaration, a Tool, a dict of one, the name of a tool that the service
            runs, such as "google_search", or a list of these.
        tool_config: A ToolConfig or a dict of one.
        system_instruction: What the model is told before every conversation: a str, or anything a turn is made of.
        client: The client for its calls; by default the one that `configure` sets.

    Raises:
        TypeError: An argument is of a type of which nothing can be made; the message says what can.
        ValueError: A dict has unknown keys, or a name is not known.

    >>> model = GenerativeModel("gemini-pro", generation_config={"temperature": 0})
    >>> model.model_name
    'models/gemini-pro'
    """

    def __init__(
        self,
        model_name: str = "gemini-pro",
        safety_settings: SafetySettingOptions | None = None,
        generation_config: GenerationConfigType | None = None,
        tools: ToolsType | None = None,
        tool_config: ToolConfigType | None = None,
        system_instruction: ContentType | None = None,
        *,
        client: Client | None = None,
    ) -> None:
        self._model_name = to_model_name(model_name)
        self._safety = to_safety_map(safety_settings)
        self._settings = to_generation_settings(generation_config)
        to_generation_config(self._settings)  # a wrong default is the constructor's error, not the first call's
        self._library = to_function_library(tools)
        self._tool_config = to_tool_config(tool_config)
        self._system_instruction = to_system_instruction(system_instruction)
        self._client = client
        self._cached_content: str | None = None
        # A call's frame and schema where it sets nothing for itself; made once.
        self._framed: tuple[bytes, Any] | None = None

    @classmethod
    def from_cached_content(
        cls,
        cached_content: str | CachedContent,
        *,
        generation_config: GenerationConfigType | None = None,
        safety_settings: SafetySettingOptions | None = None,
        client: Client | None = None,
    ) -> Self:
        """The model that a prompt was cached for, with that prompt before every request.

        Args:
            cached_content: A CachedContent, or the name of one, which is fetched first.
            generation_config: A GenerationConfig or a dict of its fields.
            safety_settings: As the constructor takes them.
            client: The client for its calls; by default that of the CachedContent, or the one that `configure` sets.

        Raises:
            NotFound: There is no cached content of that name, or it has expired.
            APIError: It could not be fetched.

        >>> from genai_grpc.caching import CachedContent
        >>> cache = CachedContent.create("gemini-pro", system_instruction="Answer in French.", contents="A long tale.")
        >>> model = GenerativeModel.from_cached_content(cache)
        >>> model.count_tokens("What is it about?").cached_content_token_count
        6
        """
        from genai_grpc.caching import CachedContent

        if isinstance(cached_content, str):
            cached_content = CachedContent.get(cached_content, client=client)
        return cls._of_cached(cached_content, generation_config, safety_settings, client)

    @classmethod
    async def from_cached_content_async(
        cls,
        cached_content: str | CachedContent,
        *,
        generation_config: GenerationConfigType | None = None,
        safety_settings: SafetySettingOptions | None = None,
        client: Client | None = None,
    ) -> Self:
        """The async twin of `from_cached_content`."""
        from genai_grpc.caching import CachedContent

        if isinstance(cached_content, str):
            cached_content = await CachedContent.get_async(cached_content, client=client)
        return cls._of_cached(cached_content, generation_config, safety_settings, client)

    @property
    def cached_content(self) -> str | None:
        """The resource name of the cached content before every request; None if there is none."""
        return self._cached_content

    @property
    def model_name(self) -> str:
        """The resource name."""
        return self._model_name

    @property
    def candidate_count(self) -> int:
        """How many answers a call asks for that does not say itself."""
        return self._settings.get("candidate_count") or 1

    def library(self, tools: ToolsType | None = None) -> FunctionLibrary | None:
        """The tools of a call that names these: they stand in place of the model's own."""
        return self._library if tools is None else to_function_library(tools)

    @property
    def client(self) -> Client:
        """The client that performs its calls."""
        return default_client() if self._client is None else self._client

    def generate_content(
        self, contents: ContentsType, *, stream: bool = False, **options: Unpack[GenerateOptions]
    ) -> GenerateContentResponse:
        """Answer a prompt or go on with a conversation.

        Args:
            contents: A str, an image, a Path, a Blob, a Part or a dict of one; a list of these for one turn of
                several parts; or a list of turns (Contents or their dicts), the whole conversation each time.
            stream: Whether to return with the first chunk; iterate over the response for the rest as it comes.
            **options: See `types.GenerateOptions`.

        Returns:
            The response; with `stream=True` the same type, to be iterated.

        Raises:
            TypeError: The contents are empty, or of a type of which no Part can be made.
            ValueError: An image or file cannot be read; a dict has unknown keys.
            APIError: The call failed; of a stream, before its first chunk.

        >>> response = GenerativeModel().generate_content("Tell me a story about a magic backpack")
        >>> response.text
        'Once upon a time…'
        """
        return self.client.call(self.describe(GenerateContentResponse, contents, stream, options))

    async def generate_content_async(
        self, contents: ContentsType, *, stream: bool = False, **options: Unpack[GenerateOptions]
    ) -> AsyncGenerateContentResponse:
        """The async twin of `generate_content`; its streams are read with `async for`."""
        return await self.client.call_async(self.describe(AsyncGenerateContentResponse, contents, stream, options))

    def count_tokens(
        self, contents: ContentsType | None = None, **options: Unpack[GenerateOptions]
    ) -> protos.CountTokensResponse:
        """Count the tokens of the whole request: contents, system instruction and tools.

        Args:
            contents: As `generate_content` takes them; None to count what the model sends anyway.
            **options: See `types.GenerateOptions`.

        Raises:
            TypeError: There is nothing to count, or contents of which no Part can be made.
            APIError: The call failed.

        >>> GenerativeModel().count_tokens("How many tokens are these?").total_tokens
        5
        """
        return self.client.call(self._counting(contents, options))

    async def count_tokens_async(
        self, contents: ContentsType | None = None, **options: Unpack[GenerateOptions]
    ) -> protos.CountTokensResponse:
        """The async twin of `count_tokens`."""
        return await self.client.call_async(self._counting(contents, options))

    def start_chat(
        self,
        *,
        history: Iterable[StrictContentType] | None = None,
        enable_automatic_function_calling: bool | AutomaticFunctionCalling = False,
    ) -> ChatSession:
        """A conversation whose history is kept.

        Args:
            history: The turns so far, as Contents or their dicts.
            enable_automatic_function_calling: Whether the model's calls are answered by the functions among its tools,
                until it replies in words; an AutomaticFunctionCalling says how far to go.

        Raises:
            ValueError: The model asks for more than one candidate, of which none could be the history.

        >>> chat = GenerativeModel().start_chat(history=[{"role": "user", "parts": "Hi"}])
        >>> len(chat.history)
        1
        """
        from genai_grpc.chat import ChatSession

        return ChatSession(self, history=history, enable_automatic_function_calling=enable_automatic_function_calling)

    def build_request(
        self,
        contents: ContentsType | None,
        *,
        generation_config: GenerationConfigType | None = None,
        safety_settings: SafetySettingOptions | None = None,
        tools: ToolsType | None = None,
        tool_config: ToolConfigType | None = None,
    ) -> protos.GenerateContentRequest:
        """The request that a call with these arguments sends; nothing is sent.

        >>> GenerativeModel("gemini-pro").build_request("Hi").contents[0].role
        'user'
        """
        request = self._frame(generation_config, safety_settings, tools, tool_config)
        if contents is not None:
            request.contents.extend(to_contents(contents))
        return request

    def _frame(
        self,
        generation_config: GenerationConfigType | None = None,
        safety_settings: SafetySettingOptions | None = None,
        tools: ToolsType | None = None,
        tool_config: ToolConfigType | None = None,
    ) -> protos.GenerateContentRequest:
        """All of a request but its contents."""
        library = self.library(tools)
        request = protos.GenerateContentRequest(
            model=self._model_name,
            cached_content=self._cached_content,
            system_instruction=self._system_instruction,
            tools=() if library is None else library.to_proto(),
            tool_config=self._tool_config if tool_config is None else to_tool_config(tool_config),
            safety_settings=to_safety_settings(self._safety | to_safety_map(safety_settings)),
        )
        settings = self._settings | to_generation_settings(generation_config)
        if settings:
            request.generation_config.CopyFrom(to_generation_config(settings))
        if self._cached_content is not None:
            _refuse_beside_cache(request)
        return request

    def describe(
        self, kind: type[Response], contents: ContentsType, stream: bool, options: GenerateOptions
    ) -> Call[Any, Any, Response]:
        """The call that generates for these contents, with a response of `kind`; nothing is sent."""
        return self.describe_framed(kind, serialize_contents(contents), stream, options)

    def describe_framed(
        self, kind: type[Response], contents: list[bytes], stream: bool, options: GenerateOptions
    ) -> Call[Any, Any, Response]:
        """The same for contents that are serialized already, as `serialize_contents` does."""
        request_options, rest = _split(options) if options else (None, None)
        if rest:
            frame = self._frame(**rest).SerializeToString()
            schema = self._schema(rest.get("generation_config"))
        else:
            if self._framed is None:
                self._framed = self._frame().SerializeToString(), self._schema(None)
            frame, schema = self._framed
        request = SerializedRequest(protos.GenerateContentRequest, self._model_name, b"".join([frame, *contents]))
        parse: Any = kind.from_source if stream else kind.from_response
        return Call(
            STREAM_GENERATE_CONTENT if stream else GENERATE_CONTENT,
            request,
            parse if schema is None else partial(parse, schema=schema),
            DEFAULTS if request_options is None else to_options(request_options),
        )

    def _schema(self, generation_config: GenerationConfigType | None) -> Any:
        """The Python type that is the response schema of a call; None if there is none, or one of another kind."""
        settings = self._settings if generation_config is None else to_generation_settings(generation_config)
        schema = settings.get("response_schema", self._settings.get("response_schema"))
        return None if isinstance(schema, (Mapping, Message)) else schema

    def _counting(
        self, contents: ContentsType | None, options: GenerateOptions
    ) -> Call[Any, Any, protos.CountTokensResponse]:
        request_options, rest = _split(options)
        request = self.build_request(contents, **rest)
        if contents is None and not any(field.name in _COUNTED for field, _ in request.ListFields()):
            to_contents(contents)  # there is nothing to count; says what contents may be
        counted = protos.CountTokensRequest(model=self._model_name, generate_content_request=request)
        return Call(COUNT_TOKENS, counted, identity, to_options(request_options))

    @classmethod
    def _of_cached(
        cls,
        cached_content: CachedContent,
        generation_config: GenerationConfigType | None,
        safety_settings: SafetySettingOptions | None,
        client: Client | None,
    ) -> Self:
        from genai_grpc.caching import CachedContent

        if not isinstance(cached_content, CachedContent):
            raise TypeError(f"cached_content is a CachedContent or its name; got {type(cached_content).__name__}")
        # Who may use a cached content is who may see it: the one whose client it came through.
        client = cached_content.client if client is None else client
        model = cls(cached_content.model, safety_settings, generation_config, client=client)
        model._cached_content = cached_content.name
        return model

    def __repr__(self) -> str:
        said = self._system_instruction
        return (
            f"GenerativeModel(model_name={self._model_name!r}, generation_config={self._settings!r}, "
            f"safety_settings={self._safety!r}, tools={self._library!r}, "
            f"system_instruction={None if said is None else [part.text for part in said.parts]!r}, "
            f"cached_content={self._cached_content!r})"
        )


# What a request holds beside its contents that has tokens to count.
_COUNTED: Final = frozenset({"system_instruction", "tools", "cached_content"})


def _refuse_beside_cache(request: protos.GenerateContentRequest) -> None:
    """Check that a request leaves to its cached content what belongs there."""
    fields = "system_instruction", "tools", "tool_config"
    if beside := [field.name for field, _ in request.ListFields() if field.name in fields]:
        raise ValueError(
            f"{' and '.join(beside)} cannot stand beside a cached content; "
            "give them to CachedContent.create, for the cached content to hold"
        )


def _split(options: GenerateOptions) -> tuple[RequestOptionsType | None, dict[str, Any]]:
    """The options of the call itself, and those of its request."""
    if not options:
        return None, {}
    rest = dict[str, Any](options)
    return rest.pop("request_options", None), rest
