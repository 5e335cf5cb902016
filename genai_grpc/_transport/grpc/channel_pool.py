"""The connections of a client: made when calls need them, for a process's sync calls and for each running loop.

Google's front end gives a connection a hundred calls at once; past that, an HTTP/2 server refuses calls. Measured with
10,000 calls at once against one of that limit: one channel lost 39 to 83 % of them, one with gRPC's own connection
scaling (grpcio 1.85) 4 %, counted connections none.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import weakref
from operator import methodcaller
from typing import TYPE_CHECKING, Any, Final

import grpc
import grpc.aio
from google.protobuf.message import DecodeError

from genai_grpc._rpc.status import parse_status
from genai_grpc.errors import ClientClosed, ConfigurationError, InternalServerError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from google.protobuf.message import Message

    from genai_grpc._rpc.call import Method
    from genai_grpc._transport.config import Config
    from genai_grpc.errors import APIError

__all__ = ["ChannelPool", "ChannelPools", "DecodeFailure", "PooledChannel", "check_interceptors"]

MAX_STREAMS_PER_CHANNEL: Final = 90
"""Calls that a connection carries at once: ten to spare, since a server counts a call for a moment longer than that."""

SINGLE_THREADED: Final = "SingleThreadedUnaryStream"
"""As `grpc.experimental.ChannelOptions` has it, whose import takes 1.5 ms of a program's first call."""

OPTIONS: Final = {
    # A reply past gRPC's default limit of 4 MiB would fail and look like a used-up quota.
    "grpc.max_receive_message_length": -1,
    "grpc.max_send_message_length": -1,
    # https://grpc.io/docs/guides/keepalive/: a connection that died unnoticed is found within a call.
    "grpc.keepalive_time_ms": 30_000,
    "grpc.keepalive_timeout_ms": 10_000,
    "grpc.keepalive_permit_without_calls": 0,
    # Retries have one owner, and it is not the channel; what is free and transparent stays on.
    "grpc.service_config_disable_resolution": 1,
    # A server that is back is found within a second, which our tries take, not within gRPC's 120
    # (https://github.com/grpc/grpc/blob/master/doc/connection-backoff.md).
    "grpc.initial_reconnect_backoff_ms": 100,
    "grpc.max_reconnect_backoff_ms": 1_000,
}


class DecodeFailure:
    """What came in place of a reply and is none.

    Told by a value: gRPC's asyncio part makes None of a reply whose parser raises, as if a stream had ended.
    """

    __slots__ = ("_said",)

    def __init__(self, error: DecodeError) -> None:
        self._said = str(error)

    def error(self) -> APIError:
        """What the call failed with."""
        return InternalServerError(f"the service's reply cannot be read: {self._said}")


def _reader(kind: type[Message]) -> Callable[[bytes], Message | DecodeFailure]:
    def read(data: bytes) -> Message | DecodeFailure:
        try:
            return kind.FromString(data)
        except DecodeError as error:
            return DecodeFailure(error)

    return read


_serialized: Final = methodcaller("SerializeToString")  # of a message, or of a request that is serialized already


class PooledChannel:
    """A channel, its methods as callables each made once, and how many calls are on it."""

    __slots__ = ("_callables", "channel", "in_flight", "pool")

    def __init__(self, pool: ChannelPool, channel: Any) -> None:
        self.pool = pool
        self.channel = channel
        self.in_flight = 0
        self._callables: dict[str, Any] = {}

    def __getitem__(self, method: Method[Any, Any]) -> Any:
        found = self._callables.get(method.path)
        if found is None:
            make = self.channel.unary_stream if method.streaming else self.channel.unary_unary
            found = make(
                method.path,
                request_serializer=_serialized,
                response_deserializer=_reader(method.response),
            )
            self._callables[method.path] = found
        return found

    def failure(self, error: Any) -> APIError:
        """What a call that gRPC ended with this error failed with."""
        if self.pool.closed:
            return ClientClosed("the client was closed while the call was in flight")
        return parse_status(error.code(), error.details(), tuple(error.trailing_metadata() or ()))

    def check_open(self, error: BaseException) -> None:
        """Raise ClientClosed if that is why gRPC raised an error that has no status."""
        if self.pool.closed:
            raise self.failure(error) from error

    def release(self, *_: object) -> None:
        """A call that was begun on it has ended, however it did."""
        self.pool.release(self)


class ChannelPool:
    """The connections of one colour; as many as the calls in flight need."""

    __slots__ = ("_connect", "_free", "_lock", "closed", "connections")

    def __init__(self, connect: Callable[[int], Any]) -> None:
        self._connect = connect
        # Taken again by the same thread when the garbage collector ends a stream meanwhile.
        self._lock = threading.RLock()
        self._free: list[PooledChannel] = []
        self.connections: list[PooledChannel] = []
        self.closed = False

    def acquire(self) -> PooledChannel:
        """A connection with room for one more call; whoever takes it makes it `leave`."""
        with self._lock:
            if not self._free:
                self.connections.append(PooledChannel(self, self._connect(len(self.connections))))
                self._free.append(self.connections[-1])
            connection = self._free[-1]
            connection.in_flight += 1
            if connection.in_flight == MAX_STREAMS_PER_CHANNEL:
                self._free.remove(connection)
            return connection

    def release(self, connection: PooledChannel) -> None:
        """A call on this connection has ended."""
        with self._lock:
            connection.in_flight -= 1
            if connection.in_flight == MAX_STREAMS_PER_CHANNEL - 1:
                self._free.append(connection)


