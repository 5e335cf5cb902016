"""The sync shell: performs calls and plans on a thread that waits."""

from __future__ import annotations

import inspect
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any, TypeVar

import grpc

from genai_grpc._rpc.attempts import Acquire, run_attempts
from genai_grpc._rpc.call import Attempt, Call, CallFunctions, OpenStream, Operation, ReadChunk, Sleep, Yield, identity
from genai_grpc._rpc.concurrency_limiter import Waiter
from genai_grpc._transport.grpc.channel_pool import DecodeFailure
from genai_grpc._transport.grpc.idle_timeout import IDLE_TIMEOUTS
from genai_grpc._transport.grpc.stream import RpcStream
from genai_grpc.errors import APIError, DeadlineExceeded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from genai_grpc._rpc.admission import Admission
    from genai_grpc._rpc.call import Interceptor
    from genai_grpc._rpc.concurrency_limiter import ConcurrencyLimiter
    from genai_grpc._transport.config import Config
    from genai_grpc._transport.grpc.channel_pool import ChannelPools, PooledChannel
    from genai_grpc._transport.metadata import CallMetadata

__all__ = ["SyncTransport"]

Out = TypeVar("Out")


class SyncTransport:
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

    def call(self, call: Call[Any, Any, Out]) -> Out:
        """The result of a call, over as many tries as its policy allows."""
        if self._config.interceptors:
            call = call.shown()
        plan = run_attempts(call, self._config.limits(call), self._admission, time.monotonic)
        for interceptor in self._interceptors:
            plan = interceptor.intercept(call, plan)
        return self.run(plan, call.parse)

    def run(self, plan: Operation[Any], parse: Callable[[Any], Out] = identity) -> Out:
        """What `parse` makes of a plan's result. The plan is closed with whatever else ends it, such as Ctrl-C."""
        try:
            step = next(plan)
            while True:
                try:
                    # Nearly every step is a try.
                    done = self._try(step) if type(step) is Attempt else self._perform(step)
                except APIError as error:
                    step = plan.throw(error)
                else:
                    step = plan.send(done)
        except StopIteration as stop:
            result = stop.value
        finally:
            plan.close()
        return parse(result)

    def iterate(self, plan: Operation[None]) -> Iterator[Any]:
        """The items that a plan emits, each step performed when its items are asked for."""
        done = None
        with closing(plan):
            while True:
                try:
                    step = plan.send(done)
                except StopIteration:
                    return
                if isinstance(step, Yield):
                    yield from step.items
                    done = None
                else:
                    done = self._perform(step)

    def open(self, plan: Operation[None]) -> tuple[Any, Any]:
        """A plan that emits chunks, as an open stream with its first chunk."""
        source = _OperationStream(plan, self.iterate(plan))
        return source, source.read()

    def _perform(self, step: Any) -> Any:
        match step:
            case Attempt():
                return self._try(step)
            case Acquire(limiter, seconds):
                return _acquire_slot(limiter, seconds)
            case Call():
                return self.call(step)
            case Sleep(seconds):
                time.sleep(seconds)
                return None
            case ReadChunk(source):
                return source.read()
            case OpenStream(plan):
                return self.open(plan)
            case CallFunctions(functions, catch):
                return [_call_function(name, function, catch) for name, function in functions]
        raise AssertionError(f"a plan does not yield {step!r}")

    def _try(self, step: Attempt) -> Any:
        call, timeout = step.call, step.timeout
        metadata = self._headers.of(call)
        if metadata is None:
            timeout, metadata = self._refresh(call, timeout)
        channel, rpc = self._channels.sync().acquire(), None
        try:
            rpc = channel[call.method](call.request, timeout=timeout, metadata=metadata)
        except grpc.RpcError as error:
            raise channel.failure(error) from error
        except ValueError as error:
            channel.check_open(error)
            raise
        finally:
            if rpc is None or not call.method.streaming:
                channel.release()
        if not call.method.streaming:
            if type(rpc) is DecodeFailure:
                raise rpc.error()
            return rpc
        source = _Stream(rpc, channel, step.idle_timeout)
        source.add_done_callback(channel.release)
        return source, source.read()

    def _refresh(self, call: Call[Any, Any, Any], timeout: float) -> tuple[float, Any]:
        """What is left of the timeout after a token was fetched, and the metadata with it."""
        began = time.monotonic()
        self._headers.identity.refresh()
        metadata = self._headers.of(call)
        left = timeout - (time.monotonic() - began)
        if metadata is None or left <= 0:
            raise DeadlineExceeded("no token could be had before the deadline")
        return left, metadata


def _acquire_slot(limiter: ConcurrencyLimiter, seconds: float) -> bool:
    turn = threading.Lock()
    turn.acquire()
    waiter = Waiter(turn.release)
    try:
        if limiter.enqueue(waiter) or turn.acquire(timeout=max(0.0, min(seconds, threading.TIMEOUT_MAX))):
            return True
    except BaseException:
        limiter.cancel(waiter)
        raise
    limiter.cancel(waiter)
    return False


class _Stream(RpcStream):
    """The chunks of an open stream, each of which is waited for no longer than `idle_timeout` seconds.

    Attributes:
        idle_timeout: Seconds.
        waiting_since: When the wait for the next chunk began; None while nobody waits.
    """

    __slots__ = ("_connection", "_idled", "idle_timeout", "waiting_since")

    def __init__(self, rpc: Any, connection: PooledChannel, idle_timeout: float) -> None:
        super().__init__(rpc)
        self._connection = connection
        self._idled = False
        self.idle_timeout = idle_timeout
        self.waiting_since: float | None = None
        IDLE_TIMEOUTS.register(self)

    def read(self) -> Any:
        self.waiting_since = time.monotonic()
        try:
            chunk = next(self._rpc, None)
        except grpc.RpcError as error:
            if self._idled:
                found: APIError = DeadlineExceeded(f"no chunk came for {self.idle_timeout:g} s, the idle_timeout")
            else:
                found = self._connection.failure(error)
            self._end(found)
            raise found from error
        except BaseException:
            # Ctrl-C and the like: nobody will read on.
            self.cancel()
            raise
        finally:
            self.waiting_since = None
        if chunk is None:
            self._end(None)
            return None
        if type(chunk) is DecodeFailure:
            self._rpc.cancel()
            self._end(unread := chunk.error())
            raise unread
        self.last = chunk
        return chunk

    def on_idle_timeout(self) -> None:
        """Have the wait for the next chunk fail; called by another thread."""
        self._idled = True
        self._rpc.cancel()

    def _end(self, error: APIError | None) -> None:
        IDLE_TIMEOUTS.unregister(self)
        super()._end(error)


class _OperationStream:
    """The chunks that a plan emits, each with whether it begins another reply."""

    def __init__(self, plan: Operation[None], chunks: Iterator[Any]) -> None:
        self._plan = plan
        self._chunks = chunks
        self.starts_reply = False

    def read(self) -> Any:
        chunk, self.starts_reply = next(self._chunks, (None, False))
        return chunk

    def cancel(self) -> None:
        self._plan.close()


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
