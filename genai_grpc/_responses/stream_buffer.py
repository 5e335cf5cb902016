"""The chunks of a stream so far, and the response that they merge into."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from genai_grpc._responses.merge import ResponseMerger
from genai_grpc._responses.stream import AsyncStream, SyncStream
from genai_grpc._services.messages import GEMINI
from genai_grpc.errors import BlockedPromptException, Cancelled

if TYPE_CHECKING:
    from typing_extensions import Self

    from genai_grpc.protos import GenerateContentResponse as Chunk

__all__ = ["StreamBuffer"]


class StreamBuffer:
    """The chunks of a stream, and whether more may come.

    Attributes:
        stream: The open stream; None for chunks without one.
        chunks: Each serialized, which takes a tenth of a message's memory and no time of the garbage collector.
        ended: Whether no more chunks come.
        error: What ended the stream early, or None.
        delivered: How many chunks the program has seen.
        chunk_type: The class of the chunks.
    """

    __slots__ = (
        *("_latest", "_merged", "_merger", "_reply_start"),
        *("chunk_type", "chunks", "delivered", "ended", "error", "stream"),
    )

    def __init__(self, stream: Any = None) -> None:
        self.stream = stream
        self.chunks: list[bytes] = []
        self.ended = stream is None
        self.error: Exception | None = None
        self.delivered = 0
        self.chunk_type: type[Chunk] | None = None  # that of the Gemini API, until there is a chunk
        # Where the last reply starts, the chunk that came last, and how many chunks the merger has.
        self._reply_start = 0
        self._latest: Chunk | None = None
        self._merger: ResponseMerger | None = None
        self._merged = 0

    @classmethod
    def from_stream(cls, stream: SyncStream | AsyncStream | None, first: Chunk | None) -> Self:
        """An open stream and its first chunk; None if it ended without one."""
        buffer = cls(stream)
        if first is None:
            buffer.ended = True
            return buffer
        buffer._latest, buffer.chunk_type = first, type(first)
        buffer.chunks.append(first.SerializeToString())
        if first.HasField("prompt_feedback") and first.prompt_feedback.block_reason:
            buffer._block(first)
        return buffer

    @classmethod
    def from_chunks(cls, chunks: list[bytes], error: Exception | None, chunk_type: type[Chunk] | None = None) -> Self:
        """A stream that has ended with these chunks."""
        buffer = cls()
        buffer.chunks, buffer.error, buffer.chunk_type = chunks, error, chunk_type
        return buffer

    def append(self, chunk: Chunk | None) -> None:
        """Add the next chunk; None for the end."""
        if chunk is None:
            self.ended = True
            return
        if self.stream.starts_reply:
            # With automatic function calling a stream has several replies; the last one is the response.
            self._reply_start = self._merged = len(self.chunks)
            self._merger = None
        self._latest = chunk
        self.chunks.append(chunk.SerializeToString())
        if chunk.HasField("prompt_feedback") and chunk.prompt_feedback.block_reason:
            self._block(chunk)

    def set_error(self, error: BaseException) -> None:
        """End the stream with an error."""
        self.ended = True
        # Ctrl-C and the cancellation of a task are raised once; later reads raise that the stream was cut short.
        cut = Cancelled(f"the stream was cut short by {type(error).__name__}")
        self.error = error if isinstance(error, Exception) else cut

    def cancel(self) -> None:
        """End the stream, if it is open."""
        if not self.ended:
            self.ended = True
            self.stream.cancel()

    def received(self) -> tuple[Any, ...] | None:
        """What the stream has received besides its chunks; None without a stream of one call."""
        return None if self.stream is None else self.stream.received()

    def exhausted(self) -> bool:
        """Whether no more chunks come; raises what ended the stream early."""
        if self.ended and self.error is not None:
            raise self.error
        return self.ended

    def chunk(self, position: int) -> Chunk:
        """The chunk at `position`, which has arrived, for the program to see.

        Raises:
            BlockedPromptException: The prompt was blocked, which is all that its chunk says.
        """
        if position + 1 == len(self.chunks) and isinstance(self.error, BlockedPromptException):
            raise self.error
        if position >= self.delivered:
            self.delivered = position + 1
        if self._latest is not None and position + 1 == len(self.chunks):
            return self._latest
        return self._parse(self.chunks[position])

    def message(self) -> Chunk:
        """The chunks of the last reply, merged."""
        if self._latest is not None and len(self.chunks) == self._reply_start + 1:
            return self._latest
        return self._merge().result()

    def metadata(self) -> Chunk:
        """The same without candidates, which costs nothing while chunks still arrive."""
        if self._latest is not None and len(self.chunks) == self._reply_start + 1:
            return self._latest
        return self._merge().metadata

    def spans(self) -> list[tuple[int, int]] | None:
        """For each part of the only candidate, the chunks with its first and last content; None if all are in one."""
        if self._latest is not None and len(self.chunks) == self._reply_start + 1:
            return None
        return self._merge().spans()

    def reply(self) -> list[bytes]:
        """The chunks of the last reply."""
        return self.chunks[self._reply_start :]

    def _parse(self, data: bytes) -> Chunk:
        return (self.chunk_type or GEMINI.GenerateContentResponse).FromString(data)

    def _block(self, chunk: Chunk) -> None:
        """End the stream: its prompt was blocked, as this chunk says."""
        self.cancel()
        self.error = BlockedPromptException(chunk)

    def _merge(self) -> ResponseMerger:
        # At the first use, so that a program that only iterates does not pay for it.
        if self._merger is None:
            self._merger = ResponseMerger(self.chunk_type)
        for data in self.chunks[self._merged :]:
            self._merger.add(self._parse(data))
        self._merged = len(self.chunks)
        return self._merger
