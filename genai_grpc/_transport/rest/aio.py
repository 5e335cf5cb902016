"""The async transport over HTTP/JSON."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import Any, Final

from genai_grpc._rpc.admission import Admission
from genai_grpc._rpc.call import AnyCall
from genai_grpc._rpc.operation import Attempt
from genai_grpc._services.sse import EventParser
from genai_grpc._transport.aio import AsyncTransport
from genai_grpc._transport.config import ClientOptions
from genai_grpc._transport.metadata import CallMetadata
from genai_grpc._transport.rest.connections import RestConnections, shut_down, socket_of
from genai_grpc._transport.rest.exchange import Exchange, metadata_of
from genai_grpc._transport.stream import RpcStream, no_message
from genai_grpc.errors import APIError, Cancelled, InternalServerError, ServiceUnavailable

__all__ = ["AsyncRestTransport"]


class AsyncRestTransport(AsyncTransport):
    """Performs async calls on the HTTP connections of one client."""

    def __init__(
        self, options: ClientOptions, admission: Admission, connections: RestConnections, metadata: CallMetadata
    ) -> None:
        super().__init__(options, admission)
        self._connections = connections
        self._metadata = metadata

    async def _attempt(self, attempt: Attempt) -> Any:
        call, timeout = attempt.call, attempt.timeout
        metadata = self._metadata.for_call(call)
        if metadata is None:
            timeout, metadata = await self._refresh(call, timeout)
        exchange = Exchange(self._connections, attempt, metadata, timeout, self._options.user_agent or "")
        client = self._connections.aio()
        failure: APIError
        try:
            return await asyncio.wait_for(self._exchange(client, call, exchange), timeout)
        except self._connections.httpx.HTTPError as error:
            failure = exchange.failure(error)
        except asyncio.TimeoutError:
            failure = exchange.timed_out()
        except RuntimeError:  # of httpx2: its client was closed just now
            self._connections.check_open()
            raise
        # Not in the handler: the frames of httpx2 have the headers among their local variables.
        raise failure

    async def _exchange(self, client: Any, call: AnyCall, exchange: Exchange) -> Any:
        response = await client.send(client.build_request(**exchange.arguments), stream=True)
        try:
            self._connections.on_reply(asyncio.get_running_loop())
            if not (call.method.streaming and response.is_success):
                return exchange.parse(response, await response.aread())
            stream = _Stream(response, exchange, self._connections)
            if (first := await stream.read()) is not None:
                return stream, first
        except BaseException:
            await response.aclose()
            raise
        raise no_message()


class _Stream(RpcStream):
    """An open response stream."""

    __slots__ = (
        "_bodies",
        "_cancelled",
        "_connections",
        "_events",
        "_exchange",
        "_guard",
        "_headers",
        "_loop",
        "_parser",
        "_pieces",
        "_socket",
    )

    def __init__(self, response: Any, exchange: Exchange, connections: RestConnections) -> None:
        super().__init__(response)
        self._exchange = exchange
        self._connections = connections
        self._loop = asyncio.get_running_loop()
        self._headers = response.headers
        self._socket = socket_of(response)
        self._pieces = response.aiter_bytes()
        self._guard = asyncio.ensure_future(_close_when_cancelled(response, self._pieces))
        _GUARDS.add(self._guard)
        self._guard.add_done_callback(_GUARDS.discard)
        self._parser = EventParser()
        self._events: deque[bytes] = deque()
        self._bodies: list[bytes] = []
        self._cancelled = False

    async def read(self) -> Any:
        if self._outcome is not None:
            raise self._outcome[0] or Cancelled("the stream has ended")
        failure: APIError
        try:
            while not self._events:
                piece = await asyncio.wait_for(anext(self._pieces, None), self._exchange.read_timeout())
                if piece is None:
                    return await self._at_end()
                self._events.extend(self._parser.feed(piece))
            body = self._events.popleft()
            self.last = self._exchange.parse_event(self._rpc, body)
            self._bodies.append(body)
        except asyncio.TimeoutError:
            failure = self._exchange.timed_out()
        except (self._connections.httpx.HTTPError, self._connections.httpx.StreamError) as error:
            failure = self._exchange.failure(error)
        except APIError as error:
            failure = error
        except ValueError as error:
            failure = InternalServerError(f"the service's stream cannot be read: {error}")
        except BaseException:
            self.cancel()
            raise
        else:
            return self.last
        if self._cancelled:  # from elsewhere
            failure = Cancelled("the program ended the stream")
        self._end(failure)
        await self._rpc.aclose()
        raise failure

    async def _at_end(self) -> None:
        if self._parser.incomplete:
            raise ServiceUnavailable("the service's stream ended in the middle of an event")
        self._end(None)
        await self._rpc.aclose()

    def received(self) -> tuple[Any, ...]:
        """The metadata so far, and the JSON of the chunks."""
        return metadata_of(self._headers), None if self.open else (), self._bodies

    def _cancel(self) -> None:
        self._cancelled = True
        shut_down(self._socket)  # at once: the loop may not run on

    def _end(self, error: APIError | None) -> None:
        super()._end(error)
        try:
            self._loop.call_soon_threadsafe(self._guard.cancel)
        except RuntimeError:  # the loop was closed before, and ends no task
            self._guard._log_destroy_pending = False  # type: ignore[attr-defined]  # of CPython
            _GUARDS.discard(self._guard)

    def __del__(self) -> None:
        self.cancel()


async def _close_when_cancelled(response: Any, pieces: Any) -> None:
    """Close a response when its stream ends, or when the event loop cancels its tasks at its end.

    The generators of httpx2 must be closed in order. The event loop, at its end, and the garbage collector would close
    all of them at once, which fails.
    """
    try:
        await asyncio.get_running_loop().create_future()
    finally:
        with contextlib.suppress(Exception):  # what httpx2 says of a connection that it lost, or if a task reads
            await pieces.aclose()
        with contextlib.suppress(Exception):  # as above
            await response.aclose()


_GUARDS: Final[set[asyncio.Future[None]]] = set()
