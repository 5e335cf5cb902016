"""Clients: the options of a connection, with the transports that perform calls on it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal, SupportsIndex

from genai_grpc import _fork
from genai_grpc._default_client import DefaultClient
from genai_grpc._rpc.options import NO_OPTIONS, to_grace, to_timeout
from genai_grpc._rpc.secret import Secret, hide
from genai_grpc._transport.config import ClientOptions, resolve, with_key
from genai_grpc.errors import ClientClosed, ConfigurationError

if TYPE_CHECKING:
    from typing_extensions import Self

    from genai_grpc._rpc.adaptive_limit import AdaptiveLimit
    from genai_grpc._rpc.client_stats import ClientStats
    from genai_grpc._rpc.rate_limiter import RateLimit
    from genai_grpc._rpc.retry_policy import RetryPolicy
    from genai_grpc._rpc.shared_rate_limiter import SharedRateLimiter
    from genai_grpc._services.dialects import Dialect
    from genai_grpc._services.vertex import Vertex
    from genai_grpc._transport.aio import AsyncTransport
    from genai_grpc._transport.sync import SyncTransport
    from genai_grpc._transport.tls import TLS
    from genai_grpc._transport.transports import Transports
    from genai_grpc.live import Live

__all__ = ["Client", "async_transport", "configure", "default_client", "dialect_of", "sync_transport"]

# What a pickle does not hold, not even whether the client is closed: a loaded client is a new one.
NOT_PICKLED: Final = frozenset({"_transports", "_lock", "_closed", "_dialect"})


class Client:
    """Client for one endpoint: credentials, channels, limits and default call options.

    Thread-safe, and usable from several event loops. Several clients may live in one program. Nothing connects before
    the first call. Close it with `close` or `aclose`, or use it as a context manager; it makes no calls then. A client
    that is not closed is closed at the end of the program. A forked process connects anew.

    It can be pickled, and so can the models, chats and cached contents that use it. The pickle has no secrets: no API
    key, no credentials, no values of metadata, no proxy with a password and no bytes of a private key. A client that is
    loaded from it takes its key from the environment, as a new one does; if other secrets are missing, its first call
    says which. A closed client is loaded as an open one. The default client is loaded as the default client of the
    process. `copy` and `deepcopy` return the client itself, whose connections and limits are to be shared.

    Args:
        api_key: API key, or a function that returns it, called for each attempt; by default GEMINI_API_KEY of the
            environment, else GOOGLE_API_KEY; "" for none.
        credentials: google-auth credentials, in place of a key. The token is cached, and refreshed in the background
            before it expires. With neither, Google's endpoint is called with the application default credentials.
        endpoint: `https://host[:port]` for TLS, `http://host[:port]` for plaintext; `host[:port]` is plaintext for
            loopback, else TLS. Or `unix:/path`, `dns:///host[:port]`, `xds:///name`, or a list of addresses of one
            service. By default GENAI_GRPC_ENDPOINT of the environment, else Google's.
        tls: Trusted root certificates, and the client's certificate for mTLS; by default gRPC's root certificates.
        proxy: HTTP proxy, `http://[user:password@]host[:port]`; "" for none; by default that of the environment
            (HTTPS_PROXY and the like), but for a loopback or Unix endpoint none.
        timeout: Default timeout of a call in seconds, all attempts included; by default 600 for generation and 60 for
            other calls.
        idle_timeout: Seconds that a stream may take to its next chunk; 300 by default.
        retry: Default retry policy.
        max_in_flight: Limit on calls in flight, 10,000 by default; further calls wait for a slot, within their
            deadlines. An AdaptiveLimit finds the limit itself.
        rate_limit: Limit on requests and tokens per minute, or a limiter that several processes share; none by default.
        metadata: Pairs to send with every call.
        interceptors: gRPC's client interceptors, sync ones for sync calls and those of `grpc.aio` for async ones, which
            see each attempt; and `types.Interceptor` objects, such as `telemetry.OpenTelemetry`, which see a whole
            call, retries included. The first one is the outermost.
        channel_options: gRPC channel arguments, which override this package's own
            (https://grpc.github.io/grpc/core/group__grpc__arg__keys.html).
        user_agent: Prefix of the user agent.
        pickle_secrets: Whether pickles hold all options, secrets included. Whoever reads such a pickle has the key.
        api_version: "v1beta", or "v1" with fewer methods and fields; a method that it lacks is MethodNotImplemented.
        http_endpoint: Where the content of files goes, https:// or, on this machine, http://; by default
            GENAI_GRPC_HTTP_ENDPOINT of the environment, else the host of the endpoint. A local server says it itself.
        transport: "grpc", or "rest" for HTTP/JSON where a network has no gRPC (its async calls need
            `pip install 'genai-grpc[rest]'`); the endpoint is then `https://host[:port][/path]`.
        vertex: A Vertex, to call Vertex AI in place of the Gemini API, or True for the project and location of the
            environment; by default its GOOGLE_GENAI_USE_ENTERPRISE decides, else GOOGLE_GENAI_USE_VERTEXAI. The caller
            is then that of the application default credentials, unless `api_key` or `credentials` are given.

    Raises:
        ConfigurationError: There are no credentials for Google's endpoint; a key or token would go over plaintext to
            another machine or through a proxy; an option cannot be used.
        TypeError: An option is of the wrong type.
        ValueError: A number is out of range.

    >>> with Client(endpoint="http://127.0.0.1:50051", max_in_flight=64) as client:
    ...     client
    Client('127.0.0.1:50051', tls=False)
    """

    _defaults = NO_OPTIONS

    def __init__(
        self,
        api_key: str | Callable[[], str] | None = None,
        *,
        credentials: Any = None,
        endpoint: str | Sequence[str] | None = None,
        tls: TLS | None = None,
        proxy: str | None = None,
        timeout: float | None = None,
        idle_timeout: float | None = None,
        retry: RetryPolicy | None = None,
        max_in_flight: int | AdaptiveLimit | None = None,
        rate_limit: RateLimit | SharedRateLimiter | None = None,
        metadata: Iterable[tuple[str, str | bytes]] = (),
        interceptors: Iterable[Any] = (),
        channel_options: Iterable[tuple[str, Any]] = (),
        user_agent: str | None = None,
        pickle_secrets: bool = False,
        api_version: Literal["v1beta", "v1"] = "v1beta",
        http_endpoint: str | None = None,
        transport: Literal["grpc", "rest"] = "grpc",
        vertex: Vertex | bool | None = None,
    ) -> None:
        # Secrets are hidden before anything can raise, since a traceback may show local variables.
        api_key, credentials, endpoint, proxy = hide(api_key), hide(credentials), hide(endpoint), hide(proxy)
        metadata, channel_options = hide(metadata), hide(channel_options)
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
            metadata=metadata,
            interceptors=tuple(interceptors),
            channel_options=channel_options,
            user_agent=user_agent,
            pickle_secrets=pickle_secrets,
            api_version=api_version,
            http_endpoint=http_endpoint,
            transport=transport,
            vertex=vertex,
        )
        self._options = resolve(options)
        # The names of the options that a pickle did not have, and the environment neither.
        self._missing = frozenset[str]()
        self._start()
        self._announce()

    def _start(self) -> None:
        self._dialect = self._options.dialect
        self._transports: Transports | None = None
        self._closed = False
        self._lock = threading.RLock()  # a signal handler may close the client
        _fork.register(self)

    def _announce(self) -> None:
        if self._options.interceptors:
            from genai_grpc._rpc.interceptors import announce  # not needed by a client with the defaults

            announce(self, self._options.interceptors)

    @property
    def endpoint(self) -> str:
        """The endpoint with its scheme, such as `https://host:port`; a list's addresses have commas between them."""
        return self._options.target.url

    @property
    def live(self) -> Live:
        """Its live sessions: `async with client.live.connect("gemini-pro") as session: ...`."""
        from genai_grpc.live import Live  # above this module, and few programs need it

        return Live(self)

    def update_api_key(self, api_key: str) -> None:
        """Use this key for every call from now on; calls in flight keep theirs.

        Raises:
            ConfigurationError: The key is empty or holds characters that metadata cannot carry, or it would go over
                plaintext to another machine or a proxy.
            TypeError: It is not a str.

        >>> Client("a-key", endpoint="http://127.0.0.1:50051").update_api_key("another-key")
        """
        key = Secret(api_key)
        del api_key  # a traceback may show local variables
        from genai_grpc._transport.credentials import StaticKey

        options = with_key(self._options, key)
        with self._lock:
            self._options = options
            self._missing -= {"api_key", "credentials"}
            if self._transports is not None:
                for metadata in self._transports.metadata:
                    metadata.credentials = StaticKey(options.api_key)

    def with_options(
        self,
        *,
        timeout: float | None = None,
        idle_timeout: float | None = None,
        retry: RetryPolicy | Literal["default"] | None = "default",
        metadata: Iterable[tuple[str, str | bytes]] = (),
    ) -> Client:
        """A view of this client, with other defaults for the calls made with it.

        The view shares all else with the client: key, connections, limits, retry budget. `update_api_key` changes the
        key of both. Closing a view closes this view only; closing the client closes both.

        Args:
            timeout: Seconds for a call, all attempts included; None for the client's.
            idle_timeout: Seconds that a stream may take to its next chunk; None for the client's.
            retry: Retry policy; None for no retries; "default" for the client's.
            metadata: Pairs to send after the client's.

        Raises:
            ConfigurationError: A key or token in the metadata would go over plaintext to another machine.
            TypeError, ValueError: An option is wrong, as in `request_options`.

        >>> Client(endpoint="http://127.0.0.1:50051").with_options(timeout=5, idle_timeout=2)
        Client('127.0.0.1:50051', tls=False).with_options(timeout=5.0, idle_timeout=2.0)
        """
        from genai_grpc._client_view import view_of  # a view is a subclass of this class

        hidden = Secret({"timeout": timeout, "idle_timeout": idle_timeout, "retry": retry, "metadata": metadata})
        del metadata  # a traceback may show local variables
        return view_of(self, hidden)

    def connect(self, timeout: float | None = None) -> None:
        """Connect for sync calls, TLS handshake included, and fetch the token, so that the first call need not.

        Args:
            timeout: Seconds; by default the client's timeout, else 60. gRPC goes on trying until then.

        Raises:
            ServiceUnavailable: There is no connection within the timeout; the message has the reason.
            APIError: As a call raises it that fetches the token.

        >>> Client().connect(timeout=10)
        """
        (self._transports or self._connect()).connect(to_timeout(timeout))

    async def connect_async(self, timeout: float | None = None) -> None:
        """The async twin of `connect`, for the calls of the running event loop."""
        await (self._transports or self._connect()).connect_async(to_timeout(timeout))

    def ready(self) -> bool:
        """Whether a connection is up: of the running event loop, or of sync calls where none runs. Does not wait.

        gRPC closes a connection that was idle for 30 minutes; the next call, or `connect`, opens another one.
        """
        return self._transports is not None and not self.closed and self._transports.ready()

    def stats(self) -> ClientStats:
        """The calls, limits and connections of the client at this moment; takes microseconds, and waits for nothing.

        >>> Client(endpoint="http://127.0.0.1:50051", max_in_flight=64).stats().limit
        64
        """
        if self._transports is not None:
            return self._transports.stats(time.monotonic())
        from genai_grpc._rpc.admission import Admission  # it imports dataclasses, which take 10 ms

        return Admission(self._options.max_in_flight, self._options.rate_limit).stats(time.monotonic())

    @property
    def closed(self) -> bool:
        """Whether the client is closed, and refuses calls."""
        return self._closed

    def close(self, grace: float | None = None) -> None:
        """Close the client: new calls, sync and async, raise ClientClosed from now on, and its connections are closed.

        A second `close` does nothing, unless the first still waits: the shorter `grace` counts. Async programs use
        `aclose`, since this blocks the event loop while it waits.

        Args:
            grace: Seconds in which the calls in flight may end by themselves, those included that wait in the queue or
                for their next attempt; this returns when they have. Those that have not, end with ClientClosed. None
                ends them at once.

        Raises:
            TypeError, ValueError: `grace` is not a number, or is negative.

        >>> client = Client(endpoint="http://127.0.0.1:50051")
        >>> client.close(grace=30)
        >>> client.connect()
        Traceback (most recent call last):
        genai_grpc.errors.ClientClosed: 499 the client is closed and makes no more calls; ...
        """
        if (transports := self._close(grace)) is not None:
            transports.close(to_grace(grace))

    async def aclose(self, grace: float | None = None) -> None:
        """The async twin of `close`."""
        if (transports := self._close(grace)) is not None:
            await transports.aclose(to_grace(grace))

    def __enter__(self) -> Self:
        self._check_open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        self._check_open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        options: ClientOptions | None = vars(self).get("_options")
        if options is None:  # a traceback shows it while it is built
            return f"<{type(self).__name__}, not built>"
        target = options.target
        secrets = ", pickle_secrets=True" if options.pickle_secrets else ""
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
        state = {name: value for name, value in vars(self).items() if name not in NOT_PICKLED}
        return state | {"_options": options, "_missing": left_out | self._missing}

    def __setstate__(self, state: dict[str, Any]) -> None:
        from genai_grpc._transport.pickling import unpickled  # as above

        vars(self).update(state)
        self._options, self._missing = unpickled(state["_options"], state["_missing"])
        self._start()
        self._announce()

    def _check_usable(self) -> None:
        self._check_open()
        if self._missing:
            raise ConfigurationError(
                f"the client was unpickled without {', '.join(sorted(self._missing))}, since pickles hold no secrets. "
                "Set GEMINI_API_KEY before it is loaded, or call update_api_key; if more than the key is missing, "
                "build the client here, or pickle a Client(..., pickle_secrets=True)"
            )

    def _connect(self) -> Transports:
        self._check_usable()
        from genai_grpc._transport.transports import build_transports  # with asyncio, 30 ms

        with self._lock:
            transports = self._transports or build_transports(self._options)
            self._check_open()
            self._transports = transports
            return transports

    def _check_open(self) -> None:
        if self.closed:
            from genai_grpc._rpc.calls_in_flight import REFUSED  # not to import the package

            raise ClientClosed(REFUSED, attempts=0)

    def _close(self, grace: float | None) -> Transports | None:
        """Refuse new calls; the transports to close."""
        to_grace(grace)
        with self._lock:
            self._closed = True
            return self._transports

    def _reset_after_fork(self) -> None:
        """Start anew in a forked child."""
        _fork.abandon(self._transports)
        self._transports = None
        self._lock = threading.RLock()


def sync_transport(client: Client) -> SyncTransport:
    """The transport of a client's sync calls."""
    return (client._transports or client._connect()).sync


def async_transport(client: Client) -> AsyncTransport:
    """The transport of a client's async calls."""
    return (client._transports or client._connect()).aio


def dialect_of(client: Client | None) -> Dialect:
    """The API that a client calls, or the default client for None; nothing is built to tell it."""
    if client is None and (client := _DEFAULT.built()) is None:
        return _DEFAULT.dialect()
    return client._dialect


_DEFAULT = DefaultClient(Client)
default_client = _DEFAULT.client
configure = _DEFAULT.configure


def _default_client() -> Client:
    """The default client, where a pickle has it."""
    return default_client()
