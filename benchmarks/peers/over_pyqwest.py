"""pyqwest: reqwest, hyper and rustls; the transport of connect-python."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pyqwest

from benchmarks.peers import Endpoint
from benchmarks.peers.frames import HEADERS, Transport, check

OPTIONS: Any = {"http_version": pyqwest.HTTPVersion.HTTP2, "enable_otel": False, "follow_redirects": False}


class Pyqwest(Transport):
    """A sync and an async client; deadlines of the async one are asyncio's."""

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__(endpoint)
        self._client = pyqwest.SyncClient(pyqwest.SyncHTTPTransport(**OPTIONS))
        self._aio = pyqwest.Client(pyqwest.HTTPTransport(**OPTIONS))

    def post(self, path: str, body: bytes) -> bytes:
        reply = self._client.post(self.url + path, HEADERS, body, timeout=self.timeout)
        check(_status(reply))
        content: bytes = reply.content
        return content

    async def post_async(self, path: str, body: bytes) -> bytes:
        async with asyncio.timeout(self.timeout):
            reply = await self._aio.post(self.url + path, HEADERS, body)
        check(_status(reply))
        content: bytes = reply.content
        return content

    def pieces(self, path: str, body: bytes) -> Iterator[bytes]:
        with self._client.stream("POST", self.url + path, HEADERS, body, timeout=self.timeout) as reply:
            yield from reply.content
            check(_status(reply))

    async def pieces_async(self, path: str, body: bytes) -> AsyncIterator[bytes]:
        async with asyncio.timeout(self.timeout), self._aio.stream("POST", self.url + path, HEADERS, body) as reply:
            async for piece in reply.content:
                yield piece
            check(_status(reply))


def _status(reply: Any) -> str | None:
    status: str | None = reply.trailers.get("grpc-status") or reply.headers.get("grpc-status")
    return status
