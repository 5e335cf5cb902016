"""Clients: a connection's settings with the two shells that perform calls on it."""

from __future__ import annotations

import os
import threading
import weakref
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from genai_grpc._transport.config import Config, Secret, check, client_arguments, resolve
from genai_grpc.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator
    from types import TracebackType

    from typing_extensions import Self

    from genai_grpc._rpc.adaptive_limit import AdaptiveLimit
    from genai_grpc._rpc.call import Call, Operation
    from genai_grpc._rpc.rate_limiter import RateLimit
    from genai_grpc._rpc.retry_policy import RetryPolicy
    from genai_grpc._transport.aio import AsyncTransport
    from genai_grpc._transport.grpc.channel_pool import ChannelPools
    from genai_grpc._transport.metadata import CallMetadata
    from genai_grpc._transport.sync import SyncTransport
    from genai_grpc._transport.tls import TLS

__all__ = ["Client", "configure", "default_client"]

Out = TypeVar("Out")


class Client:
    """Where calls go, as whom, and how many at once. Several live side by side; threads and event loops may share one.

    Nothing is connected before the first call. A client may be closed, by `close` or `aclose` or as a context
    manager; one that is not is closed when the program ends. A forked process connects anew.

    Args:
        api_key: The key, or a function that returns it and is asked at every call; by default that of the environment,
            GEMINI_API_KEY before GOOGLE_API_KEY; "" for none.
        credentials: In place of a key: credentials of google-auth, whose token is kept and renewed ahead of its expiry.
            Where there is neither, Google's endpoint is asked with the application default credentials.
        endpoint: `host[:port]` or `https://host[:port]` for TLS, `http://host:port` for plaintext; by default
            GENAI_GRPC_ENDPOINT of the environment, else Google's.
        tls: Whom to trust, and the certificate to show; by default the authorities that gRPC trusts.
        proxy: `http://[user:password@]host:port` of an HTTP proxy; "" for none; by default that of the environment
            (https_proxy and its kin, which gRPC reads).
        timeout: Seconds for every call that names no other, over all its tries; by default 600 for generation and 60
            for the rest.
        idle_timeout: Seconds that a stream may take to its next chunk, by default 300.
        retry: The policy for calls that name no other.
        max_in_flight: How many calls may be in flight at once, by default 10,000; the others wait in line, within
            their deadlines. An AdaptiveLimit finds the number itself.
        rate_limit: How many requests and tokens a minute.
        metadata: Pairs to send with every call.
        interceptors: gRPC's client interceptors, sync ones for sync calls and those of `grpc.aio` for async ones, which
            see every try; and this package's, such as `telemetry.OpenTelemetry`, which see a call over all its tries.
        channel_options: gRPC channel arguments, over this package's own
            (https://grpc.github.io/grpc/core/group__grpc__arg__keys.html).
        user_agent: Sent before this package's own.

    Raises:
        ConfigurationError: There is nothing to say who calls Google's endpoint; a key or token would go over plaintext
            to another machine; an argument cannot be used.

    >>> with Client(endpoint="http://127.0.0.1:50051", max_in_flight=64) as client:
    ...     client
    Client('127.0.0.1:50051', tls=False)
    """

    def __init__(
        self,
        api_key: str | Callable[[], str] | None = None,
        *,
        credentials: Any = None,
        endpoint: str | None = None,
        tls: TLS | None = None,
        proxy: str | None = None,
        timeout: float | None = None,
        idle_timeout: float | None = None,
        retry: RetryPolicy | None = None,
        max_in_flight: int | AdaptiveLimit | None = None,
        rate_limit: RateLimit | None = None,
        metadata: Iterable[tuple[str, str]] = (),
        interceptors: Iterable[Any] = (),
        channel_options: Iterable[tuple[str, Any]] = (),
        user_agent: str | None = None,
    ) -> None:
        api_key = Secret(api_key) if isinstance(api_key, str) else api_key
        self._config: Config = resolve(
            api_key=api_key,
            credentials=credentials,
            endpoint=endpoint,
            tls=tls,
            proxy=None if proxy is None else Secret(proxy),
            timeout=timeout,
            idle_timeout=idle_timeout,
            retry=retry,
            max_in_flight=max_in_flight,
            rate_limit=rate_limit,
            metadata=metadata,
            interceptors=interceptors,
            channel_options=channel_options,
            user_agent=user_agent,
        )
        self._made: _Transports | None = None
        self._lock = threading.Lock()
        _CLIENTS.add(self)

    @property
    def endpoint(self) -> str:
        """Where calls go, as `https://host:port` or `http://host:port`."""
        target = self._config.target
        return f"{'https' if target.tls else 'http'}://{target.address}"

    def update_api_key(self, api_key: str) -> None:
        """Make every call from now on with this key; calls in flight go on as they are.

        Raises:
            ConfigurationError: The key holds what metadata cannot carry, or would go over plaintext to another machine.

        >>> client = Client("a-key", endpoint="http://127.0.0.1:50051")
        >>> client.update_api_key("another-key")
        """
        from genai_grpc._transport.credentials import credentials_from

        config = self._config._replace(api_key=Secret(api_key), credentials=None)
        check(config)
        with self._lock:
            self._config = config
            if self._made is not None:
                self._made.headers.identity = self._made.aio_headers.identity = credentials_from(config)

    def call(self, call: Call[Any, Any, Out]) -> Out:
        """Perform one call."""
        return (self._made or self._make()).sync.call(call)

    def run(self, plan: Operation[Out]) -> Out:
        """Perform a plan."""
        return (self._made or self._make()).sync.run(plan)

    def iterate(self, plan: Operation[None]) -> Iterator[Any]:
        """The items of a plan that emits them."""
        return (self._made or self._make()).sync.iterate(plan)

    def call_async(self, call: Call[Any, Any, Out]) -> Coroutine[Any, Any, Out]:
        """Perform one call."""
        return (self._made or self._make()).aio.call(call)

    def run_async(self, plan: Operation[Out]) -> Coroutine[Any, Any, Out]:
        """Perform a plan."""
        return (self._made or self._make()).aio.run(plan)

    def iterate_async(self, plan: Operation[None]) -> AsyncIterator[Any]:
        """The items of a plan that emits them."""
        return (self._made or self._make()).aio.iterate(plan)

    def close(self) -> None:
        """Close the channel of sync calls; calls in flight end as cancelled. The next call would connect anew."""
        if self._made is not None:
            self._made.channels.close()

    async def aclose(self) -> None:
        """Close the channels of this event loop's calls and of sync calls."""
        self.close()
        if self._made is not None:
            await self._made.channels.aclose()

    def forget(self) -> None:
        """Let go of every connection without closing it, as a forked child must; the next call connects anew."""
        _INHERITED.append(self._made)
        self._made = None
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"Client({self._config.target.address!r}, tls={self._config.target.tls})"

    def _make(self) -> _Transports:
        with self._lock:
            if self._made is None:
                self._made = _build_transports(self._config)
            return self._made


