"""The response stream of an async call."""

from __future__ import annotations

import asyncio
import contextlib
import time
import weakref
from typing import Any

import grpc.aio

from genai_grpc._transport.grpc.channel_pool import DecodeFailure, PooledChannel
from genai_grpc._transport.grpc.invalid_reply import unknown_status
from genai_grpc._transport.grpc.received_metadata import received_async_so_far
from genai_grpc._transport.stream import RpcStream
from genai_grpc.errors import APIError, DeadlineExceeded

__all__ = ["AsyncRpcStream", "task_is_cancelling"]


def task_is_cancelling() -> bool:
    """Whether the running task is being cancelled; gRPC raises the same error when a channel is closed under a call."""
    task = asyncio.current_task()
    # Python 3.10 cannot tell.
    return task is not None and hasattr(task, "cancelling") and task.cancelling() > 0


class AsyncRpcStream(RpcStream):
    """An open response stream, each chunk of which must come within `idle_timeout` seconds."""

    __slots__ = ("_channel", "_idle_timeout", "_metadata", "_timed_out", "_timer", "_waiting_since")

    def __init__(self, rpc: Any, channel: PooledChannel, metadata: Any, idle_timeout: float) -> None:
        super().__init__(rpc)
        self._channel = channel
        self._metadata = metadata
        self._idle_timeout = idle_timeout
        self._timed_out = False
        self._waiting_since: float | None = None
        self._timer: asyncio.TimerHandle | None = None

    async def read(self) -> Any:
        if self._timer is None:
            self.check_idle()
        self._waiting_since = time.monotonic()
        failure: APIError | None = None
        chunk: Any = None
        try:
            chunk = await self._rpc.read()
        except grpc.aio.AioRpcError as error:
            failure = self._channel.failure(error, self._metadata)
        except KeyError as error:
            if isinstance(unknown := unknown_status(error), APIError):
                self._end(unknown)
            raise unknown from error.__cause__
        except asyncio.CancelledError as error:
            if self._channel.pool.closed and not task_is_cancelling():
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
        if failure is not None:
            self._end(failure)
            try:
                raise failure
            finally:
                del failure, self  # its traceback refers to this frame, and the stream to it
        if chunk is grpc.aio.EOF:
            self._end(None)
            return None
        if type(chunk) is DecodeFailure:
            self._rpc.cancel()
            self._end(failure := chunk.error())
            raise failure
        self.last = chunk
        return chunk

    def received(self) -> tuple[Any, Any]:
        """The metadata so far."""
        return received_async_so_far(self._rpc, self.open)

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
            ref: weakref.ref[AsyncRpcStream] = weakref.ref(self)
            self._timer = asyncio.get_running_loop().call_later(left, _check_idle, ref)

    def _cancel(self) -> None:
        self._channel.pool.on_cancel()
        self._rpc.cancel()

    def _end(self, error: APIError | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        super()._end(error)

    def __del__(self) -> None:
        if self._outcome is None:
            # gRPC's own finalizer waits for the end of the stream. This one runs on any thread.
            pool = self._channel.pool
            pool.on_cancel()
            with contextlib.suppress(RuntimeError):  # the loop is closed
                pool.loop.call_soon_threadsafe(self._rpc.cancel)
        super().__del__()


def _check_idle(ref: weakref.ref[AsyncRpcStream]) -> None:
    stream = ref()
    if stream is not None and stream.open:
        stream.check_idle()
