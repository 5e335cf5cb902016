"""Watchdog thread of sync streams: ends those that are idle for too long, and runs tasks of finalizers.

A thread blocked on a read cannot time itself out. A finalizer runs on any thread, with any lock held, so it must not
wait for gRPC.
"""

from __future__ import annotations

import os
import sys
import threading
import time
import weakref
from collections.abc import Callable
from math import inf
from queue import Empty, SimpleQueue
from typing import Final, Protocol

from genai_grpc import _fork

__all__ = ["WATCHDOG", "StreamWatchdog", "WatchedStream"]


class WatchedStream(Protocol):
    """A stream that may be idle for too long.

    Attributes:
        idle_timeout: Seconds that it may take to its next chunk.
        waiting_since: When the wait for its next chunk began, by the monotonic clock; None while nothing waits.
    """

    idle_timeout: float
    waiting_since: float | None

    def on_idle_timeout(self) -> None:
        """End the wait; called by the watchdog's thread."""


class StreamWatchdog:
    """Wakes up when the first of the open streams may have been idle for too long, or there is a task.

    While chunks arrive, that is about once per `idle_timeout`, however many streams and chunks there are.
    """

    _started: bool
    _lock: threading.RLock
    _open: dict[int, weakref.ref[WatchedStream]]
    # None wakes the thread up. A finalizer may put a task while its own thread waits or puts one.
    _tasks: SimpleQueue[Callable[[], object] | None]
    _next_check: float

    def __init__(self) -> None:
        self._reset()

    def abandon_after_fork(self) -> None:
        """Start anew in a forked child, where there is neither the thread nor who holds the lock."""
        if not self._tasks.empty():
            _fork.abandon(self._tasks)  # they refer to calls of the parent
        self._reset()

    def _reset(self) -> None:
        self._started = False
        self._lock = threading.RLock()  # reentrant, since a finalizer may unregister a stream
        self._open = {}
        self._tasks = SimpleQueue()
        self._next_check = inf

    def register(self, stream: WatchedStream) -> None:
        """Call `stream.on_idle_timeout` when it is due, until the stream is unregistered."""
        with self._lock:
            self._start()
            self._open[id(stream)] = weakref.ref(stream)
            if time.monotonic() + stream.idle_timeout < self._next_check:
                self._tasks.put(None)

    def unregister(self, stream: WatchedStream) -> None:
        """The stream has ended."""
        with self._lock:
            self._open.pop(id(stream), None)

    def submit(self, task: Callable[[], object]) -> None:
        """Run a task soon, on the watchdog's thread."""
        with self._lock:
            self._start()
        self._tasks.put(task)

    def _start(self) -> None:
        if not self._started:
            self._started = True
            threading.Thread(target=self._run, name="genai-grpc-streams", daemon=True).start()

    def _run(self) -> None:
        while True:
            try:
                # Each in a function of its own, none of whose variables keeps a stream while the thread waits.
                self._run_next_task()
                self._end_idle_streams()
            except Exception:
                # One stream must not end the watch over the others.
                threading.excepthook(threading.ExceptHookArgs((*sys.exc_info(), threading.current_thread())))

    def _run_next_task(self) -> None:
        """Wait for a task, or until a stream may be due."""
        with self._lock:
            now = time.monotonic()
            self._next_check = min((_due(ref, now) for ref in self._refs()), default=inf)
            timeout = None if self._next_check == inf else min(max(0.0, self._next_check - now), threading.TIMEOUT_MAX)
        try:
            task = self._tasks.get(timeout=timeout)
        except Empty:
            return
        if task is not None:
            task()

    def _end_idle_streams(self) -> None:
        with self._lock:
            now = time.monotonic()
            due = [ref for ref in self._refs() if _due(ref, now) <= now]
        for ref in due:
            if (stream := ref()) is not None:
                self.unregister(stream)
                stream.on_idle_timeout()

    def _refs(self) -> list[weakref.ref[WatchedStream]]:
        # A copy, since a stream may be dropped, and unregistered, while its reference is followed.
        return list(self._open.values())


def _due(ref: weakref.ref[WatchedStream], now: float) -> float:
    if (stream := ref()) is None:
        return inf
    since = stream.waiting_since
    return (now if since is None else since) + stream.idle_timeout


WATCHDOG: Final = StreamWatchdog()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=WATCHDOG.abandon_after_fork)