class ChannelPools:
    """The pools of one client, which must be closed with it."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._interceptors: list[Any] = [
            each for each in config.interceptors if isinstance(each, _SYNC) and not isinstance(each, _AIO)
        ]
        self._aio_interceptors = [each for each in config.interceptors if isinstance(each, _AIO)]
        self._credentials: grpc.ChannelCredentials | None = None
        self._lock = threading.Lock()
        self._sync: ChannelPool | None = None
        self._aio: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, tuple[ChannelPool, object]] = (
            weakref.WeakKeyDictionary()
        )
        self._latest: tuple[Callable[[], asyncio.AbstractEventLoop | None], ChannelPool | None] = (_no_loop, None)

    def sync(self) -> ChannelPool:
        """The pool of this process."""
        if self._sync is None:
            with self._lock:
                if self._sync is None:
                    self._sync = ChannelPool(self._connect_sync)
        return self._sync

    def aio(self) -> ChannelPool:
        """The pool of the running loop, which is closed with it."""
        loop = asyncio.get_running_loop()
        latest, pool = self._latest
        if pool is not None and latest() is loop and not pool.closed:
            return pool
        found = self._aio.get(loop)
        if found is None:
            pool = ChannelPool(self._connect_aio)
            closing = _close_with_loop(pool)
            # Its first step, up to the first yield, makes it known to the loop.
            with contextlib.suppress(StopIteration):
                closing.asend(None).send(None)
            found = self._aio[loop] = pool, closing
        # A program has one loop, as a rule: it is found without looking it up.
        self._latest = weakref.ref(loop), found[0]
        return found[0]

    def close(self) -> None:
        """Close the sync connections; calls in flight end as cancelled."""
        with self._lock:
            pool, self._sync = self._sync, None
        if pool is not None:
            pool.closed = True
            for connection in pool.connections:
                connection.channel.close()

    async def aclose(self) -> None:
        """Close the running loop's connections; calls in flight end as cancelled."""
        found = self._aio.pop(asyncio.get_running_loop(), None)
        if found is not None:
            _, closing = found
            await closing.aclose()  # type: ignore[attr-defined] # an async generator, which typing has no name for here

    def _connect_sync(self, number: int) -> grpc.Channel:
        # Chunks are read by the thread that wants them: 0.29 of the CPU of a thread for each stream.
        options = [*self._options(number), (SINGLE_THREADED, 1)]
        target = self._config.target
        if target.tls:
            channel = grpc.secure_channel(target.address, self._trust(), options=options)
        else:
            channel = grpc.insecure_channel(target.address, options=options)
        return grpc.intercept_channel(channel, *self._interceptors) if self._interceptors else channel

    def _connect_aio(self, number: int) -> grpc.aio.Channel:
        options = self._options(number)
        target, interceptors = self._config.target, self._aio_interceptors or None
        if target.tls:
            return grpc.aio.secure_channel(target.address, self._trust(), options=options, interceptors=interceptors)
        return grpc.aio.insecure_channel(target.address, options=options, interceptors=interceptors)

    def _options(self, number: int) -> list[tuple[str, Any]]:
        options: dict[str, Any] = {
            **OPTIONS,
            "grpc.primary_user_agent": self._config.user_agent,
            # Channels of equal arguments share a connection; these are to have one each.
            "genai_grpc.connection": number,
        }
        proxy = self._config.proxy
        if proxy:
            options["grpc.http_proxy"] = str(proxy)
        elif proxy is not None:
            options["grpc.enable_http_proxy"] = 0
        return list((options | dict(self._config.channel_options)).items())

    def _trust(self) -> grpc.ChannelCredentials:
        if self._credentials is None:
            tls = self._config.tls
            pem = (None, None, None) if tls is None else tls.pem()
            self._credentials = grpc.ssl_channel_credentials(*pem)
        return self._credentials


_SYNC: Final = (
    grpc.UnaryUnaryClientInterceptor,
    grpc.UnaryStreamClientInterceptor,
)
_AIO: Final = (grpc.aio.ClientInterceptor,)


def check_interceptors(interceptors: tuple[Any, ...]) -> None:
    """Check that each is an interceptor of gRPC's, or one of this package's."""
    for each in interceptors:
        if not isinstance(each, (*_SYNC, *_AIO)) and not callable(getattr(each, "intercept", None)):
            raise ConfigurationError(
                "interceptors are gRPC's UnaryUnaryClientInterceptor and UnaryStreamClientInterceptor, those of "
                f"grpc.aio, or have a method intercept(call, plan); got {type(each).__name__}"
            )


def _no_loop() -> None:
    """What no loop is found by."""


async def _close_with_loop(pool: ChannelPool) -> AsyncGenerator[None, None]:
    """Closes a loop's connections when the loop ends its async generators, as asyncio.run does, or on `aclose`."""
    try:
        yield
    finally:
        pool.closed = True
        for connection in pool.connections:
            await connection.channel.close()
