"""What one call sets for itself, and what holds for it together with its client's defaults."""

from __future__ import annotations

from math import inf
from typing import Any, Final, NamedTuple, TypeAlias

from genai_grpc._rpc.retry_policy import RetryPolicy

__all__ = ["NO_OPTIONS", "CallOptions", "Limits", "Metadata", "to_timeout"]

Metadata: TypeAlias = tuple[tuple[str, str], ...]


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
