"""Base of the sync and async response streams over HTTP: Server-Sent Events, as messages."""

from __future__ import annotations

from collections import deque
from typing import Any, Final

from genai_grpc._services.sse import EventParser
from genai_grpc._transport.rest.exchange import Exchange, Head
from genai_grpc._transport.stream import RpcStream
from genai_grpc.errors import Cancelled, ServiceUnavailable

__all__ = ["RestStream"]

ENDED: Final = "the program ended the stream"
DONE: Final = b"[DONE]"
"""The last event of gateways that speak OpenAI's protocol, too."""


class RestStream(RpcStream):
    """An open response stream.

    Args:
        response: What carries it.
        exchange: The attempt.
        head: The head of the response.
    """

    __slots__ = ("_bodies", "_cancelled", "_events", "_exchange", "_head", "_parser")

    def __init__(self, response: Any, exchange: Exchange, head: Head) -> None:
        super().__init__(response)
        self._exchange = exchange
        self._head = head
        self._parser = EventParser()
        self._events: deque[bytes] = deque()
        self._bodies: list[bytes] = []
        self._cancelled = False

    def received(self) -> tuple[Any, ...]:
        """The metadata so far, and the JSON of the chunks."""
        return self._head.headers, None if self.open else (), self._bodies

    def _check_open(self) -> None:
        if self._outcome is not None:
            raise self._outcome[0] or Cancelled(ENDED)

    def _feed(self, piece: bytes) -> None:
        """Take the next piece; an empty one is the end."""
        if piece:
            self._events.extend(event for event in self._parser.feed(piece) if event != DONE)
        elif rest := self._parser.close():
            self._exchange.check_event(self._head, rest)
            raise ServiceUnavailable("the service's stream ended in the middle of an event")
        else:
            self._end(None)
            self._close()

    def _next(self) -> Any:
        """The message of the next event."""
        if self._cancelled:
            raise Cancelled(ENDED)
        body = self._events.popleft()
        self.last = self._exchange.parse_event(self._head, body)
        self._bodies.append(body)
        return self.last

    def _fail(self, error: Exception) -> Exception:
        """End with an error; the one to raise."""
        failure = Cancelled(ENDED) if self._cancelled else self._exchange.failure(error)
        self._end(failure)
        self._close()
        return failure

    def _close(self) -> None:
        """Free the connection, which goes on after the end of a stream, and closes in its middle."""
        raise NotImplementedError

    def __del__(self) -> None:
        self.cancel()
