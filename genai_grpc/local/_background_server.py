"""What serves on an event loop in a thread of its own, for sync and async programs alike."""

from __future__ import annotations

import asyncio
import atexit
import logging
import threading
import traceback
from abc import ABC, abstractmethod
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine
    from types import TracebackType

    from typing_extensions import Self

__all__ = ["BackgroundServer", "join", "loopback"]

Out = TypeVar("Out")
_LOCAL: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 -- names the wildcards, binds nothing


class BackgroundServer(ABC):
    """Listens on a port of this machine, once: from `start`, or the beginning of a `with` block, to `stop` or the end.

    Both the block and `stop` return when nothing of it is running any more. `with` and `async with` do the same.
    """

    def __init__(self, thread_name: str) -> None:
        self._thread_name = thread_name
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = threading.Lock()
        self._ready: Future[int] = Future()
        self._stop: Future[float | None] = Future()
        self._stopped: Future[None] = Future()
        for future in self._ready, self._stopped:
            # Running, so that a cancelled `async with` that awaits it cannot cancel it under the thread that sets it.
            future.set_running_or_notify_cancel()

    @abstractmethod
    async def _serve(self, ready: Callable[[int], None], stop: Awaitable[float | None]) -> None:
        """Listen, say on which port, wait for the stop and its grace in seconds, and take everything down."""

    def _conclude(self) -> None:  # noqa: B027 -- most have nothing to do
        """Do what is due when a block has ended without an exception, and all is down."""

    @property
    def port(self) -> int:
        """The port it listens on.

        Raises:
            RuntimeError: If it was not started.
        """
        if not self._ready.done():
            raise RuntimeError("the server has no address before it is started; use it in a with block")
        return self._ready.result()

    def start(self) -> None:
        """Listen.

        Raises:
            OSError: If it cannot listen there, e.g. since the port is taken.
            RuntimeError: If it was started before.
        """
        self._begin()
        try:
            self._ready.result()
        except BaseException:
            self._end(None)
            raise

    def stop(self, grace: float | None = None) -> None:
        """Stop listening, end what is in flight, and return when all is down; harmless if it does not run.

        Args:
            grace: Seconds that calls in flight may take to end by themselves; None cancels them at once.
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
            self._conclude()

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
        self._ask_to_stop(None)
        await asyncio.wrap_future(self._stopped)
        self._end(None)
        if error is None:
            self._conclude()

    def _on_loop(self, work: Coroutine[Any, Any, Out]) -> Out:
        """Do something on the loop, from another thread, and wait until it is done."""
        if self._loop is None or self._stopped.done():
            work.close()
            raise RuntimeError(f"{self!r} does not run; use it in a with block")
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def _begin(self) -> None:
        if self._thread is not None:
            raise RuntimeError("a server runs once; make another one")
        self._thread = threading.Thread(target=self._run, name=self._thread_name, daemon=True)
        self._thread.start()
        # A daemon thread must not be inside gRPC while the interpreter is torn down.
        atexit.register(self.stop)

    def _ask_to_stop(self, grace: float | None) -> None:
        with self._lock:
            if not self._stop.done():
                self._stop.set_result(grace)

    def _end(self, grace: float | None) -> None:
        if self._thread is None:
            return
        self._ask_to_stop(grace)
        self._thread.join()
        atexit.unregister(self.stop)

    def _run(self) -> None:
        logging.getLogger("asyncio").addFilter(_POLLER_NOISE)
        try:
            asyncio.run(self._main())
        except BaseException as error:  # handed to the thread that waits
            if self._ready.done():
                self._stopped.set_exception(error)
            else:
                self._ready.set_exception(error)
        finally:
            if not self._stopped.done():
                self._stopped.set_result(None)

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        await self._serve(self._ready.set_result, asyncio.wrap_future(self._stop))


class _PollerNoise(logging.Filter):
    """Drops one harmless error that old gRPC logs when two loops of a process use it, as a server and an aio client do.

    A loop that is woken for an event which the other one took raises BlockingIOError, and no call is the worse for it.
    Seen with grpcio 1.71, not with 1.85. Once added it stays, since a loop may be woken after the server is gone.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to log a record of asyncio's."""
        if not record.exc_info or not isinstance(record.exc_info[1], BlockingIOError):
            return True
        frames = traceback.extract_tb(record.exc_info[2])
        return not (frames and frames[-1].filename.endswith("completion_queue.pyx.pxi"))


_POLLER_NOISE: Final = _PollerNoise()


def loopback(host: str, port: int) -> str:
    """Where this machine finds what listens on a host, a wildcard included."""
    return join(_LOCAL.get(host, host), port)


def join(host: str, port: int) -> str:
    """`host:port`, with the brackets that an IPv6 address wants."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
