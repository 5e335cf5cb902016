"""Bidirectional calls: a response stream to which the program writes."""

from __future__ import annotations

import asyncio
from math import inf
from typing import Any, Final

import grpc.aio

from genai_grpc._rpc.call import AnyCall
from genai_grpc._transport.grpc.async_stream import AsyncRpcStream, task_is_cancelling
from genai_grpc._transport.grpc.channel_pool import PooledChannel
from genai_grpc._transport.stream import no_message
from genai_grpc.errors import APIError, Cancelled, DeadlineExceeded

__all__ = ["BidirectionalStream", "open_stream"]

_ENDED: Final = "the call has ended, and takes no more messages; open another one"


async def open_stream(
    channel: PooledChannel, call: AnyCall, timeout: float, metadata: Any
) -> tuple[BidirectionalStream, Any]:
    """Open a call with its first request, on a channel that is acquired; the stream, and the first response.

    The timeout is that of the first response: afterwards the call may last for hours, with long pauses.

    Raises:
        APIError: The call failed.
    """
    try:
        rpc = channel.callable_for(call.method)(timeout=None, metadata=metadata)
    except BaseException as error:
        channel.release()
        if isinstance(error, grpc.aio.UsageError):
            channel.check_open(error)
        raise
    stream = BidirectionalStream(rpc, channel, metadata)
    stream.add_done_callback(channel.release)
    try:
        return stream, await asyncio.wait_for(stream.exchange(call.request), timeout)
    except asyncio.TimeoutError:
        stream.cancel()
        raise DeadlineExceeded(f"the service did not answer the first message within {timeout:.3g} s") from None
    except BaseException:
        stream.cancel()
        raise


class BidirectionalStream(AsyncRpcStream):
    """An open bidirectional call. Tasks may write at the same time: one message goes out after the other."""

    __slots__ = ("_writing",)

    def __init__(self, rpc: Any, channel: PooledChannel, metadata: Any) -> None:
        super().__init__(rpc, channel, metadata, inf)
        self._writing = asyncio.Lock()

    def check_idle(self) -> None:
        """A bidirectional call may be idle: it waits for the user."""

    async def exchange(self, request: Any) -> Any:
        """Write a message, and read the next one.

        Raises:
            APIError: The call ended.
        """
        await self.write(request)
        reply = await self.read()
        if reply is None:
            raise no_message()
        return reply

    async def write(self, message: Any) -> None:
        """Write a message; gRPC's flow control may make it wait.

        Raises:
            APIError: The call has ended.
        """
        async with self._writing:
            self._check_open()
            failure: APIError | None = None
            try:
                await self._rpc.write(message)
            except grpc.aio.AioRpcError as error:
                failure = self._channel.failure(error, self._metadata)
            except (asyncio.InvalidStateError, grpc.aio.UsageError) as error:
                failure = await self._status(error)
            except asyncio.CancelledError as error:
                if task_is_cancelling():
                    self.cancel()  # part of the message may be sent
                    raise
                self._channel.check_open(error)
                self._check_open()
                raise
            if failure is not None:
                try:
                    raise failure
                finally:
                    del failure  # its traceback refers to this frame

    def close(self) -> None:
        """End the call, which is no error: a session lasts until the program leaves it."""
        if self.open:
            self._cancel()
            self._end(None)

    def _check_open(self) -> None:
        if self._outcome is not None:
            raise self._outcome[0] or Cancelled(_ENDED)

    async def _status(self, error: BaseException) -> APIError:
        """The status of a call that has ended, which the task that reads finds after the last message."""
        self._channel.check_open(error)
        rpc = self._rpc
        code = await rpc.code()
        if code is grpc.StatusCode.OK:
            return Cancelled(_ENDED)
        ended = grpc.aio.AioRpcError(
            code, await rpc.initial_metadata(), await rpc.trailing_metadata(), details=await rpc.details()
        )
        return self._channel.failure(ended, self._metadata)
