"""Pools of gRPC channels: one for the process's sync calls, and one for each running event loop.

Google's front end allows 100 streams per connection; above that, an HTTP/2 server refuses calls. Measured with 10,000
concurrent calls against a server with that limit: one channel lost 39 to 83 % of them, one channel with gRPC's own
connection scaling (grpcio 1.85) 4 %, channels whose calls are counted none.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import weakref
from collections.abc import AsyncGenerator, Callable
from operator import methodcaller
from typing import Any, Final

import grpc
import grpc.aio
from google.protobuf.message import DecodeError, Message

from genai_grpc._rpc.interceptors import Interceptor
from genai_grpc._rpc.status import parse_status
from genai_grpc._services.method import Method
from genai_grpc._transport.config import ClientOptions
from genai_grpc.errors import APIError, ClientClosed, ConfigurationError, InternalServerError

__all__ = ["ChannelPool", "ChannelPools", "DecodeFailure", "PooledChannel", "check_interceptors"]

MAX_STREAMS_PER_CHANNEL: Final = 90
"""Ten below the server's limit of 100, since a server counts a stream slightly longer than the client does."""

SINGLE_THREADED: Final = "SingleThreadedUnaryStream"
"""The value of `grpc.experimental.ChannelOptions.SingleThreadedUnaryStream`, whose import takes 1.5 ms."""

OPTIONS: Final = {
    # A reply above gRPC's default limit of 4 MiB would fail with RESOURCE_EXHAUSTED, like a used-up quota.
    "grpc.max_receive_message_length": -1,
    "grpc.max_send_message_length": -1,
    # https://grpc.io/docs/guides/keepalive/: a dead connection is detected within a call.
    "grpc.keepalive_time_ms": 30_000,
    "grpc.keepalive_timeout_ms": 10_000,
    "grpc.keepalive_permit_without_calls": 0,
    # Retries have one owner, and it is not the channel. gRPC's transparent retries, which are free, stay on.
    "grpc.service_config_disable_resolution": 1,
    # A server that is back is found within a second, which our attempts outlast; gRPC's default maximum is 120 s
    # (https://github.com/grpc/grpc/blob/master/doc/connection-backoff.md).
    "grpc.initial_reconnect_backoff_ms": 100,
    "grpc.max_reconnect_backoff_ms": 1_000,
}


class DecodeFailure:
    """Returned by the deserializer for bytes that do not parse.

    A value, since grpc.aio turns a deserializer's exception into None, which looks like the end of a stream.
    """

    __slots__ = ("_reason",)

    def __init__(self, error: DecodeError) -> None:
        self._reason = str(error)

    def error(self) -> APIError:
        """The error of the call."""
        return InternalServerError(f"the service's reply cannot be decoded: {self._reason}")


def _deserializer(message_type: type[Message]) -> Callable[[bytes], Message | DecodeFailure]:
    def deserialize(data: bytes) -> Message | DecodeFailure:
        try:
            return message_type.FromString(data)
        except DecodeError as error:
            return DecodeFailure(error)

    return deserialize


_serialize: Final = methodcaller("SerializeToString")  # of a message or a SerializedRequest


class PooledChannel:
    """A channel of a pool, its callables, and its number of calls in flight."""

    __slots__ = ("_callables", "channel", "in_flight", "pool")

    def __init__(self, pool: ChannelPool, channel: Any) -> None:
        self.pool = pool
        self.channel = channel
        self.in_flight = 0
        self._callables: dict[Method[Any, Any], Any] = {}

    def callable_for(self, method: Method[Any, Any]) -> Any:
        """GRPC's callable of a method, created once."""
        found = self._callables.get(method)
        if found is None:
            create = self.channel.unary_stream if method.streaming else self.channel.unary_unary
            found = self._callables[method] = create(
                method.path, request_serializer=_serialize, response_deserializer=_deserializer(method.response)
            )
        return found

    def failure(self, error: Any) -> APIError:
        """The error of a call that gRPC ended with this error."""
        if self.pool.closed:
            return ClientClosed("the client was closed while the call was in flight")
        return parse_status(error.code(), error.details(), tuple(error.trailing_metadata() or ()))

    def check_open(self, error: BaseException) -> None:
        """Raise ClientClosed if the pool is closed: gRPC's error has no status then."""
        if self.pool.closed:
            raise self.failure(error) from error

    def release(self, *_: object) -> None:
        """A call on this channel has ended."""
        self.pool.release(self)


class ChannelPool:
    """Channels for sync calls or for one event loop; it grows with the calls in flight.

    Args:
        connect: Creates channel number n.
    """

    __slots__ = ("_connect", "_free", "_lock", "channels", "closed")

    def __init__(self, connect: Callable[[int], Any]) -> None:
        self._connect = connect
        # Reentrant, since the garbage collector may end a stream on the thread that holds it.
        self._lock = threading.RLock()
        self._free: list[PooledChannel] = []
        self.channels: list[PooledChannel] = []
        self.closed = False

    def acquire(self) -> PooledChannel:
        """A channel with room for one more call, which must be released."""
        with self._lock:
            if not self._free:
                self.channels.append(PooledChannel(self, self._connect(len(self.channels))))
                self._free.append(self.channels[-1])
            channel = self._free[-1]
            channel.in_flight += 1
            if channel.in_flight == MAX_STREAMS_PER_CHANNEL:
                self._free.remove(channel)
            return channel

    def release(self, channel: PooledChannel) -> None:
        """A call on this channel has ended."""
        with self._lock:
            channel.in_flight -= 1
            if channel.in_flight == MAX_STREAMS_PER_CHANNEL - 1:
                self._free.append(channel)


