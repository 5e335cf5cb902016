"""The open streams that responses read, as each transport opens them."""

from __future__ import annotations

from typing import Protocol

from genai_grpc.protos import GenerateContentResponse as Chunk

__all__ = ["AsyncStream", "SyncStream"]


class SyncStream(Protocol):
    """An open stream of response chunks.

    Attributes:
        starts_reply: Whether the last chunk read is the first one of another reply.
    """

    starts_reply: bool

    def read(self) -> Chunk | None:
        """Read the next chunk when it arrives; None at the end. Raises APIError."""

    def cancel(self) -> None:
        """End the stream now."""


class AsyncStream(Protocol):
    """The async twin of `SyncStream`."""

    starts_reply: bool

    async def read(self) -> Chunk | None:
        """Read the next chunk when it arrives; None at the end. Raises APIError."""

    def cancel(self) -> None:
        """End the stream now."""
