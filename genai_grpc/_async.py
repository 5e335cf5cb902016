"""The async shell: performs calls and plans on the running loop."""

from __future__ import annotations

import asyncio
import inspect
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any, TypeVar

import grpc.aio

from genai_grpc._call import Call, Emit, Invoke, Open, Plan, Read, Sleep, Try, attempts
from genai_grpc._status import parse_status
from genai_grpc.errors import APIError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from genai_grpc._channel import Channels
    from genai_grpc.config import Config

__all__ = ["AsyncShell"]

Out = TypeVar("Out")


class AsyncShell:
    """Performs what is described, on the channels of one client."""

    def __init__(self, config: Config, channels: Channels) -> None:
        self._config = config
        self._metadata = config.call_metadata()
        self._channels = channels

    async def call(self, call: Call[Any, Any, Out]) -> Out:
        """The result of a call, over as many tries as its policy allows."""
        timeout, policy = self._config.limits(call)
        result: Out = await self.run(attempts(call, policy, timeout, time.monotonic))
        return result

    async def run(self, plan: Plan[Out]) -> Out:
        """The result of a plan."""
        try:
            step = next(plan)
            while True:
                try:
                    done = await self._perform(step)
                except APIError as error:
                    step = plan.throw(error)
                else:
                    step = plan.send(done)
        except StopIteration as stop:
            result: Out = stop.value
            return result

    async def iterate(self, plan: Plan[None]) -> AsyncIterator[Any]:
        """The items that a plan emits, each step performed when its items are asked for."""
        done = None
        with closing(plan):
            while True:
                try:
                    step = plan.send(done)
                except StopIteration:
                    return
                if isinstance(step, Emit):
                    for item in step.items:
                        yield item
                    done = None
                else:
                    done = await self._perform(step)

    async def open(self, plan: Plan[None]) -> tuple[Any, Any]:
        """A plan that emits chunks, as an open stream with its first chunk."""
        source = _PlanSource(plan, self.iterate(plan))
        return source, await source.read()

    async def _perform(self, step: Any) -> Any:
        match step:
            case Try(call, timeout):
                return await self._try(call, timeout)
            case Call():
                return await self.call(step)
            case Sleep(seconds):
                return await asyncio.sleep(seconds)
            case Read(source):
                return await source.read()
            case Open(plan):
                return await self.open(plan)
            case Invoke(functions, catch):
                return await _invoke([function for _, function in functions], catch)
        raise AssertionError(f"a plan does not yield {step!r}")

    async def _try(self, call: Call[Any, Any, Any], timeout: float) -> Any:
        begin = self._channels.aio()[call.method]
        metadata = self._config.metadata_of(call) if call.options.metadata else self._metadata
        rpc = begin(call.request, timeout=timeout, metadata=metadata)
        if not call.method.streaming:
            try:
                return await rpc
            except grpc.aio.AioRpcError as error:
                raise _to_error(error) from error
        source = _Source(rpc)
        return source, await source.read()


class _Source:
    """The chunks of an open stream."""

    __slots__ = ("_chunks", "_rpc")
    fresh = False

    def __init__(self, rpc: Any) -> None:
        self._rpc = rpc
        self._chunks = aiter(rpc)

    async def read(self) -> Any:
        try:
            return await self._chunks.__anext__()
        except StopAsyncIteration:
            return None
        except grpc.aio.AioRpcError as error:
            raise _to_error(error) from error
        except BaseException:
            # The task was cancelled: nobody will read on.
            self._rpc.cancel()
            raise

    def cancel(self) -> None:
        self._rpc.cancel()


class _PlanSource:
    """The chunks that a plan emits, each with whether it begins another reply."""

    def __init__(self, plan: Plan[None], chunks: AsyncIterator[Any]) -> None:
        self._plan = plan
        self._chunks = chunks
        self.fresh = False

    async def read(self) -> Any:
        try:
            chunk, self.fresh = await self._chunks.__anext__()
        except StopAsyncIteration:
            return None
        return chunk

    def cancel(self) -> None:
        self._plan.close()


async def _invoke(functions: list[Callable[[], Any]], catch: bool) -> list[Any]:
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


def _to_error(error: grpc.aio.AioRpcError) -> APIError:
    return parse_status(error.code(), error.details(), tuple(error.trailing_metadata() or ()))
