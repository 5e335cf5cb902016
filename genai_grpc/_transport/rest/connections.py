"""The HTTP connections of one client: of its sync calls, and of each event loop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Any

from genai_grpc._rpc.calls_in_flight import CANCELLED, Signal
from genai_grpc._transport.config import ClientOptions
from genai_grpc._transport.http.settings import client_arguments, to_base_url
from genai_grpc.errors import APIError, ClientClosed, ServiceUnavailable

if TYPE_CHECKING:
    import httpx2

__all__ = ["RestConnections", "shut_down", "socket_of"]


class RestConnections:
    """Clients of httpx2, created at the first call.

    Raises:
        ConfigurationError: The endpoint has no host, or several.
        ImportError: httpx2 is not installed.

    Attributes:
        httpx: The package.
        base_url: The URL before the paths of methods.
        closed: Whether the client is closed.
    """

    def __init__(self, options: ClientOptions) -> None:
        self.httpx = _import_httpx()
        self.base_url = to_base_url(options)
        self.closed = False
        self._options = options
        self._lock = threading.Condition()  # reentrant, since a signal handler may close the client
        self._sync: httpx2.Client | None = None
        self._in_use = 0
        # Not weakly, since the connections refer to their loop.
        self._aio: dict[asyncio.AbstractEventLoop, tuple[httpx2.AsyncClient, AsyncGenerator[None, None]]] = {}
        self._connected: set[asyncio.AbstractEventLoop | None] = set()

    def acquire(self) -> httpx2.Client:
        """The client of sync calls, for one of them, which must release it."""
        with self._lock:
            self.check_open()
            client = self._sync
            if client is None:
                client = self._sync = self.httpx.Client(**self._arguments())
            self._in_use += 1
            return client

    def release(self, *_: object) -> None:
        """A sync call has ended; the last one closes a client that is closed."""
        with self._lock:
            self._in_use -= 1
            if self.closed and not self._in_use:
                self._close_sync()
                self._lock.notify_all()

    def aio(self) -> httpx2.AsyncClient:
        """The client of the running event loop, which is closed with it."""
        loop = asyncio.get_running_loop()
        found = self._aio.get(loop)
        if found is None:
            client = self.httpx.AsyncClient(**self._arguments())
            closing = self._close_with_loop(loop, client)
            with contextlib.suppress(StopIteration):  # its first step registers it with the loop
                closing.asend(None).send(None)
            with self._lock:
                self.check_open()
                for ended in [each for each in list(self._aio) if each.is_closed()]:
                    self._forget(ended)
                found = self._aio[loop] = client, closing
        self.check_open()
        return found[0]

    def on_reply(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        """A server has answered, to a call of this event loop, or to a sync call."""
        self._connected.add(loop)

    def connect(self, cancelled: Signal, timeout: float) -> None:
        """Connect for sync calls; the status of the reply does not matter. Raises APIError."""
        del cancelled  # the end of the client closes the connection
        client = self.acquire()
        try:
            client.head(self.base_url, timeout=timeout)
        except self.httpx.HTTPError as error:
            raise self._no_connection(error, timeout) from error
        finally:
            self.release()
        self.on_reply()

    async def connect_async(self, timeout: float) -> None:
        """Connect for the running event loop; raises APIError."""
        try:
            await self.aio().head(self.base_url, timeout=timeout)
        except self.httpx.HTTPError as error:
            raise self._no_connection(error, timeout) from error
        self.on_reply(asyncio.get_running_loop())

    def ready(self) -> bool:
        """Whether a server has answered: a call of the running event loop, or outside of one a sync call."""
        try:
            return asyncio.get_running_loop() in self._connected
        except RuntimeError:
            return None in self._connected

    def connections(self) -> tuple[int, tuple[int, ...]]:
        """How many clients of httpx2 there are; each has connections as it needs them."""
        return int(self._sync is not None), (1,) * len(self._aio)

    def close(self) -> None:
        """Close all connections; the calls in flight end."""
        for loop, client, closing in self._close():
            with contextlib.suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(_start_to_close, client, closing)

    async def aclose(self) -> None:
        """The async twin of `close`."""
        try:
            running: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
        except RuntimeError:
            running = None
        for loop, client, closing in self._close():
            if loop is running:
                await _close_client(client, closing)
            else:
                with contextlib.suppress(RuntimeError):  # as above
                    loop.call_soon_threadsafe(_start_to_close, client, closing)

    def _close(self) -> list[tuple[asyncio.AbstractEventLoop, Any, Any]]:
        with self._lock:
            self.closed = True
            # A socket is closed by the thread that reads from it, or another one may get its number, and this thread
            # reads on from that. A call that was about to connect is found by a later round.
            for _ in range(5):
                if not self._in_use:
                    self._close_sync()
                    break
                for connection in _sockets(self._sync):
                    shut_down(connection)
                self._lock.wait(0.01)
            return [(loop, *pair) for loop, pair in list(self._aio.items())]

    def _close_sync(self) -> None:
        client, self._sync = self._sync, None
        if client is not None:
            client.close()

    def check_open(self) -> None:
        """Raise ClientClosed if the client is closed."""
        if self.closed:
            raise ClientClosed(CANCELLED)

    def __del__(self) -> None:
        # A client that was dropped, as programs may: sockets that are dropped warn. The event loops close theirs.
        if getattr(self, "_sync", None) is not None:
            self._close_sync()

    def _forget(self, loop: asyncio.AbstractEventLoop) -> None:
        self._aio.pop(loop, None)
        self._connected.discard(loop)

    async def _close_with_loop(self, loop: asyncio.AbstractEventLoop, client: Any) -> AsyncGenerator[None, None]:
        """Close a loop's client when it shuts down its async generators, as asyncio.run does."""
        try:
            yield
        finally:
            self._forget(loop)
            await _close_all(client)

    def _no_connection(self, error: Exception, timeout: float) -> APIError:
        if self.closed:
            return ClientClosed(CANCELLED)
        return ServiceUnavailable(f"no connection within {timeout:.1f} s: {error or type(error).__name__}")

    def _arguments(self) -> dict[str, Any]:
        # As many connections as calls: the client's own limit bounds those.
        limits = self.httpx.Limits(max_connections=None, max_keepalive_connections=100, keepalive_expiry=60.0)
        return {**client_arguments(self._options, tls=self._options.target.tls), "limits": limits}