class _Transports(NamedTuple):
    """What a client performs calls with."""

    channels: ChannelPools
    headers: CallMetadata
    aio_headers: CallMetadata
    sync: SyncTransport
    aio: AsyncTransport


def _build_transports(config: Config) -> _Transports:
    # grpc takes longer to import than all of this package: it is, at the first call.
    import grpc.aio

    from genai_grpc._rpc.admission import Admission
    from genai_grpc._transport.aio import AsyncTransport
    from genai_grpc._transport.credentials import credentials_from
    from genai_grpc._transport.grpc.channel_pool import ChannelPools, check_interceptors
    from genai_grpc._transport.metadata import CallMetadata
    from genai_grpc._transport.sync import SyncTransport

    check_interceptors(config.interceptors)
    channels = ChannelPools(config)
    identity = credentials_from(config)
    headers = CallMetadata(config, identity, tuple)
    # What gRPC's asyncio part would make of a tuple at every call.
    aio_headers = CallMetadata(config, identity, grpc.aio.Metadata.from_tuple)
    admission = Admission(config.max_in_flight, config.rate_limit)
    # The last one wraps the others: what comes first in the list is to see a call first.
    looking_on = tuple(each for each in reversed(config.interceptors) if hasattr(each, "intercept"))
    return _Transports(
        channels,
        headers,
        aio_headers,
        SyncTransport(config, channels, headers, admission, looking_on),
        AsyncTransport(config, channels, aio_headers, admission, looking_on),
    )


_CLIENTS: weakref.WeakSet[Client] = weakref.WeakSet()
# Kept for good: to let go of a channel is to close it, and what is the parent's must not be touched.
_INHERITED: list[Any] = []


def _after_fork() -> None:
    """Begin anew in a forked child, where channels are the parent's and locks may be held by threads left behind."""
    for client in list(_CLIENTS):
        client.forget()
    _DEFAULT.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


class _Default:
    """The client of programs that name none, made at their first call."""

    def __init__(self) -> None:
        self._arguments: dict[str, Any] = {}
        self._client: Client | None = None
        self._lock = threading.Lock()

    def configure(self, arguments: dict[str, Any]) -> None:
        with self._lock:
            self._arguments, self._client = arguments, None

    def forget(self) -> None:
        self._lock = threading.Lock()

    def client(self) -> Client:
        client = self._client
        if client is None:
            with self._lock:
                if self._client is None:
                    self._client = Client(**self._arguments)
                client = self._client
        return client


_DEFAULT = _Default()
default_client = _DEFAULT.client


def configure(
    *,
    api_key: str | Callable[[], str] | None = None,
    credentials: Any = None,
    transport: str | None = None,
    client_options: Any = None,
    client_info: Any = None,
    default_metadata: Iterable[tuple[str, str]] = (),
) -> None:
    """Set how calls that name no client of their own connect, from the next call on. Nothing is connected yet.

    Args:
        api_key: The key; by default that of the environment, GEMINI_API_KEY before GOOGLE_API_KEY.
        credentials: In place of a key: credentials of google-auth.
        transport: "grpc" or "grpc_asyncio", which are the same here: the method called decides.
        client_options: A dict or object with `api_endpoint`, `api_key`, `quota_project_id`. An `api_endpoint` of
            `http://host:port` is plaintext, every other one TLS.
        client_info: An object whose `user_agent` is sent before this package's own.
        default_metadata: Pairs to send with every call.

    Raises:
        ConfigurationError: The key is given twice, or an argument is one that this client does not take.

    >>> configure(client_options={"api_endpoint": "http://127.0.0.1:50051"})
    """
    api_key = Secret(api_key) if isinstance(api_key, str) else api_key
    if transport not in (None, "grpc", "grpc_asyncio"):
        raise ConfigurationError(
            f"this client speaks gRPC only; pass transport='grpc' or leave it out, not {transport!r}"
        )
    _DEFAULT.configure(client_arguments(api_key, credentials, client_options, client_info, default_metadata))