class ChannelPools:
    """The channel pools of one client."""

    def __init__(self, options: ClientOptions) -> None:
        self._options = options
        self._target = options.target
        self._interceptors: list[Any] = [
            each for each in options.interceptors if isinstance(each, _SYNC) and not isinstance(each, _AIO)
        ]
        self._aio_interceptors = [each for each in options.interceptors if isinstance(each, _AIO)]
        self._credentials: grpc.ChannelCredentials | None = None
        self._lock = threading.Lock()
        self._sync: ChannelPool | None = None
        self._aio: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, tuple[ChannelPool, object]] = (
            weakref.WeakKeyDictionary()
        )
        self._latest: tuple[Callable[[], asyncio.AbstractEventLoop | None], ChannelPool | None] = (_no_loop, None)

    def sync(self) -> ChannelPool:
        """The pool of this process's sync calls."""
        if self._sync is None:
            with self._lock:
                if self._sync is None:
                    self._sync = ChannelPool(self._connect_sync)
        return self._sync

    def aio(self) -> ChannelPool:
        """The pool of the running event loop, which is closed with it."""
        loop = asyncio.get_running_loop()
        latest, pool = self._latest
        if pool is not None and latest() is loop and not pool.closed:
            return pool
        found = self._aio.get(loop)
        if found is None:
            pool = ChannelPool(self._connect_aio)
            closing = _close_with_loop(pool)
            # Its first step, up to the yield, registers it with the loop.
            with contextlib.suppress(StopIteration):
                closing.asend(None).send(None)
            found = self._aio[loop] = pool, closing
        # Most programs have one loop, whose pool is found without a lookup.
        self._latest = weakref.ref(loop), found[0]
        return found[0]

    def close(self) -> None:
        """Close the channels of sync calls; calls in flight end as cancelled."""
        with self._lock:
            pool, self._sync = self._sync, None
        if pool is not None:
            pool.closed = True
            for channel in pool.channels:
                channel.channel.close()

    async def aclose(self) -> None:
        """Close the channels of the running event loop; calls in flight end as cancelled."""
        found = self._aio.pop(asyncio.get_running_loop(), None)
        if found is not None:
            _, closing = found
            await closing.aclose()  # type: ignore[attr-defined] # an async generator, for which typing has no name here

    def _connect_sync(self, number: int) -> grpc.Channel:
        # The thread that wants a chunk reads it itself: 0.29 of the CPU of a thread per stream.
        options = [*self._channel_options(number), (SINGLE_THREADED, 1)]
        address = self._target.address
        if self._target.tls:
            channel = grpc.secure_channel(address, self._channel_credentials(), options=options)
        else:
            channel = grpc.insecure_channel(address, options=options)
        return grpc.intercept_channel(channel, *self._interceptors) if self._interceptors else channel

    def _connect_aio(self, number: int) -> grpc.aio.Channel:
        options = self._channel_options(number)
        address, interceptors = self._target.address, self._aio_interceptors or None
        if self._target.tls:
            credentials = self._channel_credentials()
            return grpc.aio.secure_channel(address, credentials, options=options, interceptors=interceptors)
        return grpc.aio.insecure_channel(address, options=options, interceptors=interceptors)

    def _channel_options(self, number: int) -> list[tuple[str, Any]]:
        options: dict[str, Any] = {
            **OPTIONS,
            "grpc.primary_user_agent": self._options.user_agent,
            # Channels with equal arguments would share a connection.
            "genai_grpc.connection": number,
        }
        proxy = self._options.proxy
        if proxy:
            options["grpc.http_proxy"] = str(proxy)
        elif proxy is not None:
            options["grpc.enable_http_proxy"] = 0
        return list((options | dict(self._options.channel_options)).items())

    def _channel_credentials(self) -> grpc.ChannelCredentials:
        if self._credentials is None:
            tls = self._options.tls
            pem = (None, None, None) if tls is None else tls.pem()
            self._credentials = grpc.ssl_channel_credentials(*pem)
        return self._credentials


_SYNC: Final = (
    grpc.UnaryUnaryClientInterceptor,
    grpc.UnaryStreamClientInterceptor,
)
_AIO: Final = (grpc.aio.ClientInterceptor,)


def check_interceptors(interceptors: tuple[Any, ...]) -> None:
    """Check that each is one of gRPC's interceptors or of this package's."""
    for each in interceptors:
        if not isinstance(each, (*_SYNC, *_AIO, Interceptor)):
            raise ConfigurationError(
                "an interceptor is a grpc.UnaryUnaryClientInterceptor or grpc.UnaryStreamClientInterceptor, a "
                f"grpc.aio.ClientInterceptor, or a genai_grpc.types.Interceptor; got {type(each).__name__}"
            )


def _no_loop() -> None:
    """Stands for the weak reference of no loop."""


async def _close_with_loop(pool: ChannelPool) -> AsyncGenerator[None, None]:
    """Close a loop's channels when the loop shuts down its async generators, as asyncio.run does, or on `aclose`."""
    try:
        yield
    finally:
        pool.closed = True
        for channel in pool.channels:
            await channel.channel.close()
