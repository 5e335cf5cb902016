from __future__ import annotations

import threading

import pytest

from genai_grpc._transport.grpc.stream_watchdog import StreamWatchdog

WAIT = 10.0


class WaitingStream:
    """A stream that waits for a chunk that does not come."""

    def __init__(self, idle_timeout: float = 0.01) -> None:
        self.idle_timeout = idle_timeout
        self.waiting_since: float | None = 0.0
        self.timed_out = threading.Event()

    def on_idle_timeout(self) -> None:
        self.timed_out.set()


class DroppedStream:
    """A stream that the program drops while the watchdog checks it."""

    idle_timeout = 0.01

    def __init__(self, watchdog: StreamWatchdog) -> None:
        self._watchdog = watchdog
        self._references: list[DroppedStream] = [self]
        self._waiting_since: float | None = None
        self.dropped = threading.Event()

    @property
    def waiting_since(self) -> float | None:
        self._references.clear()
        return self._waiting_since

    @waiting_since.setter
    def waiting_since(self, value: float | None) -> None:
        self._waiting_since = value

    def on_idle_timeout(self) -> None:
        raise AssertionError("it was dropped before")

    def __del__(self) -> None:
        self._watchdog.unregister(self)
        self.dropped.set()


class FailingStream(WaitingStream):
    """A stream whose end fails."""

    def on_idle_timeout(self) -> None:
        raise ValueError("a bug")


@pytest.fixture
def watchdog() -> StreamWatchdog:
    return StreamWatchdog()


def is_watching(watchdog: StreamWatchdog) -> bool:
    """Whether the watchdog still ends idle streams and runs tasks."""
    ran, stream = threading.Event(), WaitingStream()
    watchdog.submit(ran.set)
    watchdog.register(stream)
    return ran.wait(WAIT) and stream.timed_out.wait(WAIT)


def test_stream_dropped_while_it_is_checked(watchdog: StreamWatchdog) -> None:
    """A stream that ends on the watchdog's thread, which had the last reference to it, ends no watch over others."""
    stream = DroppedStream(watchdog)
    dropped = stream.dropped
    with watchdog._lock:  # so that the other one is registered, too, before the first check
        watchdog.register(stream)
        del stream
        watchdog.register(WaitingStream(idle_timeout=3600.0))
    assert dropped.wait(WAIT)
    assert is_watching(watchdog)


def test_error_of_one_stream(watchdog: StreamWatchdog, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of a task, or of one stream, is reported as that of a thread, and ends no watch over others."""
    reported: list[object] = []
    monkeypatch.setattr(threading, "excepthook", lambda arguments: reported.append(arguments.exc_type))
    failing = FailingStream()
    watchdog.register(failing)
    watchdog.submit(lambda: 1 // int("0"))
    assert is_watching(watchdog)
    assert set(reported) == {ValueError, ZeroDivisionError}


def test_task_of_a_task(watchdog: StreamWatchdog) -> None:
    """A finalizer on the watchdog's own thread may submit a task."""
    ran = threading.Event()
    watchdog.submit(lambda: watchdog.submit(ran.set))
    assert ran.wait(WAIT)
