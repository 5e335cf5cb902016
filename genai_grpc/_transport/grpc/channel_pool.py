"""Pools of gRPC channels: one for the process's sync calls, and one for each running event loop.

Google's front end allows 100 streams per connection; above that, an HTTP/2 server refuses calls. Measured with 10,000
concurrent calls against a server with that limit: one channel lost 39 to 83 % of them, one channel with gRPC's own
connection scaling (grpcio 1.85) 4 %, channels whose calls are counted none.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import weakref
from collections.abc import AsyncGenerator, Callable
from math import inf
from operator import methodcaller
from typing import Any, Final

import grpc
import grpc.aio
from google.protobuf.message import DecodeError, Message

from genai_grpc._rpc.calls_in_flight import CANCELLED, Signal
from genai_grpc._rpc.secret import secrets_in, shows
from genai_grpc._rpc.status import parse_status
from genai_grpc._services.method import Method
from genai_grpc._transport.config import ClientOptions
from genai_grpc._transport.grpc.channel_factory import ChannelFactory
from genai_grpc._transport.grpc.fork import pause_before_fork
from genai_grpc._transport.grpc.invalid_reply import explain
from genai_grpc._transport.grpc.received_metadata import with_received
from genai_grpc._transport.grpc.stream_call import StreamCall
from genai_grpc.errors import APIError, ClientClosed, InternalServerError

__all__ = ["ChannelPool", "ChannelPools", "DecodeFailure", "PooledChannel"]

MAX_STREAMS_PER_CHANNEL: Final = 90
"""Ten below the server's limit of 100, since a server counts a stream slightly longer than the client does."""

CANCEL_SECONDS: Final = 1.0
"""Time in which gRPC surely ends a call that was cancelled. If the loop is closed before, gRPC never frees the call."""


class DecodeFailure:
    """Returned by the deserializer for bytes that do not parse.

    A value, since grpc.aio turns a deserializer's exception into None, which looks like the end of a stream.
    """

    __slots__ = ("_reason",)

    def __init__(self, error: Exception) -> None:
        self._reason = str(error)

    def error(self) -> APIError:
        """The error of the call."""
        return InternalServerError(f"the service's reply cannot be decoded: {self._reason}")


def _deserializer(message_type: type[Message]) -> Callable[[bytes], Message | DecodeFailure]:
    def deserialize(data: bytes) -> Message | DecodeFailure:
        try:
            return message_type.FromString(data)
        except (DecodeError, RecursionError) as error:  # the pure Python runtime of protobuf has no limit of its own
            return DecodeFailure(error)

    return deserialize


