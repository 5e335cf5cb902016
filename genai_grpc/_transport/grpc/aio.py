"""The async transport over gRPC."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc.aio

from genai_grpc._rpc.admission import Admission
from genai_grpc._rpc.operation import Attempt
from genai_grpc._transport.aio import AsyncTransport
from genai_grpc._transport.config import ClientOptions
from genai_grpc._transport.grpc.async_stream import AsyncRpcStream, task_is_cancelling
from genai_grpc._transport.grpc.channel_pool import ChannelPool, ChannelPools, DecodeFailure
from genai_grpc._transport.grpc.invalid_reply import unknown_status
from genai_grpc._transport.grpc.received_metadata import received_async
from genai_grpc._transport.metadata import CallMetadata
from genai_grpc._transport.stream import no_message
from genai_grpc.errors import APIError

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
        if call.method.bidirectional:
            from genai_grpc._transport.grpc.bidi import open_stream  # 1 ms of the first call, and few programs need it

            return await open_stream(self._channels.aio().acquire(), call, timeout, metadata)
        channel, rpc = self._channels.aio().acquire(), None
        failure: APIError | None = None
        try:
            rpc = channel.callable_for(call.method)(call.request, timeout=timeout, metadata=metadata)
            if not call.method.streaming:
                reply = await _reply(rpc, channel.pool)
                if reply is None:
                    raise no_message()
                if type(reply) is DecodeFailure:
                    raise reply.error()
                return reply, await received_async(rpc)
        except grpc.aio.AioRpcError as error:
            failure = channel.failure(error, metadata)
        except KeyError as error:
            raise unknown_status(error) from error.__cause__
        except grpc.aio.UsageError as error:
            channel.check_open(error)
            raise
        except asyncio.CancelledError as error:
            if not task_is_cancelling():
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
        stream = AsyncRpcStream(rpc, channel, metadata, attempt.idle_timeout)
        del rpc  # as above
        stream.add_done_callback(channel.release)
        try:
            first = await stream.read()
        except APIError:
            del stream  # its error refers to this frame
            raise
        if first is None:
            raise no_message()
        return stream, first


async def _reply(rpc: Any, pool: ChannelPool) -> Any:
    """The reply of a unary call.

    grpcio (1.71 to 1.85) never frees 1 KiB of a call if the task that waits for gRPC's own future is cancelled. So the
    task waits for another one, and the call is cancelled below grpcio's object.
    """
    call = getattr(rpc, "_cython_call", None)
    if call is None:  # that of an interceptor
        return await rpc
    ended = asyncio.get_running_loop().create_future()

    def on_end() -> None:
        if not ended.done():
            ended.set_result(None)

    call.add_done_callback(on_end)
    try:
        await ended
    except asyncio.CancelledError:
        pool.on_cancel()
        call.cancel("the task was cancelled")
        raise
    return await rpc
