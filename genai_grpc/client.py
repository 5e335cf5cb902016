"""Clients: the options of a connection, with the transports that perform calls on it."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple, SupportsIndex

from genai_grpc._transport.config import ClientOptions, Secret, check, client_arguments, resolve
from genai_grpc.errors import ConfigurationError

if TYPE_CHECKING:
    from typing_extensions import Self

    from genai_grpc._rpc.adaptive_limit import AdaptiveLimit
    from genai_grpc._rpc.rate_limiter import RateLimit
    from genai_grpc._rpc.retry_policy import RetryPolicy
    from genai_grpc._transport.grpc.aio import AsyncGrpcTransport
    from genai_grpc._transport.grpc.channel_pool import ChannelPools
    from genai_grpc._transport.grpc.sync import GrpcTransport
    from genai_grpc._transport.metadata import CallMetadata
    from genai_grpc._transport.tls import TLS

__all__ = ["Client", "async_transport", "configure", "default_client", "sync_transport"]

# Some hundred connections.
MAX_IN_FLIGHT = 10_000


class Client:
    """Client for one endpoint: credentials, channels, limits and default call options.

    Thread-safe, and usable from several event loops. Several clients may live in one program. Nothing connects before
    the first call. Close it with `close` or `aclose`, or use it as a context manager; a client that is not closed is
    closed at the end of the program. A forked process connects anew.

    It can be pickled, and so can the models, chats and cached contents that use it. The pickle has no secrets: no API
    key, no credentials, no values of metadata, no proxy with a password and no bytes of a private key. A client that is
    loaded from it takes its key from the environment, as a new one does; if other secrets are missing, its first call
    says which. The default client is loaded as the default client of the process. `copy` and `deepcopy` return the
    client itself, whose connections and limits are to be shared.

    Args:
        api_key: API key, or a function that returns it, called for each attempt; by default GEMINI_API_KEY of the
            environment, else GOOGLE_API_KEY; "" for none.
        credentials: google-auth credentials, in place of a key. The token is cached, and refreshed in the background
            before it expires. With neither, Google's endpoint is called with the application default credentials.
        endpoint: `host[:port]` or `https://host[:port]` for TLS, `http://host:port` for plaintext; by default
            GENAI_GRPC_ENDPOINT of the environment, else Google's.
        tls: Trusted root certificates, and the client's certificate for mTLS; by default gRPC's root certificates.
        proxy: HTTP proxy, `http://[user:password@]host:port`; "" for none; by default that of the environment
            (`https_proxy` and the like, which gRPC reads).
        timeout: Default timeout of a call in seconds, all attempts included; by default 600 for generation and 60 for
            other calls.
        idle_timeout: Seconds that a stream may take to its next chunk; 300 by default.
        retry: Default retry policy.
        max_in_flight: Limit on calls in flight, 10,000 by default; further calls wait for a slot, within their
            deadlines. An AdaptiveLimit finds the limit itself.
        rate_limit: Limit on requests and tokens per minute; none by default.
        metadata: Pairs to send with every call.
        interceptors: gRPC's client interceptors, sync ones for sync calls and those of `grpc.aio` for async ones, which
            see each attempt; and `types.Interceptor` objects, such as `telemetry.OpenTelemetry`, which see a whole
            call, retries included. The first one is the outermost.
        channel_options: gRPC channel arguments, which override this package's own
            (https://grpc.github.io/grpc/core/group__grpc__arg__keys.html).
        user_agent: Prefix of the user agent.
        pickle_secrets: Whether pickles hold all options, secrets included. Whoever reads such a pickle has the key.

    Raises:
        ConfigurationError: There are no credentials for Google's endpoint; a key or token would go over plaintext to
            another machine; an option cannot be used.
        TypeError: An option is of the wrong type.
        ValueError: A number is out of range.

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
        metadata: Iterable[tuple[str, str | bytes]] = (),
        interceptors: Iterable[Any] = (),
        channel_options: Iterable[tuple[str, Any]] = (),
        user_agent: str | None = None,
        pickle_secrets: bool = False,
    ) -> None:
        # Secrets are hidden before anything can raise, since a traceback may show local variables.
        api_key = Secret(api_key) if isinstance(api_key, str) else api_key
        proxy = None if proxy is None else Secret(proxy)
        options = ClientOptions(
            api_key=api_key,
            credentials=credentials,
            endpoint=endpoint,
            tls=tls,
            proxy=proxy,
            timeout=timeout,
            idle_timeout=idle_timeout,
            retry=retry,
            max_in_flight=max_in_flight,
            rate_limit=rate_limit,
            metadata=tuple(metadata),
            interceptors=tuple(interceptors),
            channel_options=tuple(channel_options),
            user_agent=user_agent,
            pickle_secrets=pickle_secrets,
        )
        self._options = resolve(options)
        # The names of the options that a pickle did not have, and the environment neither.
        self._missing = frozenset[str]()
        self._start()

    def _start(self) -> None:
        self._transports: _Transports | None = None
        self._lock = threading.Lock()
        _CLIENTS.add(self)

    @property
    def endpoint(self) -> str:
        """The endpoint as a URL, `https://host:port` or `http://host:port`."""
        return self._options.target.url

    def update_api_key(self, api_key: str) -> None:
        """Use this key for every call from now on; calls in flight keep theirs.

        Raises:
            ConfigurationError: The key holds characters that metadata cannot carry, or would go over plaintext to
                another machine.

        >>> client = Client("a-key", endpoint="http://127.0.0.1:50051")
        >>> client.update_api_key("another-key")
        """
        from genai_grpc._transport.credentials import StaticKey

        options = self._options._replace(api_key=Secret(api_key), credentials=None)
        check(options)
        with self._lock:
            self._options = options
            self._missing -= {"api_key", "credentials"}
            if self._transports is not None:
                for metadata in self._transports.metadata:
                    metadata.credentials = StaticKey(api_key)

    def close(self) -> None:
        """Close the channels of sync calls; calls in flight end as cancelled. A later call connects anew."""
        if self._transports is not None:
            self._transports.channels.close()

    async def aclose(self) -> None:
        """Close the channels of the running event loop and those of sync calls."""
        self.close()
        if self._transports is not None:
            await self._transports.channels.aclose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        target = self._options.target
        secrets = ", pickle_secrets=True" if self._options.pickle_secrets else ""
        return f"Client({target.address!r}, tls={target.tls}{secrets})"

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:
        if _DEFAULT.is_client(self):
            return _default_client, ()
        return super().__reduce_ex__(2)  # a protocol that calls __getstate__

    def __getstate__(self) -> dict[str, Any]:
        from genai_grpc._transport.pickling import pickled  # pickle takes 5 ms, and few programs use it

        options, left_out = pickled(self._options)
        state = {name: value for name, value in vars(self).items() if name not in ("_transports", "_lock")}
        return state | {"_options": options, "_missing": left_out | self._missing}

    def __setstate__(self, state: dict[str, Any]) -> None:
        from genai_grpc._transport.pickling import unpickled  # as above

        vars(self).update(state)
        self._options, self._missing = unpickled(state["_options"], state["_missing"])
        self._start()

    def _connect(self) -> _Transports:
        if self._missing:
            raise ConfigurationError(
                f"the client was unpickled without {', '.join(sorted(self._missing))}, since pickles hold no secrets. "
                "Set GEMINI_API_KEY before it is loaded, or call update_api_key; if more than the key is missing, "
                "build the client here, or pickle a Client(..., pickle_secrets=True)"
            )
        with self._lock:
            if self._transports is None:
                self._transports = _build_transports(self._options)
            return self._transports

    def _reset_after_fork(self) -> None:
        """Start anew in a forked child."""
        _INHERITED.append(self._transports)
        self._transports = None
        self._lock = threading.Lock()