def _recorded(create: Callable[..., Any], streams: weakref.WeakSet[Any]) -> Callable[..., Any]:
    """Add each stream that is created to `streams`."""

    def start(*request: Any, timeout: float | None, metadata: Any) -> Any:
        stream = create(*request, timeout=timeout, metadata=metadata)
        streams.add(stream)
        return stream

    return start


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
        """GRPC's callable of a method, created once; that of a sync unary method returns the metadata, too."""
        found = self._callables.get(method)
        if found is None:
            kind = f"{'stream' if method.bidirectional else 'unary'}_{'stream' if method.streaming else 'unary'}"
            create = getattr(self.channel, kind)
            found = create(
                method.path, request_serializer=_serialize, response_deserializer=_deserializer(method.response)
            )
            if not method.streaming:
                found = with_received(found)
            elif isinstance(self.channel, grpc.aio.Channel):
                found = _recorded(found, self.pool.streams)
            self._callables[method] = found
        return found

    def failure(self, error: Any, metadata: Any = ()) -> APIError:
        """The error of a call that gRPC ended with this error, which is its cause unless the server repeated a secret.

        Args:
            error: gRPC's error.
            metadata: What the call sent: its keys and tokens are masked.
        """
        secrets, trailing = secrets_in(metadata), ()
        if self.pool.closed:
            failure: APIError = ClientClosed(CANCELLED)
        else:
            trailing = tuple(error.trailing_metadata() or ())
            code, message = error.code(), error.details()
            failure = parse_status(code, explain(code.value[0], message), trailing, secrets)
        if not shows(f"{error} {trailing}", secrets):
            failure.__cause__ = error
        error.__traceback__ = None  # that of a stream is the call itself, which gRPC's frames refer to
        return failure

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
        loop: The event loop; None for sync calls.

    Attributes:
        cancelled_at: When a call of an event loop was cancelled last, by the loop's clock.
        channels: The channels.
        closed: Whether it creates no more channels.
        streams: The streams of an event loop; in old releases of grpc.aio a channel that is closed leaves them open.
    """

    __slots__ = ("__weakref__", "_connect", "_free", "_lock", "cancelled_at", "channels", "closed", "loop", "streams")

    def __init__(self, connect: Callable[[int], Any], loop: Any = None) -> None:
        self._connect = connect
        self.loop = loop
        if loop is None:
            _SYNC_POOLS.add(self)
        self.cancelled_at = -inf
        # Reentrant, since the garbage collector may end a stream on the thread that holds it.
        self._lock = threading.RLock()
        self._free: list[PooledChannel] = []
        self.channels: list[PooledChannel] = []
        self.closed = False
        self.streams: weakref.WeakSet[Any] = weakref.WeakSet()

    def acquire(self) -> PooledChannel:
        """A channel with room for one more call, which must be released.

        Raises:
            ClientClosed: The pool is closed.
        """
        with self._lock:
            if self.closed:
                raise ClientClosed(CANCELLED)
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

    def on_cancel(self) -> None:
        """A call of an event loop is cancelled."""
        self.cancelled_at = self.loop.time()

    def close(self) -> None:
        """Create no more channels; the caller takes and closes those that there are."""
        with self._lock:
            self.closed = True

    def take_all(self) -> list[PooledChannel]:
        """Remove all channels, so that each is freed with its last call."""
        with self._lock:
            channels, self.channels, self._free = self.channels, [], []
        return channels


_SYNC_POOLS: Final[weakref.WeakSet[ChannelPool]] = weakref.WeakSet()


def _sync_calls_in_flight() -> bool:
    return any(channel.in_flight for pool in list(_SYNC_POOLS) for channel in pool.channels)


pause_before_fork(_sync_calls_in_flight)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_SYNC_POOLS.clear)  # their calls are the parent's


class ChannelPools:
    """The channel pools of one client."""

    def __init__(self, options: ClientOptions) -> None:
        self._factory = ChannelFactory(options)
        self._lock = threading.RLock()  # a signal handler may close the client
        self._closed = False
        self._dropped = False
        self._sync: ChannelPool | None = None
        # Not weakly, since the channels in a pool refer to their loop.
        self._aio: dict[asyncio.AbstractEventLoop, tuple[ChannelPool, AsyncGenerator[None, None]]] = {}
        self._latest: tuple[Callable[[], asyncio.AbstractEventLoop | None], Callable[[], ChannelPool | None]] = (
            _nothing,
            _nothing,
        )

    def sync(self) -> ChannelPool:
        """The pool of this process's sync calls."""
        if self._sync is None:
            with self._lock:
                if self._sync is None:
                    self._check_open()
                    self._sync = ChannelPool(self._factory.sync)
        return self._sync

    def aio(self) -> ChannelPool:
        """The pool of the running event loop, which is closed with it."""
        loop = asyncio.get_running_loop()
        latest_loop, latest_pool = self._latest
        if latest_loop() is loop and (pool := latest_pool()) is not None and not pool.closed:
            return pool
        found = self._aio.get(loop)
        if found is None:
            pool = ChannelPool(self._factory.aio, loop)
            closing = self._close_with_loop(pool)
            # Its first step, up to the yield, registers it with the loop.
            with contextlib.suppress(StopIteration):
                closing.asend(None).send(None)
            found = pool, closing
            with self._lock:
                self._check_open()
                # Those that did not shut down their async generators.
                for ended in [each for each in list(self._aio) if each.is_closed()]:
                    self._aio.pop(ended)[0].take_all()
                self._aio[loop] = found
        # Most programs have one loop, whose pool is found without a lookup.
        self._latest = weakref.ref(loop), weakref.ref(found[0])
        return found[0]

    def current(self) -> ChannelPool | None:
        """The pool of the running event loop, outside of one that of sync calls; None if it has not been created."""
        try:
            found = self._aio.get(asyncio.get_running_loop())
        except RuntimeError:
            return self._sync
        return None if found is None else found[0]

    def connect(self, cancelled: Signal, timeout: float) -> None:
        """Connect a channel for sync calls; raises APIError, also when `cancelled` is set meanwhile."""
        from genai_grpc._transport.grpc import connectivity  # few programs ask for it

        connectivity.connect(self.sync(), cancelled, timeout)

    async def connect_async(self, timeout: float) -> None:
        """Connect a channel of the running event loop; raises APIError."""
        from genai_grpc._transport.grpc import connectivity  # as above

        await connectivity.connect_async(self.aio(), timeout)

    def ready(self) -> bool:
        """Whether the running event loop has a connection, or outside of one sync calls have."""
        from genai_grpc._transport.grpc import connectivity  # as above

        pool = self.current()
        return pool is not None and connectivity.is_ready(pool)

    def connections(self) -> tuple[int, tuple[int, ...]]:
        """How many channels the sync calls have, and those of each event loop."""
        pool = self._sync
        pools = [found for found, _ in list(self._aio.values())]  # copied at once, since other threads add loops
        return 0 if pool is None else len(pool.channels), tuple(len(each.channels) for each in pools if not each.closed)

    def close(self) -> None:
        """Close all channels; calls in flight end as cancelled.

        The channels of an event loop are closed on this loop, as soon as it runs.
        """
        for pool, closing in self._close_pools():
            # A loop that is closed has closed its channels.
            with contextlib.suppress(RuntimeError):
                pool.loop.call_soon_threadsafe(_start_to_close, pool, closing)

    async def aclose(self) -> None:
        """The async twin of `close`; it returns once the channels of the running loop are closed."""
        try:
            running: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
        except RuntimeError:
            running = None  # none of asyncio, such as under trio
        for pool, closing in self._close_pools():
            if pool.loop is running:
                await _close_pool(pool, closing)
            else:
                with contextlib.suppress(RuntimeError):  # as above
                    pool.loop.call_soon_threadsafe(_start_to_close, pool, closing)

    def _close_pools(self) -> list[tuple[ChannelPool, AsyncGenerator[None, None]]]:
        """Close all pools, and the channels of sync calls; returns the pools of event loops, with what closes each."""
        with self._lock:
            self._closed = True
            pools = list(self._aio.values())
        for pool, _ in pools:
            pool.close()
        if self._sync is not None:
            self._sync.close()
            for channel in self._sync.take_all():
                channel.channel.close()
        return pools

    def _check_open(self) -> None:
        if self._closed:
            raise ClientClosed(CANCELLED)

    def __del__(self) -> None:
        self._dropped = True

    async def _close_with_loop(self, pool: ChannelPool) -> AsyncGenerator[None, None]:
        """Close a loop's channels when it shuts down its async generators, as asyncio.run does."""
        try:
            yield
        finally:
            self._aio.pop(pool.loop, None)
            # If the client was dropped, this runs in a task, which a loop that ends does not wait for.
            await _close_channels(pool, wait=not self._dropped)

    def stream_call(self, rpc: Any) -> tuple[Any, StreamCall]:
        """The sync stream that a callable returned: to read, and to cancel."""
        calls = self._factory.stream_calls
        call = None if calls is None else calls.take()
        if call is None:
            rpc = call = StreamCall(rpc)
        return rpc, call


