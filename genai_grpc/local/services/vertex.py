"""The services of Vertex AI, which answer with those of the Gemini API: messages are converted by name.

A resource has its name without project and location here, so that all projects share the models and cached contents.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar

from google.protobuf.message import Message

from genai_grpc import protos
from genai_grpc.errors import InvalidArgument, MethodNotImplemented
from genai_grpc.local.engines.engine import TokenizingEngine
from genai_grpc.local.services.caching import CacheService
from genai_grpc.local.services.errors import Context, abort_on_error, engine_errors
from genai_grpc.local.services.generative import GenerativeService
from genai_grpc.local.services.models import ModelRegistry
from genai_grpc_protos import aiplatform_v1 as vertex
from genai_grpc_protos._by_name import convert
from genai_grpc_protos.aiplatform_v1.gen_ai_cache_service_pb2_grpc import GenAiCacheServiceServicer
from genai_grpc_protos.aiplatform_v1.llm_utility_service_pb2_grpc import LlmUtilityServiceServicer
from genai_grpc_protos.aiplatform_v1.prediction_service_pb2_grpc import PredictionServiceServicer
from genai_grpc_protos.protobuf import Empty

__all__ = ["GenAiCacheService", "LlmUtilityService", "PredictionService"]

M = TypeVar("M", bound=Message)

_PLACE: Final = re.compile(r"(projects/[^/]+/locations/[^/]+)/(.+)")
_MODEL: Final = "publishers/google/models/"
_EMBED_FIELDS: Final = ("auto_truncate", "output_dimensionality", "task_type", "title")
_PROMPT_FIELDS: Final = ("contents", "system_instruction", "tools", "generation_config")


class PredictionService(PredictionServiceServicer):
    """Generates and embeds.

    Args:
        generative: The service of the Gemini API.
    """

    def __init__(self, generative: GenerativeService) -> None:
        self._generative = generative

    async def GenerateContent(  # noqa: N802 -- gRPC's
        self, request: vertex.GenerateContentRequest, context: Context
    ) -> vertex.GenerateContentResponse:
        """Generate a response."""
        async with abort_on_error(context):
            prompt = _to_prompt(request)
        return _to_vertex(await self._generative.GenerateContent(prompt, context), vertex.GenerateContentResponse)

    async def StreamGenerateContent(  # type: ignore[override]  # noqa: N802 -- a coroutine that writes, as that of the Gemini API
        self, request: vertex.GenerateContentRequest, context: Context
    ) -> None:
        """Generate a response in chunks."""
        async with abort_on_error(context):
            prompt = _to_prompt(request)
        stream: Any = _VertexStream(context)
        await self._generative.StreamGenerateContent(prompt, stream)

    async def EmbedContent(  # noqa: N802 -- gRPC's
        self, request: vertex.EmbedContentRequest, context: Context
    ) -> vertex.EmbedContentResponse:
        """Embed one content."""
        async with abort_on_error(context):
            with _invalid():
                # The fields of the config are those that the request has had itself.
                config = {field.name: value for field, value in request.embed_content_config.ListFields()}
                known = {name: value for name, value in config.items() if name in _EMBED_FIELDS}
                request.MergeFrom(vertex.EmbedContentRequest(**known))
                embed = convert(request, protos.EmbedContentRequest, lenient=True)
            embed.model = _model_of(request.model)
        return _to_vertex(await self._generative.EmbedContent(embed, context), vertex.EmbedContentResponse)


class LlmUtilityService(LlmUtilityServiceServicer):
    """Counts and shows tokens.

    Args:
        generative: The service of the Gemini API.
        registry: The engines.
    """

    def __init__(self, generative: GenerativeService, registry: ModelRegistry) -> None:
        self._generative = generative
        self._registry = registry

    async def CountTokens(  # noqa: N802 -- gRPC's
        self, request: vertex.CountTokensRequest, context: Context
    ) -> vertex.CountTokensResponse:
        """Count the tokens, and the characters that are not white space, of contents, instruction and tools."""
        async with abort_on_error(context):
            if request.instances:
                raise InvalidArgument("instances are of other models; send contents")
            fields = {field.name: value for field, value in request.ListFields() if field.name in _PROMPT_FIELDS}
            name = request.model or request.endpoint
            prompt = _to_prompt(vertex.GenerateContentRequest(model=name, **fields))
        count = protos.CountTokensRequest(model=prompt.model, generate_content_request=prompt)
        reply = _to_vertex(await self._generative.CountTokens(count, context), vertex.CountTokensResponse)
        turns = [*request.contents, request.system_instruction]
        texts = [part.text for turn in turns for part in turn.parts]
        reply.total_billable_characters = sum(len("".join(text.split())) for text in texts)
        return reply

    async def ComputeTokens(  # noqa: N802 -- gRPC's
        self, request: vertex.ComputeTokensRequest, context: Context
    ) -> vertex.ComputeTokensResponse:
        """Show the tokens of contents, for each turn."""
        async with abort_on_error(context):
            if request.instances:
                raise InvalidArgument("instances are of other models; send contents")
            engine = self._registry.engine(_model_of(request.model or request.endpoint))
            if not isinstance(engine, TokenizingEngine):
                raise MethodNotImplemented(f"the engine of {engine.model.name} does not show its tokens")
            reply = vertex.ComputeTokensResponse()
            with engine_errors(engine):
                for turn in request.contents:
                    tokens = [token for part in turn.parts for token in await engine.tokenize(part.text)]
                    ids, texts = [number for number, _ in tokens], [text for _, text in tokens]
                    reply.tokens_info.add(role=turn.role, token_ids=ids, tokens=texts)
        return reply


class GenAiCacheService(GenAiCacheServiceServicer):
    """Creates, describes, lists, prolongs and deletes cached contents.

    Args:
        caching: The service of the Gemini API.
    """

    def __init__(self, caching: CacheService) -> None:
        self._caching = caching

    async def CreateCachedContent(  # noqa: N802 -- gRPC's
        self, request: vertex.CreateCachedContentRequest, context: Context
    ) -> vertex.CachedContent:
        """Store a prompt."""
        async with abort_on_error(context):
            parent = _check_parent(request.parent)
            content = _to_cached_content(request.cached_content)
        create = protos.CreateCachedContentRequest(cached_content=content)
        return _cached_content(await self._caching.CreateCachedContent(create, context), parent)

    async def GetCachedContent(  # noqa: N802 -- gRPC's
        self, request: vertex.GetCachedContentRequest, context: Context
    ) -> vertex.CachedContent:
        """Describe one cached content."""
        parent, name = _split(request.name)
        get = protos.GetCachedContentRequest(name=name)
        return _cached_content(await self._caching.GetCachedContent(get, context), parent)

    async def ListCachedContents(  # noqa: N802 -- gRPC's
        self, request: vertex.ListCachedContentsRequest, context: Context
    ) -> vertex.ListCachedContentsResponse:
        """Describe a page of the cached contents."""
        async with abort_on_error(context):
            parent = _check_parent(request.parent)
        page = protos.ListCachedContentsRequest(page_size=request.page_size, page_token=request.page_token)
        reply = await self._caching.ListCachedContents(page, context)
        contents = [_cached_content(each, parent) for each in reply.cached_contents]
        return vertex.ListCachedContentsResponse(cached_contents=contents, next_page_token=reply.next_page_token)

    async def UpdateCachedContent(  # noqa: N802 -- gRPC's
        self, request: vertex.UpdateCachedContentRequest, context: Context
    ) -> vertex.CachedContent:
        """Change when a cached content expires."""
        async with abort_on_error(context):
            content = _to_cached_content(request.cached_content)
        parent, content.name = _split(request.cached_content.name)
        update = protos.UpdateCachedContentRequest(cached_content=content, update_mask=request.update_mask)
        return _cached_content(await self._caching.UpdateCachedContent(update, context), parent)

    async def DeleteCachedContent(  # noqa: N802 -- gRPC's
        self, request: vertex.DeleteCachedContentRequest, context: Context
    ) -> Empty:
        """Delete a cached content."""
        delete = protos.DeleteCachedContentRequest(name=_split(request.name)[1])
        return await self._caching.DeleteCachedContent(delete, context)


class _VertexStream:
    """The context of a call whose chunks are written as messages of Vertex AI."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def write(self, chunk: protos.GenerateContentResponse) -> None:
        await self._context.write(_to_vertex(chunk, vertex.GenerateContentResponse))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)


