"""The sync and the async transport of one client, and what they share: channels, credentials, admission control."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from genai_grpc._rpc.admission import Admission
from genai_grpc._rpc.options import CallOptions
from genai_grpc._transport.aio import AsyncTransport
from genai_grpc._transport.aio import wait as wait_async
from genai_grpc._transport.config import ClientOptions
from genai_grpc._transport.credentials import credentials_from
from genai_grpc._transport.metadata import CallMetadata
from genai_grpc._transport.sync import SyncTransport, wait
from genai_grpc.errors import DeadlineExceeded

if TYPE_CHECKING:
    from genai_grpc._rpc.calls_in_flight import Signal
    from genai_grpc._rpc.client_stats import ClientStats

__all__ = ["Transports", "build_transports"]

# Seconds to connect; as the default of calls that do not generate.
CONNECT_TIMEOUT: Final = 60.0


class Connections(Protocol):
    """The connections of a client: of its sync calls, and of each event loop."""

    def connect(self, cancelled: Signal, timeout: float) -> None:
        """Connect for sync calls; raises APIError, also when `cancelled` is set meanwhile."""

    async def connect_async(self, timeout: float) -> None:
        """Connect for the running event loop; raises APIError."""

    def ready(self) -> bool:
        """Whether there is a connection: of the running event loop, outside of one of sync calls."""
        ...

    def connections(self) -> tuple[int, tuple[int, ...]]:
        """How many the sync calls have, and those of each event loop."""
        ...

    def close(self) -> None:
        """Close all; those of an event loop are closed on this loop."""

    async def aclose(self) -> None:
        """The async twin of `close`."""


class Transports(NamedTuple):
    """The transports of a client or of a view of one; views share all but the default options of calls.

    Attributes:
        admission: Admission control of both.
        connect_timeout: Seconds to connect, by default.
        channels: The connections of both.
        metadata: The metadata of sync and of async calls.
        sync: Performs sync calls.
        aio: Performs async calls.
    """

    admission: Admission
    connect_timeout: float
    channels: Connections
    metadata: tuple[CallMetadata, CallMetadata]
    sync: SyncTransport
    aio: AsyncTransport

    def with_defaults(self, defaults: CallOptions) -> Transports:
        """Transports that share everything with these, with other default options of calls."""
        return self._replace(
            sync=self.sync.with_defaults(defaults),
            aio=self.aio.with_defaults(defaults),
            connect_timeout=self.connect_timeout if defaults.timeout is None else defaults.timeout,
        )

    def stats(self, now: float) -> ClientStats:
        """The state of the client."""
        sync, aio = self.channels.connections()
        return self.admission.stats(now)._replace(sync_connections=sync, async_connections=aio)

    def close(self, grace: float) -> None:
        """Refuse new calls, wait up to `grace` seconds for those in flight, and end the others with ClientClosed."""
        calls = self.admission.calls
        calls.close()
        try:
            if grace > 0:
                wait(calls.drained, grace)
        finally:
            self.admission.cancel()
            self.channels.close()

    async def aclose(self, grace: float) -> None:
        """The async twin of `close`."""
        calls = self.admission.calls
        calls.close()
        try:
            if grace > 0:
                await wait_async(calls.drained, grace)
        finally:
            self.admission.cancel()
            await self.channels.aclose()

    def connect(self, timeout: float | None) -> None:
        """Connect for sync calls, and refresh the credentials.

        Raises:
            APIError: As a call that needs them.
        """
        calls, credentials = self.admission.calls, self.metadata[0].credentials
        calls.begin()
        try:
            deadline = time.monotonic() + (self.connect_timeout if timeout is None else timeout)
            if credentials.metadata() is None:
                credentials.refresh()
            self.channels.connect(calls.cancelled, _left(deadline))
        finally:
            calls.end()

    async def connect_async(self, timeout: float | None) -> None:
        """The async twin of `connect`, for the running event loop."""
        calls, credentials = self.admission.calls, self.metadata[0].credentials
        calls.begin()
        try:
            deadline = time.monotonic() + (self.connect_timeout if timeout is None else timeout)
            if credentials.metadata() is None:
                await asyncio.to_thread(credentials.refresh)
            await self.channels.connect_async(_left(deadline))
        finally:
            calls.end()

    def ready(self) -> bool:
        """Whether the running event loop has a connection, or outside of one sync calls have."""
        return self.channels.ready()


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise DeadlineExceeded("the credentials gave no token before the timeout")
    return left


def build_transports(options: ClientOptions) -> Transports:
    """The transports of a client with these options; nothing connects yet.

    Raises:
        ConfigurationError: An interceptor is of a wrong type; the application default credentials are missing.
        ImportError: What the transport needs is not installed.
    """
    # At the first call, since the import of grpc takes longer than that of all of this package.
    credentials, admission = credentials_from(options), Admission(options.max_in_flight, options.rate_limit)
    timeout = CONNECT_TIMEOUT if options.timeout is None else options.timeout
    if options.transport == "rest":
        from genai_grpc._transport.rest import build as rest

        return Transports(admission, timeout, *rest.build(options, admission, credentials))
    from genai_grpc._transport.grpc import build as grpc

    return Transports(admission, timeout, *grpc.build(options, admission, credentials))
