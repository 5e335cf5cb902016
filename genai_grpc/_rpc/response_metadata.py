"""The metadata of responses."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from genai_grpc._rpc.options import Metadata

__all__ = ["ResponseMetadata", "read_metadata"]


class ResponseMetadata(NamedTuple):
    """The metadata that the service, or a gateway before it, sent with a response.

    Names are in lower case; the values of names that end with `-bin` are bytes, all others str.

    Attributes:
        initial: The pairs sent before the response (headers).
        trailing: The pairs sent after it (trailers); None while a stream is open.

    >>> ResponseMetadata(initial=(("x-request-id", "r-1"),), trailing=()).request_id
    'r-1'
    """

    initial: Metadata
    trailing: Metadata | None

    @property
    def request_id(self) -> str | None:
        """The value of `x-goog-request-id`, `x-request-id` or `request-id`, in this order; None without one."""
        pairs = dict(reversed((*self.initial, *(self.trailing or ()))))
        found = (pairs.get(name) for name in _REQUEST_ID)
        return next((value for value in found if isinstance(value, str)), None)


# Google documents none for this API. The first is Google's spelling, the second that of gateways such as Envoy, and
# the third that of the Google Ads API, which sends it as trailing metadata.
_REQUEST_ID: Final = ("x-goog-request-id", "x-request-id", "request-id")


def read_metadata(initial: Iterable[Any] | None, trailing: Iterable[Any] | None) -> ResponseMetadata:
    """The metadata that gRPC has received; None for what it has not."""
    return ResponseMetadata(_pairs(initial), None if trailing is None else _pairs(trailing))


def _pairs(pairs: Iterable[Any] | None) -> Metadata:
    return tuple((name, value) for name, value in pairs or ())
