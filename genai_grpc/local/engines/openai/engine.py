"""Engine that generates with a server of the OpenAI API: Ollama, vLLM, llama.cpp, SGLang and others."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from genai_grpc import protos
from genai_grpc._services.sse import EventParser
from genai_grpc.errors import BY_NUMBER, APIError, ConfigurationError, InternalServerError, ServiceUnavailable
from genai_grpc.local.engines.openai.messages import ReplyParser, to_body, to_texts
from genai_grpc.local.engines.vectors import normalized, output_size

if TYPE_CHECKING:
    import httpx2

__all__ = ["OpenAIEngine"]

_CONNECT_SECONDS: Final = 10.0
_METHODS: Final = ["generateContent", "countTokens"]
# Numbers of status codes, by the code of HTTP.
_STATUS: Final = {400: 3, 401: 16, 403: 7, 404: 5, 413: 3, 422: 3, 429: 8, 501: 12, 503: 14, 504: 4}


class OpenAIEngine:
    """An `Engine`, and an `EmbeddingEngine`, for `genai_grpc.local.serve`, on a server of the OpenAI API.

    It streams chat completions, with tools, JSON schemas and usage. Tokens are counted by a completion of one token.

    Args:
        base_url: The URL before `/chat/completions`, such as "http://127.0.0.1:11434/v1" for Ollama.
        model: The model; by default the first that the server lists.
        api_key: The key of the server, if it needs one.
        embedding_model: The model that embeds; None if none does.
        images: Whether the model reads images.
        timeout: Seconds to the next part of a reply.

    Raises:
        ImportError: httpx2 is not installed.

    >>> OpenAIEngine("http://127.0.0.1:11434/v1", model="llama3.2").model.name
    'models/llama3.2'
    """

    def __init__(
        self,
        base_url: str,
        *,
        model: str | None = None,
        api_key: str | None = None,
        embedding_model: str | None = None,
        images: bool = False,
        timeout: float = 600.0,
    ) -> None:
        try:
            import httpx2  # optional
        except ImportError as error:
            raise ImportError("OpenAIEngine needs httpx2; pip install 'genai-grpc[server]'", name="httpx2") from error
        self._httpx: Any = httpx2
        self._base_url = base_url.rstrip("/")
        self._name = model
        self._embedding_model = embedding_model
        self._headers = {} if api_key is None else {"authorization": f"Bearer {api_key}"}
        self._timeout = timeout
        self._client: httpx2.AsyncClient | None = None
        self.supported_mime_types = frozenset({"image/*"} if images else ())
        self.model = _describe(model or "backend", self._base_url, embeds=embedding_model is not None)

    async def start(self) -> None:
        """Connect, and choose the model if none was named.

        Raises:
            ConfigurationError: The server cannot be reached, or lists no model.
        """
        timeout = self._httpx.Timeout(self._timeout, connect=_CONNECT_SECONDS)
        client = self._client = self._httpx.AsyncClient(headers=self._headers, timeout=timeout, trust_env=False)
        if self._name is not None:
            return
        try:
            response = await client.get(f"{self._base_url}/models")
            listed = [str(each["id"]) for each in response.json()["data"]]
        except (self._httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            await self.aclose()
            raise ConfigurationError(
                f"{self._base_url}/models does not list the models of a server of the OpenAI API ({error!r}); check "
                "the URL, which usually ends with /v1, or name the model"
            ) from error
        if not listed:
            await self.aclose()
            raise ConfigurationError(f"{self._base_url} has no model; load one there, or name it")
        self._name = listed[0]
        self.model = _describe(self._name, self._base_url, embeds=self._embedding_model is not None)

    async def aclose(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.aclose()

    async def generate(self, request: protos.GenerateContentRequest) -> AsyncIterator[protos.GenerateContentResponse]:
        """Generate a response, in the chunks of the server."""
        body = {**to_body(str(self._name), request), "stream": True, "stream_options": {"include_usage": True}}
        parser, replies = EventParser(), ReplyParser(str(self._name))
        async with self._post("/chat/completions", body) as response:
            async for piece in response.aiter_bytes():
                for event in parser.feed(piece):
                    if event.strip() == b"[DONE]":
                        continue
                    chunk = _load(event, self._base_url)
                    if "error" in chunk:
                        raise _failure(500, event)
                    if (reply := replies.add(chunk)) is not None:
                        yield reply

    async def count_tokens(self, request: protos.GenerateContentRequest) -> protos.CountTokensResponse:
        """Count the tokens of a prompt, by a completion of one token."""
        body = {**to_body(str(self._name), request), "max_tokens": 1}
        body.pop("response_format", None)
        if not body["messages"]:
            return protos.CountTokensResponse()
        async with self._post("/chat/completions", body) as response:
            reply = _load(await response.aread(), self._base_url)
        usage = reply.get("usage") or {}
        return protos.CountTokensResponse(total_tokens=usage.get("prompt_tokens") or 0)

    async def embed(self, requests: Sequence[protos.EmbedContentRequest]) -> Sequence[Iterable[float]]:
        """Embed contents in one request."""
        body = {"model": self._embedding_model, "input": to_texts(requests)}
        async with self._post("/embeddings", body) as response:
            reply = _load(await response.aread(), self._base_url)
        try:
            vectors = [each["embedding"] for each in sorted(reply["data"], key=lambda each: int(each["index"]))]
        except (KeyError, TypeError, ValueError) as error:
            raise InternalServerError(f"{self._base_url} sent no embeddings: {error!r}") from error
        return [
            vector if (size := output_size(request, len(vector))) == len(vector) else normalized(vector[:size])
            for request, vector in zip(requests, vectors, strict=True)
        ]

    @asynccontextmanager
    async def _post(self, path: str, body: dict[str, Any]) -> AsyncIterator[Any]:
        """Send a request; the response, whose body is to be read.

        Raises:
            APIError: The server refused it, or the connection broke.
        """
        assert self._client is not None  # noqa: S101 -- started before any request
        content = json.dumps(body, ensure_ascii=False).encode()
        headers = {"content-type": "application/json"}
        try:
            async with self._client.stream(
                "POST", f"{self._base_url}{path}", content=content, headers=headers
            ) as response:
                if not response.is_success:
                    raise _failure(response.status_code, await response.aread())
                yield response
        except self._httpx.HTTPError as error:
            raise ServiceUnavailable(f"{self._base_url} failed: {error or type(error).__name__}") from error


def _describe(name: str, base_url: str, *, embeds: bool) -> protos.Model:
    base = name.replace("/", "-").replace(":", "-")
    return protos.Model(
        name=f"models/{base}",
        base_model_id=base,
        version="1",
        display_name=name,
        description=f"{name}, served by {base_url}.",
        input_token_limit=1_000_000,
        output_token_limit=1_000_000,
        supported_generation_methods=[*_METHODS, *(["embedContent"] if embeds else [])],
    )


def _load(data: bytes, base_url: str) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise InternalServerError(f"{base_url} answered with what is no JSON object: {data[:100]!r}")
    return value


def _failure(code: int, body: bytes) -> APIError:
    """The error of a reply: `{"error": {"message": ...}}`, in OpenAI's form."""
    try:
        found = json.loads(body)["error"]
        message = str(found["message"] if isinstance(found, dict) else found)
    except (ValueError, KeyError, TypeError):
        message = f"HTTP {code}: {body[:200].decode(errors='replace')}"
    number = _STATUS.get(code, 13 if code >= 500 else 2)
    return BY_NUMBER[number](f"the backend: {message}")
