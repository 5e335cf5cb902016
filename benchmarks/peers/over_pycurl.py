"""pycurl: libcurl and nghttp2. Its easy interface blocks a thread, its multi interface is driven by asyncio here."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from typing import TYPE_CHECKING, Any, Final

import pycurl

from benchmarks.peers.frames import HEADERS, Transport, check

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from benchmarks.peers import Endpoint

LINES: Final = [f"{name}: {value}" for name, value in {**HEADERS, "expect": ""}.items()]
STATUS: Final = b"grpc-status:"
# Pieces that may wait for their reader before the server is made to wait, by HTTP/2's flow control.
KEPT: Final = 64


class Pycurl(Transport):
    """A handle and so a connection for each thread; one connection for all that is async."""

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__(endpoint)
        self._local = threading.local()
        self._driver: _Driver | None = None

    def post(self, path: str, body: bytes) -> bytes:
        handle = getattr(self._local, "handle", None)
        if handle is None:
            handle = self._local.handle = _handle()
        pieces: list[bytes] = []
        ended = self._prepare(handle, path, body, pieces.append)
        handle.perform()
        check(ended())
        return b"".join(pieces)

    def pieces(self, path: str, body: bytes) -> Iterator[bytes]:
        multi = getattr(self._local, "multi", None)
        if multi is None:
            multi, self._local.streamer = self._local.multi, _ = pycurl.CurlMulti(), _handle()
        handle = self._local.streamer
        came: deque[bytes] = deque()
        ended = self._prepare(handle, path, body, came.append)
        multi.add_handle(handle)
        try:
            running = 1
            while running:
                _, running = multi.perform()
                if running and not came:
                    multi.select(1.0)
                while came:
                    yield came.popleft()
            for _, _, message in multi.info_read()[2]:
                raise ConnectionError(message)
        finally:
            multi.remove_handle(handle)
        check(ended())

    async def post_async(self, path: str, body: bytes) -> bytes:
        return b"".join([piece async for piece in self.pieces_async(path, body)])

    async def pieces_async(self, path: str, body: bytes) -> AsyncIterator[bytes]:
        driver = self._driver = self._driver or _Driver()
        handle = driver.idle.pop() if driver.idle else _handle()
        came: deque[bytes] = deque()
        turn, paused = asyncio.Event(), asyncio.Event()

        def arrive(piece: bytes) -> int | None:
            if len(came) >= KEPT:
                paused.set()
                return int(pycurl.WRITEFUNC_PAUSE)  # which has curl offer the piece again
            came.append(piece)
            turn.set()
            return None

        ended = self._prepare(handle, path, body, arrive)
        done = driver.begin(handle, turn)
        try:
            while not done or came:
                await turn.wait()
                turn.clear()
                while came:
                    yield came.popleft()
                if paused.is_set():
                    paused.clear()
                    handle.pause(pycurl.PAUSE_CONT)
        finally:
            driver.end(handle)
        if done[0]:
            raise ConnectionError(done[0])
        check(ended())

    def _prepare(
        self, handle: Any, path: str, body: bytes, take: Callable[[bytes], object]
    ) -> Callable[[], bytes | None]:
        """Give a handle its next request: what says the `grpc-status` of its response afterwards."""
        statuses: list[bytes] = []

        def read_header(line: bytes) -> None:
            if line.startswith(STATUS):
                statuses.append(line[len(STATUS) :].strip())

        handle.setopt(pycurl.URL, self.url + path)
        handle.setopt(pycurl.TIMEOUT_MS, int(self.timeout * 1000))
        handle.setopt(pycurl.POSTFIELDS, body)
        handle.setopt(pycurl.WRITEFUNCTION, take)
        handle.setopt(pycurl.HEADERFUNCTION, read_header)
        return lambda: statuses[0] if statuses else None


class _Driver:
    """The multi interface on the running loop, as https://curl.se/libcurl/c/libcurl-multi.html says for event loops."""

    def __init__(self) -> None:
        self.idle: list[Any] = []
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._under_way: dict[Any, tuple[list[str], asyncio.Event]] = {}
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_PIPELINING, pycurl.PIPE_MULTIPLEX)
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._watch)
        self._multi.setopt(pycurl.M_TIMERFUNCTION, self._wait)

    def begin(self, handle: Any, turn: asyncio.Event) -> list[str]:
        """Begin a transfer: a list that is given the error's text, or an empty one, at the end, when `turn` is set."""
        done: list[str] = []
        self._under_way[handle] = done, turn
        self._multi.add_handle(handle)
        return done

    def end(self, handle: Any) -> None:
        """Take a transfer off, whether it has ended or not."""
        self._under_way.pop(handle, None)
        self._multi.remove_handle(handle)
        self.idle.append(handle)

    def _watch(self, what: int, socket: int, _multi: Any, _data: Any) -> None:
        self._loop.remove_reader(socket)
        self._loop.remove_writer(socket)
        if what in (pycurl.POLL_IN, pycurl.POLL_INOUT):
            self._loop.add_reader(socket, self._act, socket, pycurl.CSELECT_IN)
        if what in (pycurl.POLL_OUT, pycurl.POLL_INOUT):
            self._loop.add_writer(socket, self._act, socket, pycurl.CSELECT_OUT)

    def _wait(self, milliseconds: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if milliseconds >= 0:
            self._timer = self._loop.call_later(milliseconds / 1000, self._act, pycurl.SOCKET_TIMEOUT, 0)

    def _act(self, socket: int, what: int) -> None:
        self._multi.socket_action(socket, what)
        _, succeeded, failed = self._multi.info_read()
        for handle, text in [(handle, "") for handle in succeeded] + [(each[0], each[2]) for each in failed]:
            if handle in self._under_way:
                done, turn = self._under_way.pop(handle)
                done.append(text)
                turn.set()


def _handle() -> Any:
    handle = pycurl.Curl()
    handle.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE)
    handle.setopt(pycurl.HTTPHEADER, LINES)
    handle.setopt(pycurl.NOSIGNAL, 1)
    handle.setopt(pycurl.PIPEWAIT, 1)  # for the one connection, rather than to open another
    handle.setopt(pycurl.POST, 1)
    return handle
