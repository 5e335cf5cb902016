"""The async transport over HTTP/JSON."""

from __future__ import annotations

from typing import Any

from genai_grpc._rpc.admission import Admission
from genai_grpc._rpc.operation import Attempt
from genai_grpc._transport.aio import AsyncTransport
from genai_grpc._transport.config import ClientOptions
from genai_grpc._transport.metadata import CallMetadata
from genai_grpc._transport.rest.connections import RestConnections, Session
from genai_grpc._transport.rest.exchange import Exchange, Head
from genai_grpc._transport.rest.pool import shut_down
from genai_grpc._transport.rest.stream import RestStream
from genai_grpc._transport.stream import no_message
from genai_grpc.errors import APIError

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
        timeout = attempt.timeout
        metadata = self._metadata.for_call(attempt.call)
        if metadata is None:
            timeout, metadata = await self._refresh(attempt.call, timeout)
        exchange = Exchange(self._connections, attempt, metadata, timeout)
        session = self._connections.aio()
        failure: APIError
        try:
            response = await session.send(exchange)
            self._connections.on_reply(session.loop)
            headers = tuple((name.lower(), value) for name, value in response.headers.items())
            head = Head(response.status, headers)
            if not (exchange.streaming and head.status == 200):
                try:
                    return exchange.parse(head, await response.read())
                finally:
                    session.end(response)
        except session.errors as error:
            failure = exchange.failure(error)
            error.__traceback__ = None  # some errors of aiohttp refer to themselves by its frames
        else:
            stream = _Stream(response, exchange, head, session)
            try:
                first = await stream.read()
            except APIError:
                del stream  # its error refers to this frame
                raise
            if first is None:
                raise no_message()
            return stream, first
        # Not in the handler: the frames of aiohttp have the headers among their local variables.
        try:
            raise failure
        finally:
            del failure  # its traceback refers to this frame


class _Stream(RestStream):
    """An open response stream."""

    __slots__ = ("_session", "_socket")

    def __init__(self, response: Any, exchange: Exchange, head: Head, session: Session) -> None:
        super().__init__(response, exchange, head)
        self._session = session
        transport = response.connection and response.connection.transport  # none where it has ended already
        self._socket = transport and transport.get_extra_info("socket")

    async def read(self) -> Any:
        self._check_open()
        failure: Exception
        try:
            while not self._events:
                self._feed(await self._rpc.content.readany())
                if not self.open:
                    return None
            return self._next()
        except (*self._session.errors, APIError, ValueError) as error:
            failure = self._fail(error)
        except BaseException:
            self.cancel()
            raise
        try:
            raise failure
        finally:
            del failure, self  # its traceback refers to this frame, and the stream to it

    def _cancel(self) -> None:
        self._cancelled = True
        shut_down(self._socket)  # at once: the loop may not run on
        self._close()

    def _close(self) -> None:
        session, response = self._session, self._rpc
        session.call(lambda: session.end(response))
