"""Interceptors: callbacks around a whole call, retries included."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import chain
from typing import Any, NamedTuple, cast

from google.protobuf.message import Message

from genai_grpc._rpc.call import AnyCall
from genai_grpc._rpc.operation import Operation
from genai_grpc._rpc.options import to_metadata
from genai_grpc._rpc.secret import Secret
from genai_grpc.errors import APIError

__all__ = ["CallInfo", "Interceptor", "announce", "error_type", "intercept"]


class CallInfo(NamedTuple):
    """A call, as interceptors see it.

    Attributes:
        method: The RPC path, `/package.Service/Method`.
        request: The request message.
        streaming: Whether the service streams responses.
        transport: "grpc" or "rest".

    >>> from genai_grpc import protos
    >>> CallInfo("/package.Service/Method", protos.GetModelRequest(name="models/m"), False).request.name
    'models/m'
    """

    method: str
    request: Message
    streaming: bool
    transport: str = "grpc"

    def __repr__(self) -> str:
        # Without the request: a traceback with local variables shows no prompt.
        return f"CallInfo({self.method!r}, streaming={self.streaming})"


class Interceptor:
    """Base class of interceptors: callbacks around a whole call, retries included; each does nothing by default.

    Pass instances as `Client(interceptors=[...])`. Callbacks run on the thread or in the task that makes the call; but
    `after` of a stream runs where the stream ends. A callback that raises fails the call. gRPC's own interceptors see
    each attempt instead.

    >>> import genai_grpc as genai
    >>> class CountAttempts(Interceptor):
    ...     def attempt(self, state, number):
    ...         print("attempt", number)
    >>> client = genai.Client(interceptors=[CountAttempts()])
    >>> genai.get_model("gemini-pro", client=client).name
    attempt 1
    'models/gemini-pro'
    >>> client.close()
    """

    def client_created(self, client: Any) -> None:
        """A `Client` with this interceptor was created or unpickled; keep no more than a weak reference to it."""

    def before(self, call: CallInfo) -> Any:
        """A call starts. The result is passed to the other callbacks as `state`."""

    def metadata(self, state: Any) -> Mapping[str, str | bytes] | Iterable[tuple[str, str | bytes]]:
        """The pairs to send with each attempt of the call, after the program's own; none by default.

        Called once, after `before`. What gRPC cannot carry, and a key over plaintext, fail the call, as in
        `request_options`.
        """
        return ()

    def attempt(self, state: Any, number: int) -> None:
        """An attempt starts; `number` counts from 1."""

    def first_chunk(self, state: Any) -> None:
        """The first chunk of a stream has arrived, or the stream ended without one."""

    def after(self, state: Any, error: BaseException | None, reply: Any) -> None:
        """A call or its stream has ended.

        Args:
            state: What `before` returned.
            error: What the call ended with; None if it succeeded. GeneratorExit for a call that was abandoned.
            reply: The reply message, of a stream the last chunk; None if there is none.
        """


def intercept(
    call: AnyCall,
    interceptors: tuple[Interceptor, ...],
    attempts: Callable[[AnyCall, Callable[[int], None]], Operation[Any]],
    transport: str = "grpc",
) -> Operation[Any]:
    """The operation of a call with its interceptors: the first one is the outermost.

    Args:
        call: The call, with a decoded request.
        interceptors: Called in order; after the call, in reverse order.
        attempts: Takes the call and a function to call with the number of each attempt; the operation of the call.
        transport: What carries the call.
    """
    info = CallInfo(call.method.path, cast("Any", call.request), call.method.streaming, transport)
    states: list[tuple[Interceptor, Any]] = []
    streaming = call.method.streaming

    def on_attempt(number: int) -> None:
        for each, state in states:
            each.attempt(state, number)

    def after(error: BaseException | None, reply: Any) -> None:
        for each, state in reversed(states):
            each.after(state, error, reply)

    try:
        for each in interceptors:
            states.append((each, each.before(info)))  # noqa: PERF401 -- those before one that raises are in the list
        reply = yield from attempts(_with_metadata(call, states), on_attempt)
        if streaming:
            try:
                for each, state in reversed(states):
                    each.first_chunk(state)
            except BaseException:
                reply[0].cancel()
                raise
    except BaseException as error:
        after(error, None)
        raise
    if streaming:
        reply[0].add_done_callback(after)
    else:
        after(None, reply[0])
    return reply


def _with_metadata(call: AnyCall, states: list[tuple[Interceptor, Any]]) -> AnyCall:
    """The call with the metadata of its interceptors."""
    pairs = tuple(chain.from_iterable(Secret(each.metadata(state)).apply(to_metadata) for each, state in states))
    return call.with_metadata(pairs) if pairs else call


def error_type(error: BaseException) -> str:
    """The status of an error, or the name of its class; CANCELLED for a call that the program abandoned."""
    if isinstance(error, GeneratorExit):
        return "CANCELLED"
    return error.status if isinstance(error, APIError) else type(error).__qualname__


def announce(client: Any, interceptors: Iterable[Any]) -> None:
    """Announce a client to its interceptors."""
    for each in interceptors:
        if isinstance(each, Interceptor):
            each.client_created(client)
