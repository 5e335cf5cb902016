"""The service that generates and embeds content and counts tokens, with the engines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Any, Final, cast

from genai_grpc import protos
from genai_grpc._responses.merge import ResponseMerger
from genai_grpc.errors import Aborted, InvalidArgument, ServiceUnavailable
from genai_grpc.local._received_request import RECEIVED
from genai_grpc.local.engines.engine import Engine
from genai_grpc.local.services.answers import answer, ground
from genai_grpc.local.services.embeddings import check_batch, check_single, embed
from genai_grpc.local.services.errors import Context, abort_on_error, engine_errors
from genai_grpc.local.services.file_prompts import insert_files
from genai_grpc.local.services.live import LiveSession
from genai_grpc.local.services.models import ModelRegistry
from genai_grpc.local.services.retriever import RetrieverService
from genai_grpc.local.services.tuned_models import PREFIX, with_examples
from genai_grpc.local.services.validation import check_prompt, check_size
from genai_grpc.local.state.cached_contents import CachedContentStore
from genai_grpc.local.state.files import FileStore
from genai_grpc.local.state.live_sessions import LiveSessionStore
from genai_grpc.local.state.tunings import TuningStore
from genai_grpc_protos.v1beta.generative_service_pb2_grpc import GenerativeServiceServicer

__all__ = ["GenerativeService"]

_CANCEL_SECONDS: Final = 1.5
"""Time for a call to end after its cancellation, and for one that is writing to be cancelled by gRPC."""


class GenerativeService(GenerativeServiceServicer):
    """Generates, answers and embeds with the engines of a registry.

    Args:
        registry: The engines.
        cached_contents: The cached contents that requests may name.
        files: The files that prompts may name.
        tunings: The tuned models that requests may name.
        retriever: The corpora that answers may be grounded in.
        live_store: The histories of live sessions.
        max_request_bytes: The size of a request, in bytes, above which it is INVALID_ARGUMENT.
    """

    def __init__(
        self,
        registry: ModelRegistry,
        cached_contents: CachedContentStore,
        files: FileStore,
        tunings: TuningStore,
        retriever: RetrieverService,
        live_store: LiveSessionStore,
        *,
        max_request_bytes: int,
    ) -> None:
        self._registry = registry
        self._cached_contents = cached_contents
        self._files = files
        self._tunings = tunings
        self._retriever = retriever
        self._live_store = live_store
        self._max_request_bytes = max_request_bytes
        self._active_calls: set[asyncio.Task[Any]] = set()
        self._writing_calls: set[asyncio.Task[Any]] = set()
        self._live_sessions: set[LiveSession] = set()
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
            if prompt.model.startswith(PREFIX):
                tuned = await with_examples(self._registry, self._tunings, self._retriever.users, prompt)
                prompt.model = tuned.model  # the examples do not count
            engine = await self._engine(prompt)
            with engine_errors(engine):
                response = await engine.count_tokens(prompt)
            if cached_tokens:
                response.cached_content_token_count = min(cached_tokens, response.total_tokens)
            return response

    async def GenerateAnswer(  # noqa: N802 -- gRPC's
        self, request: protos.GenerateAnswerRequest, context: Context
    ) -> protos.GenerateAnswerResponse:
        """Answer a question from passages."""
        async with self._call(context):
            check_size(request.ByteSize(), self._max_request_bytes)
            return await answer(self._registry, request, await ground(request, self._retriever))

    async def EmbedContent(  # noqa: N802 -- gRPC's
        self, request: protos.EmbedContentRequest, context: Context
    ) -> protos.EmbedContentResponse:
        """Embed one content."""
        async with self._call(context):
            check_size(request.ByteSize(), self._max_request_bytes)
            engine = self._registry.embedding_engine(request.model)
            check_single(request)
            [embedding] = await embed(engine, [request])
            return protos.EmbedContentResponse(embedding=embedding)

    async def BatchEmbedContents(  # noqa: N802 -- gRPC's
        self, request: protos.BatchEmbedContentsRequest, context: Context
    ) -> protos.BatchEmbedContentsResponse:
        """Embed up to 100 contents with one model."""
        async with self._call(context):
            check_size(request.ByteSize(), self._max_request_bytes)
            engine = self._registry.embedding_engine(request.model)
            check_batch(request)
            return protos.BatchEmbedContentsResponse(embeddings=await embed(engine, request.requests))

    async def BidiGenerateContent(  # type: ignore[override]  # noqa: N802 -- as StreamGenerateContent
        self, request_iterator: AsyncIterator[protos.BidiGenerateContentClientMessage], context: Context
    ) -> None:
        """Answer in a live session, until the client ends it."""
        async with self._call(context):
            session = LiveSession(self._registry.engine, self._generate, self._live_store, context)
            self._live_sessions.add(session)
            try:
                await session.run(request_iterator)
            except asyncio.CancelledError:
                if self._closing:
                    raise Aborted("the local server is stopping; resume the session on another one") from None
                raise
            finally:
                self._live_sessions.discard(session)

    async def close(self, grace: float) -> None:
        """Wait up to `grace` seconds for the calls in flight; then end them, and every new one, with UNAVAILABLE.

        Live sessions get a GoAway at once.

        Raises:
            TimeoutError: Some do not end although they were cancelled.
        """
        for session in list(self._live_sessions):
            with suppress(Exception):  # gRPC's, of a session that has just ended
                await session.go_away(grace)
        if self._active_calls:
            await asyncio.wait(self._active_calls, timeout=grace)
        self._closing = True
        if remaining := set(self._active_calls):
            # gRPC refuses a status during a write, so a call that is writing ends by itself after the write.
            for task in remaining - self._writing_calls:
                task.cancel()
            _, stuck = await asyncio.wait(remaining, timeout=_CANCEL_SECONDS)
            if stuck:
                raise TimeoutError(
                    f"{len(stuck)} calls did not end within {_CANCEL_SECONDS:g} s of their cancellation; they are "
                    "abandoned; an engine's methods must let CancelledError pass"
                )

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
        prompt_tokens: int | None = None
        if request.model.startswith(PREFIX):
            request, prompt_tokens = await self._resolve_tuned_model(request)
        engine = await self._engine(request)
        generated = cast("AsyncGenerator[protos.GenerateContentResponse, None]", engine.generate(request))
        received = RECEIVED.get()
        with engine_errors(engine):
            async with aclosing(generated) as chunks:
                async for chunk in chunks:
                    if chunk.HasField("usage_metadata"):
                        usage = chunk.usage_metadata
                        if prompt_tokens is not None:
                            usage.total_token_count += prompt_tokens - usage.prompt_token_count
                            usage.prompt_token_count = prompt_tokens
                        if cached_tokens:
                            usage.cached_content_token_count = min(cached_tokens, usage.prompt_token_count)
                        if received is not None:
                            received.usage = usage
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

    async def _resolve_tuned_model(
        self, request: protos.GenerateContentRequest
    ) -> tuple[protos.GenerateContentRequest, int | None]:
        """The request to the base model with examples, and the tokens of the prompt without them."""
        tuned = await with_examples(self._registry, self._tunings, self._retriever.users, request)
        if tuned is request:
            return request, None
        plain = protos.GenerateContentRequest()
        plain.CopyFrom(request)
        plain.model = tuned.model
        engine = await self._engine(plain)
        with engine_errors(engine):
            return tuned, (await engine.count_tokens(plain)).total_tokens

    async def _engine(self, request: protos.GenerateContentRequest) -> Engine:
        """The engine of the request's model, once the request is valid for it and has the content of its files."""
        engine = self._registry.engine(request.model)
        if not request.contents and not request.cached_content:
            raise InvalidArgument("contents is empty; send at least one turn")
        await insert_files(self._files, engine, request)
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
