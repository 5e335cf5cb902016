"""genai_grpc: this project's client."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import genai_grpc as genai
from benchmarks.peers import KEY, MODEL, PROJECT, PROMPT, Endpoint


class Client:
    """A model on a client of its own."""

    def __init__(self, endpoint: Endpoint, channel: int = 0) -> None:
        # Channels with different arguments do not share a connection.
        client = genai.Client(api_key=KEY, user_agent=f"benchmark/{channel}", **self._options(endpoint))
        self._model = genai.GenerativeModel(MODEL, client=client)

    @staticmethod
    def _options(endpoint: Endpoint) -> dict[str, Any]:
        return {"endpoint": f"http://{endpoint.grpc}"}

    def ask(self) -> str:
        return self._model.generate_content(PROMPT).text

    async def ask_async(self) -> str:
        return (await self._model.generate_content_async(PROMPT)).text

    def texts(self) -> Iterator[str]:
        for chunk in self._model.generate_content(PROMPT, stream=True):
            yield chunk.text

    async def texts_async(self) -> AsyncIterator[str]:
        async for chunk in await self._model.generate_content_async(PROMPT, stream=True):
            yield chunk.text

    def start_chat(self, history: list[tuple[str, str]]) -> Callable[[str], str]:
        chat = self._model.start_chat(history=[{"role": role, "parts": [text]} for role, text in history])
        return lambda message: chat.send_message(message).text

    def ask_of_blob(self, data: bytes) -> str:
        return self._model.generate_content([PROMPT, {"mime_type": "image/png", "data": data}]).text

    def ask_of_image(self, image: Any) -> str:
        return self._model.generate_content([PROMPT, image]).text


class RestClient(Client):
    """The same over HTTP/JSON."""

    @staticmethod
    def _options(endpoint: Endpoint) -> dict[str, Any]:
        return {"endpoint": endpoint.rest, "transport": "rest"}


class OverVertex(Client):
    """The same at Vertex AI."""

    @staticmethod
    def _options(endpoint: Endpoint) -> dict[str, Any]:
        return {"endpoint": f"http://{endpoint.grpc}", "vertex": genai.Vertex(PROJECT)}
