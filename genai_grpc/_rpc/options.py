"""What one call sets for itself, and what holds for it together with its client's defaults."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from math import inf
from typing import Any, Final, NamedTuple, TypeAlias

from genai_grpc._rpc.retry_policy import NO_RETRY, RetryPolicy
from genai_grpc._rpc.secret import SecretText

__all__ = [
    "NO_OPTIONS",
    "CallOptions",
    "Limits",
    "Metadata",
    "check_value",
    "to_extra_body",
    "to_grace",
    "to_metadata",
    "to_timeout",
]

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
        extra_body: JSON to merge into the body of the request, over HTTP/JSON.
        on_attempt: Called with the number of each attempt, from 1, before it is sent.
    """

    timeout: float | None = None
    idle_timeout: float | None = None
    retry: RetryPolicy | None = None
    metadata: Metadata = ()
    extra_body: Mapping[str, Any] | None = None
    on_attempt: Callable[[int], object] | None = None

    def over(self, defaults: CallOptions) -> CallOptions:
        """These options, with those that are not set from `defaults`; metadata is added to that of `defaults`."""
        return CallOptions(
            defaults.timeout if self.timeout is None else self.timeout,
            defaults.idle_timeout if self.idle_timeout is None else self.idle_timeout,
            self.retry or defaults.retry,
            (*defaults.metadata, *self.metadata),
            self.extra_body,
            self.on_attempt,
        )

    def arguments(self) -> str:
        """The options that are set, as arguments of `with_options`; no values of metadata."""
        arguments: dict[str, Any] = {"timeout": self.timeout, "idle_timeout": self.idle_timeout, "retry": self.retry}
        shown = [
            f"{name}={None if value == NO_RETRY else value!r}" for name, value in arguments.items() if value is not None
        ]
        if self.metadata:
            shown.append(f"metadata={[(name, '***') for name, _ in self.metadata]}")
        return ", ".join(shown)


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


def to_extra_body(value: Any) -> dict[str, Any] | None:
    """A copy of an object in JSON; None for none.

    Raises:
        TypeError: It is not a mapping, or holds what JSON cannot express.
        ValueError: It holds a number that JSON cannot express.
    """
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise TypeError(f"extra_body is a dict of JSON; got {type(value).__name__}")
    import json  # few programs need it

    try:
        copied: dict[str, Any] = json.loads(json.dumps(dict(value), allow_nan=False))
    except (TypeError, ValueError) as error:
        raise type(error)(f"extra_body is a dict of JSON: {error}") from None
    return copied


def to_grace(value: Any) -> float:
    """The seconds in which calls may end by themselves; 0 for None.

    Raises:
        TypeError: It is not a number.
        ValueError: It is negative, or not a number.
    """
    if value is None:
        return 0.0
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"grace is a number of seconds, or None; got {type(value).__name__}")
    if not value >= 0:
        raise ValueError(f"grace is 0 seconds or more; got {value}")
    return float(value)


def to_metadata(value: Mapping[str, Any] | Iterable[tuple[str, Any]]) -> Metadata:
    """Metadata as pairs, their names in lower case; a repr hides the values.

    Raises:
        TypeError: A value is not a str, or not bytes for a name that ends with `-bin`.
        ValueError: A name or a value has characters that gRPC cannot carry.

    >>> to_metadata({"X-Trace": "1"}) == (("x-trace", "1"),)
    True
    """
    pairs = value.items() if isinstance(value, Mapping) else value
    metadata = tuple((str(name).lower(), SecretText(item) if isinstance(item, str) else item) for name, item in pairs)
    for name, item in metadata:
        if not name or name.strip(_NAME_CHARACTERS):
            raise ValueError(f"the name of a metadata pair has letters, digits, '-', '_' and '.' only; got {name!r}")
        if not name.endswith("-bin"):
            check_value(item, f"the value of the metadata {name!r}", ", or pass bytes under a name that ends with -bin")
        elif not isinstance(item, bytes):
            kind = "str" if isinstance(item, str) else type(item).__name__
            raise TypeError(f"the value of the metadata {name!r} is bytes; got {kind}")
    return metadata


def check_value(value: Any, name: str, alternative: str = "") -> None:
    """Check that gRPC can carry the text of a metadata pair.

    Raises:
        TypeError: It is not a str.
        ValueError: It has characters that are not printable ASCII.
    """
    if not isinstance(value, str):
        raise TypeError(f"{name} is a str{alternative}; got {type(value).__name__}")
    if not (value.isascii() and value.isprintable()):
        raise ValueError(
            f"{name} has characters that are not printable ASCII; escape them, for example with urllib.parse.quote"
            f"{alternative}"
        )
