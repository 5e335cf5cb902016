"""The sync transport: performs operations on the calling thread."""

from __future__ import annotations

import inspect
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
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

__all__ = ["SyncDriver", "SyncTransport"]

Out = TypeVar("Out")


class SyncDriver:
    """Drives operations on the calling thread: all of their steps but calls."""

    def run(self, operation: Operation[Any], parse: Callable[[Any], Out] = identity) -> Out:
        """Perform an operation, and return what `parse` makes of its result.

        The operation is closed whatever ends it, Ctrl-C included.
        """
        try:
            step = next(operation)
            while True:
                try:
                    result = self._execute(step)
                except APIError as error:
                    step = operation.throw(error)
                else:
                    step = operation.send(result)
        except StopIteration as stop:
            result = stop.value
        finally:
            operation.close()
        return parse(result)

    def iterate(self, operation: Operation[None]) -> Iterator[Any]:
        """The items that an operation yields; each step is performed when its items are needed."""
        result = None
        with closing(operation):
            while True:
                try:
                    step = operation.send(result)
                except StopIteration:
                    return
                if isinstance(step, Yield):
                    yield from step.items
                    result = None
                else:
                    result = self._execute(step)

    def _execute(self, step: Step) -> Any:
        match step:
            case Acquire(limiter, seconds):
                return _acquire(limiter, seconds)
            case Sleep(seconds):
                time.sleep(seconds)
                return None
            case ReadChunk(stream):
                return stream.read()
            case OpenStream(operation):
                stream = _OperationStream(operation, self.iterate(operation))
                return stream, stream.read()
            case CallFunctions(functions, catch):
                return [_call_function(name, function, catch) for name, function in functions]
            case CallMethod(owner, name, arguments):
                return getattr(owner, name)(**arguments)
            case Yield():
                raise AssertionError("only an operation that is iterated may yield items")
            case Attempt() | Call():
                raise AssertionError("only a transport performs calls")
            case _:
                raise unexpected_step(step)


class SyncTransport(Transport, SyncDriver, ABC):
    """Drives operations on the calling thread, calls included."""

    def call(self, call: Call[Any, Any, Out]) -> Out:
        """Perform one call, with retries."""
        return self.run(self._operation(call), call.parse)

    @abstractmethod
    def _attempt(self, attempt: Attempt) -> Any:
        """Perform one attempt; the reply, or the open stream and its first chunk. Raises APIError."""

    def _execute(self, step: Step) -> Any:
        # Nearly every step is an attempt.
        if type(step) is Attempt:
            return self._attempt(step)
        if isinstance(step, Call):
            return self.call(step)
        return super()._execute(step)


def _acquire(limiter: ConcurrencyLimiter, seconds: float) -> bool:
    admitted = threading.Lock()
    admitted.acquire()
    waiter = Waiter(admitted.release)
    try:
        if limiter.enqueue(waiter) or admitted.acquire(timeout=max(0.0, min(seconds, threading.TIMEOUT_MAX))):
            return True
    except BaseException:
        limiter.cancel(waiter)
        raise
    limiter.cancel(waiter)
    return False


class _OperationStream:
    """The chunks that an operation yields, each with whether it starts another reply."""

    def __init__(self, operation: Operation[None], chunks: Iterator[Any]) -> None:
        self._operation = operation
        self._chunks = chunks
        self.starts_reply = False

    def read(self) -> Any:
        chunk, self.starts_reply = next(self._chunks, (None, False))
        return chunk

    def cancel(self) -> None:
        self._operation.close()


def _call_function(name: str, function: Callable[[], Any], catch: bool) -> Any:
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
