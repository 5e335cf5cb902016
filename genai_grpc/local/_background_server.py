"""Base of the servers that run on an event loop in a background thread, for sync and async programs alike."""

from __future__ import annotations

import asyncio
import atexit
import logging
import sys
import threading
import traceback
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from concurrent.futures import wait as wait_for_futures
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, TypeVar

from genai_grpc.local._daemon_threads import DaemonExecutor

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["BackgroundServer", "join", "loopback", "within"]

Out = TypeVar("Out")
_CLEANUP_SECONDS: Final = 1.0
"""Time for the event loop's own cleanup, once the server is shut down."""

_SIGNAL_SECONDS: Final = 0.5
"""Time after which a signal is handled at the latest."""

_LOOPBACK: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 -- names the wildcards, binds nothing


class BackgroundServer(ABC):
    """Listens on a port of this machine, once: from `start`, or the beginning of a `with` block, to `stop` or the end.

    The block and `stop` return when the server's thread has ended. `with` and `async with` do the same. They never wait
    for longer than the grace and `_stop_seconds`: the thread is a daemon, and is abandoned with a TimeoutError.
    """

    _stop_seconds = 30.0
    """Seconds beyond the grace that a shutdown may take."""

    def __init__(self, thread_name: str) -> None:
        self._thread_name = thread_name
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = threading.Lock()
        self._ready: Future[int] = Future()
        self._stop: Future[float | None] = Future()
        self._stopped: Future[None] = Future()
        for future in self._ready, self._stopped:
            # A running future cannot be cancelled, so an `async with` that is cancelled while it waits leaves it to the
            # thread that sets it.
            future.set_running_or_notify_cancel()

    @abstractmethod
    async def _serve(self, ready: Callable[[int], None], stop: Awaitable[float | None]) -> None:
        """Listen, pass the port to `ready`, await `stop`, which returns the grace in seconds, and shut down."""

    def _finalize(self) -> None:  # noqa: B027 -- most have nothing to do
        """Run after the shutdown of a block that ended without an exception."""

    @property
    def port(self) -> int:
        """The port it listens on.

        Raises:
            RuntimeError: It was not started.
        """
        if not self._ready.done():
            raise RuntimeError("the server has no address before it is started; use it in a with block")
        return self._ready.result()

    def start(self) -> None:
        """Listen.

        Raises:
            OSError: It cannot listen there, e.g. since the port is in use.
            RuntimeError: It was started before, or another thread stopped it during the start.
        """
        self._begin()
        try:
            # A signal that arrives just before a wait does not interrupt it, so each is short.
            while not wait_for_futures([self._ready], _SIGNAL_SECONDS).done:
                pass
            self._ready.result()
        except BaseException:
            self._end(None)
            raise

    def stop(self, grace: float | None = None) -> None:
        """Stop listening, end the calls in flight, and wait for the shutdown; harmless if it does not run.

        Args:
            grace: Seconds in which calls in flight may end by themselves; None cancels them at once.

        Raises:
            TimeoutError: The shutdown did not end some seconds after the grace; the message says what is still at work.
        """
        self._end(grace)
        if self._stopped.done():
            self._stopped.result()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        if error is None:
            self._finalize()

    async def __aenter__(self) -> Self:
        self._begin()
        try:
            await asyncio.wrap_future(self._ready)
        except BaseException:
            self._end(None)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._request_stop(None)
        with suppress(Exception):  # raised below
            await asyncio.wait_for(asyncio.wrap_future(self._stopped), self._stop_seconds)
        self._join(0.0)
        self._stopped.result()
        if error is None:
            self._finalize()

    def _on_loop(self, work: Coroutine[Any, Any, Out]) -> Out:
        """Run a coroutine on the server's loop, from another thread, and return its result."""
        if self._loop is None or self._stopped.done():
            work.close()
            raise RuntimeError(f"{self!r} does not run; use it in a with block")
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def _begin(self) -> None:
        if self._thread is not None:
            raise RuntimeError("a server runs once; make another one")
        self._thread = threading.Thread(target=self._run, name=self._thread_name, daemon=True)
        self._thread.start()
        # A daemon thread must not be inside gRPC while the interpreter shuts down.
        atexit.register(self.stop)

    def _request_stop(self, grace: float | None) -> None:
        with self._lock:
            if not self._stop.done():
                self._stop.set_result(grace)

    def _end(self, grace: float | None) -> None:
        if self._thread is not None:
            self._request_stop(grace)
            self._join((grace or 0.0) + self._stop_seconds)

    def _join(self, seconds: float) -> None:
        """Wait for the end of the thread.

        Raises:
            TimeoutError: It has not shut down in that time.
        """
        assert self._thread is not None  # noqa: S101 -- every caller has started it
        wait_for_futures([self._stopped], seconds)
        atexit.unregister(self.stop)
        if not self._stopped.done():
            raise TimeoutError(f"{self._thread_name} did not stop; it is abandoned in {self._position()}")
        # After a failed shutdown, the loop may wait for ever for a task that ignores its cancellation.
        self._thread.join(_CLEANUP_SECONDS)

    def _position(self) -> str:
        """Where the thread is: the place of the code that blocks its event loop."""
        assert self._thread is not None  # noqa: S101 -- as above
        frame = sys._current_frames().get(self._thread.ident or 0)  # documented, though of CPython only
        last = traceback.extract_stack(frame)[-1]
        return f"{last.filename}:{last.lineno}, {last.name}"

    def _run(self) -> None:
        logging.getLogger("asyncio").addFilter(_POLLER_FILTER)
        try:
            asyncio.run(self._main())
        except BaseException as error:
            self._set_stopped(error)

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop.set_default_executor(DaemonExecutor())
        stop = asyncio.wrap_future(self._stop)
        serving = asyncio.ensure_future(self._serve(self._ready.set_result, stop))
        stop.add_done_callback(lambda _: None if self._ready.done() else serving.cancel())
        try:
            await serving
        except asyncio.CancelledError:
            self._set_stopped(RuntimeError("the server was stopped before it listened"))
        except BaseException as error:
            self._set_stopped(error)
        else:
            self._set_stopped(None)

    def _set_stopped(self, error: BaseException | None) -> None:
        """Raise an error in the thread that waits, for the start or the stop."""
        if error is not None and not self._ready.done():
            self._ready.set_exception(error)
            error = None
        if not self._stopped.done():
            self._stopped.set_exception(error) if error is not None else self._stopped.set_result(None)


