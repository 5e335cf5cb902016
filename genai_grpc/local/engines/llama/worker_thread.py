"""A thread that does one job after another, and that no exit of the program waits for."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Worker"]

Out = TypeVar("Out")


class Worker:
    """Runs functions in their order, each on the same thread.

    Not a ThreadPoolExecutor: a program that forgets to stop its server would wait at its exit for the job in progress,
    and an executor then takes no more jobs, those that tidy up among them.

    Args:
        name: The thread's name.
    """

    def __init__(self, name: str) -> None:
        self._jobs: SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def submit(self, job: Callable[[], Out]) -> Future[Out]:
        """Queue a job. Cancelling its future forgets it, if it has not begun."""
        future: Future[Out] = Future()
        self._jobs.put((future, job))
        if self._thread.ident is None:
            self._thread.start()
        return future

    def close(self) -> None:
        """Let the thread end after the jobs that are queued."""
        self._jobs.put(None)

    def _run(self) -> None:
        while (queued := self._jobs.get()) is not None:
            future, job = queued
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(job())
                except BaseException as error:  # for the one who waits
                    future.set_exception(error)
