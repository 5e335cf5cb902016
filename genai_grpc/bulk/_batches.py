"""Batches: rows that are ready at the same time share one call."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import Context, copy_context
from typing import Final, NamedTuple, TypeAlias

from genai_grpc import protos
from genai_grpc._rpc.options import CallOptions
from genai_grpc.errors import InvalidArgument

__all__ = ["Batches"]

Vector: TypeAlias = list[float]

_MAX_BYTES: Final = 3 * 2**20
"""Of the contents of a call of several: many gRPC servers take 4 MiB, and the Gemini API 20 MB."""


class Batches:
    """Embeds several contents at once, each of a row.

    Args:
        call: Embeds contents in one call.
        size: Contents of a call, at most.
    """

    def __init__(self, call: Callable[[list[protos.Content], CallOptions], Awaitable[list[Vector]]], size: int) -> None:
        self._call = call
        self._size = size
        self._open: list[_Item] = []
        self._bytes = 0

    async def embed(self, content: protos.Content, options: CallOptions) -> Vector:
        """Embed a content. If the service refuses a batch, each of its contents gets a call of its own.

        Args:
            content: The content.
            options: Those of the call; `on_attempt` is called in the context of each content's task.

        Raises:
            Exception: What the call raises.
        """
        size = content.ByteSize()
        if len(self._open) == self._size or self._bytes + size > _MAX_BYTES:
            self._open = []
        batch, own = self._open, _Item(content, asyncio.get_running_loop().create_future(), copy_context())
        batch.append(own)
        self._bytes = size if len(batch) == 1 else self._bytes + size
        if len(batch) == 1:
            await asyncio.sleep(0)  # the rows that are ready add their contents
            await self._perform(batch, options)
        try:
            vector = await own.vector
        except InvalidArgument:
            if len(batch) == 1:
                raise
            return (await self._call([content], options))[0]
        return vector

    async def _perform(self, batch: list[_Item], options: CallOptions) -> None:
        """Make the call of a batch, which then gets no more contents."""
        if self._open is batch:
            self._open = []
        try:
            vectors = await self._call([each.content for each in batch], _for_each(batch, options))
        except Exception as error:
            for each in batch:
                if not each.vector.done():  # its task was cancelled
                    each.vector.set_exception(error)
        else:
            for each, vector in zip(batch, vectors, strict=True):
                if not each.vector.done():
                    each.vector.set_result(vector)
        finally:
            for each in batch:
                each.vector.cancel()  # if this task was cancelled


class _Item(NamedTuple):
    """A content of a batch, the future of its vector, and the context of its task."""

    content: protos.Content
    vector: asyncio.Future[Vector]
    context: Context


def _for_each(batch: list[_Item], options: CallOptions) -> CallOptions:
    """Options with which an attempt counts for each content."""
    on_attempt = options.on_attempt
    if on_attempt is None:
        return options

    def on_each(number: int) -> None:
        for each in batch:
            each.context.run(on_attempt, number)

    return options._replace(on_attempt=on_each)
