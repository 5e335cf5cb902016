"""google-ai-generativelanguage: Google's generated client of the service, with proto-plus messages.

The API key is sent as plain metadata: the credentials plugin for it would need TLS.
"""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Final

import google.ai.generativelanguage_v1beta as glm
import grpc
import grpc.aio
from google.ai.generativelanguage_v1beta.services.generative_service.transports import (
    GenerativeServiceGrpcAsyncIOTransport,
    GenerativeServiceGrpcTransport,
)

from benchmarks.peers import KEY, MODEL, PROMPT, Endpoint

METADATA: Final = [("x-goog-api-key", KEY)]


class GenerativeLanguage:
    """The generated sync and async clients."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._address = endpoint.grpc
        channel = grpc.insecure_channel(self._address)
        self._client = glm.GenerativeServiceClient(transport=GenerativeServiceGrpcTransport(channel=channel))
        self._aio: Any = None

    def ask(self) -> str:
        return _text(self._client.generate_content(_request(), metadata=METADATA))

    async def ask_async(self) -> str:
        return _text(await self._aio_client().generate_content(_request(), metadata=METADATA))

    def texts(self) -> Iterator[str]:
        for chunk in self._client.stream_generate_content(_request(), metadata=METADATA):
            yield _text(chunk)

    async def texts_async(self) -> AsyncIterator[str]:
        async for chunk in await self._aio_client().stream_generate_content(_request(), metadata=METADATA):
            yield _text(chunk)

    def start_chat(self, history: list[tuple[str, str]]) -> Callable[[str], str]:
        turns = [glm.Content(role=role, parts=[glm.Part(text=text)]) for role, text in history]
        request = glm.GenerateContentRequest(model=MODEL, contents=turns)

        def send(message: str) -> str:
            request.contents.append(glm.Content(role="user", parts=[glm.Part(text=message)]))
            reply = self._client.generate_content(request, metadata=METADATA)
            request.contents.append(reply.candidates[0].content)
            return _text(reply)

        return send

    def ask_of_blob(self, data: bytes) -> str:
        parts = [glm.Part(text=PROMPT), glm.Part(inline_data=glm.Blob(mime_type="image/png", data=data))]
        request = glm.GenerateContentRequest(model=MODEL, contents=[glm.Content(role="user", parts=parts)])
        return _text(self._client.generate_content(request, metadata=METADATA))

    def ask_of_image(self, image: Any) -> str:
        file = io.BytesIO()
        image.save(file, format="PNG")
        return self.ask_of_blob(file.getvalue())

    def _aio_client(self) -> Any:
        if self._aio is None:
            transport = GenerativeServiceGrpcAsyncIOTransport(channel=grpc.aio.insecure_channel(self._address))
            self._aio = glm.GenerativeServiceAsyncClient(transport=transport)
        return self._aio


def _request() -> Any:
    content = glm.Content(role="user", parts=[glm.Part(text=PROMPT)])
    return glm.GenerateContentRequest(model=MODEL, contents=[content])


def _text(reply: Any) -> str:
    text: str = reply.candidates[0].content.parts[0].text
    return text
