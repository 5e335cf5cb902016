"""The floor: a socket that blocks, and HTTP/2 that is good for the benchmarks' server alone.

It reads no header, heeds no window of the server's, waits without a deadline and cannot cancel; a client that could do
all that costs more. The request's header block is made once, of literals without index, so that no state is kept.
"""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING, Final

from benchmarks.peers.frames import HEADERS, Transport

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.peers import Endpoint

HEAD: Final = 9
DATA, HEADER, RESET, SETTINGS, PING, AWAY, WINDOW = 0x0, 0x1, 0x3, 0x4, 0x6, 0x7, 0x8
END_STREAM, END_HEADERS, ACK = 0x1, 0x4, 0x1
# What the server allows a frame; a window as wide as there is, for streams and for the connection.
LARGEST: Final = 1 << 20
WIDE: Final = (1 << 31) - 1
HELLO: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


class Floor(Transport):
    """One connection, for one call after the other."""

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__(endpoint)
        host, port = endpoint.grpc.split(":")
        self._socket = socket.create_connection((host, int(port)))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        settings = struct.pack(">HIHI", 0x4, WIDE, 0x5, LARGEST)
        opening = _frame(SETTINGS, 0, 0, settings), _frame(WINDOW, 0, 0, struct.pack(">I", WIDE - 65_535))
        self._socket.sendall(HELLO + b"".join(opening))
        self._stream = -1
        self._rest = b""
        self._blocks: dict[str, bytes] = {}

    def post(self, path: str, body: bytes) -> bytes:
        return b"".join(self.pieces(path, body))

    def pieces(self, path: str, body: bytes) -> Iterator[bytes]:
        self._stream += 2
        self._send(path, body)
        data, taken = self._rest, 0
        while True:
            begin, end = 0, len(data)
            while end - begin >= HEAD:
                size = HEAD + int.from_bytes(data[begin : begin + 3], "big")
                if end - begin < size:
                    break
                kind, flags = data[begin + 3], data[begin + 4]
                if kind == DATA:
                    taken += size - HEAD
                    yield data[begin + HEAD : begin + size]
                elif kind == SETTINGS and not flags & ACK:
                    self._socket.sendall(_frame(SETTINGS, ACK, 0, b""))
                elif kind in (RESET, AWAY):
                    raise ConnectionError("the server gave the call up")
                begin += size
                if flags & END_STREAM and kind in (DATA, HEADER):
                    self._rest = data[begin:]
                    self._socket.sendall(_frame(WINDOW, 0, 0, struct.pack(">I", taken)))
                    return
            came = self._socket.recv(1 << 18)
            if not came:
                raise ConnectionError("the server closed the connection")
            data = data[begin:] + came

    def _send(self, path: str, body: bytes) -> None:
        block = self._blocks.get(path)
        if block is None:
            block = self._blocks[path] = _header_block(path, self.url.removeprefix("http://"))
        head = _frame(HEADER, END_HEADERS, self._stream, block)
        rest = memoryview(body)
        while len(rest) > LARGEST:
            self._socket.sendall(head + _head(LARGEST, DATA, 0, self._stream))
            self._socket.sendall(rest[:LARGEST])
            head, rest = b"", rest[LARGEST:]
        self._socket.sendall(b"".join((head, _head(len(rest), DATA, END_STREAM, self._stream), rest)))


def _head(size: int, kind: int, flags: int, stream: int) -> bytes:
    return struct.pack(">IBI", size << 8 | kind, flags, stream)


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return _head(len(payload), kind, flags, stream) + payload


def _header_block(path: str, authority: str) -> bytes:
    """Headers as HPACK has them without tables or Huffman's code (RFC 7541, 6.2.2)."""
    pseudo = {":method": "POST", ":scheme": "http", ":path": path, ":authority": authority}
    pairs = [(name.encode(), value.encode()) for name, value in {**pseudo, **HEADERS}.items()]
    return b"".join(b"\0%c%b%c%b" % (len(name), name, len(value), value) for name, value in pairs)
