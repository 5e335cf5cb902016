"""The HTTP connections of one client: of its sync calls, and of each event loop."""

from __future__ import annotations

import asyncio
import contextlib
import io
import math
import threading
import weakref
from collections.abc import AsyncGenerator, Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from genai_grpc._rpc.calls_in_flight import CANCELLED, Signal
from genai_grpc._transport.config import ClientOptions
from genai_grpc._transport.http.settings import to_base_url, to_context
from genai_grpc._transport.rest.exchange import Exchange
from genai_grpc._transport.rest.pool import CONNECTION_ERRORS, ConnectionPool
from genai_grpc.errors import APIError, ClientClosed, ServiceUnavailable

if TYPE_CHECKING:
    import aiohttp

__all__ = ["RestConnections", "Session"]

# Bytes of a body above which aiohttp wants a file, of which it sends one piece after the other.
LARGE: Final = 2**20


class RestConnections:
    """The HTTP connections of one client.

    Raises:
        ConfigurationError: The endpoint has no host, or several.

    Attributes:
        base_url: The URL before the paths of methods.
        sync: The connections of sync calls.
        closed: Whether the client is closed.
    """

    def __init__(self, options: ClientOptions) -> None:
        self.base_url = to_base_url(options)
        self.sync = ConnectionPool(options, self.base_url)
        self.closed = False
        self._options = options
        self._lock = threading.RLock()
        # Not weakly, since the sessions refer to their loop.
        self._sessions: dict[asyncio.AbstractEventLoop, Session] = {}
        self._connected: set[asyncio.AbstractEventLoop | None] = set()
        # Of a client that was dropped, or is open at the end of the program.
        weakref.finalize(self, _drop, self._sessions)

    def aio(self) -> Session:
        """The connections of the running event loop, which are closed with it.

        Raises:
            ClientClosed: The client is closed.
            ImportError: aiohttp is not installed.
        """
        loop = asyncio.get_running_loop()
        session = self._sessions.get(loop)
        if session is None:
            session = Session(self._options, self.base_url, loop, weakref.ref(self))
            with self._lock:
                for ended in [each for each in list(self._sessions) if each.is_closed()]:
                    self.forget(ended)
                self._sessions[loop] = session
        self.sync.check_open()
        return session

    def on_reply(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        """A server has answered, to a call of this event loop, or to a sync call."""
        self._connected.add(loop)

    def connect(self, cancelled: Signal, timeout: float) -> None:
        """Connect for sync calls; raises APIError."""
        del cancelled  # the end of the client closes the connection
        try:
            self.sync.connect(timeout)
        except CONNECTION_ERRORS as error:
            raise self._no_connection(error, timeout) from error
        self.on_reply()

    async def connect_async(self, timeout: float) -> None:
        """Connect for the running event loop; raises APIError."""
        session = self.aio()
        try:
            await session.connect(timeout)
        except session.errors as error:
            raise self._no_connection(error, timeout) from error
        self.on_reply(asyncio.get_running_loop())

    def ready(self) -> bool:
        """Whether a server has answered: a call of the running event loop, or outside of one a sync call."""
        try:
            return asyncio.get_running_loop() in self._connected
        except RuntimeError:
            return None in self._connected

    def connections(self) -> tuple[int, tuple[int, ...]]:
        """How many the sync calls have, and those of each event loop."""
        return len(self.sync), tuple(map(len, list(self._sessions.values())))

    def close(self) -> None:
        """Close all connections; the calls in flight end."""
        for session in self._close():
            session.close_soon()

    async def aclose(self) -> None:
        """The async twin of `close`."""
        try:
            running: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
        except RuntimeError:
            running = None
        for session in self._close():
            if session.loop is running:
                await session.close()
            else:
                session.close_soon()

    def forget(self, loop: asyncio.AbstractEventLoop) -> None:
        """The event loop has ended."""
        self._sessions.pop(loop, None)
        self._connected.discard(loop)

    def _close(self) -> list[Session]:
        with self._lock:
            self.closed = True
            self.sync.close()
            return list(self._sessions.values())

    def _no_connection(self, error: Exception, timeout: float) -> APIError:
        if self.closed:
            return ClientClosed(CANCELLED)
        return ServiceUnavailable(f"no connection within {timeout:.1f} s: {error or type(error).__name__}")


def _drop(sessions: dict[asyncio.AbstractEventLoop, Session]) -> None:
    for session in list(sessions.values()):
        session.close_soon()


class Session:
    """The HTTP connections of one event loop, on aiohttp.

    Args:
        options: The client's.
        base_url: The URL before the paths of methods.
        loop: The running event loop, at whose end they are closed.
        owner: The client's connections.

    Raises:
        ImportError: aiohttp is not installed.

    Attributes:
        errors: What a request raises.
        loop: The event loop.
    """

    def __init__(
        self,
        options: ClientOptions,
        base_url: str,
        loop: asyncio.AbstractEventLoop,
        owner: weakref.ref[RestConnections],
    ) -> None:
        self._aiohttp = _import_aiohttp()
        self._url = self._aiohttp.typedefs.URL
        self.errors = self._aiohttp.ClientError, asyncio.TimeoutError, OSError
        self.loop = loop
        self._base_url = base_url
        self._arguments: dict[str, Any] = {"allow_redirects": False}
        if options.proxy is not None:
            self._arguments["proxy"] = options.proxy.reveal()
        # As many connections as calls: the client's own limit bounds those.
        connector = _connector_class(self._aiohttp)(
            limit=0, keepalive_timeout=60.0, ssl=to_context(options.tls) if options.target.tls else True
        )
        self._connector = connector
        self._responses: set[Any] = set()
        self._session = self._aiohttp.ClientSession(
            connector=connector,
            cookie_jar=self._aiohttp.DummyCookieJar(),
            auto_decompress=False,
            skip_auto_headers=("accept-encoding",),
        )
        self._closing = _close_with_loop(self._session, connector, loop, owner)
        with contextlib.suppress(StopIteration):  # its first step registers it with the loop
            self._closing.asend(None).send(None)

    def __len__(self) -> int:
        return 1

    async def send(self, exchange: Exchange) -> Any:
        """Send the request of an exchange; the response, whose content is to be read, and which is to be ended."""
        timeout = self._aiohttp.ClientTimeout(
            total=exchange.timeout, sock_read=exchange.idle_timeout if math.isfinite(exchange.idle_timeout) else None
        )
        url = self._url(self._base_url + exchange.target, encoded=True)
        self._check_open()
        body: Any = exchange.body
        if body is not None and len(body) > LARGE:
            body = io.BytesIO(body)
        response = await self._session.request(
            exchange.verb, url, data=body, headers=exchange.headers, timeout=timeout, **self._arguments
        )
        if self._session.closed:  # before this task went on
            response.close()
        self._check_open()
        self._responses.add(response)
        return response

    def _check_open(self) -> None:
        if self._session.closed:
            raise ClientClosed(CANCELLED)

    def end(self, response: Any) -> None:
        """End a response, with its connection if it is not at its end; on the event loop."""
        self._responses.discard(response)
        content = response.content
        if not content.at_eof() and content.exception() is None:
            # Closing the connection does not wake a task that reads (aiohttp 3.14).
            content.set_exception(self._aiohttp.ClientConnectionError("the response was closed"))
        response.close()

    async def connect(self, timeout: float) -> None:
        """Connect; the status of the reply does not matter."""
        seconds = self._aiohttp.ClientTimeout(total=timeout)
        async with self._session.head(self._base_url, timeout=seconds, **self._arguments):
            pass

    async def close(self) -> None:
        """Close all; on its event loop."""
        self._end_responses()
        await _close(self._session, self._connector)
        with contextlib.suppress(RuntimeError):  # the loop, at its end, is closing it
            await self._closing.aclose()

    def _end_responses(self) -> None:
        for response in list(self._responses):
            self.end(response)

    def close_soon(self) -> None:
        """Close all, from any thread."""
        if not self.loop.is_running():
            # It may never run again, and aiohttp logs an error for all that is dropped without a `close`.
            with contextlib.suppress(RuntimeError):  # the loop is closed
                self._end_responses()
            self._session.detach()
        self.call(self._start_to_close)

    def call(self, function: Callable[[], object]) -> None:
        """Call a function on the event loop, from any thread: now if this is its own; never if the loop is closed."""
        try:
            running = asyncio.get_running_loop() is self.loop
        except RuntimeError:
            running = False
        if running:
            function()
        else:
            with contextlib.suppress(RuntimeError):  # the loop is closed
                self.loop.call_soon_threadsafe(function)

    def _start_to_close(self) -> None:
        task = asyncio.ensure_future(self.close())
        # Asyncio itself holds only a weak reference to a task.
        _CLOSING.add(task)
        task.add_done_callback(_CLOSING.discard)


_CLOSING: set[asyncio.Future[None]] = set()


async def _close(session: aiohttp.ClientSession, connector: aiohttp.BaseConnector) -> None:
    session.detach()
    await connector.close()


async def _close_with_loop(
    session: aiohttp.ClientSession,
    connector: aiohttp.BaseConnector,
    loop: asyncio.AbstractEventLoop,
    owner: weakref.ref[RestConnections],
) -> AsyncGenerator[None, None]:
    """Close a session when its loop shuts down its async generators, as asyncio.run does."""
    try:
        yield
    finally:
        if (connections := owner()) is not None:
            connections.forget(loop)
        await _close(session, connector)


@lru_cache(1)
def _connector_class(aiohttp: Any) -> Any:
    class Connector(aiohttp.TCPConnector):  # type: ignore[misc]
        """A connector that logs no error when it was not closed: a client need not be."""

        def __del__(self) -> None:
            pass

    return Connector


def _import_aiohttp() -> Any:
    try:
        import aiohttp  # optional
    except ImportError as error:
        raise ImportError(
            "async calls with transport='rest' need aiohttp; pip install 'genai-grpc[rest]', or leave transport out "
            "for gRPC",
            name="aiohttp",
        ) from error
    return aiohttp
