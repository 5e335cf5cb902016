"""`GenerativeModel`: a model, with defaults for its calls."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import copy
from typing import Any, Literal

import genai_grpc
from genai_grpc import protos, types
from genai_grpc._coerce.serialize import SerializedContents
from genai_grpc._coerce.tools import FunctionLibrary
from genai_grpc._generate_request import GenerateRequest, Overrides
from genai_grpc._rpc.secret import Secret
from genai_grpc._self import Self
from genai_grpc._services.messages import Protos
from genai_grpc.client import Client, async_transport, default_client, dialect_of, sync_transport
from genai_grpc.responses import AsyncGenerateContentResponse, GenerateContentResponse

__all__ = ["GenerativeModel"]


class GenerativeModel:
    """A model, with defaults for its calls.

    Args:
        model_name: The resource name, `models/…` or `tunedModels/…`, or a Model or TunedModel; `models/` is put before
            a bare name.
        safety_settings: One threshold for all categories, a dict of thresholds by category, or a list of settings.
        generation_config: A GenerationConfig or a dict of its fields.
        tools: A Python function, a FunctionDeclaration, a Tool, a dict of one, the name of a tool that the service
            runs, such as "google_search", or a list of these.
        tool_config: A ToolConfig or a dict of one.
        system_instruction: The instruction before every conversation: a str, or anything that makes a turn.
        client: The client of its calls; by default the one that `configure` sets.
        labels: Labels of its requests, for billing reports; of Vertex AI only.
        model_armor_config: The templates of Model Armor that screen prompts and replies; of Vertex AI only.

    Raises:
        TypeError: An argument is of a type that cannot be converted; the message says which can.
        ValueError: A dict has unknown keys, or a name is unknown.

    >>> model = GenerativeModel("gemini-pro", generation_config={"temperature": 0})
    >>> model.model_name
    'models/gemini-pro'
    """

    def __init__(
        self,
        model_name: types.AnyModelNameOptions = "gemini-pro",
        safety_settings: types.SafetySettingOptions | None = None,
        generation_config: types.GenerationConfigType | None = None,
        tools: types.ToolsType | None = None,
        tool_config: types.ToolConfigType | None = None,
        system_instruction: types.ContentType | None = None,
        *,
        client: Client | None = None,
        labels: Mapping[str, str] | None = None,
        model_armor_config: Any = None,
    ) -> None:
        self._generate_request = GenerateRequest(
            model_name,
            safety_settings,
            generation_config,
            tools,
            tool_config,
            system_instruction,
            labels=labels,
            model_armor_config=model_armor_config,
            dialect=dialect_of(client),
        )
        self._client = client

    @classmethod
    def from_cached_content(
        cls,
        cached_content: str | genai_grpc.caching.CachedContent,
        *,
        generation_config: types.GenerationConfigType | None = None,
        safety_settings: types.SafetySettingOptions | None = None,
        client: Client | None = None,
    ) -> Self:
        """The model of a cached content, whose prompt comes before every request.

        Args:
            cached_content: A CachedContent, or the name of one, which is fetched first.
            generation_config: A GenerationConfig or a dict of its fields.
            safety_settings: As the constructor takes them.
            client: The client of its calls; by default that of the CachedContent, or the one that `configure` sets.

        Raises:
            NotFound: There is no cached content of that name, or it has expired.
            APIError: It could not be fetched.

        >>> from genai_grpc.caching import CachedContent
        >>> cache = CachedContent.create("gemini-pro", system_instruction="Answer in French.", contents="A long tale.")
        >>> model = GenerativeModel.from_cached_content(cache)
        >>> model.count_tokens("What is it about?").cached_content_token_count
        6
        """
        from genai_grpc.caching import CachedContent  # used by few programs; it imports protobuf's FieldMask

        if isinstance(cached_content, str):
            cached_content = CachedContent.get(cached_content, client=client)
        return cls._from_fetched(cached_content, generation_config, safety_settings, client)

    @classmethod
    async def from_cached_content_async(
        cls,
        cached_content: str | genai_grpc.caching.CachedContent,
        *,
        generation_config: types.GenerationConfigType | None = None,
        safety_settings: types.SafetySettingOptions | None = None,
        client: Client | None = None,
    ) -> Self:
        """The async twin of `from_cached_content`."""
        from genai_grpc.caching import CachedContent  # as above

        if isinstance(cached_content, str):
            cached_content = await CachedContent.get_async(cached_content, client=client)
        return cls._from_fetched(cached_content, generation_config, safety_settings, client)

    @property
    def cached_content(self) -> str | None:
        """The resource name of the cached content before every request; None if there is none."""
        return self._generate_request.cached_content

    @property
    def model_name(self) -> str:
        """The resource name."""
        return self._generate_request.model_name

    @property
    def client(self) -> Client:
        """The client that performs its calls."""
        return default_client() if self._client is None else self._client

    # The attributes of google.generativeai's class that other libraries read, and write.

    @property
    def _model_name(self) -> str:
        return self._generate_request.model_name

    @property
    def _generation_config(self) -> dict[str, Any]:
        return self._generate_request.settings

    @_generation_config.setter
    def _generation_config(self, generation_config: types.GenerationConfigType | None) -> None:
        self._generate_request = self._generate_request.replace(generation_config=generation_config)

    @property
    def _safety_settings(self) -> dict[int, int]:
        return self._generate_request.safety

    @_safety_settings.setter
    def _safety_settings(self, safety_settings: types.SafetySettingOptions | None) -> None:
        self._generate_request = self._generate_request.replace(safety_settings=safety_settings)

    @property
    def _tools(self) -> FunctionLibrary | None:
        return self._generate_request.functions

    @_tools.setter
    def _tools(self, tools: types.ToolsType | None) -> None:
        self._generate_request = self._generate_request.replace(tools=tools)

    @property
    def _tool_config(self) -> protos.ToolConfig | None:
        return self._generate_request.tool_config

    @_tool_config.setter
    def _tool_config(self, tool_config: types.ToolConfigType | None) -> None:
        self._generate_request = self._generate_request.replace(tool_config=tool_config)

    @property
    def _system_instruction(self) -> protos.Content | None:
        return self._generate_request.system_instruction

    @_system_instruction.setter
    def _system_instruction(self, system_instruction: types.ContentType | None) -> None:
        self._generate_request = self._generate_request.replace(system_instruction=system_instruction)

    def _get_tools_lib(self, tools: types.ToolsType | None) -> FunctionLibrary | None:
        return self._generate_request.functions_of(tools)

    def generate_content(
        self,
        contents: types.ContentsType,
        *,
        generation_config: types.GenerationConfigType | None = None,
        safety_settings: types.SafetySettingOptions | None = None,
        stream: bool = False,
        tools: types.ToolsType | None = None,
        tool_config: types.ToolConfigType | None = None,
        request_options: types.RequestOptionsType | None = None,
        labels: Mapping[str, str] | None = None,
        model_armor_config: Any = None,
    ) -> GenerateContentResponse:
        """Generate a response to a prompt or a conversation.

        Args:
            contents: A str, an image, a Path, a Blob, a Part or a dict of one; a list of these for one turn of
                several parts; or a list of turns (Contents or their dicts), the whole conversation each time.
            generation_config: Merged key by key over the model's.
            safety_settings: Merged category by category over the model's.
            stream: Whether to return with the first chunk; iterate over the response for the others as they arrive.
            tools: In place of the model's.
            tool_config: In place of the model's.
            request_options: Timeouts, retry policy and metadata of this call.
            labels: In place of the model's; of Vertex AI only.
            model_armor_config: In place of the model's; of Vertex AI only.

        Returns:
            The response; with `stream=True` the same type, to be iterated.

        Raises:
            TypeError: The contents are empty, or of a type that cannot be converted to a Part.
            ValueError: An image or file cannot be read; a dict has unknown keys.
            APIError: The call failed; of a stream, before its first chunk.

        >>> response = GenerativeModel().generate_content("Tell me a story about a magic backpack")
        >>> response.text
        'Once upon a time…'
        """
        overrides = Overrides(
            generation_config, safety_settings, tools, tool_config, request_options, labels, model_armor_config
        )
        request = self._request()
        serialized = SerializedContents.of(contents, request.protos)
        call = request.call(GenerateContentResponse, serialized, stream, overrides)
        del contents  # so that a traceback of the call with local variables does not show the prompt
        return sync_transport(self.client).call(call)

    async def generate_content_async(
        self,
        contents: types.ContentsType,
        *,
        generation_config: types.GenerationConfigType | None = None,
        safety_settings: types.SafetySettingOptions | None = None,
        stream: bool = False,
        tools: types.ToolsType | None = None,
        tool_config: types.ToolConfigType | None = None,
        request_options: types.RequestOptionsType | None = None,
        labels: Mapping[str, str] | None = None,
        model_armor_config: Any = None,
    ) -> AsyncGenerateContentResponse:
        """The async twin of `generate_content`; read its streams with `async for`."""
        overrides = Overrides(
            generation_config, safety_settings, tools, tool_config, request_options, labels, model_armor_config
        )
        request = self._request()
        serialized = SerializedContents.of(contents, request.protos)
        call = request.call(AsyncGenerateContentResponse, serialized, stream, overrides)
        del contents  # as above
        return await async_transport(self.client).call(call)

    def count_tokens(
        self,
        contents: types.ContentsType | None = None,
        *,
        generation_config: types.GenerationConfigType | None = None,
        safety_settings: types.SafetySettingOptions | None = None,
        tools: types.ToolsType | None = None,
        tool_config: types.ToolConfigType | None = None,
        request_options: types.RequestOptionsType | None = None,
    ) -> protos.CountTokensResponse:
        """Count the tokens of the whole request: contents, system instruction and tools.

        Args:
            contents: As `generate_content` takes them; None or an empty history to send none, which the service takes
                with a cached content.
            generation_config: Merged key by key over the model's.
            safety_settings: Merged category by category over the model's.
            tools: In place of the model's.
            tool_config: In place of the model's.
            request_options: Timeouts, retry policy and metadata of this call.

        Raises:
            TypeError: The contents cannot be converted to a Part.
            APIError: The call failed.

        >>> GenerativeModel().count_tokens("How many tokens are these?").total_tokens
        5
        """
        overrides = Overrides(generation_config, safety_settings, tools, tool_config, request_options)
        call = self._request().count_tokens_call(contents, overrides)
        del contents  # as above
        return sync_transport(self.client).call(call)

    async def count_tokens_async(
        self,
        contents: types.ContentsType | None = None,
        *,
        generation_config: types.GenerationConfigType | None = None,
        safety_settings: types.SafetySettingOptions | None = None,
        tools: types.ToolsType | None = None,
        tool_config: types.ToolConfigType | None = None,
        request_options: types.RequestOptionsType | None = None,
    ) -> protos.CountTokensResponse:
        """The async twin of `count_tokens`."""
        overrides = Overrides(generation_config, safety_settings, tools, tool_config, request_options)
        call = self._request().count_tokens_call(contents, overrides)
        del contents  # as above
        return await async_transport(self.client).call(call)

    def with_options(
        self,
        *,
        timeout: float | None = None,
        idle_timeout: float | None = None,
        retry: types.RetryPolicy | Literal["default"] | None = "default",
        metadata: Iterable[tuple[str, str | bytes]] = (),
    ) -> Self:
        """A copy of this model, with other defaults for `request_options`; it shares the client.

        Args:
            timeout: Seconds for a call, all attempts included; None for the model's.
            idle_timeout: Seconds that a stream may take to its next chunk; None for the model's.
            retry: Retry policy; None for no retries; "default" for the model's.
            metadata: Pairs to send after the model's. A model that has some is not pickled.

        Raises:
            TypeError: An option is of the wrong type.
            ValueError: An option is out of range; gRPC cannot carry the metadata.

        >>> fast = GenerativeModel().with_options(timeout=5, retry=None)
        >>> fast.count_tokens("How many tokens are these?").total_tokens
        5
        """
        model = copy(self)
        hidden = Secret({"timeout": timeout, "idle_timeout": idle_timeout, "retry": retry, "metadata": metadata})
        del metadata  # a traceback may show local variables
        model._generate_request = self._generate_request.with_options(hidden)
        return model

    def start_chat(
        self,
        *,
        history: Iterable[types.StrictContentType] | None = None,
        enable_automatic_function_calling: bool | types.AutomaticFunctionCalling = False,
    ) -> genai_grpc.ChatSession:
        """Start a conversation that keeps its history.

        Args:
            history: The turns so far, as Contents or their dicts.
            enable_automatic_function_calling: Whether the functions among the model's tools answer its function calls,
                until it replies with text; an types.AutomaticFunctionCalling sets the details.

        Raises:
            ValueError: The model's candidate_count is above 1: a history has one reply per turn.

        >>> chat = GenerativeModel().start_chat(history=[{"role": "user", "parts": "Hi"}])
        >>> len(chat.history)
        1
        """
        from genai_grpc.chat import ChatSession  # only chats need it; it imports dataclasses, which take 10 ms

        return ChatSession(self, history=history, enable_automatic_function_calling=enable_automatic_function_calling)

    def build_request(
        self,
        contents: types.ContentsType | None,
        *,
        generation_config: types.GenerationConfigType | None = None,
        safety_settings: types.SafetySettingOptions | None = None,
        tools: types.ToolsType | None = None,
        tool_config: types.ToolConfigType | None = None,
        labels: Mapping[str, str] | None = None,
        model_armor_config: Any = None,
    ) -> protos.GenerateContentRequest:
        """The request that `generate_content` sends with these arguments; nothing is sent.

        >>> GenerativeModel("gemini-pro").build_request("Hi").contents[0].role
        'user'
        """
        overrides = Overrides(generation_config, safety_settings, tools, tool_config, None, labels, model_armor_config)
        return self._request().message(contents, overrides)

    @property
    def _protos(self) -> Protos:
        """The messages of its turns."""
        return self._request().protos

    def _request(self) -> GenerateRequest:
        """Builds the requests for the API of the client that performs the next call."""
        return self._generate_request.for_api(dialect_of(self._client))

    @classmethod
    def _from_fetched(
        cls,
        cached_content: genai_grpc.caching.CachedContent,
        generation_config: types.GenerationConfigType | None,
        safety_settings: types.SafetySettingOptions | None,
        client: Client | None,
    ) -> Self:
        from genai_grpc.caching import CachedContent  # as above

        if not isinstance(cached_content, CachedContent):
            raise TypeError(f"cached_content is a CachedContent or its name; got {type(cached_content).__name__}")
        # Only the credentials that see a cached content may use it: those of the client that fetched it.
        client = cached_content.client if client is None else client
        model = cls(cached_content.model, safety_settings, generation_config, client=client)
        model._generate_request.cached_content = cached_content.name
        return model

    def __repr__(self) -> str:
        request = self._generate_request
        parts = () if request.system_instruction is None else request.system_instruction.parts
        arguments = {
            "model_name": request.model_name,
            "generation_config": request.settings,
            "safety_settings": request.safety,
            "tools": request.functions,
            "system_instruction": "\n".join(part.text for part in parts) if parts else None,
            "cached_content": request.cached_content,
            **request.fields,
        }
        lines = ",\n".join(f"    {name}={value!r}" for name, value in arguments.items())
        options = request.options.arguments()
        return f"genai.GenerativeModel(\n{lines}\n)" + (f".with_options({options})" if options else "")