def sync_transport(client: Client) -> GrpcTransport:
    """The transport of a client's sync calls."""
    return (client._transports or client._connect()).sync


def async_transport(client: Client) -> AsyncGrpcTransport:
    """The transport of a client's async calls."""
    return (client._transports or client._connect()).aio


class _Transports(NamedTuple):
    channels: ChannelPools
    metadata: tuple[CallMetadata, CallMetadata]
    sync: GrpcTransport
    aio: AsyncGrpcTransport


def _build_transports(options: ClientOptions) -> _Transports:
    # At the first call, since the import of grpc takes longer than that of all of this package.
    import grpc.aio

    from genai_grpc._rpc.admission import Admission
    from genai_grpc._transport.credentials import credentials_from
    from genai_grpc._transport.grpc.aio import AsyncGrpcTransport
    from genai_grpc._transport.grpc.channel_pool import ChannelPools, check_interceptors
    from genai_grpc._transport.grpc.sync import GrpcTransport
    from genai_grpc._transport.metadata import CallMetadata

    check_interceptors(options.interceptors)
    channels = ChannelPools(options)
    credentials = credentials_from(options)
    metadata = CallMetadata(options, credentials)
    # grpc.aio would convert a tuple at every call.
    aio_metadata = CallMetadata(options, credentials, grpc.aio.Metadata.from_tuple)
    admission = Admission(MAX_IN_FLIGHT if options.max_in_flight is None else options.max_in_flight, options.rate_limit)
    return _Transports(
        channels,
        (metadata, aio_metadata),
        GrpcTransport(options, admission, channels, metadata),
        AsyncGrpcTransport(options, admission, channels, aio_metadata),
    )


