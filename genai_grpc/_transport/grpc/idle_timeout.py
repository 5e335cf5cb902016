"""One thread that ends sync streams whose next chunk does not come: a thread that waits for a chunk cannot itself."""

from __future__ import annotations

import os
import threading
import time
import weakref
from math import inf
from typing import Final, Protocol

__all__ = ["IDLE_TIMEOUTS", "IdleStream"]


class IdleStream(Protocol):
    """A stream that may be idle for too long.

    Attributes:
        idle_timeout: Seconds that it may be.
        waiting_since: When the wait for its next chunk began, by the monotonic clock; None while nobody waits.
    """

    idle_timeout: float
    waiting_since: float | None

    def on_idle_timeout(self) -> None:
        """End the wait; called by another thread."""


class IdleTimeoutWatchdog:
    """Looks at the open streams when the first of them may have been idle for too long, and no more often.

    While chunks come, that is about once in an `idle_timeout`, however many streams and chunks there are.
    """

    def __init__(self) -> None:
        self._pid = 0
        self._changed = threading.Condition()
        self._open: dict[int, weakref.ref[IdleStream]] = {}
        self._next = inf

    def register(self, stream: IdleStream) -> None:
        """Have `stream.on_idle_timeout` called when it is due, until it is forgotten."""
        if stream.idle_timeout == inf:
            return
        if self._pid != os.getpid():
            # The first stream, or the first after a fork, which leaves the thread and its lock behind.
            self.__init__()  # type: ignore[misc] # all that there is, is of another process
            self._pid = os.getpid()
            threading.Thread(target=self._run, name="genai-grpc-idle", daemon=True).start()
        with self._changed:
            self._open[id(stream)] = weakref.ref(stream)
            if time.monotonic() + stream.idle_timeout < self._next:
                self._changed.notify()

    def unregister(self, stream: IdleStream) -> None:
        """The stream has ended."""
        with self._changed:
            self._open.pop(id(stream), None)

    def _run(self) -> None:
        while True:
            with self._changed:
                now = time.monotonic()
                streams = [stream for ref in self._open.values() if (stream := ref()) is not None]
                self._next = min((_due(stream, now) for stream in streams), default=inf)
                if self._next > now:
                    streams.clear()
                    self._changed.wait(None if self._next == inf else self._next - now)
            for stream in streams:
                if _due(stream, now) <= now:
                    self.unregister(stream)
                    stream.on_idle_timeout()
            streams.clear()


def _due(stream: IdleStream, now: float) -> float:
    since = stream.waiting_since
    return (now if since is None else since) + stream.idle_timeout


IDLE_TIMEOUTS: Final = IdleTimeoutWatchdog()
