"""Clients: a connection's settings with the two shells that perform calls on it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from genai_grpc.config import Config, Secret, client_arguments, resolve
from genai_grpc.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator
    from types import TracebackType

    from typing_extensions import Self

    from genai_grpc._async import AsyncShell
    from genai_grpc._call import Call, Plan
    from genai_grpc._channel import Channels
    from genai_grpc._retry import RetryPolicy
    from genai_grpc._sync import SyncShell

__all__ = ["Client", "configure", "default_client"]

Out = TypeVar("Out")


class Client:
    """Where calls go and as whom. Several live side by side; threads and event loops may share one.

    Nothing is connected before the first call. A client may be closed, by `close` or `aclose` or as a context
    manager; one that is not is closed when the program ends.

    Args:
        api_key: The key; by default that of the environment, GEMINI_API_KEY before GOOGLE_API_KEY; "" for none.
        endpoint: `host[:port]` or `https://host[:port]` for TLS, `http://host:port` for plaintext; by default
            GENAI_GRPC_ENDPOINT of the environment, else Google's.
        metadata: Pairs to send with every call.
        timeout: Seconds for every call that names no other; by default 600 for generation and 60 for the rest.
        retry: The policy for calls that name no other.
        user_agent: Sent before this package's own.

    Raises:
        ConfigurationError: There is no key for Google's endpoint, or a key would go over plaintext to another machine.

    >>> with Client(endpoint="http://127.0.0.1:50051") as client:
    ...     client
    Client('127.0.0.1:50051', tls=False)
    """

    def __init__(
        self,
        api_key: str | None = None,
        *,
        endpoint: str | None = None,
        metadata: Iterable[tuple[str, str]] = (),
        timeout: float | None = None,
        retry: RetryPolicy | None = None,
        user_agent: str | None = None,
    ) -> None:
        api_key = Secret(api_key) if isinstance(api_key, str) else api_key
        self._config: Config = resolve(
            api_key=api_key,
            endpoint=endpoint,
            metadata=metadata,
            timeout=timeout,
            retry=retry,
            user_agent=user_agent,
        )
        self._made: _Performers | None = None
        self._lock = threading.Lock()

    @property
    def endpoint(self) -> str:
        """Where calls go, as `https://host:port` or `http://host:port`."""
        target = self._config.target
        return f"{'https' if target.tls else 'http'}://{target.address}"

    def call(self, call: Call[Any, Any, Out]) -> Out:
        """Perform one call."""
        return self._performers.sync.call(call)

    def run(self, plan: Plan[Out]) -> Out:
        """Perform a plan."""
        return self._performers.sync.run(plan)

    def iterate(self, plan: Plan[None]) -> Iterator[Any]:
        """The items of a plan that emits them."""
        return self._performers.sync.iterate(plan)

    async def call_async(self, call: Call[Any, Any, Out]) -> Out:
        """Perform one call."""
        return await self._performers.aio.call(call)

    async def run_async(self, plan: Plan[Out]) -> Out:
        """Perform a plan."""
        return await self._performers.aio.run(plan)

    def iterate_async(self, plan: Plan[None]) -> AsyncIterator[Any]:
        """The items of a plan that emits them."""
        return self._performers.aio.iterate(plan)

    def close(self) -> None:
        """Close the channel of sync calls; calls in flight end as cancelled. The next call would connect anew."""
        if self._made is not None:
            self._made.channels.close()

    async def aclose(self) -> None:
        """Close the channels of this event loop's calls and of sync calls."""
        self.close()
        if self._made is not None:
            await self._made.channels.aclose()

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

    @property
    def _performers(self) -> _Performers:
        found = self._made
        if found is None:
            with self._lock:
                if self._made is None:
                    self._made = _make_performers(self._config)
                found = self._made
        return found


class _Performers(NamedTuple):
    """What a client performs calls with."""

    channels: Channels
    sync: SyncShell
    aio: AsyncShell


def _make_performers(config: Config) -> _Performers:
    # grpc takes longer to import than all of this package: it is, at the first call.
    from genai_grpc._async import AsyncShell
    from genai_grpc._channel import Channels
    from genai_grpc._sync import SyncShell

    channels = Channels(config)
    return _Performers(channels, SyncShell(config, channels), AsyncShell(config, channels))


class _Default:
    """The client of programs that name none, made at their first call."""

    def __init__(self) -> None:
        self._arguments: dict[str, Any] = {}
        self._client: Client | None = None
        self._lock = threading.Lock()

    def configure(self, arguments: dict[str, Any]) -> None:
        with self._lock:
            self._arguments, self._client = arguments, None

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
    api_key: str | None = None,
    credentials: Any = None,
    transport: str | None = None,
    client_options: Any = None,
    client_info: Any = None,
    default_metadata: Iterable[tuple[str, str]] = (),
) -> None:
    """Set how calls that name no client of their own connect, from the next call on. Nothing is connected yet.

    Args:
        api_key: The key; by default that of the environment, GEMINI_API_KEY before GOOGLE_API_KEY.
        credentials: Not taken yet; keys are.
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
    if credentials is not None:
        raise ConfigurationError("credentials are not taken yet; pass api_key, or set GEMINI_API_KEY")
    _DEFAULT.configure(client_arguments(api_key, client_options, client_info, default_metadata))