class _PollerErrorFilter(logging.Filter):
    """Drops a harmless error that old gRPC logs when two event loops use it, e.g. those of a server and an aio client.

    A loop that wakes up for an event that the other loop has taken raises BlockingIOError, which affects no call. Seen
    with grpcio 1.71, not with 1.85. The filter is never removed: a loop may wake up after the server has stopped.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to log a record of asyncio's."""
        if not record.exc_info or not isinstance(record.exc_info[1], BlockingIOError):
            return True
        frames = traceback.extract_tb(record.exc_info[2])
        return not (frames and frames[-1].filename.endswith("completion_queue.pyx.pxi"))


_POLLER_FILTER: Final = _PollerErrorFilter()


def loopback(host: str, port: int) -> str:
    """The address at which this machine reaches a server on `host`, which may be a wildcard."""
    return join(_LOOPBACK.get(host, host), port)


def join(host: str, port: int) -> str:
    """`host:port`, with an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


async def within(seconds: float, work: Awaitable[Out], failure: str) -> Out:
    """Await some work for a limited time; unlike `asyncio.wait_for`, also if it ignores its cancellation.

    Raises:
        TimeoutError: It has not ended in that time; the message is `failure`.
    """
    task = asyncio.ensure_future(work)
    done, _ = await asyncio.wait({task}, timeout=seconds)
    if not done:
        task.cancel()
        raise TimeoutError(failure)
    return task.result()
