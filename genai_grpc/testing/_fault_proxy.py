"""A TCP proxy between a client and its server that injects network faults on demand."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable
from typing import Final, Literal
from urllib.parse import urlsplit

from genai_grpc.local._background_server import BackgroundServer, join
from genai_grpc.testing._proxied_connection import Direction, DirectionName, Faults, ProxiedConnection

__all__ = ["FaultProxy"]

_HOST: Final = "127.0.0.1"
_BACKLOG: Final = 1024


class FaultProxy(BackgroundServer):
    """Forwards TCP connections to a target, and injects network faults into them, from any thread at any time.

    Listens on a free loopback port, on an event loop in a thread of its own. "up" is towards the target, "down"
    towards the client. A lasting fault applies to all connections, new ones included, until it is ended or `restore`
    is called. The bytes are not interpreted, so TLS works. Needs a POSIX system.

    Args:
        target: `host:port`, or a URL such as a server's `endpoint`.

    Raises:
        ValueError: The target has no host or no port.

    >>> from genai_grpc import local, testing
    >>> with local.serve(local.ScriptEngine()) as server, testing.FaultProxy(server.endpoint) as proxy:
    ...     proxy.endpoint.startswith("http://127.0.0.1:")
    True
    """

    def __init__(self, target: str) -> None:
        super().__init__("genai-grpc-proxy")
        parts = urlsplit(target if "://" in target else f"//{target}")
        if not parts.hostname or not parts.port:
            raise ValueError(f"cannot read the target {target!r}; pass host:port or http://host:port")
        self._scheme = parts.scheme or "http"
        self._target = parts.hostname, parts.port
        self._listener: socket.socket | None = None
        self._connections: set[ProxiedConnection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._changed = threading.Condition()
        self._accepted = 0
        self._faults = Faults(self._notify)

    def __repr__(self) -> str:
        state = "stopped" if self._stopped.done() else self.endpoint if self._ready.done() else "not started"
        return f"<FaultProxy of {join(*self._target)}, {state}>"

    @property
    def address(self) -> str:
        """The address for a gRPC channel, e.g. "127.0.0.1:40001"."""
        return join(_HOST, self.port)

    @property
    def endpoint(self) -> str:
        """The address as a URL, with the target's scheme."""
        return f"{self._scheme}://{self.address}"

    @property
    def connections(self) -> int:
        """Connections accepted so far."""
        return self._accepted

    @property
    def alive(self) -> int:
        """Connections that neither their peers nor a fault has ended."""
        return sum(not connection.ended for connection in list(self._connections))

    @property
    def bytes_up(self) -> int:
        """Bytes forwarded to the target so far."""
        return self._faults.up.bytes_forwarded

    @property
    def bytes_down(self) -> int:
        """Bytes forwarded to clients so far."""
        return self._faults.down.bytes_forwarded

    def wait_until(self, predicate: Callable[[FaultProxy], bool], *, timeout: float = 10.0) -> None:
        """Wait until the counters satisfy a predicate, e.g. `proxy.wait_until(lambda proxy: proxy.alive == 0)`.

        Raises:
            TimeoutError: After `timeout` seconds, with the counters.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: predicate(self), timeout):
                raise TimeoutError(
                    f"not reached within {timeout:g} s: {self.connections} connections, {self.alive} alive, "
                    f"{self.bytes_up} bytes up, {self.bytes_down} bytes down"
                )

    def cut(self) -> None:
        """Close every connection with FIN to both peers."""
        self._run_on_loop(lambda: self._end_all(ProxiedConnection.cut))

    def reset(self) -> None:
        """Close every connection with RST to both peers, as a host does that lost its state."""
        self._run_on_loop(lambda: self._end_all(ProxiedConnection.reset))

    def cut_after(self, count: int, direction: Literal["up", "down"] = "down") -> None:
        """Cut, once, the connection that carries the `count`th byte from now, right after that byte.

        Raises:
            ValueError: The count is below 1.
        """
        if count < 1:
            raise ValueError(f"count is {count}; it must be 1 or more")
        self._apply(direction, lambda each: each.cut_after(count))

    def stall(self, direction: DirectionName = "both") -> None:
        """Forward nothing. What arrives is buffered, so senders block only once the buffers are full."""
        self._apply(direction, Direction.stall)

    def resume(self, direction: DirectionName = "both") -> None:
        """End a stall: forward what was buffered, and what follows."""
        self._apply(direction, Direction.resume)

    def throttle(self, bytes_per_second: float | None, direction: DirectionName = "both") -> None:
        """Limit the bytes per second, over all connections together; None for no limit.

        Raises:
            ValueError: The limit is not positive.
        """
        if bytes_per_second is not None and not bytes_per_second > 0:
            raise ValueError(f"bytes_per_second is {bytes_per_second}; it must be positive, or None for no limit")
        self._apply(direction, lambda each: each.throttle(bytes_per_second))

    def delay(self, seconds: float, direction: DirectionName = "both") -> None:
        """Add latency, in seconds, to each byte, without a limit of throughput.

        Raises:
            ValueError: The latency is negative.
        """
        if seconds < 0:
            raise ValueError(f"seconds is {seconds}; it must not be negative")
        self._apply(direction, lambda each: each.delay(seconds))

    def blackhole(self) -> None:
        """Accept connections and discard every byte in both directions, as a lost route does.

        `restore` resets the connections that were open meanwhile, since their bytes are lost.
        """
        self._run_on_loop(self._faults.start_blackhole)

    def refuse(self) -> None:
        """Close the listening port: new connections are refused, open ones go on."""
        self._run_on_loop(self._close_listener)

    def accept(self) -> None:
        """Listen on the same port again.

        Raises:
            OSError: The port was taken meanwhile.
        """
        self._on_loop(self._listen(self.port))

    def restore(self) -> None:
        """End every lasting fault, a refused port included.

        Raises:
            OSError: The port was taken meanwhile.
        """
        self._on_loop(self._restore())

    def _apply(self, direction: DirectionName, change: Callable[[Direction], None]) -> None:
        async def apply() -> None:
            for each in self._faults.directions(direction):
                change(each)

        self._on_loop(apply())

    def _run_on_loop(self, change: Callable[[], object]) -> None:
        async def run() -> None:
            change()

        self._on_loop(run())

    def _notify(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _end_all(self, end: Callable[[ProxiedConnection], None]) -> None:
        for connection in self._connections:
            end(connection)
        self._notify()

    async def _restore(self) -> None:
        self._faults.restore()
        for connection in self._connections:
            if connection.lost_data:
                connection.reset()
        self._notify()
        await self._listen(self.port)

    async def _serve(self, ready: Callable[[int], None], stop: Awaitable[float | None]) -> None:
        ready(await self._listen(0))
        await stop
        self._close_listener()
        self._end_all(ProxiedConnection.reset)
        for task in self._tasks:
            task.cancel()  # it may linger after a cut
        if self._tasks:
            await asyncio.wait(self._tasks)
        for _ in range(4):
            await asyncio.sleep(0)  # asyncio closes an aborted connection within a few iterations of its loop

    async def _listen(self, port: int) -> int:
        if self._listener is None:
            self._listener = socket.create_server((_HOST, port), backlog=_BACKLOG)
            self._listener.setblocking(False)
            # Not asyncio's own server: it drops a connection that it accepts while it is being closed.
            asyncio.get_running_loop().add_reader(self._listener, self._accept_connection, self._listener)
        bound: int = self._listener.getsockname()[1]
        return bound

    def _close_listener(self) -> None:
        if self._listener is not None:
            asyncio.get_running_loop().remove_reader(self._listener)
            self._listener.close()
            self._listener = None

    def _accept_connection(self, listener: socket.socket) -> None:
        try:
            client, _ = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return  # the client is gone again
        client.setblocking(False)
        connection = ProxiedConnection(self._faults, client)
        task = asyncio.create_task(connection.run(*self._target))
        self._connections.add(connection)
        self._tasks.add(task)
        self._accepted += 1
        self._notify()

        def on_done(_: asyncio.Task[None]) -> None:
            client.close()  # for a task that was cancelled before it started
            self._connections.discard(connection)
            self._tasks.discard(task)
            self._notify()

        task.add_done_callback(on_done)
