"""The async transport: performs operations on the running event loop."""

from __future__ import annotations

import asyncio
import inspect
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import closing
from typing import TYPE_CHECKING, Any, TypeVar

from genai_grpc._rpc.call import AnyCall, Call, identity
from genai_grpc._rpc.operation import (
    Acquire,
    Attempt,
    CallBlocking,
    CallEach,
    CallFunctions,
    CallMethod,
    HttpRequest,
    OpenStream,
    Operation,
    ReadChunk,
    Reserve,
    Sleep,
    Step,
    Yield,
    unexpected_step,
)
from genai_grpc._rpc.waiter import Waiter, WaitQueue
from genai_grpc._transport.base import Transport
from genai_grpc.errors import Cancelled, DeadlineExceeded

if TYPE_CHECKING:
    from genai_grpc._rpc.shared_rate_limiter import SharedRateLimiter

__all__ = ["AsyncDriver", "AsyncTransport", "wait"]

Out = TypeVar("Out")


class AsyncDriver:
    """Drives operations on the running event loop: all of their steps but calls."""

    async def run(self, operation: Operation[Any], parse: Callable[[Any], Out] = identity) -> Out:
        """Perform an operation, and return what `parse` makes of its result.

        The operation is closed whatever ends it, the cancellation of the task included.
        """
        try:
            step = next(operation)
            while True:
                try:
                    result = await self._execute(step)
                except Exception as error:
                    step = operation.throw(error)
                else:
                    step = operation.send(result)
        except StopIteration as stop:
            result = stop.value
        finally:
            operation.close()
        return parse(result)

    async def iterate(self, operation: Operation[None]) -> AsyncIterator[Any]:
        """The items that an operation yields; each step is performed when its items are needed."""
        result = None
        with closing(operation):
            while True:
                try:
                    step = operation.send(result)
                except StopIteration:
                    return
                if isinstance(step, Yield):
                    for item in step.items:
                        yield item
                    result = None
                else:
                    result = await self._execute(step)

    async def _execute(self, step: Step) -> Any:
        match step:
            case Acquire(slots, seconds):
                return await wait(slots, seconds)
            case Reserve(limiter, tokens, max_wait):
                return await _reserve(limiter, tokens, max_wait)
            case Sleep(seconds):
                return await asyncio.sleep(seconds)
            case ReadChunk(stream):
                return await stream.read()
            case OpenStream(operation):
                stream = _OperationStream(operation, self.iterate(operation))
                return stream, await stream.read()
            case CallFunctions(functions, catch):
                return await _call_functions([function for _, function in functions], catch)
            case CallMethod(owner, name, arguments):
                return await getattr(owner, f"{name}_async")(**arguments)
            case CallBlocking(function):
                return await asyncio.to_thread(function)
            case Yield():
                raise AssertionError("only an operation that is iterated may yield items")
            case Attempt() | Call() | CallEach() | HttpRequest():
                raise AssertionError("only a transport performs calls")
            case _:
                raise unexpected_step(step)


class AsyncTransport(Transport, AsyncDriver, ABC):
    """Drives operations on the running event loop, calls included."""

    def call(self, call: Call[Any, Any, Out]) -> Coroutine[Any, Any, Out]:
        """Perform one call, with retries."""
        return self.run(self._operation(call), call.parse)

    async def perform(self, step: Step) -> Any:
        """Perform one step of an operation that another driver runs."""
        return await self._execute(step)

    async def _refresh(self, call: AnyCall, timeout: float) -> tuple[float, Any]:
        """Refresh the credentials; the timeout that is left, and the metadata."""
        started = time.monotonic()
        await asyncio.to_thread(self._metadata.credentials.refresh)
        metadata = self._metadata.for_call(call)
        left = timeout - (time.monotonic() - started)
        if metadata is None or left <= 0:
            raise DeadlineExceeded("the credentials gave no token before the deadline")
        return left, metadata

    @abstractmethod
    async def _attempt(self, attempt: Attempt) -> Any:
        """Perform one attempt; the reply and its metadata, or the open stream and its first chunk. Raises APIError."""

    async def _execute(self, step: Step) -> Any:
        try:
            # Nearly every step is an attempt.
            if type(step) is Attempt:
                return await self._attempt(step)
            if isinstance(step, Call):
                return await self.call(step)
            if isinstance(step, Sleep):
                return await wait(self._admission.calls.cancelled, step.seconds)
            if isinstance(step, CallEach):
                return await self._call_each(step)
            return await super()._execute(step)
        except RuntimeError:
            _check_event_loop()
            raise

    async def _call_each(self, step: CallEach) -> list[Any]:
        loop = asyncio.get_running_loop()
        results: list[Any] = []

        async def perform_next_calls() -> None:
            for call in step.calls:
                index = len(results)
                results.append(None)
                results[index] = await self.call(call)

        tasks = [loop.create_task(perform_next_calls()) for _ in range(step.concurrency)]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return results


def _check_event_loop() -> None:
    """Raise a RuntimeError that says what to do, if no event loop of asyncio is running."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        raise RuntimeError(
            "the async calls of genai_grpc run on asyncio, and no asyncio event loop is running here. Run them with "
            "asyncio.run; under trio use trio.to_thread.run_sync with the sync calls, or trio-asyncio"
        ) from None


async def wait(queue: WaitQueue, seconds: float) -> bool:
    """Wait in a queue for at most so many seconds; whether the waiter was admitted."""
    loop = asyncio.get_running_loop()
    notified: asyncio.Future[None] = loop.create_future()

    def notify() -> None:
        if not notified.done():
            notified.set_result(None)

    waiter = Waiter(lambda: loop.call_soon_threadsafe(notify))
    try:
        if not queue.enqueue(waiter):
            await asyncio.wait_for(notified, max(0.0, seconds))
    except asyncio.TimeoutError:
        queue.cancel(waiter)
        return False
    except BaseException:
        queue.cancel(waiter)
        raise
    return waiter.admitted


async def _reserve(limiter: SharedRateLimiter, tokens: float, max_wait: float) -> float | None:
    reserve_async: Callable[[float, float], Awaitable[float | None]] | None = getattr(limiter, "reserve_async", None)
    if reserve_async is None:
        return await asyncio.to_thread(limiter.reserve, tokens, max_wait)
    return await reserve_async(tokens, max_wait)


class _OperationStream:
    """The chunks that an operation yields, each with whether it starts another reply."""

    def __init__(self, operation: Operation[None], chunks: AsyncIterator[Any]) -> None:
        self._operation = operation
        self._chunks = chunks
        self._cancelled = False
        self.starts_reply = False

    async def read(self) -> Any:
        try:
            chunk, self.starts_reply = await self._chunks.__anext__()
        except StopAsyncIteration:
            if self._cancelled:
                raise Cancelled("the program ended the stream") from None
            return None
        return chunk

    def received(self) -> None:
        """No metadata: the chunks are those of several calls."""

    def cancel(self) -> None:
        self._cancelled = True
        self._operation.close()


async def _call_functions(functions: list[Callable[[], Any]], catch: bool) -> list[Any]:
    """Call functions, and return their results in order; awaitable results are awaited concurrently."""

    async def call(function: Callable[[], Any]) -> Any:
        try:
            result = function()
            return await result if inspect.isawaitable(result) else result
        except Exception as error:
            if catch:
                return error
            raise

    tasks = [asyncio.ensure_future(call(function)) for function in functions]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
