"""The open streams that responses read, as each shell opens them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from genai_grpc.errors import APIError, Cancelled

if TYPE_CHECKING:
    from collections.abc import Callable

    from genai_grpc.protos import GenerateContentResponse as Chunk

__all__ = ["AsyncSource", "OpenStream", "SyncSource"]


class SyncSource(Protocol):
    """The chunks of an open stream, for sync programs.

    Attributes:
        fresh: Whether the chunk that was read last begins another reply.
    """

    fresh: bool

    def read(self) -> Chunk | None:
        """The next chunk when it arrives; None at the end. Raises APIError."""

    def cancel(self) -> None:
        """End the stream now."""


class AsyncSource(Protocol):
    """The chunks of an open stream, for async programs.

    Attributes:
        fresh: Whether the chunk that was read last begins another reply.
    """

    fresh: bool

    async def read(self) -> Chunk | None:
        """The next chunk when it arrives; None at the end. Raises APIError."""

    def cancel(self) -> None:
        """End the stream now."""


class OpenStream:
    """What an RPC's stream is in either colour: it ends once, and tells whoever asked to be told.

    Attributes:
        last: The chunk that came last.
    """

    __slots__ = ("__weakref__", "_rpc", "_told", "_whom", "last")
    fresh = False

    def __init__(self, rpc: Any) -> None:
        self._rpc = rpc
        self._whom: list[Callable[[APIError | None, Any], object]] = []
        self._told: tuple[APIError | None] | None = None
        self.last: Any = None

    def on_end(self, tell: Callable[[APIError | None, Any], object]) -> None:
        """Have `tell` called with what ends the stream, an error or None, and the last chunk; at once if it is over."""
        if self._told is None:
            self._whom.append(tell)
        else:
            tell(self._told[0], self.last)

    @property
    def open(self) -> bool:
        """Whether it has not ended."""
        return self._told is None

    def cancel(self) -> None:
        """End the stream now."""
        if self._told is None:
            self._rpc.cancel()
            self._end(Cancelled("the program ended the stream"))

    def _end(self, error: APIError | None) -> None:
        if self._told is None:
            self._told = (error,)
            whom, self._whom = self._whom, []
            for tell in whom:
                tell(error, self.last)

    def __del__(self) -> None:
        # A response that nobody reads on: gRPC cancels the call; what waits for its end must not wait for ever.
        if self._told is None:
            self._end(Cancelled("nobody holds the stream any more"))
