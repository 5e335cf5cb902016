"""google-generativeai (deprecated): with its credentials plugin for API keys, its default, and without it.

The plugin sends the key over secure or local channels only. `WithKey` uses a Unix socket with gRPC's local credentials,
so that the plugin is measured, and TLS is not. The clients are set in the package's client manager.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import google.ai.generativelanguage_v1beta as glm
import google.auth.api_key
import google.auth.transport.grpc
import google.generativeai as genai
import grpc
import grpc.aio
from google.ai.generativelanguage_v1beta.services.generative_service.transports import (
    GenerativeServiceGrpcAsyncIOTransport,
    GenerativeServiceGrpcTransport,
)
from google.generativeai.client import _client_manager

from benchmarks.peers import KEY, MODEL, PROMPT, Endpoint


class GenerativeAI:
    """A model of the package, without an API key."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        transport = GenerativeServiceGrpcTransport(channel=self._channel(grpc))
        _client_manager.clients["generative"] = glm.GenerativeServiceClient(transport=transport)
        self._model = genai.GenerativeModel(MODEL)
        self._connected = False

    def ask(self) -> str:
        text: str = self._model.generate_content(PROMPT).text
        return text

    async def ask_async(self) -> str:
        self._connect_async()
        text: str = (await self._model.generate_content_async(PROMPT)).text
        return text

    def texts(self) -> Iterator[str]:
        for chunk in self._model.generate_content(PROMPT, stream=True):
            yield chunk.text

    async def texts_async(self) -> AsyncIterator[str]:
        self._connect_async()
        async for chunk in await self._model.generate_content_async(PROMPT, stream=True):
            yield chunk.text

    def start_chat(self, history: list[tuple[str, str]]) -> Callable[[str], str]:
        chat = self._model.start_chat(history=[{"role": role, "parts": [text]} for role, text in history])
        return lambda message: str(chat.send_message(message).text)

    def ask_of_blob(self, data: bytes) -> str:
        text: str = self._model.generate_content([PROMPT, {"mime_type": "image/png", "data": data}]).text
        return text

    def ask_of_image(self, image: Any) -> str:
        text: str = self._model.generate_content([PROMPT, image]).text
        return text

    def _channel(self, kind: Any) -> Any:
        """A channel of the module `kind`, `grpc` or `grpc.aio`."""
        return kind.insecure_channel(self._endpoint.grpc)

    def _connect_async(self) -> None:
        # On the running loop, as the package creates its own async client.
        if not self._connected:
            transport = GenerativeServiceGrpcAsyncIOTransport(channel=self._channel(grpc.aio))
            _client_manager.clients["generative_async"] = glm.GenerativeServiceAsyncClient(transport=transport)
            self._connected = True


class WithKey(GenerativeAI):
    """With the credentials plugin for the API key on the channel, as by `configure(api_key=...)`."""

    def _channel(self, kind: Any) -> Any:
        credentials = google.auth.api_key.Credentials(KEY)
        plugin = google.auth.transport.grpc.AuthMetadataPlugin(credentials, None)
        composite = grpc.composite_channel_credentials(
            grpc.local_channel_credentials(grpc.LocalConnectionType.UDS), grpc.metadata_call_credentials(plugin)
        )
        return kind.secure_channel(self._endpoint.unix, composite)
