"""One TCP connection through the fault proxy, and the faults that apply to all of them."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable
from typing import Any, Final, Literal, TypeAlias

__all__ = ["Direction", "DirectionName", "Faults", "ProxiedConnection"]

DirectionName: TypeAlias = Literal["up", "down", "both"]

_READ_BYTES: Final = 64 * 1024
# Reads that a stalled or slow direction buffers before TCP flow control stops the sender.
_MAX_QUEUED_READS: Final = 16
# A throttled direction sends at most so many seconds' worth of its rate at once.
_THROTTLE_SECONDS: Final = 0.02
# Seconds that both peers have to close by themselves after a cut.
_LINGER_SECONDS: Final = 1.0
# SO_LINGER, on with a timeout of 0: close() sends RST (socket(7)).
_RST_ON_CLOSE: Final = struct.pack("ii", 1, 0)


class Direction:
    """One direction of all connections: its stall, latency, rate and cut, and the bytes forwarded so far."""

    def __init__(self, on_change: Callable[[], None]) -> None:
        self.bytes_forwarded = 0
        self._on_change = on_change
        self._woken = asyncio.Event()
        self._stalled = False
        self._latency = 0.0
        self._rate: float | None = None
        self._next_send = 0.0
        self._bytes_until_cut: int | None = None

    def stall(self) -> None:
        """Forward nothing."""
        self._stalled = True

    def resume(self) -> None:
        """End a stall."""
        self._stalled = False
        self.wake()

    def delay(self, seconds: float) -> None:
        """Forward each byte this many seconds after its arrival."""
        self._latency = seconds
        self.wake()

    def throttle(self, bytes_per_second: float | None) -> None:
        """Limit the rate; None for no limit."""
        self._rate, self._next_send = bytes_per_second, 0.0
        self.wake()

    def cut_after(self, count: int | None) -> None:
        """Cut the connection that carries the `count`th byte from now; None cancels that."""
        self._bytes_until_cut = count

    def wake(self) -> None:
        """Have the connections that wait in `admit` check again."""
        self._woken.set()
        self._woken = asyncio.Event()

    async def admit(self, size: int, arrived: float, discarded: Callable[[], bool]) -> tuple[int, bool]:
        """Wait until some of `size` bytes may be forwarded, or until they are discarded.

        Returns:
            How many may be forwarded, and whether to cut the connection after them.
        """
        loop = asyncio.get_running_loop()
        while not discarded():
            wait = max(arrived + self._latency, self._next_send) - loop.time()
            if self._stalled or wait > 0:
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(self._woken.wait(), None if self._stalled else wait)
                continue
            if self._rate is not None:
                size = min(size, max(1, int(self._rate * _THROTTLE_SECONDS)))
                self._next_send = max(loop.time(), self._next_send) + size / self._rate
            if self._bytes_until_cut is None:
                return size, False
            size = min(size, self._bytes_until_cut)
            self._bytes_until_cut = self._bytes_until_cut - size or None
            return size, self._bytes_until_cut is None
        return size, False

    def add_forwarded(self, size: int) -> None:
        """Count forwarded bytes."""
        self.bytes_forwarded += size
        self._on_change()


class Faults:
    """The faults in effect."""

    def __init__(self, on_change: Callable[[], None]) -> None:
        self.up, self.down = Direction(on_change), Direction(on_change)
        self.blackhole = False

    def directions(self, name: DirectionName) -> tuple[Direction, ...]:
        """The direction of this name, or both."""
        return {"up": (self.up,), "down": (self.down,), "both": (self.up, self.down)}[name]

    def start_blackhole(self) -> None:
        """Discard what arrives, and what is queued."""
        self.blackhole = True
        for direction in self.up, self.down:
            direction.wake()

    def restore(self) -> None:
        """End every fault."""
        self.blackhole = False
        for direction in self.up, self.down:
            direction.throttle(None)
            direction.delay(0.0)
            direction.cut_after(None)
            direction.resume()


class ProxiedConnection:
    """A client's connection, and the proxy's own connection to the target for it."""

    def __init__(self, faults: Faults, client: socket.socket) -> None:
        self.lost_data = False
        """Whether a blackhole discarded any of its bytes."""
        self._faults = faults
        self._client = client
        self._readers: list[asyncio.StreamReader] = []
        self._writers: list[asyncio.StreamWriter] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._linger_on_close = False
        self._ended = False

    async def run(self, host: str, port: int) -> None:
        """Connect to the target, and forward both directions until both peers have closed or a fault ends it."""
        try:
            await self._connect({"sock": self._client})
            if self._faults.blackhole:
                self.lost_data = True
            else:
                await self._connect({"host": host, "port": port})
            self._start_tasks()
            done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_EXCEPTION)
            for task in done:
                if not task.cancelled():
                    task.result()
            if self._linger_on_close:
                await self._linger()
        except OSError:
            self.reset()  # one peer is gone, so the other is disconnected too
        finally:
            self._stop_tasks()
            try:
                await asyncio.gather(*self._tasks, return_exceptions=True)
                for writer in self._writers:
                    writer.close()
                    with contextlib.suppress(OSError):
                        await writer.wait_closed()
            finally:
                for writer in self._writers:
                    writer.transport.abort()

    def cut(self) -> None:
        """Send FIN to both peers, after the bytes forwarded so far."""
        if not self._ended:
            self._linger_on_close = True
            self._stop_tasks()
            for writer in self._writers:
                if not writer.is_closing():
                    writer.write_eof()

    def reset(self) -> None:
        """Send RST to both peers."""
        self._stop_tasks()
        for writer in self._writers:
            if not writer.is_closing():
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST_ON_CLOSE)
            writer.transport.abort()

    @property
    def ended(self) -> bool:
        """Whether the proxy has stopped forwarding; the peers may take a moment to notice."""
        return self._ended

    def _stop_tasks(self) -> None:
        self._ended = True
        for task in self._tasks:
            task.cancel()

    async def _connect(self, peer: dict[str, Any]) -> None:
        reader, writer = await asyncio.open_connection(**peer)
        self._readers.append(reader)
        self._writers.append(writer)
        if self._ended:
            raise ConnectionAbortedError("ended while connecting")

    def _start_tasks(self) -> None:
        if self.lost_data:
            self._tasks = [asyncio.create_task(self._read(self._readers[0], asyncio.Queue()))]
            return
        for source, sink, direction in (0, 1, self._faults.up), (1, 0, self._faults.down):
            chunks: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_MAX_QUEUED_READS)
            self._tasks += [
                asyncio.create_task(self._read(self._readers[source], chunks)),
                asyncio.create_task(self._write(self._writers[sink], chunks, direction)),
            ]

    async def _read(self, source: asyncio.StreamReader, chunks: asyncio.Queue[tuple[float, bytes]]) -> None:
        """Queue what arrives, with its arrival time; b"" at the end of the stream."""
        loop = asyncio.get_running_loop()
        while True:
            chunk = await source.read(_READ_BYTES)
            if self._faults.blackhole:
                self.lost_data = True
            elif not self.lost_data:
                await chunks.put((loop.time(), chunk))
            if not chunk:
                return

    async def _write(
        self, sink: asyncio.StreamWriter, chunks: asyncio.Queue[tuple[float, bytes]], direction: Direction
    ) -> None:
        """Forward what is queued, as fast as the direction admits."""
        while True:
            arrived, chunk = await chunks.get()
            at_end = not chunk
            while True:
                size, cut = await direction.admit(len(chunk), arrived, lambda: self._faults.blackhole)
                if self._faults.blackhole:
                    self.lost_data = True
                    break
                if self.ended:
                    return  # it was cut while this waited
                if at_end:
                    sink.write_eof()
                    return
                sink.write(chunk[:size])
                direction.add_forwarded(size)
                if cut:
                    self.cut()
                await sink.drain()
                chunk = chunk[size:]
                if not chunk:
                    break

    async def _linger(self) -> None:
        """Read until both peers have closed: closing a socket with unread bytes would send RST."""
        reads = [asyncio.create_task(_discard(reader)) for reader in self._readers]
        try:
            await asyncio.wait(reads, timeout=_LINGER_SECONDS)
        finally:
            for read in reads:
                read.cancel()
            await asyncio.gather(*reads, return_exceptions=True)


async def _discard(reader: asyncio.StreamReader) -> None:
    while await reader.read(_READ_BYTES):
        pass
