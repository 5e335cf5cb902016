"""The RPCs over HTTP/JSON, with the handlers of the gRPC server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse

from genai_grpc._services.dialects import vertex_methods
from genai_grpc._services.generative_language import all_methods
from genai_grpc._services.transcoding import Route, Routes, to_json
from genai_grpc.errors import APIError, DeadlineExceeded, InvalidArgument, MethodNotImplemented
from genai_grpc.local.http.context import HttpContext
from genai_grpc.local.http.errors import error_json, to_response

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from genai_grpc.local._received_request import Metadata

__all__ = ["FindHandler", "call", "find_route", "read_body"]

FindHandler = Callable[[str, "Metadata"], Awaitable[Any]]
"""Finds the handler of a path of gRPC, for a call with this metadata; None if there is none."""

_BODY_SECONDS: Final = 60.0
"""Time for the next part of a body."""

_JSON: Final = "application/json"
_NOT_METADATA: Final = frozenset(
    {"accept", "accept-encoding", "connection", "content-length", "content-type", "expect", "host", "transfer-encoding"}
)
"""Headers of HTTP itself."""


@cache
def _routes() -> Routes:
    return Routes((*all_methods(), *vertex_methods()))


def find_route(request: Request) -> Route:
    """The method of a request.

    Raises:
        HTTPException: No method has its path, or none with its verb.
    """
    path = request.scope["raw_path"].decode("ascii")
    route = _routes().find(request.method, path)
    if route is None:
        if verbs := _routes().verbs(path):
            raise HTTPException(405, f"use {' or '.join(verbs)}", {"allow": ", ".join(verbs)})
        raise HTTPException(404, "no method of the API has this path")
    return route


async def read_body(request: Request, limit: int) -> bytes:
    """The body of a request.

    Raises:
        InvalidArgument: It has more bytes than the limit.
        DeadlineExceeded: The next part of it does not come.
    """
    parts: list[bytes] = []
    size = 0
    stream = aiter(request.stream())
    while True:
        try:
            part = await asyncio.wait_for(anext(stream, None), _BODY_SECONDS)
        except asyncio.TimeoutError:
            raise DeadlineExceeded(f"no part of the body came for {_BODY_SECONDS:g} s") from None
        if part is None:
            return b"".join(parts)
        size += len(part)
        if size > limit:
            raise InvalidArgument(f"the body has more than the {limit:,} bytes that this server takes")
        parts.append(part)


async def call(request: Request, route: Route, find_handler: FindHandler, limit: int) -> Response:
    """Answer a request with the handler of its method.

    Raises:
        APIError: The call failed.
        ClientDisconnect: The client has gone away, and the call is ended.
    """
    message = route.parse(request.query_params.multi_items(), await read_body(request, limit))
    handler = await find_handler(route.method.path, _metadata(request))
    if handler is None:
        raise MethodNotImplemented(f"this server has no {route.method.name}")
    data = message.SerializeToString()
    peer = "http" if request.client is None else f"http:{request.client.host}:{request.client.port}"
    if route.method.streaming and handler.response_streaming:
        return await _stream(request, handler, data, peer)
    # A handler that refuses the call, such as for its key, is unary.
    task = asyncio.create_task(handler.unary_unary(data, HttpContext(peer, _no_stream)))
    async with _connected(request, task):
        return Response(to_json(await task), media_type=_JSON)


@asynccontextmanager
async def _connected(request: Request, task: asyncio.Task[Any]) -> AsyncIterator[None]:
    """End a task with the block, and when the client goes away.

    Raises:
        ClientDisconnect: It has gone away.
    """

    async def watch() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass
        task.cancel()

    watching = asyncio.create_task(watch())
    try:
        yield
    except asyncio.CancelledError:
        if watching.done() and not watching.cancelled():
            raise ClientDisconnect from None
        raise
    finally:
        watching.cancel()
        task.cancel()


def _metadata(request: Request) -> Metadata:
    """The metadata of a call: the headers, and the key of the query."""
    pairs = [(name, value) for name, value in request.headers.items() if name not in _NOT_METADATA]
    key = request.query_params.get("key")
    if key is not None and "x-goog-api-key" not in request.headers:
        pairs.append(("x-goog-api-key", key))
    return tuple(pairs)


def _is_sse(request: Request) -> bool:
    return "sse" in (request.query_params.get("alt"), request.query_params.get("$alt"))


async def _no_stream(_: Message) -> None:
    raise AssertionError("a unary method does not write")


async def _stream(request: Request, handler: Any, data: bytes, peer: str) -> Response:
    """Stream a response: as events, or as one array of JSON."""
    sse = _is_sse(request)
    stack = AsyncExitStack()
    async with stack:
        chunks = await stack.enter_async_context(_chunks(request, handler, data, peer))
        try:
            first = await anext(chunks, None)
        except APIError as error:
            return to_response(error, in_list=not sse)
        kept = stack.pop_all()

    async def parts() -> AsyncIterator[bytes]:
        """The parts of the body."""
        async with _ignored_disconnect(), kept:
            number = 0
            try:
                chunk = first
                while chunk is not None:
                    yield _part(number, to_json(chunk), sse=sse)
                    number += 1
                    chunk = await anext(chunks, None)
            except APIError as error:
                yield _part(number, error_json(error), sse=sse)
            if not sse:
                yield b"]" if number else b"[]"

    return StreamingResponse(parts(), media_type="text/event-stream" if sse else _JSON)


@asynccontextmanager
async def _ignored_disconnect() -> AsyncIterator[None]:
    with suppress(ClientDisconnect):
        yield


def _part(number: int, content: bytes, *, sse: bool) -> bytes:
    if sse:
        return b"data: " + content + b"\r\n\r\n"
    return (b",\r\n" if number else b"[") + content


@asynccontextmanager
async def _chunks(request: Request, handler: Any, data: bytes, peer: str) -> AsyncIterator[AsyncIterator[Message]]:
    """The messages that a handler writes, each of which is taken before it writes the next."""
    queue: asyncio.Queue[Message] = asyncio.Queue(1)
    task = asyncio.create_task(handler.unary_stream(data, HttpContext(peer, queue.put)))

    async def chunks() -> AsyncIterator[Message]:
        while not task.done() or not queue.empty():
            getting = asyncio.ensure_future(queue.get())
            try:
                await asyncio.wait({getting, task}, return_when=asyncio.FIRST_COMPLETED)
                if getting.done():
                    yield getting.result()
            finally:
                getting.cancel()
        await task

    async with _connected(request, task):
        yield chunks()
