"""The services over the engines: they check requests, choose the engine, and say its errors as gRPC does."""

from __future__ import annotations

import asyncio
import base64
import hmac
import logging
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, cast

import grpc

from genai_grpc import protos
from genai_grpc._responses.merge import ResponseMerger
from genai_grpc._rpc.status import encode_details
from genai_grpc.errors import (
    APIError,
    InternalServerError,
    InvalidArgument,
    NotFound,
    ServiceUnavailable,
    Unauthenticated,
)
from genai_grpc.local.engines.engine import refuse_media
from genai_grpc_protos.rpc import ErrorInfo
from genai_grpc_protos.v1beta.generative_service_pb2_grpc import GenerativeServiceServicer
from genai_grpc_protos.v1beta.model_service_pb2_grpc import ModelServiceServicer

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence

    from genai_grpc.local.engines.engine import Engine
    from genai_grpc.local.state.cached_contents import CacheStore

    Context = grpc.aio.ServicerContext[Any, Any]

__all__ = [
    "ALIAS",
    "LARGEST_PAGE_SIZE",
    "PAGE_SIZE",
    "GenerativeService",
    "KeyCheck",
    "ModelRegistry",
    "ModelService",
    "abort_on_error",
    "check_size",
    "check_turns",
    "to_api_error",
]

ALIAS: Final = "models/gemini-pro"
"""The name under which the first engine is served too: the default of `GenerativeModel`."""

LOG: Final = logging.getLogger("genai_grpc.local")
DOMAIN: Final = "local.genai-grpc"
KEY: Final = "x-goog-api-key"
ROLES: Final = frozenset({"", "user", "model", "function"})
PAGE_SIZE, LARGEST_PAGE_SIZE = 50, 1000


class ModelRegistry:
    """The engines by name, and what ListModels says of them.

    Raises:
        ValueError: If two engines go by one name, or a name does not begin with "models/".
    """

    def __init__(self, engines: Sequence[Engine]) -> None:
        self._engines: dict[str, Engine] = {}
        self._models: dict[str, protos.Model] = {}
        for engine in engines:
            name = engine.model.name
            if not name.startswith("models/"):
                raise ValueError(f"an engine is called {name!r}; a model's name begins with 'models/'")
            if name in self._engines:
                raise ValueError(f"two engines are called {name}; give each a name of its own")
            self._engines[name], self._models[name] = engine, _served(engine.model)
        if ALIAS not in self._engines:
            self._engines[ALIAS], self._models[ALIAS] = engines[0], _alias(self._models[engines[0].model.name])

    def engine(self, name: str) -> Engine:
        """The engine that serves a model."""
        self.model(name)
        return self._engines[name]

    def model(self, name: str) -> protos.Model:
        """A model by its resource name.

        Raises:
            InvalidArgument: If the name has no "models/" before it.
            NotFound: If no engine serves it, saying how to list those there are.
        """
        if found := self._models.get(name):
            return found
        info = ErrorInfo(reason="MODEL_NOT_FOUND", domain=DOMAIN, metadata={"model": name})
        if "/" not in name:
            wanted = f"write 'models/{name}'" if name else "name one, e.g. 'models/gemini-pro'"
            raise InvalidArgument(f"model is {name!r}; {wanted}", details=[info])
        raise NotFound(f"{name} is not served here; genai_grpc.list_models() lists the models that are", details=[info])

    def page(self, size: int, token: str) -> protos.ListModelsResponse:
        """One page of the models, sized and continued as https://google.aip.dev/158 says."""
        tokens = {_token(name): position for position, name in enumerate(self._models)}
        if size < 0:
            raise InvalidArgument(f"page_size is {size}; it must not be negative")
        if token and token not in tokens:
            raise InvalidArgument("page_token is not one that ListModels returned")
        start = tokens[token] if token else 0
        end = start + min(size or PAGE_SIZE, LARGEST_PAGE_SIZE)
        names = list(self._models)
        return protos.ListModelsResponse(
            models=[self._models[name] for name in names[start:end]],
            next_page_token=_token(names[end]) if end < len(names) else "",
        )


def _served(model: protos.Model) -> protos.Model:
    """What a model can do here: caching is the server's doing, whatever the engine."""
    served = protos.Model()
    served.CopyFrom(model)
    methods = served.supported_generation_methods
    if "generateContent" in methods and "createCachedContent" not in methods:
        methods.append("createCachedContent")
    return served


def _alias(model: protos.Model) -> protos.Model:
    alias = protos.Model()
    alias.CopyFrom(model)
    alias.name, alias.base_model_id = ALIAS, ALIAS.removeprefix("models/")
    alias.display_name = f"{model.display_name or model.base_model_id} as {alias.base_model_id}"
    alias.description = f"An alias of {model.name}, for programs that name no other model. {model.description}".strip()
    return alias


