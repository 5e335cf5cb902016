"""Responses to generation: one class for sync programs, one for async programs, over the same state.

A response is whole, or a stream to be read. Iterating over it yields each chunk when it arrives; iterating again starts
from the first chunk.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from typing import Any

from genai_grpc import protos
from genai_grpc._base_response import BaseResponse
from genai_grpc._responses.stream import AsyncIteratorStream, AsyncStream, IteratorStream, SyncStream
from genai_grpc._responses.stream_buffer import StreamBuffer
from genai_grpc._self import Self

__all__ = ["AsyncGenerateContentResponse", "BaseResponse", "GenerateContentResponse"]


class GenerateContentResponse(BaseResponse):
    """The response of `generate_content` or `send_message`: whole, or with `stream=True` a stream to be read.

    `prompt_feedback` and `usage_metadata` can be read at any time. `candidates`, `parts` and `text` need the stream
    read to its end, by iteration or by `resolve()`. As a context manager, it cancels the stream on exit.

    >>> from genai_grpc import protos
    >>> candidate = protos.Candidate(content={"role": "model", "parts": [{"text": "Hello"}]})
    >>> GenerateContentResponse.from_response(protos.GenerateContentResponse(candidates=[candidate])).text
    'Hello'
    """

    __slots__ = ()

    @classmethod
    def from_stream(cls, opened: tuple[SyncStream, protos.GenerateContentResponse | None], schema: Any = None) -> Self:
        """An open stream and its first chunk, or None if it ended without one; `schema` is the type of `parsed`."""
        return cls(None, StreamBuffer.from_stream(*opened), schema)

    @classmethod
    def from_iterator(cls, iterator: Iterable[Any]) -> Self:
        """A response whose chunks come from an iterator of messages or dicts; the first one is read at once.

        >>> chunks = [{"candidates": [{"content": {"parts": [{"text": text}]}}]} for text in ("Hel", "lo")]
        >>> [chunk.text for chunk in GenerateContentResponse.from_iterator(chunks)]
        ['Hel', 'lo']
        """
        stream = IteratorStream(iterator)
        return cls.from_stream((stream, stream.read()))

    def __iter__(self) -> Iterator[GenerateContentResponse]:
        if (buffer := self._buffer) is None:
            yield type(self)(self._whole, None, None, True)
            return
        position = 0
        while True:
            if position < len(buffer.chunks):
                chunk = buffer.chunk(position)
                position += 1
                yield type(self)(chunk, None, None, True)
            elif buffer.exhausted():
                return
            else:
                _pull(buffer)

    def resolve(self) -> None:
        """Read the stream to its end.

        Raises:
            APIError: The stream failed; the chunks before the error stay readable.
            BlockedPromptException: The prompt was blocked.
        """
        for _ in self:
            pass

    def close(self) -> None:
        """Cancel the stream if it is open. Chunks that have arrived stay readable."""
        self._cancel()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _need_end(self) -> None:
        # A program that read exactly as many chunks as there are has not read the end of the stream: read it now.
        buffer = self._buffer
        if buffer is not None and not buffer.ended and buffer.delivered == len(buffer.chunks):
            _pull(buffer)
        super()._need_end()


class AsyncGenerateContentResponse(BaseResponse):
    """The async twin of `GenerateContentResponse`: `async for`, `await resolve()`, `async with`."""

    __slots__ = ()

    @classmethod
    def from_stream(cls, opened: tuple[AsyncStream, protos.GenerateContentResponse | None], schema: Any = None) -> Self:
        """An open stream and its first chunk, or None if it ended without one; `schema` is the type of `parsed`."""
        return cls(None, StreamBuffer.from_stream(*opened), schema)

    @classmethod
    async def from_aiterator(cls, iterator: AsyncIterable[Any]) -> Self:
        """A response whose chunks come from an async iterator of messages or dicts; the first one is read at once."""
        stream = AsyncIteratorStream(iterator)
        return cls.from_stream((stream, await stream.read()))

    def __aiter__(self) -> AsyncIterator[AsyncGenerateContentResponse]:
        return self._chunks()

    async def _chunks(self) -> AsyncIterator[AsyncGenerateContentResponse]:
        if (buffer := self._buffer) is None:
            yield type(self)(self._whole, None, None, True)
            return
        position = 0
        while True:
            if position < len(buffer.chunks):
                chunk = buffer.chunk(position)
                position += 1
                yield type(self)(chunk, None, None, True)
            elif buffer.exhausted():
                return
            else:
                try:
                    buffer.append(await buffer.stream.read())
                except BaseException as error:
                    buffer.set_error(error)
                    raise

    async def resolve(self) -> None:
        """Read the stream to its end; raises as `GenerateContentResponse.resolve` does."""
        async for _ in self:
            pass

    async def aclose(self) -> None:
        """Cancel the stream if it is open. Chunks that have arrived stay readable."""
        self._cancel()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


def _pull(buffer: StreamBuffer) -> None:
    """Read the next chunk."""
    try:
        buffer.append(buffer.stream.read())
    except BaseException as error:
        buffer.set_error(error)
        raise
