"""wreq: a fork of reqwest and h2 on BoringSSL that imitates browsers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any

import wreq
import wreq.blocking

from benchmarks.peers import Endpoint
from benchmarks.peers.frames import HEADERS, Data, Transport, check


class Wreq(Transport):
    """A sync and an async client; trailers are the last item of a body's iteration."""

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__(endpoint)
        self._client = wreq.blocking.Client(http2_only=True)
        self._aio = wreq.Client(http2_only=True)

    def post(self, path: str, body: bytes) -> bytes:
        return b"".join(self.pieces(path, body))

    async def post_async(self, path: str, body: bytes) -> bytes:
        return b"".join([piece async for piece in self.pieces_async(path, body)])

    def pieces(self, path: str, body: bytes) -> Iterator[Data]:
        reply = self._client.post(self.url + path, headers=HEADERS, body=body, timeout=timedelta(seconds=self.timeout))
        status = reply.headers.get("grpc-status")
        with reply, reply.stream() as stream:
            for piece in stream:
                if isinstance(piece, memoryview):
                    yield piece
                else:
                    status = piece.get("grpc-status")
        check(_bytes(status))

    async def pieces_async(self, path: str, body: bytes) -> AsyncIterator[Data]:
        reply = await self._aio.post(
            self.url + path, headers=HEADERS, body=body, timeout=timedelta(seconds=self.timeout)
        )
        status = reply.headers.get("grpc-status")
        async with reply, reply.stream() as stream:
            async for piece in stream:
                if isinstance(piece, memoryview):
                    yield piece
                else:
                    status = piece.get("grpc-status")
        check(_bytes(status))


def _bytes(value: Any) -> bytes | None:
    return None if value is None else bytes(value)