async def _close_all(client: Any) -> None:
    """Close a client of httpx2 with all its connections."""
    connections = _connections(client)
    try:
        await client.aclose()
        # Those that were about to connect.
        for _ in range(5):
            if not (connections := [each for each in connections if not each.is_closed()]):
                break
            await asyncio.sleep(0.01)
            await _close_each(connections)
    except asyncio.CancelledError:  # the loop ends
        await _close_each(connections)
        raise


async def _close_each(connections: list[Any]) -> None:
    for connection in connections:
        await connection.aclose()


async def _close_client(client: Any, closing: AsyncGenerator[None, None]) -> None:
    await _close_all(client)
    await closing.aclose()  # has nothing left to do


def _start_to_close(client: Any, closing: AsyncGenerator[None, None]) -> None:
    task = asyncio.ensure_future(_close_client(client, closing))
    # Asyncio itself holds only a weak reference to a task.
    _CLOSING.add(task)
    task.add_done_callback(_CLOSING.discard)


_CLOSING: set[asyncio.Future[None]] = set()


def socket_of(response: Any) -> Any:
    """The socket of a response; None if it has none."""
    network = response.extensions.get("network_stream")
    return None if network is None else network.get_extra_info("socket")


def shut_down(connection: Any) -> None:
    """Shut a socket down, from any thread, which wakes the one that reads from it."""
    if connection is not None:
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)


def _connections(client: Any) -> list[Any]:
    """The connections of a client; none if another release of httpx2 has them elsewhere."""
    return list(getattr(getattr(getattr(client, "_transport", None), "_pool", None), "connections", ()))


def _sockets(client: Any) -> list[Any]:
    """The sockets of a client, as far as this release of httpx2 has them where the present one does."""
    streams = [getattr(getattr(each, "_connection", None), "_network_stream", None) for each in _connections(client)]
    return [stream.get_extra_info("socket") for stream in streams if stream is not None]


def _import_httpx() -> Any:
    try:
        import httpx2  # optional
    except ImportError as error:
        raise ImportError(
            "transport='rest' needs httpx2; pip install 'genai-grpc[rest]', or leave transport out for gRPC",
            name="httpx2",
        ) from error
    return httpx2
