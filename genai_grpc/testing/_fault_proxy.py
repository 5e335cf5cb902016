"""A TCP proxy that makes faults on command: what a network does to a connection, between a client and its server."""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias
from urllib.parse import urlsplit

from genai_grpc.local._background_server import BackgroundServer, join
from genai_grpc.testing._proxied_connection import Faults, ProxiedConnection

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = ["Direction", "FaultProxy"]

Direction: TypeAlias = Literal["up", "down", "both"]
_HOST: Final = "127.0.0.1"
_BACKLOG: Final = 1024


class FaultProxy(BackgroundServer):
    """Passes TCP connections on to a target, and does to them what a test says, from any thread and at any time.

    It listens on loopback, on a port of its own, in a thread of its own. "up" is towards the target, "down" towards the
    client. A fault that lasts is on all connections, those to come included, until it is taken back or `restore` is
    called. It knows nothing of what passes through, so TLS does too. It needs a POSIX system.

    Args:
        target: `host:port`, or a URL such as a server's `endpoint`.

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
        self._listening: socket.socket | None = None
        self._links: set[ProxiedConnection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._changed = threading.Condition()
        self._made = 0
        self._faults = Faults(self._note)

    def __repr__(self) -> str:
        state = "stopped" if self._stopped.done() else self.endpoint if self._ready.done() else "not started"
        return f"<FaultProxy of {join(*self._target)}, {state}>"

    @property
    def address(self) -> str:
        """Where it listens, e.g. "127.0.0.1:40001"."""
        return join(_HOST, self.port)

    @property
    def endpoint(self) -> str:
        """The same as a URL, with the target's scheme."""
        return f"{self._scheme}://{self.address}"

    @property
    def connections(self) -> int:
        """How many connections clients have made so far."""
        return self._made

    @property
    def alive(self) -> int:
        """How many of them neither the two sides nor a fault has ended yet."""
        return sum(not link.over for link in list(self._links))

    @property
    def bytes_up(self) -> int:
        """How many bytes were passed on to the target."""
        return self._faults.up.passed

    @property
    def bytes_down(self) -> int:
        """How many bytes were passed on to clients."""
        return self._faults.down.passed

    def wait_until(self, reached: Callable[[FaultProxy], bool], *, timeout: float = 10.0) -> None:
        """Wait until the counters are as wanted, e.g. `proxy.wait_until(lambda proxy: proxy.alive == 0)`.

        Raises:
            TimeoutError: After `timeout` seconds, with the counters.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: reached(self), timeout):
                raise TimeoutError(
                    f"not reached within {timeout:g} s: {self.connections} connections, {self.alive} alive, "
                    f"{self.bytes_up} bytes up, {self.bytes_down} bytes down"
                )

    def cut(self) -> None:
        """End every connection in good order (FIN to both sides)."""
        self._do(lambda: self._end_all(ProxiedConnection.cut))

    def reset(self) -> None:
        """End every connection abruptly (RST to both sides), as a machine does that lost its state."""
        self._do(lambda: self._end_all(ProxiedConnection.reset))

    def cut_after(self, count: int, direction: Literal["up", "down"] = "down") -> None:
        """Cut, once, the connection that carries the next `count`th byte, right behind that byte."""
        if count < 1:
            raise ValueError(f"count is {count}; it must be 1 or more")
        self._do(lambda: self._faults.way(direction).cut_after(count))

    def stall(self, direction: Direction = "both") -> None:
        """Pass nothing on; what arrives is kept, so that its senders feel it only when the buffers are full."""
        self._do(lambda: [way.stall() for way in self._ways(direction)])

    def resume(self, direction: Direction = "both") -> None:
        """Pass on what was kept in a stall, and what follows."""
        self._do(lambda: [way.resume() for way in self._ways(direction)])

    def throttle(self, bytes_per_second: float | None, direction: Direction = "both") -> None:
        """Pass on so many bytes a second at most, over all connections; None for no limit."""
        if bytes_per_second is not None and not bytes_per_second > 0:
            raise ValueError(f"bytes_per_second is {bytes_per_second}; it must be positive, or None for no limit")
        self._do(lambda: [way.throttle(bytes_per_second) for way in self._ways(direction)])

    def delay(self, seconds: float, direction: Direction = "both") -> None:
        """Pass each byte on so many seconds after it arrived: latency, without less to pass."""
        if seconds < 0:
            raise ValueError(f"seconds is {seconds}; it must not be negative")
        self._do(lambda: [way.delay(seconds) for way in self._ways(direction)])

    def black_hole(self) -> None:
        """Take connections and whatever they carry, and answer nothing, neither now nor later: a lost route.

        Once restored, connections from that time are reset, since what they carried is gone.
        """
        self._do(self._faults.open_hole)

    def refuse(self) -> None:
        """Close the listening port: new connections are refused, those there are go on."""
        self._do(self._close)

    def accept(self) -> None:
        """Listen on the same port again.

        Raises:
            OSError: If it was taken meanwhile.
        """
        self._on_loop(self._listen(self.port))

    def restore(self) -> None:
        """Take back every fault that lasts, a refused port included."""
        self._on_loop(self._restore())

    def _ways(self, direction: Direction) -> list[Any]:
        return [self._faults.up, self._faults.down] if direction == "both" else [self._faults.way(direction)]

    def _do(self, work: Callable[[], object]) -> None:
        async def do() -> None:
            work()

        self._on_loop(do())

    def _note(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _end_all(self, end: Callable[[ProxiedConnection], None]) -> None:
        for link in self._links:
            end(link)
        self._note()

    async def _restore(self) -> None:
        self._faults.restore()
        for link in self._links:
            if link.lost:
                link.reset()
        self._note()
        await self._listen(self.port)

    async def _serve(self, ready: Callable[[int], None], stop: Awaitable[float | None]) -> None:
        ready(await self._listen(0))
        await stop
        self._close()
        self._end_all(ProxiedConnection.reset)
        for carrying in self._tasks:
            carrying.cancel()  # it may linger after a cut
        if self._tasks:
            await asyncio.wait(self._tasks)
        for _ in range(4):
            await asyncio.sleep(0)  # asyncio closes an aborted connection within a few turns of its loop

    async def _listen(self, port: int) -> int:
        if self._listening is None:
            self._listening = socket.create_server((_HOST, port), backlog=_BACKLOG)
            self._listening.setblocking(False)
            # Not asyncio's own server, which forgets a connection that it takes while it is being closed.
            asyncio.get_running_loop().add_reader(self._listening, self._welcome, self._listening)
        bound: int = self._listening.getsockname()[1]
        return bound

    def _close(self) -> None:
        if self._listening is not None:
            asyncio.get_running_loop().remove_reader(self._listening)
            self._listening.close()
            self._listening = None

    def _welcome(self, listening: socket.socket) -> None:
        try:
            client, _ = listening.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return  # gone again
        client.setblocking(False)
        link = ProxiedConnection(self._faults, client)
        carrying = asyncio.create_task(link.carry(*self._target))
        self._links.add(link)
        self._tasks.add(carrying)
        self._made += 1
        self._note()

        def over(_: asyncio.Task[None]) -> None:
            client.close()  # where the task was cancelled before it began
            self._links.discard(link)
            self._tasks.discard(carrying)
            self._note()

        carrying.add_done_callback(over)
