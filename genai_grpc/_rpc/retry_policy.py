"""Retry policy: which errors are retried, and after what backoff. Pure: no clock, no sleep.

Retries have one owner, this package: gRPC's own retry policy stays off, since it cannot read RetryInfo.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Final, NamedTuple

from genai_grpc.errors import APIError, Cancelled, ClientClosed, ResourceExhausted, ServiceUnavailable

__all__ = ["NO_RETRY", "RetryPolicy"]


def _random() -> float:
    from random import random  # 0.8 ms, which a call without retries shall not take

    return random()  # noqa: S311 -- no cryptography


class _Fields(NamedTuple):
    max_attempts: int
    initial_backoff: float
    backoff_multiplier: float
    max_backoff: float
    budget_ratio: float | None
    predicate: Callable[[APIError], bool] | None
    timeout: float | None


class RetryPolicy(_Fields):
    """Exponential backoff with full jitter (https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/).

    Retried: ServiceUnavailable; Cancelled sent by the server, as in a graceful shutdown; ResourceExhausted with a
    RetryInfo. Of a call that is not idempotent, such as one that creates a resource, only ResourceExhausted is retried:
    no other error says that the call had no effect. A stream is retried only before its first chunk.
    ClientClosed is never retried.

    Attributes:
        max_attempts: Attempts in all, the first included; 1 for no retries.
        initial_backoff: Upper bound of the first backoff, in seconds. The backoff is drawn evenly between 0 and its
            bound, and added to the delay that RetryInfo asks for.
        backoff_multiplier: Factor by which the bound grows from one backoff to the next.
        max_backoff: Largest bound, in seconds.
        budget_ratio: Retries per call that the client may spend, as in Finagle's RetryBudget: each call deposits this
            much of a retry, for 10 to 20 seconds, beside a reserve of 10 retries that refills by one every 10 seconds.
            While the budget is used up, calls fail after one attempt. None for no bound.
        predicate: Decides which errors are retried, in place of the rule above; calls that are not idempotent are still
            retried after ResourceExhausted only. None for the rule above.
        timeout: Seconds from the start of the call in which a retry may start, however long its attempt then takes.
            None for no bound but the deadline of the call, which ends attempts and retries in any case.

    Raises:
        ValueError: A number is out of range.

    >>> RetryPolicy(max_attempts=6, max_backoff=10.0).initial_backoff
    0.5
    """

    __slots__ = ()

    def __new__(
        cls,
        max_attempts: int = 4,
        initial_backoff: float = 0.5,
        backoff_multiplier: float = 2.0,
        max_backoff: float = 30.0,
        budget_ratio: float | None = 0.2,
        predicate: Callable[[APIError], bool] | None = None,
        timeout: float | None = None,
    ) -> RetryPolicy:
        if max_attempts < 1:
            raise ValueError(f"max_attempts counts the first attempt: it is 1 or more; got {max_attempts}")
        for name, value in (("initial_backoff", initial_backoff), ("max_backoff", max_backoff)):
            if not 0 <= value < inf:
                raise ValueError(f"{name} is a finite number of seconds, 0 or more; got {value}")
        if not 1 <= backoff_multiplier < inf:
            raise ValueError(f"backoff_multiplier is 1 or more, and finite; got {backoff_multiplier}")
        if budget_ratio is not None and not 0 <= budget_ratio < inf:
            raise ValueError(f"budget_ratio is 0 or more, or None for no bound; got {budget_ratio}")
        if timeout is not None and not 0 <= timeout < inf:
            raise ValueError(f"timeout is a finite number of seconds, 0 or more, or None for no bound; got {timeout}")
        return super().__new__(
            cls, max_attempts, initial_backoff, backoff_multiplier, max_backoff, budget_ratio, predicate, timeout
        )

    def backoff(
        self,
        error: APIError,
        attempt: int,
        *,
        idempotent: bool = True,
        elapsed: float = 0.0,
        jitter: Callable[[], float] = _random,
    ) -> float | None:
        """Seconds to wait after attempt number `attempt` failed; None for no retry.

        Args:
            error: The error of the attempt.
            attempt: Its number, from 1.
            idempotent: Whether the call may have its effect twice.
            elapsed: Seconds since the call started.
            jitter: Returns a number between 0 and 1.
        """
        if attempt >= self.max_attempts or isinstance(error, ClientClosed):
            return None
        requested = error.retry_delay
        if self.predicate is not None:
            retry = self.predicate(error) and (idempotent or isinstance(error, ResourceExhausted))
        elif isinstance(error, ResourceExhausted):
            retry = requested is not None
        else:
            retry = isinstance(error, (ServiceUnavailable, Cancelled)) and idempotent
        if not retry:
            return None
        try:
            bound = min(self.initial_backoff * self.backoff_multiplier ** (attempt - 1), self.max_backoff)
        except OverflowError:  # after a thousand attempts
            bound = self.max_backoff
        # On top of the delay that the service asks for, so that callers do not come back all at once.
        delay = jitter() * bound + (requested or 0.0)
        return None if self.timeout is not None and elapsed + delay > self.timeout else delay


NO_RETRY: Final = RetryPolicy(max_attempts=1)
