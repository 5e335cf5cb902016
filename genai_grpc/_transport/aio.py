"""The async transport: performs operations on the running event loop."""

from __future__ import annotations

import asyncio
import inspect
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import closing
from typing import Any, TypeVar

from genai_grpc._rpc.call import Call, identity
from genai_grpc._rpc.concurrency_limiter import ConcurrencyLimiter, Waiter
from genai_grpc._rpc.operation import (
    Acquire,
    Attempt,
    CallFunctions,
    CallMethod,
    OpenStream,
    Operation,
    ReadChunk,
    Sleep,
    Step,
    Yield,
    unexpected_step,
)
from genai_grpc._transport.base import Transport
from genai_grpc.errors import APIError

__all__ = ["AsyncDriver", "AsyncTransport"]

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
                except APIError as error:
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
            case Acquire(limiter, seconds):
                return await _acquire(limiter, seconds)
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
            case Yield():
                raise AssertionError("only an operation that is iterated may yield items")
            case Attempt() | Call():
                raise AssertionError("only a transport performs calls")
            case _:
                raise unexpected_step(step)


class AsyncTransport(Transport, AsyncDriver, ABC):
    """Drives operations on the running event loop, calls included."""

    def call(self, call: Call[Any, Any, Out]) -> Coroutine[Any, Any, Out]:
        """Perform one call, with retries."""
        return self.run(self._operation(call), call.parse)

    @abstractmethod
    async def _attempt(self, attempt: Attempt) -> Any:
        """Perform one attempt; the reply, or the open stream and its first chunk. Raises APIError."""

    async def _execute(self, step: Step) -> Any:
        # Nearly every step is an attempt.
        if type(step) is Attempt:
            return await self._attempt(step)
        if isinstance(step, Call):
            return await self.call(step)
        return await super()._execute(step)


async def _acquire(limiter: ConcurrencyLimiter, seconds: float) -> bool:
    loop = asyncio.get_running_loop()
    admitted: asyncio.Future[None] = loop.create_future()

    def notify() -> None:
        if not admitted.done():
            admitted.set_result(None)

    waiter = Waiter(lambda: loop.call_soon_threadsafe(notify))
    try:
        if not limiter.enqueue(waiter):
            await asyncio.wait_for(admitted, max(0.0, seconds))
    except asyncio.TimeoutError:
        limiter.cancel(waiter)
        return False
    except BaseException:
        limiter.cancel(waiter)
        raise
    return True


class _OperationStream:
    """The chunks that an operation yields, each with whether it starts another reply."""

    def __init__(self, operation: Operation[None], chunks: AsyncIterator[Any]) -> None:
        self._operation = operation
        self._chunks = chunks
        self.starts_reply = False

    async def read(self) -> Any:
        try:
            chunk, self.starts_reply = await self._chunks.__anext__()
        except StopAsyncIteration:
            return None
        return chunk

    def cancel(self) -> None:
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
