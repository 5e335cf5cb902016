"""HTTP sessions: the requests of one operation, on connections of their own that end with it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Any, Final, TypeVar

from genai_grpc._rpc.call import identity
from genai_grpc._rpc.calls_in_flight import CANCELLED
from genai_grpc._rpc.operation import HttpReply, HttpRequest, Operation, Step
from genai_grpc._rpc.secret import mask
from genai_grpc._transport.aio import AsyncDriver, AsyncTransport
from genai_grpc._transport.http.settings import check_url, client_arguments, origin_of, to_headers
from genai_grpc._transport.sync import SyncDriver, SyncTransport
from genai_grpc.errors import APIError, ClientClosed, DeadlineExceeded, ServiceUnavailable

if TYPE_CHECKING:
    import httpx2

    from genai_grpc._transport.endpoint import Endpoint
    from genai_grpc._transport.http.context import HttpContext

__all__ = ["AsyncHttpSession", "HttpSession"]

Out = TypeVar("Out")


class _Requests:
    """What the requests of one operation have in common."""

    def __init__(self, context: HttpContext) -> None:
        self.httpx = _import_httpx()
        self._context = context
        self._origin: Endpoint | None = None

    def arguments(self, step: HttpRequest) -> dict[str, Any] | None:
        """The arguments of a request; None if the credentials must be refreshed first.

        Raises:
            ConfigurationError: A key or token would go over plaintext to another machine.
        """
        context = self._context
        pairs = context.metadata.for_http(context.call.metadata)
        if pairs is None:
            return None
        origin = origin_of(step.url)
        self._origin = self._origin or origin
        # The service may name a URL of another host for the content, which does not need the key.
        if origin != self._origin:
            pairs = ()
        check_url(step.url, context.options, pairs)
        headers = {"user-agent": context.options.user_agent or "", **to_headers(pairs), **step.headers}
        if step.method != "GET":
            headers["content-length"] = str(len(step.content))  # else a body in pieces has none
        timeout = self.httpx.Timeout(step.timeout)
        return {"method": step.method, "url": step.url, "headers": headers, "timeout": timeout}

    def failure(self, error: Exception, step: HttpRequest) -> APIError:
        """The error of a request without a reply."""
        host = origin_of(step.url).address
        if self._context.calls.cancelled.is_set:
            return ClientClosed(CANCELLED)
        if isinstance(error, self.httpx.TimeoutException):
            return ServiceUnavailable(f"{host} did not go on within {step.timeout:g} s")
        reason = mask(str(error) or type(error).__name__, self._context.secrets())
        return ServiceUnavailable(f"the HTTP connection to {host} failed: {reason}")

    def reply(self, response: httpx2.Response, body: bytes) -> HttpReply:
        """The reply of a response."""
        return HttpReply(response.status_code, dict(response.headers), body, response.url.host)


class HttpSession(SyncDriver):
    """Drives an operation with HTTP requests on the calling thread.

    Args:
        transport: Performs its other steps.
        context: What holds for its requests.

    Raises:
        ImportError: httpx2 is not installed.
    """

    def __init__(self, transport: SyncTransport, context: HttpContext) -> None:
        self._transport = transport
        self._context = context
        self._requests = _Requests(context)

    def run(self, operation: Operation[Any], parse: Callable[[Any], Out] = identity) -> Out:
        """Perform an operation, and close the connections."""
        with (
            self._context.in_flight(),
            self._requests.httpx.Client(**client_arguments(self._context.options)) as client,
        ):
            self._client = client
            return super().run(operation, parse)

    def _execute(self, step: Step) -> Any:
        return self._send(step) if isinstance(step, HttpRequest) else self._transport.perform(step)

    def _send(self, step: HttpRequest) -> HttpReply:
        arguments = self._requests.arguments(step)
        if arguments is None:
            self._context.metadata.credentials.refresh()
            arguments = self._requests.arguments(step)
        if arguments is None:
            raise DeadlineExceeded("the credentials gave no token")
        self._context.calls.check_not_cancelled()
        try:
            with self._client.stream(**arguments, content=_pieces(step.content)) as response:
                if step.sink is not None and response.is_success:
                    for data in response.iter_bytes():
                        step.sink(data)
                    return self._requests.reply(response, b"")
                return self._requests.reply(response, response.read())
        except self._requests.httpx.HTTPError as error:
            failure = self._requests.failure(error, step)
        # Not in the handler: the frames of httpx2 have the headers among their local variables.
        del arguments
        try:
            raise failure
        finally:
            del failure  # its traceback refers to this frame, which has the chunk


class AsyncHttpSession(AsyncDriver):
    """Drives an operation with HTTP requests on the running event loop; as `HttpSession`."""

    def __init__(self, transport: AsyncTransport, context: HttpContext) -> None:
        self._transport = transport
        self._context = context
        self._requests = _Requests(context)

    async def run(self, operation: Operation[Any], parse: Callable[[Any], Out] = identity) -> Out:
        """Perform an operation, and close the connections."""
        with self._context.in_flight():
            async with self._requests.httpx.AsyncClient(**client_arguments(self._context.options)) as client:
                self._client = client
                return await super().run(operation, parse)

    async def _execute(self, step: Step) -> Any:
        return await (self._send(step) if isinstance(step, HttpRequest) else self._transport.perform(step))

    async def _send(self, step: HttpRequest) -> HttpReply:
        arguments = self._requests.arguments(step)
        if arguments is None:
            await asyncio.to_thread(self._context.metadata.credentials.refresh)
            arguments = self._requests.arguments(step)
        if arguments is None:
            raise DeadlineExceeded("the credentials gave no token")
        self._context.calls.check_not_cancelled()
        try:
            async with self._client.stream(**arguments, content=_pieces_async(step.content)) as response:
                if step.sink is not None and response.is_success:
                    async for data in response.aiter_bytes():
                        step.sink(data)
                    return self._requests.reply(response, b"")
                return self._requests.reply(response, await response.aread())
        except self._requests.httpx.HTTPError as error:
            failure = self._requests.failure(error, step)
        del arguments  # as above
        try:
            raise failure
        finally:
            del failure  # as above


_PIECE: Final = 256 * 1024
"""Bytes of a body that are handed over at once: the HTTP client copies them."""


def _pieces(content: bytes) -> Iterator[bytes]:
    for start in range(0, len(content), _PIECE):
        yield content[start : start + _PIECE]


async def _pieces_async(content: bytes) -> AsyncIterator[bytes]:
    for piece in _pieces(content):
        yield piece


def _import_httpx() -> Any:
    try:
        import httpx2  # optional
    except ImportError as error:
        raise ImportError(
            "the content of files goes over HTTP, which needs httpx2; pip install 'genai-grpc[files]'", name="httpx2"
        ) from error
    return httpx2
