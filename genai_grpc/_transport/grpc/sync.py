"""The sync transport over gRPC."""

from __future__ import annotations

import time
from typing import Any

import grpc

from genai_grpc._rpc.admission import Admission
from genai_grpc._rpc.operation import Attempt
from genai_grpc._transport.config import ClientOptions
from genai_grpc._transport.grpc.channel_pool import ChannelPools, DecodeFailure, PooledChannel
from genai_grpc._transport.grpc.received_metadata import received_so_far
from genai_grpc._transport.grpc.stream_call import StreamCall
from genai_grpc._transport.grpc.stream_watchdog import WATCHDOG
from genai_grpc._transport.metadata import CallMetadata
from genai_grpc._transport.stream import RpcStream, no_message
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
        channel = self._channels.sync().acquire()
        rpc: Any = None
        failure: APIError | None = None
        try:
            rpc = channel.callable_for(call.method)(call.request, timeout=timeout, metadata=metadata)
        except grpc.RpcError as error:
            failure = channel.failure(error, metadata)
        except ValueError as error:
            channel.check_open(error)
            raise
        finally:
            if rpc is None or not call.method.streaming:
                channel.release()
        if failure is not None:
            # gRPC's error and call may show a key that the server repeated: neither as context nor as a local variable.
            del rpc
            try:
                raise failure
            finally:
                del failure  # its traceback refers to this frame
        if not call.method.streaming:
            # Without a failure it is a reply with its metadata.
            reply = rpc[0]  # pyright: ignore[reportOptionalSubscript] # not None: see above
            if reply is None:
                raise no_message()
            if type(reply) is DecodeFailure:
                del rpc  # as above
                raise reply.error()
            return rpc
        stream = _Stream(*self._channels.stream_call(rpc), channel, metadata, attempt.idle_timeout)
        del rpc  # as above
        stream.add_done_callback(channel.release)
        try:
            first = stream.read()
        except APIError:
            del stream  # its error refers to this frame
            raise
        if first is None:
            raise no_message()
        return stream, first


class _Stream(RpcStream):
    """An open response stream, each chunk of which must come within `idle_timeout` seconds.

    Attributes:
        idle_timeout: In seconds.
        waiting_since: When the wait for the next chunk began, by the monotonic clock; None while nothing waits.
    """

    __slots__ = ("_call", "_channel", "_metadata", "_timed_out", "idle_timeout", "waiting_since")

    def __init__(self, rpc: Any, call: StreamCall, channel: PooledChannel, metadata: Any, idle_timeout: float) -> None:
        super().__init__(rpc)
        self._call = call
        self._channel = channel
        self._metadata = metadata
        self._timed_out = False
        self.idle_timeout = idle_timeout
        self.waiting_since: float | None = None
        WATCHDOG.register(self)

    def read(self) -> Any:
        self.waiting_since = time.monotonic()
        failure: APIError | None = None
        chunk: Any = None
        try:
            chunk = next(self._rpc, None)
        except grpc.RpcError as error:
            if self._timed_out:
                failure = DeadlineExceeded(f"no chunk came for {self.idle_timeout:g} s, the idle_timeout")
                failure.__cause__ = error
            else:
                failure = self._channel.failure(error, self._metadata)
        except BaseException:
            # Ctrl-C and the like: nothing reads on.
            self.cancel()
            raise
        finally:
            self.waiting_since = None
        if failure is not None:
            self._end(failure)
            try:
                raise failure
            finally:
                del failure, self  # its traceback refers to this frame, and the stream to it
        if chunk is None:
            self._end(None)
            return None
        if type(chunk) is DecodeFailure:
            self._call.cancel()
            self._end(failure := chunk.error())
            raise failure
        self.last = chunk
        return chunk

    def received(self) -> tuple[Any, Any]:
        """The metadata so far."""
        return received_so_far(self._rpc, self.open)

    def on_idle_timeout(self) -> None:
        """Make the wait for the next chunk fail; called by the watchdog's thread."""
        self._timed_out = True
        self._call.cancel()

    def _cancel(self) -> None:
        self._call.cancel()

    def _end(self, error: APIError | None) -> None:
        WATCHDOG.unregister(self)
        super()._end(error)
