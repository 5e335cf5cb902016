"""The sync transport: performs operations on the calling thread."""

from __future__ import annotations

import inspect
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any, TypeVar

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

__all__ = ["SyncDriver", "SyncTransport", "wait"]

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
                except Exception as error:
                    step = operation.throw(error)
                else:
                    step = operation.send(result)
        except StopIteration as stop:
            result = stop.value
        finally:
            operation.close()
        return parse(result)

    def iterate(self, operation: Operation[None] | _ClosableOperation) -> Iterator[Any]:
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
            case Acquire(slots, seconds):
                return wait(slots, seconds)
            case Reserve(limiter, tokens, max_wait):
                return limiter.reserve(tokens, max_wait)
            case Sleep(seconds):
                time.sleep(min(seconds, threading.TIMEOUT_MAX))
                return None
            case ReadChunk(stream):
                return stream.read()
            case OpenStream(operation):
                closable = _ClosableOperation(operation)
                stream = _OperationStream(closable, self.iterate(closable))
                return stream, stream.read()
            case CallFunctions(functions, catch):
                return [_call_function(name, function, catch) for name, function in functions]
            case CallMethod(owner, name, arguments):
                return getattr(owner, name)(**arguments)
            case CallBlocking(function):
                return function()
            case Yield():
                raise AssertionError("only an operation that is iterated may yield items")
            case Attempt() | Call() | CallEach() | HttpRequest():
                raise AssertionError("only a transport performs calls")
            case _:
                raise unexpected_step(step)


class SyncTransport(Transport, SyncDriver, ABC):
    """Drives operations on the calling thread, calls included."""

    def call(self, call: Call[Any, Any, Out]) -> Out:
        """Perform one call, with retries."""
        return self.run(self._operation(call), call.parse)

    def perform(self, step: Step) -> Any:
        """Perform one step of an operation that another driver runs."""
        return self._execute(step)

    def _refresh(self, call: AnyCall, timeout: float) -> tuple[float, Any]:
        """Refresh the credentials; the timeout that is left, and the metadata."""
        started = time.monotonic()
        self._metadata.credentials.refresh()
        metadata = self._metadata.for_call(call)
        left = timeout - (time.monotonic() - started)
        if metadata is None or left <= 0:
            raise DeadlineExceeded("the credentials gave no token before the deadline")
        return left, metadata

    @abstractmethod
    def _attempt(self, attempt: Attempt) -> Any:
        """Perform one attempt; the reply and its metadata, or the open stream and its first chunk. Raises APIError."""

    def _execute(self, step: Step) -> Any:
        # Nearly every step is an attempt.
        if type(step) is Attempt:
            return self._attempt(step)
        if isinstance(step, Call):
            return self.call(step)
        if isinstance(step, Sleep):
            return wait(self._admission.calls.cancelled, step.seconds)
        if isinstance(step, CallEach):
            return list(map(self.call, step.calls))
        return super()._execute(step)


def wait(queue: WaitQueue, seconds: float) -> bool:
    """Wait in a queue for at most so many seconds; whether the waiter was admitted."""
    notified = threading.Lock()
    notified.acquire()
    waiter = Waiter(notified.release)
    try:
        if queue.enqueue(waiter) or notified.acquire(timeout=max(0.0, min(seconds, threading.TIMEOUT_MAX))):
            return waiter.admitted
    except BaseException:
        queue.cancel(waiter)
        raise
    queue.cancel(waiter)
    return False


class _OperationStream:
    """The chunks that an operation yields, each with whether it starts another reply."""

    def __init__(self, operation: _ClosableOperation, chunks: Iterator[Any]) -> None:
        self._operation = operation
        self._chunks = chunks
        self._cancelled = False
        self.starts_reply = False

    def read(self) -> Any:
        chunk, self.starts_reply = next(self._chunks, (None, False))
        if chunk is None and self._cancelled:
            raise Cancelled("the program ended the stream")
        return chunk

    def received(self) -> None:
        """No metadata: the chunks are those of several calls."""

    def cancel(self) -> None:
        self._cancelled = True
        self._operation.close()


class _ClosableOperation:
    """An operation that one thread performs and another may close."""

    def __init__(self, operation: Operation[None]) -> None:
        self._operation = operation
        self._lock = threading.RLock()  # a finalizer may close it on the thread that holds the lock

    def send(self, result: Any) -> Step:
        with self._lock:
            return self._operation.send(result)

    def close(self) -> None:
        with self._lock:
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
