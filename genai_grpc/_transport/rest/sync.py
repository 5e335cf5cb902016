"""The sync transport over HTTP/JSON."""

from __future__ import annotations

import contextlib
from collections import deque
from typing import Any

from genai_grpc._rpc.admission import Admission
from genai_grpc._rpc.call import AnyCall
from genai_grpc._rpc.operation import Attempt
from genai_grpc._services.sse import EventParser
from genai_grpc._transport.config import ClientOptions
from genai_grpc._transport.metadata import CallMetadata
from genai_grpc._transport.rest.connections import RestConnections, shut_down
from genai_grpc._transport.rest.exchange import Exchange, metadata_of
from genai_grpc._transport.stream import RpcStream, no_message
from genai_grpc._transport.sync import SyncTransport
from genai_grpc.errors import APIError, Cancelled, InternalServerError, ServiceUnavailable

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
        call, timeout = attempt.call, attempt.timeout
        metadata = self._metadata.for_call(call)
        if metadata is None:
            timeout, metadata = self._refresh(call, timeout)
        exchange = Exchange(self._connections, attempt, metadata, timeout, self._options.user_agent or "")
        client = self._connections.sync()
        failure: APIError | None = None
        try:
            response = client.send(client.build_request(**exchange.arguments), stream=True)
            try:
                return self._read(call, exchange, response)
            except BaseException:
                response.close()
                raise
        except self._connections.httpx.HTTPError as error:
            failure = exchange.failure(error)
        except RuntimeError:  # of httpx2: its client was closed just now
            self._connections.check_open()
            raise
        # Not in the handler: the frames of httpx2 have the headers among their local variables.
        raise failure

    def _read(self, call: AnyCall, exchange: Exchange, response: Any) -> Any:
        """The reply, or the open stream and its first chunk."""
        self._connections.on_reply()
        if call.method.streaming and response.is_success:
            stream = _Stream(response, exchange, self._connections)
            if (first := stream.read()) is None:
                raise no_message()
            return stream, first
        pieces = []
        for piece in response.iter_bytes():
            pieces.append(piece)
            exchange.time_left()
        return exchange.parse(response, b"".join(pieces))


class _Stream(RpcStream):
    """An open response stream."""

    __slots__ = ("_cancelled", "_connections", "_events", "_exchange", "_parser", "_pieces")

    def __init__(self, response: Any, exchange: Exchange, connections: RestConnections) -> None:
        super().__init__(response)
        self._exchange = exchange
        self._connections = connections
        self._pieces = response.iter_bytes()
        self._parser = EventParser()
        self._events: deque[bytes] = deque()
        self._cancelled = False

    def read(self) -> Any:
        failure: APIError
        try:
            while not self._events:
                self._exchange.time_left()
                piece = next(self._pieces, None)
                if piece is None:
                    return self._at_end()
                self._events.extend(self._parser.feed(piece))
            self.last = self._exchange.parse_event(self._rpc, self._events.popleft())
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
        self._rpc.close()
        raise failure

    def _at_end(self) -> None:
        if self._parser.incomplete:
            raise ServiceUnavailable("the service's stream ended in the middle of an event")
        self._end(None)
        self._rpc.close()

    def received(self) -> tuple[Any, Any]:
        """The metadata so far."""
        return metadata_of(self._rpc), None if self.open else ()

    def _cancel(self) -> None:
        self._cancelled = True
        shut_down(self._rpc)  # wakes another thread that reads
        with contextlib.suppress(Exception):  # of the thread that reads: what httpx2 says of a connection that it lost
            self._rpc.close()

    def __del__(self) -> None:
        self.cancel()
