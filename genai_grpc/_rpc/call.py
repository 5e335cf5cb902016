"""A call described, not performed: one RPC with its request and the way to read its reply."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeAlias, TypeVar

from google.protobuf.message import Message

from genai_grpc._rpc.options import NO_OPTIONS, CallOptions
from genai_grpc._services.method import Method

__all__ = ["AnyCall", "Call", "SerializedRequest", "identity"]

Req = TypeVar("Req", bound=Message)
Res = TypeVar("Res", bound=Message)
Out = TypeVar("Out")


class SerializedRequest(Generic[Req]):
    """A request that is already serialized, in place of its message.

    Attributes:
        message_type: The class of the message.
        model: The resource name of the model, for the routing metadata.
        data: The serialized message.
    """

    __slots__ = ("data", "message_type", "model")

    def __init__(self, message_type: type[Req], model: str, data: bytes) -> None:
        self.message_type = message_type
        self.model = model
        self.data = data

    def SerializeToString(self) -> bytes:  # noqa: N802 -- the name that messages have for it
        """The serialized message."""
        return self.data

    def decode(self) -> Req:
        """The message."""
        return self.message_type.FromString(self.data)


class Call(Generic[Req, Res, Out]):
    """An RPC to perform.

    Attributes:
        method: What to call.
        request: The request, as a message or serialized.
        parse: Makes the result from the reply or, of a streaming method, from the open stream and its first chunk.
        options: Timeouts, retry policy and metadata of this call.
    """

    __slots__ = ("method", "options", "parse", "request")

    def __init__(
        self,
        method: Method[Req, Res],
        request: Req | SerializedRequest[Req],
        parse: Callable[[Any], Out],
        options: CallOptions = NO_OPTIONS,
    ) -> None:
        self.method = method
        self.request = request
        self.parse = parse
        self.options = options

    def with_decoded_request(self) -> Call[Req, Res, Out]:
        """The same call with a message as its request, for interceptors."""
        if isinstance(self.request, SerializedRequest):
            return Call(self.method, self.request.decode(), self.parse, self.options)
        return self


AnyCall: TypeAlias = Call[Any, Any, Any]


def identity(reply: Out) -> Out:
    """The `parse` of calls whose result is the reply itself."""
    return reply
