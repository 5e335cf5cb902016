"""What plain stubs of both APIs do: programs that use only the generated gRPC code."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Final

import grpc
import grpc.aio

from benchmarks.peers import KEY, PROMPT, Endpoint

__all__ = ["StubClient"]

TIMEOUT: Final = 600.0
METADATA: Final = (("x-goog-api-key", KEY),)


class StubClient:
    """A stub for sync calls and one for async calls.

    Attributes:
        protos: The messages.
        stub: The class of the stub.
        model: The full name of the model.
    """

    protos: Any
    stub: Any
    model: str

    def __init__(self, endpoint: Endpoint, channel: int = 0) -> None:
        self._address = endpoint.grpc
        # Channels with different arguments do not share a connection.
        options = [("benchmark.channel", channel)] if channel else None
        self._stub = self.stub(grpc.insecure_channel(self._address, options=options))
        self._aio: Any = None

    def ask(self) -> str:
        reply = self._stub.GenerateContent(self._request(), timeout=TIMEOUT, metadata=METADATA)
        text: str = reply.candidates[0].content.parts[0].text
        return text

    async def ask_async(self) -> str:
        reply = await self._aio_stub().GenerateContent(self._request(), timeout=TIMEOUT, metadata=METADATA)
        text: str = reply.candidates[0].content.parts[0].text
        return text

    def texts(self) -> Iterator[str]:
        for chunk in self._stub.StreamGenerateContent(self._request(), timeout=TIMEOUT, metadata=METADATA):
            yield chunk.candidates[0].content.parts[0].text

    async def texts_async(self) -> AsyncIterator[str]:
        async for chunk in self._aio_stub().StreamGenerateContent(self._request(), timeout=TIMEOUT, metadata=METADATA):
            yield chunk.candidates[0].content.parts[0].text

    def start_chat(self, history: list[tuple[str, str]]) -> Callable[[str], str]:
        turns = [self.protos.Content(role=role, parts=[self.protos.Part(text=text)]) for role, text in history]
        request = self.protos.GenerateContentRequest(model=self.model, contents=turns)

        def send(message: str) -> str:
            request.contents.add(role="user", parts=[self.protos.Part(text=message)])
            reply = self._stub.GenerateContent(request, timeout=TIMEOUT, metadata=METADATA)
            content = reply.candidates[0].content
            request.contents.append(content)
            text: str = content.parts[0].text
            return text

        return send

    def ask_of_blob(self, data: bytes) -> str:
        blob = self.protos.Blob(mime_type="image/png", data=data)
        content = self.protos.Content(
            role="user", parts=[self.protos.Part(text=PROMPT), self.protos.Part(inline_data=blob)]
        )
        request = self.protos.GenerateContentRequest(model=self.model, contents=[content])
        reply = self._stub.GenerateContent(request, timeout=TIMEOUT, metadata=METADATA)
        text: str = reply.candidates[0].content.parts[0].text
        return text

    def ask_of_image(self, image: Any) -> str:
        file = io.BytesIO()
        image.save(file, format="PNG")
        return self.ask_of_blob(file.getvalue())

    def _aio_stub(self) -> Any:
        if self._aio is None:
            self._aio = self.stub(grpc.aio.insecure_channel(self._address))
        return self._aio

    def _request(self) -> Any:
        content = self.protos.Content(role="user", parts=[self.protos.Part(text=PROMPT)])
        return self.protos.GenerateContentRequest(model=self.model, contents=[content])
