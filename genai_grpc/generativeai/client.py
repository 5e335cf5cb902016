"""The names of `google.generativeai.client`.

One `genai_grpc.Client` serves every service, so all functions that get a service's client return the default one. It
may be passed wherever a call takes `client=`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from genai_grpc._rpc.secret import hide
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


# The arguments that may have a secret.
_SECRETS: Final = frozenset({"api_key", "credentials", "client_options", "default_metadata"})


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
        api_key, credentials, client_options = hide(api_key), hide(credentials), hide(client_options)
        default_metadata = hide(default_metadata)
        self.clients = {}
        self._arguments = client_arguments(api_key, credentials, client_options, client_info, default_metadata)

    def get_default_client(self, name: str) -> Client:
        """The client, whatever the service."""
        del name
        return self.clients.get("client") or self.clients.setdefault("client", Client(**self._arguments))


class _DefaultClientManager(_ClientManager):
    """The client of calls that name none."""

    def configure(self, **arguments: Any) -> None:
        # A traceback may show local variables.
        arguments = {name: hide(value) if name in _SECRETS else value for name, value in arguments.items()}
        configure(**arguments)

    def get_default_client(self, name: str) -> Client:
        del name
        return default_client()


_client_manager = _DefaultClientManager()

__getattr__ = module_getattr(__name__)
