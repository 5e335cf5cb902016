"""The state of a client, as programs and metrics see it."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["ClientStats"]


class ClientStats(NamedTuple):
    """The state of a client at one moment, as `Client.stats` returns it.

    Attributes:
        in_flight: Calls in flight, a stream to its end.
        streams: Open streams: the calls in flight whose first chunk has arrived.
        waiting: Calls in the queue for a slot of `max_in_flight`.
        delayed: Calls that the rate limit delays.
        limit: Calls that may be in flight now: `max_in_flight`, or the present value of an AdaptiveLimit.
        requests_per_minute: Limit on requests, configured or learned; None for none.
        tokens_per_minute: Limit on tokens, likewise.
        blocked_seconds: Seconds until the client sends calls again, as the service asked (RetryInfo); 0 for now.
        retry_budget: Retries that the client may spend now.
        sync_connections: Connections of sync calls.
        async_connections: Connections of each event loop with a pool.

    >>> import genai_grpc as genai
    >>> stats = genai.Client(endpoint="http://127.0.0.1:50051").stats()
    >>> stats.in_flight, stats.limit
    (0, 10000)
    """

    in_flight: int
    streams: int
    waiting: int
    delayed: int
    limit: int
    requests_per_minute: float | None
    tokens_per_minute: float | None
    blocked_seconds: float
    retry_budget: float
    sync_connections: int = 0
    async_connections: tuple[int, ...] = ()
