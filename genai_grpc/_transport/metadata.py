"""The metadata of calls: built once per resource that calls are routed by, until the credentials change."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import quote

import google.protobuf
import grpc

from genai_grpc._rpc.call import AnyCall
from genai_grpc._rpc.options import Metadata
from genai_grpc._transport.config import ClientOptions, check_plaintext, hide
from genai_grpc._transport.credentials import Credentials
from genai_grpc._version import __version__

__all__ = ["CallMetadata"]

# In the form of Google's own clients: language, gRPC, library, protobuf.
API_CLIENT: Final = (
    f"gl-python/{sys.version.split()[0]} grpc/{grpc.__version__} genai-grpc/{__version__} "
    f"pb/{google.protobuf.__version__}"
)
# A program uses few models; one that names thousands of files must not fill the memory.
CACHE_SIZE: Final = 256


class CallMetadata:
    """The metadata of one client's calls.

    Args:
        options: The client's.
        credentials: What authenticates the caller; may be replaced.
        convert: Makes what gRPC takes from the pairs.
    """

    __slots__ = ("_cache", "_common", "_convert", "_credentials_metadata", "_target", "credentials")

    def __init__(
        self, options: ClientOptions, credentials: Credentials, convert: Callable[[Metadata], Any] = tuple
    ) -> None:
        self.credentials = credentials
        self._convert = convert
        self._target = options.target
        self._common = (*options.metadata, ("x-goog-api-client", API_CLIENT))
        self._credentials_metadata: Metadata | None = None
        self._cache: dict[tuple[str | None, str], Any] = {}

    def for_call(self, call: AnyCall) -> Any:
        """The metadata of a call; None if the credentials must be refreshed first.

        Raises:
            ConfigurationError: The call's own metadata would send a key or token over plaintext to another machine.
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
            routing = () if field is None else (("x-goog-request-params", f"{field}={quote(value)}"),)
            metadata = cache[field, value] = self._convert((*self._common, *routing, *credentials))
        if call.options.metadata:
            own = hide(call.options.metadata)
            check_plaintext(self._target, own)
            return self._convert((*metadata, *own))
        return metadata
