"""Runs calls for rows, as many at once as asked for, and hands over their results."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Final

from genai_grpc.bulk._rows import Row

__all__ = ["run"]

# Rows that may be ahead of the one whose result is to be written next, for each call in flight.
AHEAD: Final = 8


async def run(
    rows: Iterator[Row],
    perform: Callable[[Row], Awaitable[dict[str, Any]]],
    write: Callable[[dict[str, Any]], None],
    concurrency: int,
    *,
    ordered: bool,
) -> None:
    """Perform each row, and write its result: in the order of the rows, or as they finish.

    Args:
        rows: The rows; the next is taken when a call has ended.
        perform: The result of a row; it raises nothing that concerns this row alone.
        write: Called with each result, on the event loop.
        concurrency: Calls in flight, at most.
        ordered: Whether results are written in order. Rows wait for one that takes much longer than theirs.

    Raises:
        Exception: What `perform` or `write` raise; the calls in flight are cancelled. What `rows` raise, after the
            calls in flight have ended and their results are written.
    """
    order = _Order(write, AHEAD * concurrency) if ordered else None

    failures: list[Exception] = []

    def next_row() -> Row | None:
        try:
            return next(rows, None)
        except Exception as failure:  # it is raised when the calls in flight have ended
            failures.append(failure)
            return None

    async def work() -> None:
        while not failures and (row := next_row()) is not None:
            if order is None:
                write(await perform(row))
            else:
                place = await order.place()
                order.finish(place, await perform(row))

    tasks = [asyncio.ensure_future(work()) for _ in range(concurrency)]
    try:
        await asyncio.gather(*tasks)
        if failures:
            raise failures[0]
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class _Order:
    """Writes results in the order in which their rows were taken, within a window."""

    def __init__(self, write: Callable[[dict[str, Any]], None], window: int) -> None:
        self._write = write
        self._window = window
        self._taken = self._written = 0
        self._finished: dict[int, dict[str, Any]] = {}
        self._moved = asyncio.Event()

    async def place(self) -> int:
        place = self._taken
        self._taken += 1
        while place - self._written >= self._window:
            self._moved.clear()
            await self._moved.wait()
        return place

    def finish(self, place: int, result: dict[str, Any]) -> None:
        self._finished[place] = result
        while (result_of_next := self._finished.pop(self._written, None)) is not None:
            self._write(result_of_next)
            self._written += 1
        self._moved.set()
