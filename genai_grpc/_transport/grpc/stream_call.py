"""The call of a sync stream, freed however it is left.

grpcio (1.71 to 1.85) keeps a stream of a channel with `SingleThreadedUnaryStream` as long as the channel, some 20 KiB,
unless its last event is consumed, which its own `cancel` and finalizer make impossible. So the call is cancelled below
grpcio's object, which is then read to its end.
"""

from __future__ import annotations

import os
import threading
from typing import Any, Final

import grpc

from genai_grpc import _fork
from genai_grpc._transport.grpc.stream_watchdog import WATCHDOG

__all__ = ["StreamCall", "StreamCallInterceptor"]

CANCELLED: Final[int] = grpc.StatusCode.CANCELLED.value[0]


class StreamCall:
    """gRPC's sync stream: iterated, cancelled and dropped like it, from any thread, without leaving anything behind."""

    __slots__ = ("_cancelled", "_pid", "_reading", "_rpc", "ended")

    def __init__(self, rpc: Any) -> None:
        self._rpc = rpc
        self._reading = threading.Lock()
        self._cancelled = False
        self._pid = os.getpid()
        self.ended = False

    def __iter__(self) -> StreamCall:
        return self

    def __next__(self) -> Any:
        with self._reading:
            try:
                chunk = next(self._rpc)
            except (StopIteration, grpc.RpcError):
                self.ended = True
                raise
            except BaseException:
                # Ctrl-C and the like, at which gRPC frees the call: its events cannot be read any more.
                self.ended = True
                self._rpc.cancel()
                raise
        if self._cancelled:
            self._free()
        return chunk

    def cancel(self) -> None:
        """Cancel the call, which ends the wait of a thread that reads it. Returns at once."""
        if not self.ended:
            self._cancelled = True
            self._free()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._rpc, name)  # for interceptors

    def __del__(self) -> None:
        if not (self.ended or self._cancelled):
            self._free()

    def _free(self) -> None:
        if self._pid == os.getpid():
            rpc, reading = self._rpc, self._reading
            _cancel(rpc)
            WATCHDOG.submit(lambda: _read_to_end(rpc, reading))
        else:
            # A call of the parent process, which a child must not touch, nor finalize.
            _fork.abandon(self._rpc)


class StreamCallInterceptor(grpc.UnaryStreamClientInterceptor):
    """The innermost interceptor of a channel: what the others get, and may wrap in a stream of their own."""

    def __init__(self) -> None:
        self._opened = threading.local()

    def intercept_unary_stream(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        self._opened.call = call = StreamCall(continuation(client_call_details, request))
        return call

    def take(self) -> StreamCall | None:
        """The call that this thread has opened last; None if an interceptor opened it elsewhere, or none at all."""
        call: StreamCall | None = self._opened.__dict__.pop("call", None)
        return call


def _cancel(rpc: Any) -> None:
    call: Any = getattr(rpc, "_call", None)
    if hasattr(call, "next_event"):  # it has no thread: its events are to be consumed
        call.cancel(CANCELLED, "the program ended the stream")
    else:
        rpc.cancel()


def _read_to_end(rpc: Any, reading: threading.Lock) -> None:
    """Read a cancelled call to its end, unless a thread reads it, which reads the end itself or calls this again."""
    if reading.acquire(blocking=False):
        try:
            for _ in rpc:
                pass
        except grpc.RpcError as error:
            error.__traceback__ = None  # its frames refer to the error
        finally:
            reading.release()
