"""pycurl: libcurl and nghttp2. Sync calls use its blocking easy interface, async calls its multi interface."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Final

import pycurl

from benchmarks.peers import Endpoint
from benchmarks.peers.frames import HEADERS, Transport, check

HEADER_LINES: Final = [f"{name}: {value}" for name, value in {**HEADERS, "expect": ""}.items()]
STATUS: Final = b"grpc-status:"
# Pieces buffered for a slow reader before backpressure on the server, by HTTP/2 flow control.
MAX_BUFFERED: Final = 64


class Pycurl(Transport):
    """A handle, and so a connection, per thread; one connection for all async calls."""

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__(endpoint)
        self._local = threading.local()
        self._driver: _Driver | None = None

    def post(self, path: str, body: bytes) -> bytes:
        handle = getattr(self._local, "handle", None)
        if handle is None:
            handle = self._local.handle = _handle()
        pieces: list[bytes] = []
        status = self._prepare(handle, path, body, pieces.append)
        handle.perform()
        check(status())
        return b"".join(pieces)

    def pieces(self, path: str, body: bytes) -> Iterator[bytes]:
        multi = getattr(self._local, "multi", None)
        if multi is None:
            multi, self._local.streamer = self._local.multi, _ = pycurl.CurlMulti(), _handle()
        handle = self._local.streamer
        received: deque[bytes] = deque()
        status = self._prepare(handle, path, body, received.append)
        multi.add_handle(handle)
        try:
            running = 1
            while running:
                _, running = multi.perform()
                if running and not received:
                    multi.select(1.0)
                while received:
                    yield received.popleft()
            for _, _, message in multi.info_read()[2]:
                raise ConnectionError(message)
        finally:
            multi.remove_handle(handle)
        check(status())

    async def post_async(self, path: str, body: bytes) -> bytes:
        return b"".join([piece async for piece in self.pieces_async(path, body)])

    async def pieces_async(self, path: str, body: bytes) -> AsyncIterator[bytes]:
        driver = self._driver = self._driver or _Driver()
        handle = driver.idle.pop() if driver.idle else _handle()
        received: deque[bytes] = deque()
        wakeup, paused = asyncio.Event(), asyncio.Event()

        def on_piece(piece: bytes) -> int | None:
            if len(received) >= MAX_BUFFERED:
                paused.set()
                return int(pycurl.WRITEFUNC_PAUSE)  # curl then offers the piece again
            received.append(piece)
            wakeup.set()
            return None

        status = self._prepare(handle, path, body, on_piece)
        done = driver.begin(handle, wakeup)
        try:
            while not done or received:
                await wakeup.wait()
                wakeup.clear()
                while received:
                    yield received.popleft()
                if paused.is_set():
                    paused.clear()
                    handle.pause(pycurl.PAUSE_CONT)
        finally:
            driver.end(handle)
        if done[0]:
            raise ConnectionError(done[0])
        check(status())

    def _prepare(
        self, handle: Any, path: str, body: bytes, on_piece: Callable[[bytes], object]
    ) -> Callable[[], bytes | None]:
        """Set the next request of a handle; returns a function that returns the response's `grpc-status` later."""
        statuses: list[bytes] = []

        def on_header(line: bytes) -> None:
            if line.startswith(STATUS):
                statuses.append(line[len(STATUS) :].strip())

        handle.setopt(pycurl.URL, self.url + path)
        handle.setopt(pycurl.TIMEOUT_MS, int(self.timeout * 1000))
        handle.setopt(pycurl.POSTFIELDS, body)
        handle.setopt(pycurl.WRITEFUNCTION, on_piece)
        handle.setopt(pycurl.HEADERFUNCTION, on_header)
        return lambda: statuses[0] if statuses else None


class _Driver:
    """The multi interface on the running loop (https://curl.se/libcurl/c/libcurl-multi.html, event-based)."""

    def __init__(self) -> None:
        self.idle: list[Any] = []
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._active: dict[Any, tuple[list[str], asyncio.Event]] = {}
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_PIPELINING, pycurl.PIPE_MULTIPLEX)
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._watch_socket)
        self._multi.setopt(pycurl.M_TIMERFUNCTION, self._set_timer)

    def begin(self, handle: Any, wakeup: asyncio.Event) -> list[str]:
        """Begin a transfer. When it ends, the returned list gets the error's text or "", and `wakeup` is set."""
        done: list[str] = []
        self._active[handle] = done, wakeup
        self._multi.add_handle(handle)
        return done

    def end(self, handle: Any) -> None:
        """Remove a transfer, which may be unfinished."""
        self._active.pop(handle, None)
        self._multi.remove_handle(handle)
        self.idle.append(handle)

    def _watch_socket(self, what: int, socket: int, _multi: Any, _data: Any) -> None:
        self._loop.remove_reader(socket)
        self._loop.remove_writer(socket)
        if what in (pycurl.POLL_IN, pycurl.POLL_INOUT):
            self._loop.add_reader(socket, self._on_event, socket, pycurl.CSELECT_IN)
        if what in (pycurl.POLL_OUT, pycurl.POLL_INOUT):
            self._loop.add_writer(socket, self._on_event, socket, pycurl.CSELECT_OUT)

    def _set_timer(self, milliseconds: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if milliseconds >= 0:
            self._timer = self._loop.call_later(milliseconds / 1000, self._on_event, pycurl.SOCKET_TIMEOUT, 0)

    def _on_event(self, socket: int, what: int) -> None:
        self._multi.socket_action(socket, what)
        _, succeeded, failed = self._multi.info_read()
        for handle, text in [(handle, "") for handle in succeeded] + [(each[0], each[2]) for each in failed]:
            if handle in self._active:
                done, wakeup = self._active.pop(handle)
                done.append(text)
                wakeup.set()


def _handle() -> Any:
    handle = pycurl.Curl()
    handle.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE)
    handle.setopt(pycurl.HTTPHEADER, HEADER_LINES)
    handle.setopt(pycurl.NOSIGNAL, 1)
    handle.setopt(pycurl.PIPEWAIT, 1)  # for the existing connection, rather than open another
    handle.setopt(pycurl.POST, 1)
    return handle
