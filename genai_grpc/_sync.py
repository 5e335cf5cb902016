"""The sync shell: performs calls and plans on a thread that waits."""

from __future__ import annotations

import inspect
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any, TypeVar

import grpc

from genai_grpc._call import Call, Emit, Invoke, Open, Plan, Read, Sleep, Try, attempts
from genai_grpc._status import parse_status
from genai_grpc.errors import APIError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from genai_grpc._channel import Channels
    from genai_grpc.config import Config

__all__ = ["SyncShell"]

Out = TypeVar("Out")


class SyncShell:
    """Performs what is described, on the channels of one client."""

    def __init__(self, config: Config, channels: Channels) -> None:
        self._config = config
        self._metadata = config.call_metadata()
        self._channels = channels

    def call(self, call: Call[Any, Any, Out]) -> Out:
        """The result of a call, over as many tries as its policy allows."""
        timeout, policy = self._config.limits(call)
        result: Out = self.run(attempts(call, policy, timeout, time.monotonic))
        return result

    def run(self, plan: Plan[Out]) -> Out:
        """The result of a plan."""
        try:
            step = next(plan)
            while True:
                try:
                    done = self._perform(step)
                except APIError as error:
                    step = plan.throw(error)
                else:
                    step = plan.send(done)
        except StopIteration as stop:
            result: Out = stop.value
            return result

    def iterate(self, plan: Plan[None]) -> Iterator[Any]:
        """The items that a plan emits, each step performed when its items are asked for."""
        done = None
        with closing(plan):
            while True:
                try:
                    step = plan.send(done)
                except StopIteration:
                    return
                if isinstance(step, Emit):
                    yield from step.items
                    done = None
                else:
                    done = self._perform(step)

    def open(self, plan: Plan[None]) -> tuple[Any, Any]:
        """A plan that emits chunks, as an open stream with its first chunk."""
        source = _PlanSource(plan, self.iterate(plan))
        return source, source.read()

    def _perform(self, step: Any) -> Any:
        match step:
            case Try(call, timeout):
                return self._try(call, timeout)
            case Call():
                return self.call(step)
            case Sleep(seconds):
                time.sleep(seconds)
                return None
            case Read(source):
                return source.read()
            case Open(plan):
                return self.open(plan)
            case Invoke(functions, catch):
                return [_invoke(name, function, catch) for name, function in functions]
        raise AssertionError(f"a plan does not yield {step!r}")

    def _try(self, call: Call[Any, Any, Any], timeout: float) -> Any:
        begin = self._channels.sync()[call.method]
        metadata = self._config.metadata_of(call) if call.options.metadata else self._metadata
        if not call.method.streaming:
            try:
                return begin(call.request, timeout=timeout, metadata=metadata)
            except grpc.RpcError as error:
                raise _to_error(error) from error
        source = _Source(begin(call.request, timeout=timeout, metadata=metadata))
        return source, source.read()


class _Source:
    """The chunks of an open stream."""

    __slots__ = ("_rpc",)
    fresh = False

    def __init__(self, rpc: Any) -> None:
        self._rpc = rpc

    def read(self) -> Any:
        try:
            return next(self._rpc, None)
        except grpc.RpcError as error:
            raise _to_error(error) from error
        except BaseException:
            # Ctrl-C and the like: nobody will read on.
            self._rpc.cancel()
            raise

    def cancel(self) -> None:
        self._rpc.cancel()


class _PlanSource:
    """The chunks that a plan emits, each with whether it begins another reply."""

    def __init__(self, plan: Plan[None], chunks: Iterator[Any]) -> None:
        self._plan = plan
        self._chunks = chunks
        self.fresh = False

    def read(self) -> Any:
        chunk, self.fresh = next(self._chunks, (None, False))
        return chunk

    def cancel(self) -> None:
        self._plan.close()


def _invoke(name: str, function: Callable[[], Any], catch: bool) -> Any:
    try:
        result = function()
    except Exception as error:
        if catch:
            return error
        raise
    if inspect.isawaitable(result):
        if inspect.iscoroutine(result):
            result.close()
        raise TypeError(f"{name} is a coroutine function, which a sync call cannot await; use send_message_async")
    return result


def _to_error(error: Any) -> APIError:
    return parse_status(error.code(), error.details(), error.trailing_metadata())
