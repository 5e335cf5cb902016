"""Base of the sync and async response streams."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from genai_grpc.errors import APIError, Cancelled

__all__ = ["DoneCallback", "RpcStream"]

DoneCallback: TypeAlias = Callable[["APIError | None", Any], object]


class RpcStream:
    """Base of the sync and async response streams.

    Runs its done-callbacks exactly once, with the error (or None) and the last chunk.

    Attributes:
        last: The last chunk read; None before the first one.
    """

    __slots__ = ("__weakref__", "_callbacks", "_outcome", "_rpc", "last")
    starts_reply = False

    def __init__(self, rpc: Any) -> None:
        self._rpc = rpc
        self._callbacks: list[DoneCallback] = []
        self._outcome: tuple[APIError | None] | None = None
        self.last: Any = None

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
            self._rpc.cancel()
            self._end(Cancelled("the program ended the stream"))

    def _end(self, error: APIError | None) -> None:
        if self._outcome is None:
            self._outcome = (error,)
            callbacks, self._callbacks = self._callbacks, []
            for callback in callbacks:
                callback(error, self.last)

    def __del__(self) -> None:
        # A response that the program dropped: gRPC cancels the call, and the callbacks must still run.
        if self._outcome is None:
            self._end(Cancelled("the stream was dropped before its end"))
