"""Lower bound of the CPU per call: a blocking socket, and HTTP/2 that suits only the benchmarks' server.

It parses no headers, ignores the server's flow-control windows, and has no deadlines and no cancellation; a client that
has all that costs more. The request's header block is built once, of literals without indexing, so that it is
stateless.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from typing import Final

from benchmarks.peers import Endpoint
from benchmarks.peers.frames import HEADERS, Transport

# Size of a frame header; frame types; flags (RFC 9113).
HEADER_SIZE: Final = 9
DATA, HEADERS_FRAME, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0x0, 0x1, 0x3, 0x4, 0x6, 0x7, 0x8
END_STREAM, END_HEADERS, ACK = 0x1, 0x4, 0x1
# The largest frame that the server accepts, and the largest window.
MAX_FRAME_SIZE: Final = 1 << 20
MAX_WINDOW: Final = (1 << 31) - 1
PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


class LowerBound(Transport):
    """One connection, for sequential calls."""

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__(endpoint)
        host, port = endpoint.grpc.split(":")
        self._socket = socket.create_connection((host, int(port)))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        settings = struct.pack(">HIHI", 0x4, MAX_WINDOW, 0x5, MAX_FRAME_SIZE)
        window_update = struct.pack(">I", MAX_WINDOW - 65_535)
        self._socket.sendall(PREFACE + _frame(SETTINGS, 0, 0, settings) + _frame(WINDOW_UPDATE, 0, 0, window_update))
        self._stream = -1
        self._buffer = b""
        self._header_blocks: dict[str, bytes] = {}

    def post(self, path: str, body: bytes) -> bytes:
        return b"".join(self.pieces(path, body))

    def pieces(self, path: str, body: bytes) -> Iterator[bytes]:
        self._stream += 2
        self._send(path, body)
        data, received = self._buffer, 0
        while True:
            begin, end = 0, len(data)
            while end - begin >= HEADER_SIZE:
                size = HEADER_SIZE + int.from_bytes(data[begin : begin + 3], "big")
                if end - begin < size:
                    break
                kind, flags = data[begin + 3], data[begin + 4]
                if kind == DATA:
                    received += size - HEADER_SIZE
                    yield data[begin + HEADER_SIZE : begin + size]
                elif kind == SETTINGS and not flags & ACK:
                    self._socket.sendall(_frame(SETTINGS, ACK, 0, b""))
                elif kind in (RST_STREAM, GOAWAY):
                    raise ConnectionError("the server reset the stream or closes the connection")
                begin += size
                if flags & END_STREAM and kind in (DATA, HEADERS_FRAME):
                    self._buffer = data[begin:]
                    self._socket.sendall(_frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", received)))
                    return
            chunk = self._socket.recv(1 << 18)
            if not chunk:
                raise ConnectionError("the server closed the connection")
            data = data[begin:] + chunk

    def _send(self, path: str, body: bytes) -> None:
        block = self._header_blocks.get(path)
        if block is None:
            block = self._header_blocks[path] = _header_block(path, self.url.removeprefix("http://"))
        head = _frame(HEADERS_FRAME, END_HEADERS, self._stream, block)
        rest = memoryview(body)
        while len(rest) > MAX_FRAME_SIZE:
            self._socket.sendall(head + _frame_header(MAX_FRAME_SIZE, DATA, 0, self._stream))
            self._socket.sendall(rest[:MAX_FRAME_SIZE])
            head, rest = b"", rest[MAX_FRAME_SIZE:]
        self._socket.sendall(b"".join((head, _frame_header(len(rest), DATA, END_STREAM, self._stream), rest)))


def _frame_header(size: int, kind: int, flags: int, stream: int) -> bytes:
    return struct.pack(">IBI", size << 8 | kind, flags, stream)


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return _frame_header(len(payload), kind, flags, stream) + payload


def _header_block(path: str, authority: str) -> bytes:
    """Headers in HPACK, without tables or Huffman coding (RFC 7541, 6.2.2)."""
    pseudo = {":method": "POST", ":scheme": "http", ":path": path, ":authority": authority}
    pairs = [(name.encode(), value.encode()) for name, value in {**pseudo, **HEADERS}.items()]
    return b"".join(b"\0%c%b%c%b" % (len(name), name, len(value), value) for name, value in pairs)
