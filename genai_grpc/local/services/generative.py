"""The service that generates content and counts tokens, with the engines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any, cast

from genai_grpc import protos
from genai_grpc._responses.merge import ResponseMerger
from genai_grpc.errors import InvalidArgument, ServiceUnavailable
from genai_grpc.local.engines.engine import Engine
from genai_grpc.local.services.errors import Context, abort_on_error, engine_errors
from genai_grpc.local.services.models import ModelRegistry
from genai_grpc.local.services.validation import check_prompt, check_size
from genai_grpc.local.state.cached_contents import CachedContentStore
from genai_grpc_protos.v1beta.generative_service_pb2_grpc import GenerativeServiceServicer

__all__ = ["GenerativeService"]


class GenerativeService(GenerativeServiceServicer):
    """Generates with the engines of a registry; what no engine implements, such as embeddings, is UNIMPLEMENTED.

    Args:
        registry: The engines.
        cached_contents: The cached contents that requests may name.
        max_request_bytes: The size of a request, in bytes, above which it is INVALID_ARGUMENT.
    """

    def __init__(self, registry: ModelRegistry, cached_contents: CachedContentStore, *, max_request_bytes: int) -> None:
        self._registry = registry
        self._cached_contents = cached_contents
        self._max_request_bytes = max_request_bytes
        self._active_calls: set[asyncio.Task[Any]] = set()
        self._writing_calls: set[asyncio.Task[Any]] = set()
        self._closing = False

    async def GenerateContent(  # noqa: N802 -- gRPC's
        self, request: protos.GenerateContentRequest, context: Context
    ) -> protos.GenerateContentResponse:
        """Generate a response, with the engine's chunks merged into one."""
        async with self._call(context), aclosing(self._generate(request)) as chunks:
            merger = ResponseMerger()
            async for chunk in chunks:
                merger.add(chunk)
            return merger.result()

    async def StreamGenerateContent(  # type: ignore[override]  # noqa: N802 -- a coroutine that writes: a cancellation is raised at its `await`, whereas a generator would be left to the garbage collector
        self, request: protos.GenerateContentRequest, context: Context
    ) -> None:
        """Generate a response in chunks, each written before the engine is asked for the next."""
        async with self._call(context) as task, aclosing(self._generate(request)) as chunks:
            async for chunk in chunks:
                self._writing_calls.add(task)
                await context.write(chunk)
                self._writing_calls.discard(task)
                self._check_open()

    async def CountTokens(  # noqa: N802 -- gRPC's
        self, request: protos.CountTokensRequest, context: Context
    ) -> protos.CountTokensResponse:
        """Count the tokens of contents alone, or of a whole GenerateContentRequest."""
        async with self._call(context):
            check_size(request.ByteSize(), self._max_request_bytes)
            prompt, cached_tokens = await self._resolve_cached_content(_to_prompt(request))
            engine = self._engine(prompt)
            with engine_errors(engine):
                response = await engine.count_tokens(prompt)
            if cached_tokens:
                response.cached_content_token_count = min(cached_tokens, response.total_tokens)
            return response

    async def close(self, grace: float) -> None:
        """Wait up to `grace` seconds for the calls in flight; then end them, and every new one, with UNAVAILABLE."""
        if self._active_calls:
            await asyncio.wait(self._active_calls, timeout=grace)
        self._closing = True
        if remaining := set(self._active_calls):
            # gRPC refuses a status during a write, so a call that is writing ends by itself after the write.
            for task in remaining - self._writing_calls:
                task.cancel()
            await asyncio.wait(remaining)

    @asynccontextmanager
    async def _call(self, context: Context) -> AsyncIterator[asyncio.Task[Any]]:
        """Register the task of a call, and end the call with the status of its error, if any."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 -- gRPC runs every handler in a task
        self._active_calls.add(task)
        try:
            async with abort_on_error(context):
                self._check_open()
                try:
                    yield task
                except asyncio.CancelledError:
                    if task not in self._writing_calls:
                        self._check_open()
                    raise
        finally:
            self._active_calls.discard(task)
            self._writing_calls.discard(task)

    async def _generate(
        self, request: protos.GenerateContentRequest
    ) -> AsyncGenerator[protos.GenerateContentResponse, None]:
        check_size(request.ByteSize(), self._max_request_bytes)
        request, cached_tokens = await self._resolve_cached_content(request)
        engine = self._engine(request)
        generated = cast("AsyncGenerator[protos.GenerateContentResponse, None]", engine.generate(request))
        with engine_errors(engine):
            async with aclosing(generated) as chunks:
                async for chunk in chunks:
                    if cached_tokens and chunk.HasField("usage_metadata"):
                        usage = chunk.usage_metadata
                        usage.cached_content_token_count = min(cached_tokens, usage.prompt_token_count)
                    yield chunk

    async def _resolve_cached_content(
        self, request: protos.GenerateContentRequest
    ) -> tuple[protos.GenerateContentRequest, int]:
        """The request with the prompt of its cached content before its own contents, and that prompt's token count."""
        if not request.cached_content:
            return request, 0
        fields = "system_instruction", "tools", "tool_config"
        if conflicting := [field.name for field, _ in request.ListFields() if field.name in fields]:
            raise InvalidArgument(
                f"{' and '.join(conflicting)} cannot be combined with cached_content, which has its own"
            )
        self._registry.model(request.model)
        content = await self._cached_contents.get(request.cached_content)
        if content.summary.model != request.model:
            raise InvalidArgument(
                f"{request.cached_content} is for {content.summary.model}; model is {request.model!r}"
            )
        # MergeFrom appends the request's turns to the cached ones; engines still see the name in `cached_content`.
        content.prompt.MergeFrom(request)
        return content.prompt, content.summary.usage_metadata.total_token_count

    def _engine(self, request: protos.GenerateContentRequest) -> Engine:
        """The engine of the request's model, once the request is valid for it."""
        engine = self._registry.engine(request.model)
        if not request.contents and not request.cached_content:
            raise InvalidArgument("contents is empty; send at least one turn")
        check_prompt(engine, request)
        return engine

    def _check_open(self) -> None:
        if self._closing:
            raise ServiceUnavailable("the local server is stopping")


def _to_prompt(request: protos.CountTokensRequest) -> protos.GenerateContentRequest:
    """The prompt to count, as a request for content."""
    if not request.HasField("generate_content_request"):
        return protos.GenerateContentRequest(model=request.model, contents=request.contents)
    prompt = request.generate_content_request
    if request.contents:
        raise InvalidArgument("contents and generate_content_request exclude each other; send one of them")
    if prompt.model not in ("", request.model):
        raise InvalidArgument(
            f"model is {request.model!r} and generate_content_request.model {prompt.model!r}; name one"
        )
    prompt.model = request.model
    return prompt
