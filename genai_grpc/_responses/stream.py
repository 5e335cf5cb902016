"""The open streams that responses read, as each transport opens them."""

from __future__ import annotations

from collections.abc import AsyncIterable, Generator, Iterable
from typing import TYPE_CHECKING, Any, Protocol

from genai_grpc._services.messages import protos_of
from genai_grpc_protos._convert import to_message

if TYPE_CHECKING:
    from genai_grpc.protos import GenerateContentResponse as Chunk

__all__ = ["AsyncIteratorStream", "AsyncStream", "IteratorStream", "SyncStream"]


class SyncStream(Protocol):
    """An open stream of response chunks.

    Attributes:
        starts_reply: Whether the last chunk read is the first one of another reply.
    """

    starts_reply: bool

    def read(self) -> Chunk | None:
        """Read the next chunk when it arrives; None at the end. Raises APIError."""

    def received(self) -> tuple[Any, ...] | None:
        """Initial metadata, the trailing one after the end, and over HTTP the JSON of the chunks.

        None for a stream that is no single call.
        """

    def cancel(self) -> None:
        """End the stream now."""


class AsyncStream(Protocol):
    """The async twin of `SyncStream`."""

    starts_reply: bool

    async def read(self) -> Chunk | None:
        """Read the next chunk when it arrives; None at the end. Raises APIError."""

    def received(self) -> tuple[Any, ...] | None:
        """Initial metadata, the trailing one after the end, and over HTTP the JSON of the chunks.

        None for a stream that is no single call.
        """

    def cancel(self) -> None:
        """End the stream now."""


class IteratorStream:
    """The chunks of an iterator, as a stream."""

    starts_reply = False

    def __init__(self, iterable: Iterable[Any]) -> None:
        self._iterator = iter(iterable)

    def read(self) -> Chunk | None:
        chunk = next(self._iterator, None)
        return None if chunk is None else to_message(protos_of(chunk).GenerateContentResponse, chunk)

    def received(self) -> None:
        """No metadata."""

    def cancel(self) -> None:
        if isinstance(self._iterator, Generator):
            self._iterator.close()


class AsyncIteratorStream:
    """The chunks of an async iterator, as a stream."""

    starts_reply = False

    def __init__(self, iterable: AsyncIterable[Any]) -> None:
        self._iterator = aiter(iterable)

    async def read(self) -> Chunk | None:
        chunk = await anext(self._iterator, None)
        return None if chunk is None else to_message(protos_of(chunk).GenerateContentResponse, chunk)

    def received(self) -> None:
        """No metadata."""

    def cancel(self) -> None:
        """Nothing to end: an async iterator can only be closed by awaiting."""
