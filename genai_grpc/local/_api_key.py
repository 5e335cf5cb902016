"""The API key of the local server."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from typing import Any, Final

import grpc.aio

from genai_grpc.errors import Unauthenticated
from genai_grpc.local.services.errors import Context, abort, error_info

__all__ = ["API_PREFIX", "ApiKeyInterceptor"]

API_PREFIX: Final = ("/google.ai.generativelanguage.", "/google.cloud.aiplatform.", "/google.longrunning.")
"""The beginnings of the paths of the API's methods, as opposed to those of health checks and reflection."""

API_KEY: Final = "x-goog-api-key"


class ApiKeyInterceptor(grpc.aio.ServerInterceptor):
    """Ends calls of the API that do not carry one of the keys with UNAUTHENTICATED, without reading their request.

    Health checks and reflection need no key: they reveal nothing.
    """

    def __init__(self, *api_keys: str) -> None:
        self._api_keys = [api_key.encode() for api_key in api_keys]

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        """The handler of a call: its own, or one that ends it with UNAUTHENTICATED."""
        if not handler_call_details.method.startswith(API_PREFIX):
            return await continuation(handler_call_details)
        keys = [value for name, value in handler_call_details.invocation_metadata or () if name == API_KEY]
        if any(hmac.compare_digest(_to_bytes(key), own) for key in keys for own in self._api_keys):
            return await continuation(handler_call_details)
        error = Unauthenticated(
            f"the API key in the metadata {API_KEY} is not this server's"
            if keys
            else f"this server requires an API key, in the metadata {API_KEY}; configure(api_key=...) sends it",
            details=[error_info("API_KEY_INVALID")],
        )

        async def refuse(_: bytes, context: Context) -> None:
            await abort(context, error)

        return grpc.unary_unary_rpc_method_handler(refuse)


def _to_bytes(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value
