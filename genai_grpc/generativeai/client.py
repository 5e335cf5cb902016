"""The names of `google.generativeai.client`.

One `genai_grpc.Client` serves every service, so all functions that get a service's client return the default one. It
may be passed wherever a call takes `client=`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from genai_grpc._transport.config import client_arguments
from genai_grpc.client import Client, configure, default_client
from genai_grpc.generativeai._missing import module_getattr

__all__ = [
    "configure",
    "get_default_cache_client",
    "get_default_file_async_client",
    "get_default_file_client",
    "get_default_generative_async_client",
    "get_default_generative_client",
    "get_default_model_client",
    "get_default_operations_client",
    "get_default_permission_async_client",
    "get_default_permission_client",
    "get_default_retriever_async_client",
    "get_default_retriever_client",
]

get_default_cache_client = default_client
get_default_file_async_client = default_client
get_default_file_client = default_client
get_default_generative_async_client = default_client
get_default_generative_client = default_client
get_default_model_client = default_client
get_default_operations_client = default_client
get_default_permission_async_client = default_client
get_default_permission_client = default_client
get_default_retriever_async_client = default_client
get_default_retriever_client = default_client


class _ClientManager:
    """A client with arguments of its own; programs that need several keys set it as the `_client` of a model."""

    def __init__(self) -> None:
        self.clients: dict[str, Client] = {}
        self._arguments: dict[str, Any] = {}

    def configure(
        self,
        *,
        api_key: str | Callable[[], str] | None = None,
        credentials: Any = None,
        transport: str | None = None,
        client_options: Any = None,
        client_info: Any = None,
        default_metadata: Iterable[tuple[str, str]] = (),
    ) -> None:
        """Set the arguments of the client, as `genai_grpc.configure` takes them."""
        del transport  # every transport is gRPC here
        self.clients = {}
        self._arguments = client_arguments(api_key, credentials, client_options, client_info, default_metadata)

    def get_default_client(self, name: str) -> Client:
        """The client, whatever the service."""
        del name
        return self.clients.get("client") or self.clients.setdefault("client", Client(**self._arguments))


class _DefaultClientManager(_ClientManager):
    """The client of calls that name none."""

    def configure(self, **arguments: Any) -> None:
        configure(**arguments)

    def get_default_client(self, name: str) -> Client:
        del name
        return default_client()


_client_manager = _DefaultClientManager()

__getattr__ = module_getattr(__name__)
