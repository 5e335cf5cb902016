"""The sync transport over gRPC."""

from __future__ import annotations

import time
from typing import Any

import grpc

from genai_grpc._rpc.admission import Admission
from genai_grpc._rpc.call import AnyCall
from genai_grpc._rpc.operation import Attempt
from genai_grpc._transport.config import ClientOptions
from genai_grpc._transport.grpc.channel_pool import ChannelPools, DecodeFailure, PooledChannel
from genai_grpc._transport.grpc.idle_timeout import IDLE_TIMEOUTS
from genai_grpc._transport.grpc.stream import RpcStream
from genai_grpc._transport.metadata import CallMetadata
from genai_grpc._transport.sync import SyncTransport
from genai_grpc.errors import APIError, DeadlineExceeded

__all__ = ["GrpcTransport"]


class GrpcTransport(SyncTransport):
    """Performs sync calls on the channels of one client."""

    def __init__(
        self, options: ClientOptions, admission: Admission, channels: ChannelPools, metadata: CallMetadata
    ) -> None:
        super().__init__(options, admission)
        self._channels = channels
        self._metadata = metadata

    def _attempt(self, attempt: Attempt) -> Any:
        call, timeout = attempt.call, attempt.timeout
        metadata = self._metadata.for_call(call)
        if metadata is None:
            timeout, metadata = self._refresh(call, timeout)
        channel, rpc = self._channels.sync().acquire(), None
        try:
            rpc = channel.callable_for(call.method)(call.request, timeout=timeout, metadata=metadata)
        except grpc.RpcError as error:
            raise channel.failure(error) from error
        except ValueError as error:
            channel.check_open(error)
            raise
        finally:
            if rpc is None or not call.method.streaming:
                channel.release()
        if not call.method.streaming:
            if type(rpc) is DecodeFailure:
                raise rpc.error()
            return rpc
        stream = _Stream(rpc, channel, attempt.idle_timeout)
        stream.add_done_callback(channel.release)
        return stream, stream.read()

    def _refresh(self, call: AnyCall, timeout: float) -> tuple[float, Any]:
        """Refresh the credentials; the timeout that is left, and the metadata."""
        started = time.monotonic()
        self._metadata.credentials.refresh()
        metadata = self._metadata.for_call(call)
        left = timeout - (time.monotonic() - started)
        if metadata is None or left <= 0:
            raise DeadlineExceeded("the credentials gave no token before the deadline")
        return left, metadata


class _Stream(RpcStream):
    """An open response stream, each chunk of which must come within `idle_timeout` seconds.

    Attributes:
        idle_timeout: In seconds.
        waiting_since: When the wait for the next chunk began, by the monotonic clock; None while nothing waits.
    """

    __slots__ = ("_channel", "_timed_out", "idle_timeout", "waiting_since")

    def __init__(self, rpc: Any, channel: PooledChannel, idle_timeout: float) -> None:
        super().__init__(rpc)
        self._channel = channel
        self._timed_out = False
        self.idle_timeout = idle_timeout
        self.waiting_since: float | None = None
        IDLE_TIMEOUTS.register(self)

    def read(self) -> Any:
        self.waiting_since = time.monotonic()
        try:
            chunk = next(self._rpc, None)
        except grpc.RpcError as error:
            if self._timed_out:
                failure: APIError = DeadlineExceeded(f"no chunk came for {self.idle_timeout:g} s, the idle_timeout")
            else:
                failure = self._channel.failure(error)
            self._end(failure)
            raise failure from error
        except BaseException:
            # Ctrl-C and the like: nothing reads on.
            self.cancel()
            raise
        finally:
            self.waiting_since = None
        if chunk is None:
            self._end(None)
            return None
        if type(chunk) is DecodeFailure:
            self._rpc.cancel()
            self._end(failure := chunk.error())
            raise failure
        self.last = chunk
        return chunk

    def on_idle_timeout(self) -> None:
        """Make the wait for the next chunk fail; called by the watchdog's thread."""
        self._timed_out = True
        self._rpc.cancel()

    def _end(self, error: APIError | None) -> None:
        IDLE_TIMEOUTS.unregister(self)
        super()._end(error)
