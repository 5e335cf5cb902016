"""Batches: rows that are ready at the same time share one call."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import Context, copy_context
from typing import Any, Generic, NamedTuple, TypeVar

from genai_grpc._rpc.options import CallOptions
from genai_grpc.errors import InvalidArgument

__all__ = ["Batches"]

Out = TypeVar("Out")


class Batches(Generic[Out]):
    """Makes calls for several items at once, each the item of a row.

    Args:
        call: Makes the call for items, and returns the result of each.
        size: Items of a call, at most.
    """

    def __init__(self, call: Callable[[list[Any], CallOptions], Awaitable[list[Out]]], size: int) -> None:
        self._call = call
        self._size = size
        self._open: list[_Item] = []

    async def result(self, item: Any, options: CallOptions) -> Out:
        """The result of an item. If the service refuses a batch, each of its items gets a call of its own.

        Args:
            item: The item.
            options: Those of the call; `on_attempt` is called in the context of each item's task.

        Raises:
            Exception: What the call raises.
        """
        if len(self._open) in (0, self._size):
            self._open = []
        batch, own = self._open, _Item(item, asyncio.get_running_loop().create_future(), copy_context())
        batch.append(own)
        if len(batch) == 1:
            await asyncio.sleep(0)  # the rows that are ready add their items
            await self._perform(batch, options)
        try:
            result: Out = await own.result
        except InvalidArgument:
            if len(batch) == 1:
                raise
            return (await self._call([item], options))[0]
        return result

    async def _perform(self, batch: list[_Item], options: CallOptions) -> None:
        """Make the call of a batch, which then gets no more items."""
        if self._open is batch:
            self._open = []
        try:
            results = await self._call([each.item for each in batch], _for_each(batch, options))
        except Exception as error:
            for each in batch:
                if not each.result.done():  # its task was cancelled
                    each.result.set_exception(error)
        else:
            for each, result in zip(batch, results, strict=True):
                if not each.result.done():
                    each.result.set_result(result)
        finally:
            for each in batch:
                each.result.cancel()  # if this task was cancelled


class _Item(NamedTuple):
    """An item of a batch, the future of its result, and the context of its task."""

    item: Any
    result: asyncio.Future[Any]
    context: Context


def _for_each(batch: list[_Item], options: CallOptions) -> CallOptions:
    """Options with which an attempt counts for each item."""
    on_attempt = options.on_attempt
    if on_attempt is None:
        return options

    def on_each(number: int) -> None:
        for each in batch:
            each.context.run(on_attempt, number)

    return options._replace(on_attempt=on_each)
