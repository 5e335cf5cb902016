"""The open streams that responses read, as each shell opens them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from genai_grpc.protos import GenerateContentResponse as Chunk

__all__ = ["AsyncSource", "SyncSource"]


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
