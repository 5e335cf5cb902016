"""Base of the sync and async response streams."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

from genai_grpc import _fork
from genai_grpc.errors import APIError, Cancelled, InternalServerError

__all__ = ["DoneCallback", "RpcStream", "no_message"]

DoneCallback: TypeAlias = Callable[["APIError | None", Any], object]


_OF_PARENT: Final = "the stream belongs to the parent process, which opened it; open another one in this process"


class RpcStream:
    """Base of the sync and async response streams.

    Runs its done-callbacks exactly once, with the error (or None) and the last chunk.

    Attributes:
        last: The last chunk read; None before the first one.
    """

    __slots__ = ("__weakref__", "_callbacks", "_outcome", "_rpc", "last")
    starts_reply = False

    def __init__(self, rpc: Any) -> None:
        self._rpc: Any = rpc
        self._callbacks: list[DoneCallback] = []
        self._outcome: tuple[APIError | None] | None = None
        self.last: Any = None
        _fork.register(self)

    def add_done_callback(self, callback: DoneCallback) -> None:
        """Call `callback(error, last_chunk)` when the stream ends; at once if it has ended."""
        if self._outcome is None:
            self._callbacks.append(callback)
        else:
            callback(self._outcome[0], self.last)

    @property
    def open(self) -> bool:
        """Whether it has not ended."""
        return self._outcome is None

    def cancel(self) -> None:
        """End the stream now."""
        if self._outcome is None:
            self._cancel()
            self._end(Cancelled("the program ended the stream"))

    def _cancel(self) -> None:
        """Cancel the call."""
        raise NotImplementedError

    def _end(self, error: APIError | None) -> None:
        if self._outcome is None:
            self._outcome = (error,)
            # Another thread may end it at the same time: each callback is taken by one of them.
            while self._callbacks:
                try:
                    callback = self._callbacks.pop(0)
                except IndexError:
                    return
                callback(error, self.last)

    def _reset_after_fork(self) -> None:
        """Leave the stream to the parent process: it cannot be read here, and gRPC's finalizer must not run.

        Nor do the callbacks, whose locks a thread of the parent may hold.
        """
        if self._outcome is None:
            self._callbacks = []
            self._outcome = (Cancelled(_OF_PARENT),)
            _fork.abandon(self._rpc)
            self._rpc = _AbandonedCall()

    def __del__(self) -> None:
        # A response that the program dropped: gRPC cancels the call, and the callbacks must still run.
        if self._outcome is None:
            self._end(Cancelled("the stream was dropped before its end"))


def no_message() -> APIError:
    """The error of a call that ended with status OK and without a message, which is no error of gRPC or HTTP."""
    return InternalServerError("the service ended the call with status OK, but sent no message")


class _AbandonedCall:
    """Stands for a call of the parent process."""

    def __next__(self) -> Any:
        raise Cancelled(_OF_PARENT)

    async def read(self) -> Any:
        return next(self)
