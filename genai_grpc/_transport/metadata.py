"""The metadata of calls: built once per resource that calls are routed by, until the credentials change."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Final

import google.protobuf

from genai_grpc._rpc.call import AnyCall
from genai_grpc._rpc.options import Metadata
from genai_grpc._transport.config import CREDENTIAL_HEADERS, ClientOptions, plaintext_problem
from genai_grpc._transport.credentials import Credentials
from genai_grpc._version import __version__
from genai_grpc.errors import ConfigurationError

__all__ = ["CallMetadata"]

# A program uses few models; one that names thousands of files must not fill the memory.
CACHE_SIZE: Final = 256
_UNRESERVED: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-~/")


class CallMetadata:
    """The metadata of one client's calls.

    Args:
        options: The client's.
        credentials: What authenticates the caller; may be replaced.
        protocol: What carries the calls, with its version, such as "grpc/1.80.0".
        convert: Makes what the transport takes from the pairs.
    """

    __slots__ = ("_cache", "_common", "_convert", "_credentials_metadata", "_problem", "credentials")

    def __init__(
        self,
        options: ClientOptions,
        credentials: Credentials,
        protocol: str,
        convert: Callable[[Metadata], Any] = tuple,
    ) -> None:
        self.credentials = credentials
        self._convert = convert
        self._problem = plaintext_problem(options)
        self._common = (
            *(() if options.metadata is None else options.metadata.reveal()),
            ("x-goog-api-client", _api_client(protocol)),
        )
        self._credentials_metadata: Metadata | None = None
        self._cache: dict[tuple[str | None, str], Any] = {}

    def for_call(self, call: AnyCall) -> Any:
        """The metadata of a call; None if the credentials must be refreshed first.

        Raises:
            ConfigurationError: The call's own metadata would send a key or token over plaintext to another machine or
                a proxy.
        """
        credentials = self.credentials.metadata()
        if credentials is None:
            return None
        cache = self._cache
        if credentials is not self._credentials_metadata or len(cache) > CACHE_SIZE:
            # A new dict, since another thread may still fill the old one.
            cache = self._cache = {}
            self._credentials_metadata = credentials
        field = call.method.routing_field
        value = call.method.routing_value(call.request)
        metadata = cache.get((field, value))
        if metadata is None:
            routing = () if field is None else (("x-goog-request-params", f"{field}={_quote(value)}"),)
            metadata = cache[field, value] = self._convert((*self._common, *routing, *credentials))
        if call.options.metadata:
            own = call.options.metadata
            if self._problem is not None and any(name in CREDENTIAL_HEADERS for name, _ in own):
                raise ConfigurationError(self._problem)
            return self._convert((*metadata, *own))
        return metadata

    def for_http(self, own: Metadata) -> Metadata | None:
        """The pairs of an HTTP request with metadata of its own; None if the credentials must be refreshed first."""
        credentials = self.credentials.metadata()
        return None if credentials is None else (*self._common, *credentials, *own)


def _api_client(protocol: str) -> str:
    """In the form of Google's own clients: language, protocol, library, protobuf."""
    return f"gl-python/{sys.version.split()[0]} {protocol} genai-grpc/{__version__} pb/{google.protobuf.__version__}"


def _quote(name: str) -> str:
    """A resource name as a value of x-goog-request-params."""
    if _UNRESERVED.issuperset(name):
        return name
    from urllib.parse import quote  # 2 ms, which few programs shall pay

    return quote(name)
