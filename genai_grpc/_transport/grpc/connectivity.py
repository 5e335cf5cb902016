"""The connection of a channel before its first call, and its state."""

from __future__ import annotations

import asyncio
import queue
import time
from typing import Any, Final

import grpc
import grpc.aio

from genai_grpc._rpc.calls_in_flight import CANCELLED, Signal
from genai_grpc._transport.grpc.async_stream import task_is_cancelling
from genai_grpc._transport.grpc.channel_pool import ChannelPool, PooledChannel
from genai_grpc._transport.sync import wait
from genai_grpc.errors import APIError, ClientClosed, DeadlineExceeded, ServiceUnavailable

__all__ = ["connect", "connect_async", "is_ready"]

READY: Final = grpc.ChannelConnectivity.READY
# A call that fails at once, with the reason, on a channel that cannot connect. Should it be sent, it does nothing.
PROBE: Final = "/grpc.health.v1.Health/Check"
PROBE_TIMEOUT: Final = 0.1
# Seconds between two reads of the state of a sync channel that connects: the first pause, and the longest.
FIRST_PAUSE: Final = 0.001
LONGEST_PAUSE: Final = 0.05
# Seconds that the threads may take which report the state to a subscriber.
REPORT_TIMEOUT: Final = 1.0


def is_ready(pool: ChannelPool) -> bool:
    """Whether one of a pool's channels is connected. Starts no connection, and waits for none."""
    return not pool.closed and any(_state(each.channel) is READY for each in list(pool.channels))


def connect(pool: ChannelPool, cancelled: Signal, timeout: float) -> None:
    """Connect a channel of the pool.

    Args:
        pool: That of sync calls.
        cancelled: Ends the wait.
        timeout: Seconds to wait; gRPC goes on trying until then.

    Raises:
        ServiceUnavailable: It is not connected within the timeout.
        ClientClosed: The client was closed meanwhile.
    """
    channel = pool.acquire()
    try:
        if _wait_until_ready(channel.channel, cancelled, timeout):
            return
        try:
            channel.channel.unary_unary(PROBE)(b"", timeout=PROBE_TIMEOUT)
        except grpc.RpcError as error:
            _raise_if_not_connected(channel.failure(error), timeout)
        except ValueError as error:
            channel.check_open(error)
            raise
    finally:
        channel.release()


async def connect_async(pool: ChannelPool, timeout: float) -> None:
    """The async twin of `connect`, with the pool of the running event loop; its wait ends when the pool is closed."""
    channel = pool.acquire()
    try:
        try:
            await asyncio.wait_for(_connected(channel.channel), timeout)
        except asyncio.TimeoutError:
            await _probe(channel, timeout)
    except grpc.aio.UsageError as error:
        channel.check_open(error)
        raise
    except asyncio.CancelledError as error:
        if not task_is_cancelling():
            channel.check_open(error)
        raise
    finally:
        channel.release()


async def _probe(channel: PooledChannel, timeout: float) -> None:
    try:
        await channel.channel.unary_unary(PROBE)(b"", timeout=PROBE_TIMEOUT)
    except grpc.aio.AioRpcError as error:
        _raise_if_not_connected(channel.failure(error), timeout)


async def _connected(channel: grpc.aio.Channel) -> None:
    while (state := channel.get_state(try_to_connect=True)) is not READY:
        if state is grpc.ChannelConnectivity.SHUTDOWN:
            raise ClientClosed(CANCELLED)
        await channel.wait_for_state_change(state)


def _raise_if_not_connected(failure: APIError, timeout: float) -> None:
    match failure:
        case ServiceUnavailable():
            raise ServiceUnavailable(f"no connection within {timeout:.1f} s: {failure.message}") from None
        case DeadlineExceeded():
            raise ServiceUnavailable(f"no connection within {timeout:.1f} s: the server has not answered yet") from None
        case ClientClosed():
            raise failure from None
    # Any other status was sent by a server.


def _wait_until_ready(channel: Any, cancelled: Signal, timeout: float) -> bool:
    deadline, pause = time.monotonic() + timeout, FIRST_PAUSE
    while _state(channel, connect=True) is not READY:
        left = deadline - time.monotonic()
        if left <= 0:
            return False
        wait(cancelled, min(pause, left))
        if cancelled.is_set:
            raise ClientClosed(CANCELLED)
        pause = min(2 * pause, LONGEST_PAUSE)
    return True


def _state(channel: Any, *, connect: bool = False) -> grpc.ChannelConnectivity | None:
    """The state of a channel; with `connect`, an idle one starts to connect."""
    if isinstance(channel, grpc.aio.Channel):
        return channel.get_state()
    inner = channel
    while inner is not None:  # interceptors wrap the channel
        # A sync channel reports its state to subscribers only, by threads that call this function. They outlive the
        # subscription by 0.2 s, and print an error if the channel is closed meanwhile.
        if (check := getattr(inner, "check_connectivity_state", None)) is not None:
            try:
                return _BY_NUMBER.get(check(connect))
            except ValueError:  # closed just now
                return grpc.ChannelConnectivity.SHUTDOWN
        inner = getattr(inner, "_channel", None)
    return _reported_state(channel, connect)


def _reported_state(channel: grpc.Channel, connect: bool) -> grpc.ChannelConnectivity | None:
    """The state of a sync channel without that function, as a subscriber."""
    states: queue.SimpleQueue[grpc.ChannelConnectivity] = queue.SimpleQueue()
    channel.subscribe(states.put, try_to_connect=connect)
    try:
        return states.get(timeout=REPORT_TIMEOUT)
    except queue.Empty:
        return None
    finally:
        channel.unsubscribe(states.put)


_BY_NUMBER: Final = {state.value[0]: state for state in grpc.ChannelConnectivity}
