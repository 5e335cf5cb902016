"""The sync shell: performs calls and plans on a thread that waits."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, TypeVar

import grpc

from genai_grpc._call import Call, Emit, Plan, Sleep, Try
from genai_grpc._retry import attempts
from genai_grpc._status import parse_status
from genai_grpc.errors import APIError

if TYPE_CHECKING:
    from collections.abc import Iterator

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

    def _perform(self, step: Any) -> Any:
        match step:
            case Try(call, timeout):
                return self._try(call, timeout)
            case Call():
                return self.call(step)
            case Sleep(seconds):
                time.sleep(seconds)
                return None
        raise AssertionError(f"a plan yields calls, tries and sleeps; got {step!r}")

    def _try(self, call: Call[Any, Any, Any], timeout: float) -> Any:
        begin = self._channels.sync()[call.method]
        metadata = self._metadata + call.options.metadata
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


def _to_error(error: Any) -> APIError:
    return parse_status(error.code(), error.details(), error.trailing_metadata())
