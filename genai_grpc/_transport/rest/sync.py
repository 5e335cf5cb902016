"""The sync transport over HTTP/JSON."""

from __future__ import annotations

import contextlib
from collections import deque
from typing import Any, Final

from genai_grpc._rpc.admission import Admission
from genai_grpc._rpc.operation import Attempt
from genai_grpc._services.sse import EventParser
from genai_grpc._transport.config import ClientOptions
from genai_grpc._transport.metadata import CallMetadata
from genai_grpc._transport.rest.connections import RestConnections, shut_down, socket_of
from genai_grpc._transport.rest.exchange import Exchange, metadata_of
from genai_grpc._transport.stream import RpcStream, no_message
from genai_grpc._transport.sync import SyncTransport
from genai_grpc.errors import APIError, Cancelled, InternalServerError, ServiceUnavailable

__all__ = ["RestTransport"]


_ENDED: Final = "the program ended the stream"


class RestTransport(SyncTransport):
    """Performs sync calls on the HTTP connections of one client."""

    def __init__(
        self, options: ClientOptions, admission: Admission, connections: RestConnections, metadata: CallMetadata
    ) -> None:
        super().__init__(options, admission)
        self._connections = connections
        self._metadata = metadata

    def _attempt(self, attempt: Attempt) -> Any:
        call, timeout = attempt.call, attempt.timeout
        metadata = self._metadata.for_call(call)
        if metadata is None:
            timeout, metadata = self._refresh(call, timeout)
        exchange = Exchange(self._connections, attempt, metadata, timeout, self._options.user_agent or "")
        client = self._connections.acquire()
        failure: APIError | None = None
        stream: _Stream | None = None
        try:
            response = client.send(client.build_request(**exchange.arguments), stream=True)
            self._connections.on_reply()
            if not (call.method.streaming and response.is_success):
                return _read(exchange, response)
            stream = _Stream(response, exchange, self._connections)
        except self._connections.httpx.HTTPError as error:
            failure = exchange.failure(error)
        finally:
            if stream is None:
                self._connections.release()
        if failure is not None:
            raise failure  # not in the handler: the frames of httpx2 have the headers among their local variables
        assert stream is not None  # noqa: S101 -- one of the two is there
        if (first := stream.read()) is None:
            raise no_message()
        return stream, first


def _read(exchange: Exchange, response: Any) -> Any:
    """The reply."""
    try:
        pieces = []
        for piece in response.iter_bytes():
            pieces.append(piece)
            exchange.time_left()
        return exchange.parse(response, b"".join(pieces))
    finally:
        response.close()


class _Stream(RpcStream):
    """An open response stream, which releases the connections at its end."""

    __slots__ = (
        "_bodies",
        "_cancelled",
        "_connections",
        "_events",
        "_exchange",
        "_headers",
        "_parser",
        "_pieces",
        "_reading",
        "_release",
        "_socket",
    )

    def __init__(self, response: Any, exchange: Exchange, connections: RestConnections) -> None:
        super().__init__(response)
        self._exchange = exchange
        self._connections = connections
        self._headers = response.headers
        self._socket = socket_of(response)
        self._pieces = response.iter_bytes()
        self._parser = EventParser()
        self._events: deque[bytes] = deque()
        self._bodies: list[bytes] = []
        self._cancelled = False
        self._reading = False
        self._release = [connections.release]

    def read(self) -> Any:
        if self._outcome is not None:
            raise self._outcome[0] or Cancelled(_ENDED)
        failure: APIError
        self._reading = True  # before the check of `_cancelled`: `_cancel` sets and reads them in the other order
        try:
            while not self._events and not self._cancelled:
                self._exchange.time_left()
                piece = next(self._pieces, None)
                if piece is None:
                    return self._at_end()
                self._events.extend(self._parser.feed(piece))
            body = self._next_event()
            self.last = self._exchange.parse_event(self._rpc, body)
            self._bodies.append(body)
        except (self._connections.httpx.HTTPError, self._connections.httpx.StreamError) as error:
            failure = self._exchange.failure(error)
        except APIError as error:
            failure = error
        except ValueError as error:
            failure = InternalServerError(f"the service's stream cannot be read: {error}")
        except BaseException:
            self._reading = False
            self.cancel()
            raise
        else:
            return self.last
        finally:
            self._reading = False
        if self._cancelled:  # from elsewhere
            failure = Cancelled(_ENDED)
        self._end(failure)
        self._close()
        raise failure

    def _next_event(self) -> bytes:
        if self._cancelled:
            raise Cancelled(_ENDED)
        return self._events.popleft()

    def _at_end(self) -> None:
        if self._parser.incomplete:
            raise ServiceUnavailable("the service's stream ended in the middle of an event")
        self._end(None)
        self._close()

    def received(self) -> tuple[Any, ...]:
        """The metadata so far, and the JSON of the chunks."""
        return metadata_of(self._headers), None if self.open else (), self._bodies

    def _cancel(self) -> None:
        self._cancelled = True
        if self._reading:
            shut_down(self._socket)  # wakes the thread that reads, which closes the connection
        else:
            self._close()

    def _close(self) -> None:
        self._rpc.close()
        with contextlib.suppress(IndexError):  # closed before, or by another thread
            self._release.pop()()

    def __del__(self) -> None:
        self.cancel()
