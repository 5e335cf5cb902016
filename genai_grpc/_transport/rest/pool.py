"""The HTTP connections of sync calls, on the standard library's client."""

from __future__ import annotations

import base64
import contextlib
import http.client
import socket
import threading
import time
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

from genai_grpc._rpc.calls_in_flight import CANCELLED
from genai_grpc._transport.config import ClientOptions
from genai_grpc._transport.http.settings import to_context
from genai_grpc._transport.rest.exchange import Exchange, Head
from genai_grpc.errors import ClientClosed

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["CONNECTION_ERRORS", "Connection", "ConnectionPool", "shut_down"]

CONNECTION_ERRORS: Final = (OSError, http.client.HTTPException)

# Seconds that an idle connection is kept; the number of those.
KEEP_ALIVE: Final = 60.0
MAX_IDLE: Final = 100
# Bytes to read at once.
PIECE: Final = 2**20


class Connection:
    """A connection, of one call at a time."""

    __slots__ = ("_http", "_response", "_socket", "idle_since")

    def __init__(self, connection: http.client.HTTPConnection) -> None:
        self._http = connection
        self._response: Any = None
        self._socket: Any = None
        self.idle_since = 0.0

    def connect(self, timeout: float) -> None:
        """Connect, unless it is connected."""
        if self._http.sock is None:
            self._http.timeout = timeout
            self._http.connect()
            self._socket = self._http.sock

    def send(self, exchange: Exchange, target: str, headers: dict[str, str]) -> Head:
        """Send a request; the head of its response."""
        self._socket.settimeout(exchange.time_left())
        self._http.request(exchange.verb, target, exchange.body, headers)
        self._socket.settimeout(exchange.read_timeout())
        self._response = response = self._http.getresponse()
        return Head(response.status, tuple((name.lower(), value) for name, value in response.headers.items()))

    def read(self, timeout: Callable[[], float]) -> bytes:
        """The rest of the response, whose next piece may take `timeout()` seconds."""
        pieces = []
        while self._response.length != 0 and (piece := self.read_piece(timeout())):
            pieces.append(piece)
        return b"".join(pieces)

    def read_piece(self, timeout: float) -> bytes:
        """The next bytes of the response; none at its end."""
        response = self._response
        self._socket.settimeout(timeout)
        piece: bytes = response.read1(PIECE)
        if not piece and response.length:
            raise http.client.IncompleteRead(piece, response.length)
        return piece

    def reusable(self) -> bool:
        """End the response; whether it was read to its end, and the connection goes on."""
        response, self._response = self._response, None
        if response is None:
            return False
        ended = response.length == 0 or response.isclosed()
        response.close()
        return ended and not response.will_close

    def alive(self) -> bool:
        """Whether an idle connection is open: the server has neither closed it nor sent anything."""
        try:
            self._socket.settimeout(0)
            # Below TLS, whose own `recv` has no flags.
            socket.socket.recv(self._socket, 1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except (OSError, ValueError):
            return False
        return False

    def shut_down(self) -> None:
        """Wake the thread that reads, from any thread."""
        shut_down(self._socket)

    def close(self) -> None:
        """Close it; only by the thread that uses it, since another one could get the number of its socket."""
        response, self._response = self._response, None
        if response is not None:
            response.close()
        self._http.close()


class ConnectionPool:
    """The connections of one client's sync calls; the last one released is used first.

    Args:
        options: The client's.
        base_url: The URL before the paths of methods.
    """

    def __init__(self, options: ClientOptions, base_url: str) -> None:
        self._options = options
        self._url = urlsplit(base_url)
        self._lock = threading.RLock()  # a signal handler may close the client
        self._idle: list[Connection] = []
        self._in_use: set[Connection] = set()
        self._context: Any = None
        self._closed = False
        self._prefix, self._headers = self._url.path, dict[str, str]()
        proxy = None if options.proxy is None else urlsplit(options.proxy.reveal())
        self._proxy = proxy
        if proxy is not None:
            self._headers = _proxy_headers(proxy)
            if self._url.scheme == "http":
                self._prefix = base_url

    def __len__(self) -> int:
        return len(self._idle) + len(self._in_use)

    def acquire(self) -> Connection:
        """A connection for one call, which must release it; it may not be connected yet.

        Raises:
            ClientClosed: The client is closed.
        """
        since = time.monotonic() - KEEP_ALIVE
        with self._lock:
            self.check_open()
            while self._idle:
                connection = self._idle.pop()
                if connection.idle_since > since and connection.alive():
                    break
                connection.close()
            else:
                connection = self._new()
            self._in_use.add(connection)
            return connection

    def send(self, connection: Connection, exchange: Exchange) -> Head:
        """Send the request of an exchange; the head of its response."""
        connection.connect(exchange.time_left())
        self.check_open()  # `close` may have missed the connection, which had no socket
        headers = exchange.headers
        if self._proxy is not None and self._url.scheme == "http":
            headers = headers | self._headers
        return connection.send(exchange, self._prefix + exchange.target, headers)

    def connect(self, timeout: float) -> None:
        """Connect, for the next call."""
        connection = self.acquire()
        connected = False
        try:
            connection.connect(timeout)
            connected = True
        finally:
            self._release(connection, connected)

    def release(self, connection: Connection) -> None:
        """The call of a connection has ended."""
        self._release(connection, connection.reusable())

    def _release(self, connection: Connection, reusable: bool) -> None:
        connection.idle_since = time.monotonic()
        with self._lock:
            self._in_use.discard(connection)
            if reusable and not self._closed and len(self._idle) < MAX_IDLE:
                self._idle.append(connection)
                return
        connection.close()

    def close(self) -> None:
        """Close all connections; the calls in flight end, and close theirs."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
            in_use = list(self._in_use)
        for connection in idle:
            connection.close()
        for connection in in_use:
            connection.shut_down()

    def check_open(self) -> None:
        """Raise ClientClosed if the client is closed."""
        if self._closed:
            raise ClientClosed(CANCELLED)

    def __del__(self) -> None:
        # Of a client that was dropped, as programs may: sockets that are dropped warn.
        for connection in self._idle:
            connection.close()

    def _new(self) -> Connection:
        url, proxy = self._url, self._proxy
        tls = url.scheme == "https"
        host, port = url.hostname or "", url.port or (443 if tls else 80)
        first = (host, port) if proxy is None else (proxy.hostname or "", proxy.port or 80)
        if not tls:
            return Connection(http.client.HTTPConnection(*first))
        if self._context is None:
            self._context = to_context(self._options.tls)  # reads the root certificates, which takes 50 ms
        connection = http.client.HTTPSConnection(*first, context=self._context)
        if proxy is not None:
            connection.set_tunnel(host, port, self._headers)
        return Connection(connection)


def shut_down(connection: Any) -> None:
    """Shut a socket down, from any thread, which wakes the one that reads from it."""
    if connection is not None:
        with contextlib.suppress(OSError):
            if isinstance(connection, socket.socket):
                socket.socket.shutdown(connection, socket.SHUT_RDWR)  # not that of TLS, which changes its state
            else:
                connection.shutdown(socket.SHUT_RDWR)


def _proxy_headers(proxy: Any) -> dict[str, str]:
    if proxy.username is None:
        return {}
    user = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return {"Proxy-Authorization": f"Basic {base64.b64encode(user.encode()).decode()}"}