_CLIENTS: weakref.WeakSet[Client] = weakref.WeakSet()
# Never freed: destroying an inherited gRPC channel would close the parent's connection.
_INHERITED: list[Any] = []


def _after_fork() -> None:
    """Reset every client: its channels belong to the parent, and its lock may be held by a thread that is gone."""
    for client in list(_CLIENTS):
        client._reset_after_fork()
    _DEFAULT.reset_after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


class _DefaultClient:
    """The client of programs that name none, built at their first call."""

    def __init__(self) -> None:
        self._arguments: dict[str, Any] = {}
        self._client: Client | None = None
        self._lock = threading.Lock()

    def configure(self, arguments: dict[str, Any]) -> None:
        with self._lock:
            self._arguments, self._client = arguments, None

    def reset_after_fork(self) -> None:
        self._lock = threading.Lock()

    def is_client(self, client: Client) -> bool:
        return client is self._client

    def client(self) -> Client:
        client = self._client
        if client is None:
            with self._lock:
                if self._client is None:
                    self._client = Client(**self._arguments)
                client = self._client
        return client


_DEFAULT = _DefaultClient()
default_client = _DEFAULT.client


def _default_client() -> Client:
    """The default client, where a pickle has it."""
    return default_client()


def configure(
    *,
    api_key: str | Callable[[], str] | None = None,
    credentials: Any = None,
    transport: str | None = None,
    client_options: Any = None,
    client_info: Any = None,
    default_metadata: Iterable[tuple[str, str | bytes]] = (),
) -> None:
    """Set the default client, for calls that name no client, from the next call on. Nothing connects yet.

    Args:
        api_key: API key; by default GEMINI_API_KEY of the environment, else GOOGLE_API_KEY.
        credentials: google-auth credentials, in place of a key.
        transport: "grpc" or "grpc_asyncio", which mean the same here: the method called decides.
        client_options: A dict or object with `api_endpoint`, `api_key`, `quota_project_id`. An `api_endpoint` of
            `http://host:port` is plaintext, every other one TLS.
        client_info: An object whose `user_agent` is the prefix of the user agent.
        default_metadata: Pairs to send with every call.

    Raises:
        ConfigurationError: The key is given twice, or an argument is not one that this client takes.

    >>> configure(client_options={"api_endpoint": "http://127.0.0.1:50051"})
    """
    api_key = Secret(api_key) if isinstance(api_key, str) else api_key
    if transport not in (None, "grpc", "grpc_asyncio"):
        raise ConfigurationError(
            f"this client speaks gRPC only; pass transport='grpc' or leave it out, not {transport!r}"
        )
    _DEFAULT.configure(client_arguments(api_key, credentials, client_options, client_info, default_metadata))
