"""What one call sets for itself, and what holds for it together with its client's defaults."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import inf
from typing import Any, Final, NamedTuple, TypeAlias

from genai_grpc._rpc.retry_policy import RetryPolicy

__all__ = ["NO_OPTIONS", "CallOptions", "Limits", "Metadata", "to_metadata", "to_timeout"]

Metadata: TypeAlias = tuple[tuple[str, str | bytes], ...]

# What gRPC takes in the name of a pair, in lower case.
_NAME_CHARACTERS: Final = "abcdefghijklmnopqrstuvwxyz0123456789-_."


class CallOptions(NamedTuple):
    """Options of one call; None stands for the client's default.

    Attributes:
        timeout: Seconds for the whole call, all attempts and the waits between them included.
        idle_timeout: Seconds that a stream may take to its next chunk.
        retry: Retry policy; `NO_RETRY` for no retries.
        metadata: Pairs to send after the client's own.
    """

    timeout: float | None = None
    idle_timeout: float | None = None
    retry: RetryPolicy | None = None
    metadata: Metadata = ()


NO_OPTIONS: Final = CallOptions()
"""The options of a call that sets none."""


class Limits(NamedTuple):
    """The timeouts and the retry policy that hold for one call: its own, else its client's, else its method's."""

    timeout: float
    idle_timeout: float
    retry: RetryPolicy


def to_timeout(value: Any) -> float | None:
    """A timeout in seconds; None if it is left to the default.

    Raises:
        TypeError: It is not a number.
        ValueError: It is not above zero, or not finite.
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"a timeout is a number of seconds; got {type(value).__name__}")
    if not 0 < value < inf:
        raise ValueError(f"a timeout must be finite and above 0 seconds; got {value}")
    return float(value)


def to_metadata(value: Mapping[str, Any] | Iterable[tuple[str, Any]]) -> Metadata:
    """Metadata as pairs, their names in lower case.

    Raises:
        TypeError: A value is not a str, nor bytes for a name that ends with `-bin`.
        ValueError: A name or a value has characters that gRPC cannot carry.

    >>> to_metadata({"X-Trace": "1"})
    (('x-trace', '1'),)
    """
    pairs = value.items() if isinstance(value, Mapping) else value
    metadata = tuple((str(name).lower(), item) for name, item in pairs)
    for name, item in metadata:
        if not name or name.strip(_NAME_CHARACTERS):
            raise ValueError(f"the name of a metadata pair has letters, digits, '-', '_' and '.' only; got {name!r}")
        if name.endswith("-bin") and isinstance(item, bytes):
            continue
        if not isinstance(item, str):
            accepted = "bytes" if name.endswith("-bin") else "a str, or bytes if the name ends with -bin"
            raise TypeError(f"the value of the metadata {name!r} is {accepted}; got {type(item).__name__}")
        if not (item.isascii() and item.isprintable()):
            raise ValueError(
                f"the value of the metadata {name!r} has characters that are not printable ASCII; escape them, "
                "for example with urllib.parse.quote, or pass bytes under a name that ends with -bin"
            )
    return metadata
