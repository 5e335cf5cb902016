"""Interceptors: callbacks around a whole call, retries included."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from google.protobuf.message import Message

from genai_grpc._rpc.call import AnyCall
from genai_grpc._rpc.operation import Operation

__all__ = ["CallInfo", "Interceptor", "intercept"]


class CallInfo(NamedTuple):
    """A call, as interceptors see it.

    Attributes:
        method: The RPC path, `/package.Service/Method`.
        request: The request message.
        streaming: Whether the service streams responses.

    >>> from genai_grpc import protos
    >>> CallInfo("/package.Service/Method", protos.GetModelRequest(name="models/m"), False).request.name
    'models/m'
    """

    method: str
    request: Message
    streaming: bool


class Interceptor:
    """Base class of interceptors: callbacks around a whole call, retries included; each does nothing by default.

    Pass instances as `Client(interceptors=[...])`. `before`, `attempt` and `first_chunk` run on the thread or in the
    task that makes the call; `after` runs there too, but for a stream, where it runs where the stream ends. A callback
    that raises fails the call. gRPC's own interceptors see each attempt instead.

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

    def before(self, call: CallInfo) -> Any:
        """A call starts. The result is passed to the other callbacks as `state`."""

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
    attempts: Callable[[Callable[[int], None]], Operation[Any]],
) -> Operation[Any]:
    """The operation of a call with its interceptors: the first one is the outermost.

    Args:
        call: The call, with a decoded request.
        interceptors: Called in order; after the call, in reverse order.
        attempts: Takes a function to call with the number of each attempt, and returns the operation of the call.
    """
    request: Any = call.request  # decoded: see above
    info = CallInfo(call.method.path, request, call.method.streaming)
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
        reply = yield from attempts(on_attempt)
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
        after(None, reply)
    return reply