@contextmanager
def _invalid() -> Iterator[None]:
    """A value that the Gemini API cannot hold is the fault of the request."""
    try:
        yield
    except ValueError as error:
        raise InvalidArgument(str(error)) from error


def _to_vertex(message: Message, cls: type[M]) -> M:
    return convert(message, cls, lenient=True)


def _to_prompt(request: vertex.GenerateContentRequest) -> protos.GenerateContentRequest:
    with _invalid():
        prompt = convert(request, protos.GenerateContentRequest, lenient=True)
    prompt.model = _model_of(request.model)
    if prompt.cached_content:
        prompt.cached_content = _split(prompt.cached_content)[1]
    return prompt


def _to_cached_content(content: vertex.CachedContent) -> protos.CachedContent:
    with _invalid():
        converted = convert(content, protos.CachedContent, lenient=True)
    if converted.model:
        converted.model = _model_of(content.model)
    return converted


def _cached_content(content: protos.CachedContent, parent: str) -> vertex.CachedContent:
    """A cached content under the names that it has in a project."""
    converted = _to_vertex(content, vertex.CachedContent)
    converted.name = f"{parent}/{content.name}"
    if content.model:
        converted.model = f"{parent}/{_MODEL}{content.model.removeprefix('models/')}"
    return converted


def _split(name: str) -> tuple[str, str]:
    """The place of a resource, and its name there."""
    found = _PLACE.fullmatch(name)
    return ("", name) if found is None else (found[1], found[2])


def _model_of(name: str) -> str:
    """The name of a model in the Gemini API."""
    rest = _split(name)[1]
    return f"models/{rest.removeprefix(_MODEL)}" if rest.startswith(_MODEL) else rest


def _check_parent(parent: str) -> str:
    if _PLACE.fullmatch(f"{parent}/-") is None:
        raise InvalidArgument(f"parent is {parent!r}; it must be 'projects/PROJECT/locations/LOCATION'")
    return parent
