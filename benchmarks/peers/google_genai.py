"""google-genai: Google's current client, over REST."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from google.genai import types

from benchmarks.peers import KEY, MODEL, PROMPT, Endpoint
from google import genai


class GoogleGenAI:
    """One client, for sync and async calls."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._client = genai.Client(api_key=KEY, http_options=types.HttpOptions(base_url=endpoint.rest))

    def ask(self) -> str:
        text: str = self._client.models.generate_content(model=MODEL, contents=PROMPT).text
        return text

    async def ask_async(self) -> str:
        text: str = (await self._client.aio.models.generate_content(model=MODEL, contents=PROMPT)).text
        return text

    def texts(self) -> Iterator[str]:
        for chunk in self._client.models.generate_content_stream(model=MODEL, contents=PROMPT):
            yield chunk.text

    async def texts_async(self) -> AsyncIterator[str]:
        async for chunk in await self._client.aio.models.generate_content_stream(model=MODEL, contents=PROMPT):
            yield chunk.text

    def start_chat(self, history: list[tuple[str, str]]) -> Callable[[str], str]:
        turns: Any = [types.Content(role=role, parts=[types.Part(text=text)]) for role, text in history]
        chat = self._client.chats.create(model=MODEL, history=turns)
        return lambda message: str(chat.send_message(message).text)

    def ask_of_blob(self, data: bytes) -> str:
        return self._ask_of([PROMPT, types.Part.from_bytes(data=data, mime_type="image/png")])

    def ask_of_image(self, image: Any) -> str:
        return self._ask_of([PROMPT, image])

    def _ask_of(self, contents: list[Any]) -> str:
        text: str = self._client.models.generate_content(model=MODEL, contents=contents).text
        return text
