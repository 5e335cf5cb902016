"""The metadata of calls: made once for each resource that calls are about, until the identity changes."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import google.protobuf
import grpc

from genai_grpc._transport.config import Secret, check_plaintext
from genai_grpc._version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable

    from genai_grpc._rpc.call import Call, Metadata
    from genai_grpc._transport.config import Config
    from genai_grpc._transport.credentials import Credentials

__all__ = ["CallMetadata"]

# As Google's clients say it: the language, gRPC, the library, protobuf.
API_CLIENT: Final = (
    f"gl-python/{sys.version.split()[0]} grpc/{grpc.__version__} genai-grpc/{__version__} "
    f"pb/{google.protobuf.__version__}"
)
# A program talks about few models; one that names thousands of files does not keep them all.
KEPT: Final = 256


class CallMetadata:
    """The metadata of one client's calls.

    Args:
        config: The client's.
        identity: As whom they are made.
        made: What gRPC takes for metadata, of the pairs.
    """

    __slots__ = ("_common", "_kept", "_made", "_target", "_who", "identity")

    def __init__(self, config: Config, identity: Credentials, made: Callable[[Metadata], Any]) -> None:
        self.identity = identity
        self._made = made
        self._target = config.target
        self._common = (*config.metadata, ("x-goog-api-client", API_CLIENT))
        self._who: Metadata | None = None
        self._kept: dict[tuple[str | None, str], Any] = {}

    def of(self, call: Call[Any, Any, Any]) -> Any:
        """The metadata of a call; None if the identity must be refreshed first.

        Raises:
            ConfigurationError: The call's own pairs hold a key or token, which would go over plaintext to another
                machine.
        """
        who = self.identity.pairs()
        if who is None:
            return None
        kept = self._kept
        if who is not self._who or len(kept) > KEPT:
            # Another thread may still fill the dict that it has.
            kept = self._kept = {}
            self._who = who
        route = call.method.route
        value = call.method.routed(call.request)
        metadata = kept.get((route, value))
        if metadata is None:
            routing = () if route is None else (("x-goog-request-params", f"{route}={quote(value)}"),)
            metadata = kept[route, value] = self._made((*self._common, *routing, *who))
        if call.options.metadata:
            own = tuple((key, Secret(value)) for key, value in call.options.metadata)
            check_plaintext(self._target, own)
            return self._made((*metadata, *own))
        return metadata
