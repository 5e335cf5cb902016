"""Which failures are tried again, and when: decisions only, no clock and no sleep.

Retries have one owner, and it is this: gRPC's own retry policy stays off, since it cannot read RetryInfo.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from genai_grpc.errors import ResourceExhausted, ServiceUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from genai_grpc.errors import APIError

__all__ = ["NEVER", "RetryPolicy"]


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Exponential backoff with full jitter (https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/).

    Tried again are ServiceUnavailable, and ResourceExhausted where the service says when to come back (RetryInfo). A
    stream is tried again only as long as none of its chunks has arrived.

    Attributes:
        tries: How often a call is tried in all; 1 means never again.
        initial: Seconds: the bound of the first wait. The wait is drawn evenly between 0 and its bound.
        multiplier: What the bound grows by from wait to wait.
        maximum: Seconds: the bound never grows past this.
    """

    tries: int = 4
    initial: float = 0.5
    multiplier: float = 2.0
    maximum: float = 30.0

    def delay(self, error: APIError, tried: int, draw: Callable[[], float] = random.random) -> float | None:
        """Seconds to wait before the next try, or None to give up."""
        if tried >= self.tries:
            return None
        asked = _retry_info(error.details)
        if not isinstance(error, ServiceUnavailable) and not (
            isinstance(error, ResourceExhausted) and asked is not None
        ):
            return None
        bound = min(self.initial * self.multiplier ** (tried - 1), self.maximum)
        # Beside what the service asks for, a little more each, so that callers do not come back all at once.
        return draw() * bound + (asked or 0.0)


NEVER: Final = RetryPolicy(tries=1)


def _retry_info(details: Iterable[Any]) -> float | None:
    """The wait in seconds that the service asks for, if it does."""
    for detail in details:
        if detail.DESCRIPTOR.full_name == "google.rpc.RetryInfo":
            wait = detail.retry_delay
            return float(wait.seconds + wait.nanos / 1e9)
    return None
