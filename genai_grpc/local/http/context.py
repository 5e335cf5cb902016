"""The context of a call over HTTP, in place of gRPC's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Any

from genai_grpc._rpc.status import parse_status

if TYPE_CHECKING:
    import grpc
    from google.protobuf.message import Message

__all__ = ["HttpContext"]


class HttpContext:
    """What services use of gRPC's `ServicerContext`.

    Args:
        peer: Who calls, for the log.
        write: Sends a message of a response stream.
    """

    def __init__(self, peer: str, write: Callable[[Message], Awaitable[None]]) -> None:
        self._peer = peer
        self._write = write
        self._code: Any = 0

    async def abort(self, code: grpc.StatusCode, details: str = "", trailing: Iterable[Any] = ()) -> None:
        """End the call. Raises APIError."""
        self._code = code
        raise parse_status(code, details, tuple(trailing))

    async def write(self, message: Message) -> None:
        """Send a message of a response stream."""
        await self._write(message)

    async def send_initial_metadata(self, metadata: Any) -> None:
        """Nothing: the metadata of the server is for its clients of gRPC."""

    def code(self) -> Any:
        """The status code; 0 before the end."""
        return self._code

    def peer(self) -> str:
        """Who calls."""
        return self._peer

    def time_remaining(self) -> float | None:
        """None: there is no deadline."""
        return None
