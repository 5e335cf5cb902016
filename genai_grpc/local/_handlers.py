"""The handlers of the server's methods: registered with gRPC, and found for calls that come over HTTP."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import grpc.aio

from genai_grpc.local._received_request import Metadata

__all__ = ["Handlers"]


@dataclass(slots=True)
class _CallDetails:
    """A call, as interceptors of gRPC's servers see it."""

    method: str
    invocation_metadata: Any


class Handlers:
    """Stands for a gRPC server where services are added, and keeps their handlers by path.

    Args:
        server: The server.
        interceptors: Those of the server, which calls over HTTP go through, too.
    """

    def __init__(self, server: grpc.aio.Server, interceptors: Sequence[grpc.aio.ServerInterceptor]) -> None:
        self._server = server
        self._interceptors = interceptors
        self._by_path: dict[str, Any] = {}

    def add(self, service: str, handlers: Mapping[str, Any]) -> None:
        """Add a service that no generated function adds."""
        self.add_registered_method_handlers(service, handlers)
        self.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, dict(handlers)),))

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, Any]) -> None:
        """Called by generated functions."""
        self._by_path.update({f"/{service}/{name}": handler for name, handler in handlers.items()})

    def add_generic_rpc_handlers(self, handlers: Any) -> None:
        """Called by generated functions, with the same handlers, for gRPC."""
        self._server.add_generic_rpc_handlers(handlers)

    async def find(self, path: str, metadata: Metadata) -> Any:
        """The handler of a call, as the interceptors wrap it; None if no service has the method."""

        async def innermost(details: Any) -> Any:
            return self._by_path.get(details.method)

        find: Callable[[Any], Awaitable[Any]] = innermost
        for interceptor in reversed(self._interceptors):
            find = partial(interceptor.intercept_service, find)
        return await find(_CallDetails(path, metadata))
