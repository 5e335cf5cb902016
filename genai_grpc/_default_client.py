"""The client of programs that name none."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from genai_grpc import _fork
from genai_grpc._rpc.secret import Secret, hide
from genai_grpc._services.dialects import GEMINI_API, Dialect
from genai_grpc._transport.config import client_arguments, vertex_of
from genai_grpc.errors import ConfigurationError

if TYPE_CHECKING:
    from genai_grpc._services.vertex import Vertex
    from genai_grpc.client import Client  # which holds the only instance

__all__ = ["DefaultClient"]


class DefaultClient:
    """The default client, built at the first call, and again at the first one after it was closed.

    Args:
        build: Builds a client from the arguments of `configure`.
    """

    def __init__(self, build: Callable[..., Client]) -> None:
        self._build = build
        self._arguments: dict[str, Any] = {}
        self._client: Client | None = None
        self._lock = threading.RLock()  # a signal handler may close the client while it is built
        _fork.register(self)

    def configure(
        self,
        *,
        api_key: str | Callable[[], str] | None = None,
        credentials: Any = None,
        transport: str | None = None,
        client_options: Any = None,
        client_info: Any = None,
        default_metadata: Iterable[tuple[str, str | bytes]] = (),
        vertex: Vertex | bool | None = None,
    ) -> None:
        """Set the default client, for calls that name no client, from the next call on. Nothing connects yet.

        The present default client is not closed.

        Args:
            api_key: API key; by default GEMINI_API_KEY of the environment, else GOOGLE_API_KEY.
            credentials: google-auth credentials, in place of a key.
            transport: "grpc" or "grpc_asyncio", which mean the same here: the method called decides; "rest" for
                HTTP/JSON.
            client_options: A dict or object with `api_endpoint`, `api_key`, `quota_project_id`. `api_endpoint` is an
                `endpoint` of `Client`.
            client_info: An object whose `user_agent` is the prefix of the user agent.
            default_metadata: Pairs to send with every call.
            vertex: As `Client` takes it.

        Raises:
            ConfigurationError: The key is given twice, or an argument is not one that this client takes.

        >>> import genai_grpc as genai
        >>> genai.configure(client_options={"api_endpoint": "http://127.0.0.1:50051"})
        """
        api_key, credentials, client_options = hide(api_key), hide(credentials), hide(client_options)
        default_metadata = hide(default_metadata)
        if transport not in (None, "grpc", "grpc_asyncio", "rest"):
            raise ConfigurationError(f"transport is 'grpc' or 'rest'; got {transport!r}")
        arguments = client_arguments(api_key, credentials, client_options, client_info, default_metadata)
        if transport == "rest":
            arguments["transport"] = transport
        if vertex is not None:
            arguments["vertex"] = vertex
        with self._lock:
            self._arguments, self._client = arguments, None

    def is_client(self, client: Client) -> bool:
        """Whether this is the default client."""
        return client is self._client

    def built(self) -> Client | None:
        """The default client, if it has been built."""
        return self._client

    def dialect(self) -> Dialect:
        """The API that the default client will call; nothing is built to tell it.

        Raises:
            ConfigurationError: There is neither a project nor a key for Vertex AI.
        """
        arguments, environment = self._arguments, Secret(os.environ)
        vertex = vertex_of(arguments.get("vertex"), arguments.get("api_key"), arguments.get("credentials"), environment)
        return GEMINI_API if vertex is None else vertex.dialect

    def client(self) -> Client:
        """The default client."""
        client = self._client
        if client is None or client.closed:
            with self._lock:
                client = self._client
                if client is None or client.closed:
                    client = self._client = self._build(**self._arguments)
        return client

    def _reset_after_fork(self) -> None:
        self._lock = threading.RLock()
