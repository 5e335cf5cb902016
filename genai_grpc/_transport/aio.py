"""The async shell: performs calls and plans on the running loop."""

from __future__ import annotations

import asyncio
import inspect
import time
import weakref
from contextlib import closing
from typing import TYPE_CHECKING, Any, TypeVar

import grpc.aio

from genai_grpc._rpc.attempts import Acquire, run_attempts
from genai_grpc._rpc.call import Attempt, Call, CallFunctions, OpenStream, Operation, ReadChunk, Sleep, Yield, identity
from genai_grpc._rpc.concurrency_limiter import Waiter
from genai_grpc._transport.grpc.channel_pool import DecodeFailure
from genai_grpc._transport.grpc.stream import RpcStream
from genai_grpc.errors import APIError, DeadlineExceeded

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine

    from genai_grpc._rpc.admission import Admission
    from genai_grpc._rpc.call import Interceptor
    from genai_grpc._rpc.concurrency_limiter import ConcurrencyLimiter
    from genai_grpc._transport.config import Config
    from genai_grpc._transport.grpc.channel_pool import ChannelPools, PooledChannel
    from genai_grpc._transport.metadata import CallMetadata

__all__ = ["AsyncTransport"]

Out = TypeVar("Out")


class AsyncTransport:
    """Performs what is described, on the channels of one client."""

    def __init__(
        self,
        config: Config,
        channels: ChannelPools,
        headers: CallMetadata,
        admission: Admission,
        interceptors: tuple[Interceptor, ...],
    ) -> None:
        self._config = config
        self._channels = channels
        self._headers = headers
        self._admission = admission
        self._interceptors = interceptors

    def call(self, call: Call[Any, Any, Out]) -> Coroutine[Any, Any, Out]:
        """The result of a call, over as many tries as its policy allows."""
        if self._config.interceptors:
            call = call.shown()
        plan = run_attempts(call, self._config.limits(call), self._admission, time.monotonic)
        for interceptor in self._interceptors:
            plan = interceptor.intercept(call, plan)
        return self.run(plan, call.parse)

    async def run(self, plan: Operation[Any], parse: Callable[[Any], Out] = identity) -> Out:
        """What `parse` makes of a plan's result. The plan is closed when its task is cancelled, too."""
        try:
            step = next(plan)
            while True:
                try:
                    # Nearly every step is a try.
                    done = await self._try(step) if type(step) is Attempt else await self._perform(step)
                except APIError as error:
                    step = plan.throw(error)
                else:
                    step = plan.send(done)
        except StopIteration as stop:
            result = stop.value
        finally:
            plan.close()
        return parse(result)

    async def iterate(self, plan: Operation[None]) -> AsyncIterator[Any]:
        """The items that a plan emits, each step performed when its items are asked for."""
        done = None
        with closing(plan):
            while True:
                try:
                    step = plan.send(done)
                except StopIteration:
                    return
                if isinstance(step, Yield):
                    for item in step.items:
                        yield item
                    done = None
                else:
                    done = await self._perform(step)

    async def open(self, plan: Operation[None]) -> tuple[Any, Any]:
        """A plan that emits chunks, as an open stream with its first chunk."""
        source = _OperationStream(plan, self.iterate(plan))
        return source, await source.read()

    async def _perform(self, step: Any) -> Any:
        match step:
            case Attempt():
                return await self._try(step)
            case Acquire(limiter, seconds):
                return await _acquire_slot(limiter, seconds)
            case Call():
                return await self.call(step)
            case Sleep(seconds):
                return await asyncio.sleep(seconds)
            case ReadChunk(source):
                return await source.read()
            case OpenStream(plan):
                return await self.open(plan)
            case CallFunctions(functions, catch):
                return await _call_functions([function for _, function in functions], catch)
        raise AssertionError(f"a plan does not yield {step!r}")

    async def _try(self, step: Attempt) -> Any:
        call, timeout = step.call, step.timeout
        metadata = self._headers.of(call)
        if metadata is None:
            timeout, metadata = await self._refresh(call, timeout)
        channel, rpc = self._channels.aio().acquire(), None
        try:
            rpc = channel[call.method](call.request, timeout=timeout, metadata=metadata)
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
            if not _cancelling():
                channel.check_open(error)
            raise
        finally:
            if rpc is None or not call.method.streaming:
                channel.release()
        source = _Stream(rpc, channel, step.idle_timeout)
        source.add_done_callback(channel.release)
        return source, await source.read()

    async def _refresh(self, call: Call[Any, Any, Any], timeout: float) -> tuple[float, Any]:
        """What is left of the timeout after a token was fetched, and the metadata with it."""
        began = time.monotonic()
        await asyncio.to_thread(self._headers.identity.refresh)
        metadata = self._headers.of(call)
        left = timeout - (time.monotonic() - began)
        if metadata is None or left <= 0:
            raise DeadlineExceeded("no token could be had before the deadline")
        return left, metadata


