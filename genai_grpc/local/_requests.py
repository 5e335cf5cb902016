"""What the local server does with every request, whatever its method: it parses the bytes, and logs the end."""

from __future__ import annotations

import asyncio
import inspect
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing, contextmanager
from typing import Any, Final

import grpc.aio

from genai_grpc._rpc.request_log import call_line
from genai_grpc._rpc.usage import input_tokens, output_tokens
from genai_grpc._transport.config import CREDENTIAL_HEADERS
from genai_grpc.errors import InvalidArgument, MethodNotImplemented
from genai_grpc.local._api_key import API_PREFIX
from genai_grpc.local._received_request import RECEIVED, Metadata, ReceivedRequest, to_caller
from genai_grpc.local.services.errors import LOG, Context, abort

__all__ = ["RequestInterceptor"]

_MAX_NAME: Final = 80
"""Characters of a name in the log: the client chooses it."""

_ROUNDING: Final = 0.05
"""The part of a timeout that may remain when the client, which sends it rounded up, cancels at its deadline."""


class RequestInterceptor(grpc.aio.ServerInterceptor):
    """Parses requests, so that malformed bytes are INVALID_ARGUMENT, and logs the calls of the API.

    gRPC would end a call whose bytes its deserializer rejects with UNKNOWN. Methods that no service implements are
    UNIMPLEMENTED. The log has a line for each call at its end, at level INFO, such as `GenerateContent
    models/gemini-pro OK 0.231 s, 12+34 tokens`, and at level DEBUG one at its start; never a message's content.
    """

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        """The handler of a call, wrapped."""
        handler = await continuation(handler_call_details)
        if handler is None:
            if not handler_call_details.method.startswith(API_PREFIX):
                return None
            handler = grpc.unary_unary_rpc_method_handler(_missing)
        metadata = handler_call_details.invocation_metadata or ()
        received = ReceivedRequest(_mask(metadata), to_caller(metadata))
        RECEIVED.set(received)
        return _wrap(handler, _Call(handler_call_details.method, handler, received))


class _Call:
    """A call, from the bytes of its request to its end."""

    def __init__(self, method: str, handler: grpc.RpcMethodHandler[Any, Any], received: ReceivedRequest) -> None:
        self._path, self._name = method, _printable(method.rpartition("/")[2])
        self._deserialize: Any = handler.request_deserializer
        self._streaming = handler.request_streaming
        self._received = received

    async def parse(self, received: Any, context: Context) -> Any:
        """The request of its bytes, or an iterator of requests; ends the call with INVALID_ARGUMENT if it cannot."""
        if self._streaming:
            return self._parse_all(received, context)
        request = await self._parse_one(received, context)
        self._received.model = _model(request)
        return request

    async def _parse_all(self, messages: AsyncIterator[bytes], context: Context) -> AsyncIterator[Any]:
        async for data in messages:
            yield await self._parse_one(data, context)

    async def _parse_one(self, data: bytes, context: Context) -> Any:
        if self._deserialize is None:
            return data
        try:
            return self._deserialize(data)
        except Exception:  # which one depends on the implementation of protobuf
            problem = f"the {len(data):,} bytes of the request are no message of the type that {self._path} takes"
            await abort(context, InvalidArgument(f"{problem}; send one serialized message, made from the same protos"))

    @contextmanager
    def logged(self, context: Context) -> Iterator[None]:
        """Log the call at the end of the block, if it is one of the API."""
        if not (self._path.startswith(API_PREFIX) and LOG.isEnabledFor(logging.INFO)):
            yield
            return
        if LOG.isEnabledFor(logging.DEBUG):
            LOG.debug("%s from %s", self._name, context.peer())
        start, timeout = time.perf_counter(), context.time_remaining()
        status = "OK"
        try:
            yield
            status = _status(None, context, timeout)
        except BaseException as error:
            status = _status(error, context, timeout)
            raise
        finally:
            seconds = time.perf_counter() - start
            usage = self._received.usage
            tokens = None if usage is None else (input_tokens(usage), output_tokens(usage))
            LOG.info(call_line(self._name, _printable(self._received.model), status, seconds, tokens))


def _wrap(handler: grpc.RpcMethodHandler[Any, Any], call: _Call) -> grpc.RpcMethodHandler[Any, Any]:
    """A handler that gets the bytes of the request and does the same, within the call."""
    kind = "stream" if handler.request_streaming else "unary", "stream" if handler.response_streaming else "unary"
    name = "_".join(kind)
    behaviour: Any = getattr(handler, name)

    async def respond(received: Any, context: Context) -> Any:
        with call.logged(context):
            return await behaviour(await call.parse(received, context), context)

    async def generate(received: Any, context: Context) -> AsyncGenerator[Any, None]:
        with call.logged(context):
            async with aclosing(behaviour(await call.parse(received, context), context)) as responses:
                async for response in responses:
                    yield response

    async def refuse(_: Any, context: Context) -> None:
        with call.logged(context):
            await abort(context, MethodNotImplemented("the method is not implemented by the local server"))

    wrapped: Any = refuse
    if inspect.isasyncgenfunction(behaviour):
        wrapped = generate
    elif inspect.iscoroutinefunction(behaviour):
        wrapped = respond
    factory = getattr(grpc, f"{name}_rpc_method_handler")
    wrapped_handler: grpc.RpcMethodHandler[Any, Any] = factory(
        wrapped, request_deserializer=None, response_serializer=handler.response_serializer
    )
    return wrapped_handler


def _missing(*_: object) -> None:
    """A method that no service has, which is as one that a service lacks: neither is a coroutine."""


def _mask(metadata: Any) -> Metadata:
    return tuple((key, "***" if key in CREDENTIAL_HEADERS else value) for key, value in metadata)


def _model(request: Any) -> str:
    """The model that a request names, in any of the fields where requests do; "" if it names none."""
    for message in (request, getattr(request, "cached_content", None)):
        if isinstance(model := getattr(message, "model", None), str) and model:
            return model
    name = getattr(request, "name", "")
    return name if isinstance(name, str) and name.startswith("models/") else ""


def _printable(name: str) -> str:
    """A name of the client's as one short word for the log."""
    if name.isprintable() and len(name) <= _MAX_NAME:
        return name or "-"
    return ascii(name[:_MAX_NAME])


def _status(error: BaseException | None, context: Context, timeout: float | None) -> str:
    """The status of a call that ended, with this error if any, and that had so many seconds at its start."""
    code: Any = context.code()
    if isinstance(code, grpc.StatusCode):
        return code.name
    if error is None:
        return "OK"
    if isinstance(error, (asyncio.CancelledError, GeneratorExit, grpc.aio.BaseError)):
        remaining = context.time_remaining()
        if timeout is None or remaining is None or remaining > _ROUNDING * timeout:
            return "CANCELLED"
        return "DEADLINE_EXCEEDED"
    return "UNKNOWN"
