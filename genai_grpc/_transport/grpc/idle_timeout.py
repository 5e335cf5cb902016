"""Watchdog thread that cancels idle sync streams: a thread blocked on a read cannot time itself out."""

from __future__ import annotations

import os
import threading
import time
import weakref
from math import inf
from typing import Final, Protocol

__all__ = ["IDLE_TIMEOUTS", "IdleStream", "IdleTimeoutWatchdog"]


class IdleStream(Protocol):
    """A stream that may be idle for too long.

    Attributes:
        idle_timeout: Seconds that it may take to its next chunk.
        waiting_since: When the wait for its next chunk began, by the monotonic clock; None while nothing waits.
    """

    idle_timeout: float
    waiting_since: float | None

    def on_idle_timeout(self) -> None:
        """End the wait; called by the watchdog's thread."""


class IdleTimeoutWatchdog:
    """Wakes up when the first of the open streams may have been idle for too long, and no more often.

    While chunks arrive, that is about once per `idle_timeout`, however many streams and chunks there are.
    """

    _pid: int
    _changed: threading.Condition
    _open: dict[int, weakref.ref[IdleStream]]
    _next_check: float

    def __init__(self) -> None:
        self._reset()

    def register(self, stream: IdleStream) -> None:
        """Call `stream.on_idle_timeout` when it is due, until the stream is unregistered."""
        if stream.idle_timeout == inf:
            return
        if self._pid != os.getpid():
            # The first stream, or the first one after a fork, which leaves the thread and its lock behind.
            self._reset()
            self._pid = os.getpid()
            threading.Thread(target=self._run, name="genai-grpc-idle", daemon=True).start()
        with self._changed:
            self._open[id(stream)] = weakref.ref(stream)
            if time.monotonic() + stream.idle_timeout < self._next_check:
                self._changed.notify()

    def unregister(self, stream: IdleStream) -> None:
        """The stream has ended."""
        with self._changed:
            self._open.pop(id(stream), None)

    def _reset(self) -> None:
        self._pid = 0
        self._changed = threading.Condition()
        self._open = {}
        self._next_check = inf

    def _run(self) -> None:
        while True:
            with self._changed:
                now = time.monotonic()
                streams = [stream for ref in self._open.values() if (stream := ref()) is not None]
                self._next_check = min((_due(stream, now) for stream in streams), default=inf)
                if self._next_check > now:
                    streams.clear()
                    self._changed.wait(None if self._next_check == inf else self._next_check - now)
            for stream in streams:
                if _due(stream, now) <= now:
                    self.unregister(stream)
                    stream.on_idle_timeout()
            streams.clear()


def _due(stream: IdleStream, now: float) -> float:
    since = stream.waiting_since
    return (now if since is None else since) + stream.idle_timeout


IDLE_TIMEOUTS: Final = IdleTimeoutWatchdog()
