"""Plain stub: the baseline, a program that uses only the generated gRPC code.

All ratios are to it, so it avoids every waste that is visible in its code: one channel, constant metadata, a deadline
on every call, one request object for a whole chat. It does not use knowledge of gRPC's implementation; there a client
can be cheaper.
"""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Final

import grpc
import grpc.aio

from benchmarks.peers import KEY, MODEL, PROMPT, Endpoint
from genai_grpc_protos import v1beta as protos
from genai_grpc_protos.v1beta.generative_service_pb2_grpc import GenerativeServiceStub

TIMEOUT: Final = 600.0
METADATA: Final = (("x-goog-api-key", KEY),)


class Plain:
    """A stub for sync calls and one for async calls."""

    def __init__(self, endpoint: Endpoint, channel: int = 0) -> None:
        self._address = endpoint.grpc
        # Channels with different arguments do not share a connection.
        options = [("benchmark.channel", channel)] if channel else None
        self._stub = GenerativeServiceStub(grpc.insecure_channel(self._address, options=options))
        self._aio: Any = None

    def ask(self) -> str:
        reply = self._stub.GenerateContent(_request(), timeout=TIMEOUT, metadata=METADATA)
        return reply.candidates[0].content.parts[0].text

    async def ask_async(self) -> str:
        reply = await self._aio_stub().GenerateContent(_request(), timeout=TIMEOUT, metadata=METADATA)
        text: str = reply.candidates[0].content.parts[0].text
        return text

    def texts(self) -> Iterator[str]:
        for chunk in self._stub.StreamGenerateContent(_request(), timeout=TIMEOUT, metadata=METADATA):
            yield chunk.candidates[0].content.parts[0].text

    async def texts_async(self) -> AsyncIterator[str]:
        async for chunk in self._aio_stub().StreamGenerateContent(_request(), timeout=TIMEOUT, metadata=METADATA):
            yield chunk.candidates[0].content.parts[0].text

    def start_chat(self, history: list[tuple[str, str]]) -> Callable[[str], str]:
        turns = [protos.Content(role=role, parts=[protos.Part(text=text)]) for role, text in history]
        request = protos.GenerateContentRequest(model=MODEL, contents=turns)

        def send(message: str) -> str:
            request.contents.add(role="user", parts=[protos.Part(text=message)])
            reply = self._stub.GenerateContent(request, timeout=TIMEOUT, metadata=METADATA)
            content = reply.candidates[0].content
            request.contents.append(content)
            return content.parts[0].text

        return send

    def ask_of_blob(self, data: bytes) -> str:
        blob = protos.Blob(mime_type="image/png", data=data)
        content = protos.Content(role="user", parts=[protos.Part(text=PROMPT), protos.Part(inline_data=blob)])
        request = protos.GenerateContentRequest(model=MODEL, contents=[content])
        reply = self._stub.GenerateContent(request, timeout=TIMEOUT, metadata=METADATA)
        return reply.candidates[0].content.parts[0].text

    def ask_of_image(self, image: Any) -> str:
        file = io.BytesIO()
        image.save(file, format="PNG")
        return self.ask_of_blob(file.getvalue())

    def _aio_stub(self) -> Any:
        if self._aio is None:
            self._aio = GenerativeServiceStub(grpc.aio.insecure_channel(self._address))
        return self._aio


def _request() -> protos.GenerateContentRequest:
    content = protos.Content(role="user", parts=[protos.Part(text=PROMPT)])
    return protos.GenerateContentRequest(model=MODEL, contents=[content])
