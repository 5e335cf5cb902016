"""Which failures are tried again, and when: decisions only, no clock and no sleep.

Retries have one owner, and it is this: gRPC's own retry policy stays off, since it cannot read RetryInfo.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from genai_grpc.errors import Cancelled, ClientClosed, ResourceExhausted, ServiceUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from genai_grpc.errors import APIError

__all__ = ["NEVER", "RetryPolicy"]


class RetryPolicy(NamedTuple):
    """Exponential backoff with full jitter (https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/).

    Tried again are ServiceUnavailable, Cancelled where it is the service that cancelled (as one does that is about to
    go), and ResourceExhausted where the service says when to come back (RetryInfo). A
    call that must not have its effect twice, such as one that creates something, is tried again after ResourceExhausted
    alone, since nothing else says that it was not begun. A stream is tried again only as long as none of its chunks has
    arrived.

    Attributes:
        tries: How often a call is tried in all; 1 means never again.
        initial: Seconds: the bound of the first wait. The wait is drawn evenly between 0 and its bound.
        multiplier: What the bound grows by from wait to wait.
        maximum: Seconds: the bound never grows past this.
        budget: The part of a retry that each call pays in for. A client may spend what its calls of the last ten to
            twenty seconds paid in, and a reserve of 10 that every ten seconds fill by one; where that is used up,
            calls fail after one try. None for no bound.
        when: Which errors are tried again, in place of the rule above; None for that rule.

    >>> RetryPolicy(tries=6, maximum=10.0).initial
    0.5
    """

    tries: int = 4
    initial: float = 0.5
    multiplier: float = 2.0
    maximum: float = 30.0
    budget: float | None = 0.2
    when: Callable[[APIError], bool] | None = None

    def delay(
        self, error: APIError, tried: int, *, idempotent: bool = True, draw: Callable[[], float] | None = None
    ) -> float | None:
        """Seconds to wait before the next try, or None to give up; `draw` gives a number between 0 and 1."""
        if tried >= self.tries:
            return None
        asked = error.retry_delay
        if self.when is not None:
            again = self.when(error) and (idempotent or isinstance(error, ResourceExhausted))
        elif isinstance(error, ResourceExhausted):
            again = asked is not None
        else:
            gone = isinstance(error, (ServiceUnavailable, Cancelled)) and not isinstance(error, ClientClosed)
            again = gone and idempotent
        if not again:
            return None
        bound = min(self.initial * self.multiplier ** (tried - 1), self.maximum)
        # Beside what the service asks for, a little more each, so that callers do not come back all at once.
        if draw is None:
            import random  # which takes 2 ms, and most programs never come here

            draw = random.random
        return draw() * bound + (asked or 0.0)


NEVER: Final = RetryPolicy(tries=1)