def _token(name: str) -> str:
    return base64.urlsafe_b64encode(name.encode()).decode()


class ModelService(ModelServiceServicer):
    """Lists and describes the models of a catalogue; tuned models are UNIMPLEMENTED."""

    def __init__(self, catalogue: ModelRegistry) -> None:
        self._catalogue = catalogue

    async def GetModel(self, request: protos.GetModelRequest, context: Context) -> protos.Model:  # noqa: N802 -- gRPC's
        """Describe one model."""
        async with abort_on_error(context):
            return self._catalogue.model(request.name)

    async def ListModels(  # noqa: N802 -- gRPC's
        self, request: protos.ListModelsRequest, context: Context
    ) -> protos.ListModelsResponse:
        """List a page of the models."""
        async with abort_on_error(context):
            return self._catalogue.page(request.page_size, request.page_token)


class GenerativeService(GenerativeServiceServicer):
    """Answers with the engines of a catalogue; what no engine does, such as embeddings, is UNIMPLEMENTED.

    Args:
        catalogue: The engines.
        store: The cached contents that requests may name.
        max_request_bytes: The size of a request, in bytes, above which it is refused.
    """

    def __init__(self, catalogue: ModelRegistry, store: CacheStore, *, max_request_bytes: int) -> None:
        self._catalogue = catalogue
        self._store = store
        self._max_request_bytes = max_request_bytes
        self._running: set[asyncio.Task[Any]] = set()
        self._writing: set[asyncio.Task[Any]] = set()
        self._closing = False

    async def GenerateContent(  # noqa: N802 -- gRPC's
        self, request: protos.GenerateContentRequest, context: Context
    ) -> protos.GenerateContentResponse:
        """Answer at once, with the engine's chunks folded into one."""
        async with self._call(context), aclosing(self._chunks(request)) as chunks:
            fold = ResponseMerger()
            async for chunk in chunks:
                fold.add(chunk)
            return fold.result()

    async def StreamGenerateContent(  # type: ignore[override]  # noqa: N802 -- a coroutine that writes: a cancellation arrives at its `await`, where a generator would be left for the collector
        self, request: protos.GenerateContentRequest, context: Context
    ) -> None:
        """Answer chunk by chunk, each on its way before the engine is asked for the next."""
        async with self._call(context) as task, aclosing(self._chunks(request)) as chunks:
            async for chunk in chunks:
                self._writing.add(task)
                await context.write(chunk)
                self._writing.discard(task)
                self._check_open()

    async def CountTokens(  # noqa: N802 -- gRPC's
        self, request: protos.CountTokensRequest, context: Context
    ) -> protos.CountTokensResponse:
        """Count the tokens of bare contents, or of a whole request for content."""
        async with self._call(context):
            self._check_size(request.ByteSize())
            prompt, cached = await self._complete(_prompt(request))
            engine = self._engine(prompt)
            try:
                counted = await engine.count_tokens(prompt)
            except Exception as error:
                raise to_api_error(engine, error) from error
            if cached:
                counted.cached_content_token_count = min(cached, counted.total_tokens)
            return counted

    async def close(self, grace: float) -> None:
        """Let the calls in flight go on for `grace` seconds; then end them and any new one with UNAVAILABLE."""
        if self._running:
            await asyncio.wait(self._running, timeout=grace)
        self._closing = True
        if left := set(self._running):
            # gRPC refuses a status while a write is under way: a call that writes ends by itself after it.
            for task in left - self._writing:
                task.cancel()
            await asyncio.wait(left)

    @asynccontextmanager
    async def _call(self, context: Context) -> AsyncIterator[asyncio.Task[Any]]:
        """Count a call's task as running, and end the call with the status of its error, if any."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 -- gRPC runs every handler in a task
        self._running.add(task)
        try:
            async with abort_on_error(context):
                self._check_open()
                try:
                    yield task
                except asyncio.CancelledError:
                    if task not in self._writing:
                        self._check_open()
                    raise
        finally:
            self._running.discard(task)
            self._writing.discard(task)

    async def _chunks(
        self, request: protos.GenerateContentRequest
    ) -> AsyncGenerator[protos.GenerateContentResponse, None]:
        self._check_size(request.ByteSize())
        request, cached = await self._complete(request)
        engine = self._engine(request)
        answer = cast("AsyncGenerator[protos.GenerateContentResponse, None]", engine.generate(request))
        try:
            async with aclosing(answer) as chunks:
                async for chunk in chunks:
                    if cached and chunk.HasField("usage_metadata"):
                        usage = chunk.usage_metadata
                        usage.cached_content_token_count = min(cached, usage.prompt_token_count)
                    yield chunk
        except Exception as error:
            raise to_api_error(engine, error) from error

    async def _complete(self, request: protos.GenerateContentRequest) -> tuple[protos.GenerateContentRequest, int]:
        """A request with the prompt of the cached content that it names put before it, and how many tokens that has."""
        if not request.cached_content:
            return request, 0
        fields = "system_instruction", "tools", "tool_config"
        if beside := [field.name for field, _ in request.ListFields() if field.name in fields]:
            raise InvalidArgument(f"{' and '.join(beside)} cannot stand beside cached_content, which holds its own")
        self._catalogue.model(request.model)
        kept = await self._store.get(request.cached_content)
        if kept.facts.model != request.model:
            raise InvalidArgument(f"{request.cached_content} is for {kept.facts.model}; model is {request.model!r}")
        # Merging puts the request's turns after the cached ones, and keeps the name for engines to see.
        kept.prompt.MergeFrom(request)
        return kept.prompt, kept.facts.usage_metadata.total_token_count

    def _engine(self, request: protos.GenerateContentRequest) -> Engine:
        """The engine for a request that it can work on."""
        engine = self._catalogue.engine(request.model)
        _check_contents(request)
        refuse_media(engine, request)
        return engine

    def _check_open(self) -> None:
        if self._closing:
            raise ServiceUnavailable("the local server is stopping")

    def _check_size(self, size: int) -> None:
        check_size(size, self._max_request_bytes)


class KeyCheck(grpc.aio.ServerInterceptor):
    """Refuses calls of the API without the right key; health checks and reflection stay open, as they tell nothing."""

    def __init__(self, api_key: str) -> None:
        self._api_key = api_key.encode()

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        """Hand on a call with the key; answer any other with UNAUTHENTICATED, its request unread."""
        if not handler_call_details.method.startswith("/google.ai.generativelanguage."):
            return await continuation(handler_call_details)
        given = [value for key, value in handler_call_details.invocation_metadata or () if key == KEY]
        if any(hmac.compare_digest(_bytes(value), self._api_key) for value in given):
            return await continuation(handler_call_details)
        error = Unauthenticated(
            f"the API key in the metadata {KEY} is not this server's"
            if given
            else f"this server wants an API key, in the metadata {KEY}; configure(api_key=...) sends it",
            details=[ErrorInfo(reason="API_KEY_INVALID", domain=DOMAIN)],
        )

        async def refuse(_: bytes, context: Context) -> None:
            await _abort(context, error)

        return grpc.unary_unary_rpc_method_handler(refuse)


def _bytes(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value


@asynccontextmanager
async def abort_on_error(context: Context) -> AsyncIterator[None]:
    """End the call with the status of an `APIError`."""
    try:
        yield
    except APIError as error:
        await _abort(context, error)


async def _abort(context: Context, error: APIError) -> None:
    await context.abort(error.grpc_status_code, error.message, encode_details(error))


def to_api_error(engine: Engine, error: Exception) -> APIError:
    """What to raise for an error from an engine: an `APIError` is its answer, anything else its defect."""
    if isinstance(error, APIError):
        return error
    who = f"{type(engine).__name__} ({engine.model.name})"
    LOG.error("the engine %s failed", who, exc_info=error)
    return InternalServerError(
        f"the engine {who} failed with {type(error).__name__}: {error}; the server's log has the traceback",
        details=[ErrorInfo(reason="ENGINE_FAILED", domain=DOMAIN, metadata={"model": engine.model.name})],
    )


def check_size(size: int, limit: int) -> None:
    """Check that a request of so many bytes is within a server's limit."""
    if size > limit:
        raise InvalidArgument(
            f"the request has {size:,} bytes and this server takes {limit:,} at most; "
            "send less at once, or raise the limit with serve(max_request_bytes=...)"
        )


def _prompt(request: protos.CountTokensRequest) -> protos.GenerateContentRequest:
    """What to count the tokens of, as a request for content."""
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


def _check_contents(request: protos.GenerateContentRequest) -> None:
    if not request.contents and not request.cached_content:
        raise InvalidArgument("contents is empty; send at least one turn")
    check_turns(request)


def check_turns(request: protos.GenerateContentRequest) -> None:
    """Check that each turn of a request has a known role and parts that say something."""
    turns = [(f"contents[{index}]", content) for index, content in enumerate(request.contents)]
    if request.HasField("system_instruction"):
        turns.append(("system_instruction", request.system_instruction))
    for where, content in turns:
        if where != "system_instruction" and content.role not in ROLES:
            raise InvalidArgument(f"{where}.role is {content.role!r}; it must be 'user', 'model' or 'function'")
        if not content.parts:
            raise InvalidArgument(f"{where}.parts is empty; a turn has at least one part")
        for index, part in enumerate(content.parts):
            # A thought signature may come, and go back, in a part of its own.
            if part.WhichOneof("data") is None and not part.thought_signature:
                raise InvalidArgument(f"{where}.parts[{index}] is empty; set its text or other data")