def _cancelling() -> bool:
    """Whether the running task is being cancelled; gRPC raises the same when a channel is closed under a call."""
    task = asyncio.current_task()
    # Python 3.10 cannot tell.
    return task is not None and hasattr(task, "cancelling") and task.cancelling() > 0


async def _acquire_slot(limiter: ConcurrencyLimiter, seconds: float) -> bool:
    loop = asyncio.get_running_loop()
    turn: asyncio.Future[None] = loop.create_future()

    def arrive() -> None:
        if not turn.done():
            turn.set_result(None)

    waiter = Waiter(lambda: loop.call_soon_threadsafe(arrive))
    try:
        if not limiter.enqueue(waiter):
            await asyncio.wait_for(turn, max(0.0, seconds))
    except asyncio.TimeoutError:
        limiter.cancel(waiter)
        return False
    except BaseException:
        limiter.cancel(waiter)
        raise
    return True


class _Stream(RpcStream):
    """The chunks of an open stream, each of which is waited for no longer than `idle_timeout` seconds."""

    __slots__ = ("_connection", "_idle_timeout", "_idled", "_timer", "_waiting_since")

    def __init__(self, rpc: Any, connection: PooledChannel, idle_timeout: float) -> None:
        super().__init__(rpc)
        self._connection = connection
        self._idle_timeout = idle_timeout
        self._idled = False
        self._waiting_since: float | None = None
        self._timer: asyncio.TimerHandle | None = None

    async def read(self) -> Any:
        if self._timer is None:
            self.watch()
        self._waiting_since = time.monotonic()
        try:
            chunk = await self._rpc.read()
        except grpc.aio.AioRpcError as error:
            found = self._connection.failure(error)
            self._end(found)
            raise found from error
        except asyncio.CancelledError as error:
            if self._connection.pool.closed and not _cancelling():
                self._end(self._connection.failure(error))
            elif self._idled:
                self._end(DeadlineExceeded(f"no chunk came for {self._idle_timeout:g} s, the idle_timeout"))
            if self._outcome is not None and (ended := self._outcome[0]) is not None:
                # Not this task was cancelled, but the stream.
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
            self._end(unread := chunk.error())
            raise unread
        self.last = chunk
        return chunk

    def watch(self) -> None:
        """Look again when the wait for a chunk, if there is one, may have been too long: one timer, not one a chunk."""
        since = self._waiting_since
        left = self._idle_timeout if since is None else since + self._idle_timeout - time.monotonic()
        if left <= 0:
            self._idled = True
            self._rpc.cancel()
        else:
            itself: weakref.ref[_Stream] = weakref.ref(self)
            self._timer = asyncio.get_running_loop().call_later(left, _check_idle, itself)

    def _end(self, error: APIError | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        super()._end(error)


def _check_idle(ref: weakref.ref[_Stream]) -> None:
    source = ref()
    if source is not None and source.open:
        source.watch()


class _OperationStream:
    """The chunks that a plan emits, each with whether it begins another reply."""

    def __init__(self, plan: Operation[None], chunks: AsyncIterator[Any]) -> None:
        self._plan = plan
        self._chunks = chunks
        self.starts_reply = False

    async def read(self) -> Any:
        try:
            chunk, self.starts_reply = await self._chunks.__anext__()
        except StopAsyncIteration:
            return None
        return chunk

    def cancel(self) -> None:
        self._plan.close()


async def _call_functions(functions: list[Callable[[], Any]], catch: bool) -> list[Any]:
    """The results of functions, in order; what they return to be awaited runs together."""

    async def run(function: Callable[[], Any]) -> Any:
        try:
            result = function()
            return await result if inspect.isawaitable(result) else result
        except Exception as error:
            if catch:
                return error
            raise

    tasks = [asyncio.ensure_future(run(function)) for function in functions]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