def _nothing() -> None:
    """A weak reference to nothing."""


async def _close_channels(pool: ChannelPool, *, wait: bool = True) -> None:
    """Close the channels of the running loop, and wait until gRPC has ended the calls that were cancelled."""
    pool.close()
    for stream in list(pool.streams):
        pool.on_cancel()
        stream.cancel()
    channels = pool.take_all()
    for channel in channels:
        if channel.in_flight:
            pool.on_cancel()
        await channel.channel.close()
    # Also if they were closed before: the loop may end now. The channels must not be freed before their calls.
    if wait and pool.loop.time() - pool.cancelled_at < CANCEL_SECONDS:
        # In ten steps, 5 ms in all: on a busy machine each takes longer, as those of gRPC's threads do.
        for _ in range(10):
            await asyncio.sleep(0.0005)


async def _close_pool(pool: ChannelPool, closing: AsyncGenerator[None, None]) -> None:
    """Close the channels of the running loop, and the generator that would close them with the loop."""
    await _close_channels(pool)
    pool.cancelled_at = -inf
    await closing.aclose()


def _start_to_close(pool: ChannelPool, closing: AsyncGenerator[None, None]) -> None:
    task = asyncio.ensure_future(_close_pool(pool, closing))
    # Asyncio itself holds only a weak reference to a task.
    _CLOSING.add(task)
    task.add_done_callback(_CLOSING.discard)


_CLOSING: Final[set[asyncio.Future[None]]] = set()
