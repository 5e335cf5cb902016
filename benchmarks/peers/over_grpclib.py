"""grpclib: gRPC in Python on h2, for asyncio only."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

import grpclib.client

from benchmarks.peers import KEY, MODEL, PROMPT, Endpoint
from benchmarks.peers.frames import TIMEOUT
from genai_grpc_protos import v1beta as protos

_SERVICE: Final = "/google.ai.generativelanguage.v1beta.GenerativeService"
METADATA: Final = {"x-goog-api-key": KEY}


class Grpclib:
    """A channel, which is one connection, with two methods."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._address = endpoint.grpc.split(":")
        self._methods: tuple[Any, Any] | None = None

    async def ask_async(self) -> str:
        reply = await self._connect()[0](_request(), timeout=TIMEOUT, metadata=METADATA)
        text: str = reply.candidates[0].content.parts[0].text
        return text

    async def texts_async(self) -> AsyncIterator[str]:
        async with self._connect()[1].open(timeout=TIMEOUT, metadata=METADATA) as stream:
            await stream.send_message(_request(), end=True)
            async for reply in stream:
                yield reply.candidates[0].content.parts[0].text

    def _connect(self) -> tuple[Any, Any]:
        if self._methods is None:
            host, port = self._address
            channel = grpclib.client.Channel(host, int(port), loop=asyncio.get_running_loop())
            messages = protos.GenerateContentRequest, protos.GenerateContentResponse
            self._methods = (
                grpclib.client.UnaryUnaryMethod(channel, f"{_SERVICE}/GenerateContent", *messages),
                grpclib.client.UnaryStreamMethod(channel, f"{_SERVICE}/StreamGenerateContent", *messages),
            )
        return self._methods


def _request() -> protos.GenerateContentRequest:
    content = protos.Content(role="user", parts=[protos.Part(text=PROMPT)])
    return protos.GenerateContentRequest(model=MODEL, contents=[content])
