"""What holds for the HTTP requests of one operation: the options of the client and of the call."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from genai_grpc._rpc.calls_in_flight import CallsInFlight
from genai_grpc._rpc.options import CallOptions
from genai_grpc._rpc.retry_policy import RetryPolicy
from genai_grpc._rpc.secret import secrets_in
from genai_grpc._transport.config import DEFAULT_RETRY, ClientOptions
from genai_grpc._transport.http.settings import needs_port, to_base_url

if TYPE_CHECKING:
    from genai_grpc._transport.metadata import CallMetadata

__all__ = ["HttpContext"]


class HttpContext(NamedTuple):
    """What holds for the HTTP requests of one operation.

    Attributes:
        options: The client's.
        metadata: Those of its calls.
        call: The options of the operation, with those of a view.
        calls: The client's calls in flight.
    """

    options: ClientOptions
    metadata: CallMetadata
    call: CallOptions
    calls: CallsInFlight

    @property
    def retry(self) -> RetryPolicy:
        """The retry policy."""
        return self.call.retry or self.options.retry or DEFAULT_RETRY

    @property
    def timeout(self) -> float | None:
        """Seconds for the operation; None if neither the call nor the client sets them."""
        return self.options.timeout if self.call.timeout is None else self.call.timeout

    @property
    def needs_port(self) -> bool:
        """Whether the server is to be asked for its HTTP port."""
        return needs_port(self.options)

    def base_url(self, http_port: int | None = None) -> str:
        """The URL of the HTTP endpoint; raises ConfigurationError if there is none."""
        return to_base_url(self.options, http_port)

    def secrets(self) -> tuple[str, ...]:
        """The keys and tokens that are sent, to mask them."""
        return secrets_in(self.metadata.for_http(self.call.metadata) or ())

    @contextmanager
    def in_flight(self) -> Iterator[None]:
        """Count as a call in flight; raises ClientClosed if the client is closed."""
        self.calls.begin()
        try:
            yield
        finally:
            self.calls.end()
