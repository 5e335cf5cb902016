"""Daemon threads for work that blocks: none of them delays the exit of the program."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any, TypeVar

__all__ = ["DaemonExecutor", "WorkerThread"]

Out = TypeVar("Out")


class WorkerThread:
    """Runs functions in the order of their submission, all on one daemon thread, which starts with the first.

    Unlike a ThreadPoolExecutor, it does not delay the exit of a program that has not stopped its server until the
    current function returns, and it accepts functions during that exit, such as those that free resources.

    Args:
        name: The thread's name.
    """

    def __init__(self, name: str) -> None:
        self._queue: SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def submit(self, function: Callable[[], Out]) -> Future[Out]:
        """Queue a function. Cancelling its future drops it, unless it is running."""
        future: Future[Out] = Future()
        self._queue.put((future, function))
        if self._thread.ident is None:
            self._thread.start()
        return future

    def close(self) -> None:
        """End the thread after the functions that are queued."""
        self._queue.put(None)

    def _run(self) -> None:
        while (queued := self._queue.get()) is not None:
            _run(*queued)
            del queued  # which may refer to a whole prompt, until the next is queued


class DaemonExecutor(ThreadPoolExecutor):
    """An executor for `asyncio.to_thread` whose functions run on a daemon thread each, and delay no shutdown.

    The threads of a ThreadPoolExecutor are joined at the exit of the program, so that one function that never returns
    would keep the program running.
    """

    def submit(self, fn: Callable[..., Out], /, *args: Any, **kwargs: Any) -> Future[Out]:
        """Start a thread for the function."""
        future: Future[Out] = Future()
        threading.Thread(target=_run, args=(future, lambda: fn(*args, **kwargs)), daemon=True).start()
        return future


def _run(future: Future[Any], function: Callable[[], Any]) -> None:
    if future.set_running_or_notify_cancel():
        try:
            future.set_result(function())
        except BaseException as error:  # raised again where the future is awaited
            future.set_exception(error)
