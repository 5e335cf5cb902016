"""One connection through a proxy, and the faults that are on all of them."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Direction", "Faults", "ProxiedConnection"]

# Bytes read at once, and how many such pieces a stall keeps before its sender feels it.
_PIECE: Final = 64 * 1024
_KEPT: Final = 16
# Seconds of a throttled way's bytes that pass at once.
_SLICE: Final = 0.02
# Seconds that both sides have to close by themselves after a cut.
_LINGER: Final = 1.0
# On, for 0 seconds: closing sends RST (socket(7)).
_RST: Final = struct.pack("ii", 1, 0)


class Direction:
    """One direction: when bytes may pass, how many, and how many did."""

    def __init__(self, note: Callable[[], None]) -> None:
        self.passed = 0
        self._note = note
        self._altered = asyncio.Event()
        self._stalled = False
        self._latency = 0.0
        self._rate: float | None = None
        self._free_at = 0.0
        self._left: int | None = None

    def stall(self) -> None:
        """Let nothing pass."""
        self._stalled = True

    def resume(self) -> None:
        """End a stall."""
        self._stalled = False
        self.alter()

    def delay(self, seconds: float) -> None:
        """Let pass so many seconds after arrival."""
        self._latency = seconds
        self.alter()

    def throttle(self, bytes_per_second: float | None) -> None:
        """Let pass so many bytes a second; None for no limit."""
        self._rate, self._free_at = bytes_per_second, 0.0
        self.alter()

    def cut_after(self, count: int | None) -> None:
        """Have the connection cut that carries the `count`th byte from now; None for none."""
        self._left = count

    def alter(self) -> None:
        """Have those who wait look again."""
        self._altered.set()
        self._altered = asyncio.Event()

    async def admit(self, size: int, arrived: float, lost: Callable[[], bool]) -> tuple[int, bool]:
        """Wait until some of `size` bytes may pass, or until they are lost.

        Returns:
            How many pass, and whether the connection is cut behind them.
        """
        loop = asyncio.get_running_loop()
        while not lost():
            wait = max(arrived + self._latency, self._free_at) - loop.time()
            if self._stalled or wait > 0:
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(self._altered.wait(), None if self._stalled else wait)
                continue
            if self._rate is not None:
                size = min(size, max(1, int(self._rate * _SLICE)))
                self._free_at = max(loop.time(), self._free_at) + size / self._rate
            if self._left is None:
                return size, False
            size = min(size, self._left)
            self._left = self._left - size or None
            return size, self._left is None
        return size, False

    def count(self, size: int) -> None:
        """Note that so many bytes were passed on."""
        self.passed += size
        self._note()


class Faults:
    """What is wrong at the moment."""

    def __init__(self, note: Callable[[], None]) -> None:
        self.up, self.down = Direction(note), Direction(note)
        self.hole = False

    def way(self, direction: Literal["up", "down"]) -> Direction:
        """One of the two."""
        return self.up if direction == "up" else self.down

    def open_hole(self) -> None:
        """Lose what comes, and what waits."""
        self.hole = True
        for way in self.up, self.down:
            way.alter()

    def restore(self) -> None:
        """Let everything pass again."""
        self.hole = False
        for way in self.up, self.down:
            way.throttle(None)
            way.delay(0.0)
            way.cut_after(None)
            way.resume()


class ProxiedConnection:
    """One client's connection, and the one to the target that is made for it."""

    def __init__(self, faults: Faults, client: socket.socket) -> None:
        self.lost = False
        """Whether anything that it carried went into a black hole."""
        self._faults = faults
        self._client = client
        self._readers: list[asyncio.StreamReader] = []
        self._writers: list[asyncio.StreamWriter] = []
        self._pumps: list[asyncio.Task[None]] = []
        self._lingers = False
        self._over = False

    async def carry(self, host: str, port: int) -> None:
        """Connect to the target, and pass on what comes until both sides have ended or a fault ends it."""
        try:
            await self._connect({"sock": self._client})
            if self._faults.hole:
                self.lost = True
            else:
                await self._connect({"host": host, "port": port})
            self._begin()
            done, _ = await asyncio.wait(self._pumps, return_when=asyncio.FIRST_EXCEPTION)
            for pump in done:
                if not pump.cancelled():
                    pump.result()
            if self._lingers:
                await self._linger()
        except OSError:
            self.reset()  # as one side is gone, so is the other
        finally:
            self._cancel()
            try:
                await asyncio.gather(*self._pumps, return_exceptions=True)
                for writer in self._writers:
                    writer.close()
                    with contextlib.suppress(OSError):
                        await writer.wait_closed()
            finally:
                for writer in self._writers:
                    writer.transport.abort()

    def cut(self) -> None:
        """End both sides in good order, behind what was passed on."""
        if not self._over:
            self._lingers = True
            self._cancel()
            for writer in self._writers:
                if not writer.is_closing():
                    writer.write_eof()

    def reset(self) -> None:
        """End both sides abruptly."""
        self._cancel()
        for writer in self._writers:
            if not writer.is_closing():
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST)
            writer.transport.abort()

    @property
    def over(self) -> bool:
        """Whether a fault has ended it; its sides may take a moment to notice."""
        return self._over

    def _cancel(self) -> None:
        self._over = True
        for pump in self._pumps:
            pump.cancel()

    async def _connect(self, side: dict[str, Any]) -> None:
        reader, writer = await asyncio.open_connection(**side)
        self._readers.append(reader)
        self._writers.append(writer)
        if self._over:
            raise ConnectionAbortedError("ended while it connected")

    def _begin(self) -> None:
        if self.lost:
            self._pumps = [asyncio.create_task(self._read(self._readers[0], asyncio.Queue()))]
            return
        for source, sink, way in (0, 1, self._faults.up), (1, 0, self._faults.down):
            pieces: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_KEPT)
            self._pumps += [
                asyncio.create_task(self._read(self._readers[source], pieces)),
                asyncio.create_task(self._write(self._writers[sink], pieces, way)),
            ]

    async def _read(self, source: asyncio.StreamReader, pieces: asyncio.Queue[tuple[float, bytes]]) -> None:
        """Put what arrives into the queue, with its time; b"" at the end."""
        loop = asyncio.get_running_loop()
        while True:
            piece = await source.read(_PIECE)
            if self._faults.hole:
                self.lost = True
            elif not self.lost:
                await pieces.put((loop.time(), piece))
            if not piece:
                return

    async def _write(
        self, sink: asyncio.StreamWriter, pieces: asyncio.Queue[tuple[float, bytes]], way: Direction
    ) -> None:
        """Pass on what is in the queue, as the way admits it."""
        while True:
            arrived, piece = await pieces.get()
            at_end = not piece
            while True:
                size, cut = await way.admit(len(piece), arrived, lambda: self._faults.hole)
                if self._faults.hole:
                    self.lost = True
                    break
                if at_end:
                    sink.write_eof()
                    return
                sink.write(piece[:size])
                way.count(size)
                if cut:
                    self.cut()
                await sink.drain()
                piece = piece[size:]
                if not piece:
                    break

    async def _linger(self) -> None:
        """Read on until both sides have closed: to close with bytes unread would send RST."""
        rest = [asyncio.create_task(_discard(reader)) for reader in self._readers]
        try:
            await asyncio.wait(rest, timeout=_LINGER)
        finally:
            for reading in rest:
                reading.cancel()
            await asyncio.gather(*rest, return_exceptions=True)


async def _discard(reader: asyncio.StreamReader) -> None:
    while await reader.read(_PIECE):
        pass
