"""This project's client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import genai_grpc as genai
from benchmarks.peers import KEY, MODEL, PROMPT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from benchmarks.peers import Endpoint


class Client:
    """A model of one client."""

    def __init__(self, endpoint: Endpoint, channel: int = 0) -> None:
        # Channels of different options have connections of their own.
        client = genai.Client(api_key=KEY, endpoint=f"http://{endpoint.grpc}", user_agent=f"benchmark/{channel}")
        self._model = genai.GenerativeModel(MODEL, client=client)

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
