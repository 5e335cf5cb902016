"""The sync transport over HTTP/JSON."""

from __future__ import annotations

import contextlib
from typing import Any

from genai_grpc._rpc.admission import Admission
from genai_grpc._rpc.operation import Attempt
from genai_grpc._transport.config import ClientOptions
from genai_grpc._transport.metadata import CallMetadata
from genai_grpc._transport.rest.connections import RestConnections
from genai_grpc._transport.rest.exchange import Exchange, Head
from genai_grpc._transport.rest.pool import CONNECTION_ERRORS, Connection, ConnectionPool
from genai_grpc._transport.rest.stream import RestStream
from genai_grpc._transport.stream import no_message
from genai_grpc._transport.sync import SyncTransport
from genai_grpc.errors import APIError

__all__ = ["RestTransport"]


class RestTransport(SyncTransport):
    """Performs sync calls on the HTTP connections of one client."""

    def __init__(
        self, options: ClientOptions, admission: Admission, connections: RestConnections, metadata: CallMetadata
    ) -> None:
        super().__init__(options, admission)
        self._connections = connections
        self._metadata = metadata

    def _attempt(self, attempt: Attempt) -> Any:
        timeout = attempt.timeout
        metadata = self._metadata.for_call(attempt.call)
        if metadata is None:
            timeout, metadata = self._refresh(attempt.call, timeout)
        exchange = Exchange(self._connections, attempt, metadata, timeout)
        pool = self._connections.sync
        connection = pool.acquire()
        stream: _Stream | None = None
        failure: APIError | None = None
        try:
            head = pool.send(connection, exchange)
            self._connections.on_reply()
            if not (exchange.streaming and head.status == 200):
                return exchange.parse(head, connection.read(exchange.read_timeout))
            stream = _Stream(connection, exchange, head, pool)
        except CONNECTION_ERRORS as error:
            failure = exchange.failure(error)
        finally:
            if stream is None:
                pool.release(connection)
        if failure is not None:
            # Not in the handler: the frames of the client have the headers among their local variables.
            try:
                raise failure
            finally:
                del failure  # its traceback refers to this frame
        assert stream is not None  # noqa: S101 -- one of the two is there
        try:
            first = stream.read()
        except APIError:
            del stream  # its error refers to this frame
            raise
        if first is None:
            raise no_message()
        return stream, first


class _Stream(RestStream):
    """An open response stream, which releases its connection at its end."""

    __slots__ = ("_pool", "_reading")

    _rpc: Connection

    def __init__(self, connection: Connection, exchange: Exchange, head: Head, pool: ConnectionPool) -> None:
        super().__init__(connection, exchange, head)
        self._pool = [pool]
        self._reading = False

    def read(self) -> Any:
        self._check_open()
        failure: Exception
        # Before the check of `_cancelled`: `_cancel` sets and reads the two in the other order.
        self._reading = True
        try:
            while not self._events and not self._cancelled:
                self._feed(self._rpc.read_piece(self._exchange.read_timeout()))
                if not self.open:
                    return None
            return self._next()
        except (*CONNECTION_ERRORS, APIError, ValueError) as error:
            failure = self._fail(error)
        except BaseException:
            self.cancel()
            raise
        finally:
            self._reading = False
            if self._cancelled:
                self._close()
        try:
            raise failure
        finally:
            del failure, self  # its traceback refers to this frame, and the stream to it

    def _cancel(self) -> None:
        self._cancelled = True
        if self._reading:
            self._rpc.shut_down()  # wakes the thread that reads, which closes the connection
        else:
            self._close()

    def _close(self) -> None:
        with contextlib.suppress(IndexError):  # closed before, or by another thread
            self._pool.pop().release(self._rpc)
