"""The async transport over gRPC."""

from __future__ import annotations

import asyncio
import time
import weakref
from typing import Any

import grpc.aio

from genai_grpc._rpc.admission import Admission
from genai_grpc._rpc.call import AnyCall
from genai_grpc._rpc.operation import Attempt
from genai_grpc._transport.aio import AsyncTransport
from genai_grpc._transport.config import ClientOptions
from genai_grpc._transport.grpc.channel_pool import ChannelPools, DecodeFailure, PooledChannel
from genai_grpc._transport.grpc.stream import RpcStream
from genai_grpc._transport.metadata import CallMetadata
from genai_grpc.errors import APIError, DeadlineExceeded

__all__ = ["AsyncGrpcTransport"]


class AsyncGrpcTransport(AsyncTransport):
    """Performs async calls on the channels of one client."""

    def __init__(
        self, options: ClientOptions, admission: Admission, channels: ChannelPools, metadata: CallMetadata
    ) -> None:
        super().__init__(options, admission)
        self._channels = channels
        self._metadata = metadata

    async def _attempt(self, attempt: Attempt) -> Any:
        call, timeout = attempt.call, attempt.timeout
        metadata = self._metadata.for_call(call)
        if metadata is None:
            timeout, metadata = await self._refresh(call, timeout)
        channel, rpc = self._channels.aio().acquire(), None
        try:
            rpc = channel.callable_for(call.method)(call.request, timeout=timeout, metadata=metadata)
            if not call.method.streaming:
                reply = await rpc
                if type(reply) is DecodeFailure:
                    raise reply.error()
                return reply
        except grpc.aio.AioRpcError as error:
            raise channel.failure(error) from error
        except grpc.aio.UsageError as error:
            channel.check_open(error)
            raise
        except asyncio.CancelledError as error:
            if not _task_is_cancelling():
                channel.check_open(error)
            raise
        finally:
            if rpc is None or not call.method.streaming:
                channel.release()
        stream = _Stream(rpc, channel, attempt.idle_timeout)
        stream.add_done_callback(channel.release)
        return stream, await stream.read()

    async def _refresh(self, call: AnyCall, timeout: float) -> tuple[float, Any]:
        """Refresh the credentials; the timeout that is left, and the metadata."""
        started = time.monotonic()
        await asyncio.to_thread(self._metadata.credentials.refresh)
        metadata = self._metadata.for_call(call)
        left = timeout - (time.monotonic() - started)
        if metadata is None or left <= 0:
            raise DeadlineExceeded("the credentials gave no token before the deadline")
        return left, metadata


def _task_is_cancelling() -> bool:
    """Whether the running task is being cancelled; gRPC raises the same error when a channel is closed under a call."""
    task = asyncio.current_task()
    # Python 3.10 cannot tell.
    return task is not None and hasattr(task, "cancelling") and task.cancelling() > 0


class _Stream(RpcStream):
    """An open response stream, each chunk of which must come within `idle_timeout` seconds."""

    __slots__ = ("_channel", "_idle_timeout", "_timed_out", "_timer", "_waiting_since")

    def __init__(self, rpc: Any, channel: PooledChannel, idle_timeout: float) -> None:
        super().__init__(rpc)
        self._channel = channel
        self._idle_timeout = idle_timeout
        self._timed_out = False
        self._waiting_since: float | None = None
        self._timer: asyncio.TimerHandle | None = None

    async def read(self) -> Any:
        if self._timer is None:
            self.check_idle()
        self._waiting_since = time.monotonic()
        try:
            chunk = await self._rpc.read()
        except grpc.aio.AioRpcError as error:
            failure = self._channel.failure(error)
            self._end(failure)
            raise failure from error
        except asyncio.CancelledError as error:
            if self._channel.pool.closed and not _task_is_cancelling():
                self._end(self._channel.failure(error))
            elif self._timed_out:
                self._end(DeadlineExceeded(f"no chunk came for {self._idle_timeout:g} s, the idle_timeout"))
            if self._outcome is not None and (ended := self._outcome[0]) is not None:
                # The stream was cancelled, not this task.
                raise ended from error
            self.cancel()
            raise
        except BaseException:
            self.cancel()
            raise
        self._waiting_since = None
        if chunk is grpc.aio.EOF:
            self._end(None)
            return None
        if type(chunk) is DecodeFailure:
            self._rpc.cancel()
            self._end(failure := chunk.error())
            raise failure
        self.last = chunk
        return chunk

    def check_idle(self) -> None:
        """Cancel the stream if it was idle for too long; else check again when it may have been.

        One timer for the whole stream, not one for each chunk.
        """
        since = self._waiting_since
        left = self._idle_timeout if since is None else since + self._idle_timeout - time.monotonic()
        if left <= 0:
            self._timed_out = True
            self._rpc.cancel()
        else:
            ref: weakref.ref[_Stream] = weakref.ref(self)
            self._timer = asyncio.get_running_loop().call_later(left, _check_idle, ref)

    def _end(self, error: APIError | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        super()._end(error)


def _check_idle(ref: weakref.ref[_Stream]) -> None:
    stream = ref()
    if stream is not None and stream.open:
        stream.check_idle()
