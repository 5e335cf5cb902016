"""Metadata of RPCs as gRPC has received them: the initial and the trailing pairs, each an iterable or None.

They are read from gRPC's own state where that has the expected form, and else by its public methods. Measured on grpcio
1.85, on top of a plain call: nothing instead of 2 microseconds for a sync call (its `with_call` creates an exception
object with a finalizer), 0.2 instead of 1.4 for an async one.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Final, get_args

import grpc

__all__ = ["received_async", "received_async_so_far", "received_so_far", "with_received"]


def with_received(unary: Any) -> Callable[..., Any]:
    """A callable of a unary method that returns the reply and its metadata; one of grpc.aio as it is."""
    if (with_call := getattr(unary, "with_call", None)) is None:
        return unary  # type: ignore[no-any-return]  # a callable of grpc.aio
    blocking, rpc_error = _private_call(unary)

    def call(request: Any, timeout: float, metadata: Any) -> tuple[Any, tuple[Any, Any]]:
        if blocking is None:
            reply, rpc = with_call(request, timeout=timeout, metadata=metadata)
            return reply, received_so_far(rpc, is_open=False)
        state, _ = blocking(request, timeout, metadata)
        if state.code is grpc.StatusCode.OK:
            return state.response, (state.initial_metadata, state.trailing_metadata)
        del request  # so that a traceback with local variables does not show the prompt
        raise rpc_error(state)

    return call


def _private_call(unary: Any) -> tuple[Any, Any]:
    """What `__call__` of a sync unary callable consists of, and its error; None where grpcio has something else."""
    private = getattr(grpc, "_channel", None)
    state, rpc_error = (getattr(private, name, None) for name in ("_RPCState", "_InactiveRpcError"))
    blocking = getattr(unary, "_blocking", None)
    returned = get_args(getattr(blocking, "__annotations__", {}).get("return"))
    known = rpc_error is not None and len(returned) == 2 and returned[0] is state
    if known and getattr(state, "__annotations__", {}).keys() >= _STATE:
        return blocking, rpc_error
    return None, None


_STATE: Final = {"code", "response", "initial_metadata", "trailing_metadata"}


async def received_async(rpc: Any) -> tuple[Any, Any]:
    """The metadata of an async RPC that has ended."""
    try:
        call = rpc._cython_call
        pairs = await call.initial_metadata(), (await call.status()).trailing_metadata()
    except AttributeError:  # such as the RPC of a channel with interceptors
        return await rpc.initial_metadata(), await rpc.trailing_metadata()
    return pairs


def received_so_far(rpc: Any, is_open: bool) -> tuple[Any, Any]:
    """The metadata of a sync RPC after its first message; the trailing ones are None if it is open."""
    state: Any = getattr(rpc, "_state", None)
    if hasattr(state, "trailing_metadata"):
        return state.initial_metadata, None if is_open else state.trailing_metadata
    # What an interceptor returns need not have these methods.
    initial, trailing = (getattr(rpc, name, _nothing) for name in ("initial_metadata", "trailing_metadata"))
    return initial(), None if is_open else trailing()


def received_async_so_far(rpc: Any, is_open: bool) -> tuple[Any, Any]:
    """The metadata of an async RPC after its first message; the trailing ones are None if it is open."""
    if not hasattr(rpc, "initial_metadata"):  # of the parent process
        return (), None
    return _result(rpc.initial_metadata()), None if is_open else _result(rpc.trailing_metadata())


def _result(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """The result of a coroutine that has nothing left to wait for; None if it has."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    coroutine.close()
    return None


def _nothing() -> tuple[()]:
    return ()
