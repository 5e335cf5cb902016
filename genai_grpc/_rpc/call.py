"""A call described, not performed: one RPC with its request and the way to read its reply."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeAlias, TypeVar

from google.protobuf.message import Message

from genai_grpc._rpc.options import NO_OPTIONS, CallOptions, Metadata
from genai_grpc._services.method import Method

__all__ = ["AnyCall", "Call", "SerializedRequest", "identity", "reply_message"]

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
        parse: Makes the result from what an `Attempt` returns: the reply and its metadata or, of a streaming method,
            the open stream and its first chunk.
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

    def with_method(self, method: Method[Req, Res]) -> Call[Req, Res, Out]:
        """The same call of the same method in another API version."""
        return Call(method, self.request, self.parse, self.options)

    def with_defaults(self, defaults: CallOptions) -> Call[Req, Res, Out]:
        """The same call, with `defaults` for the options that it does not set."""
        return Call(self.method, self.request, self.parse, self.options.over(defaults))

    def with_decoded_request(self) -> Call[Req, Res, Out]:
        """The same call with a message as its request, for interceptors."""
        if isinstance(self.request, SerializedRequest):
            return Call(self.method, self.request.decode(), self.parse, self.options)
        return self

    def with_metadata(self, metadata: Metadata) -> Call[Req, Res, Out]:
        """The same call with further metadata."""
        options = self.options._replace(metadata=(*self.options.metadata, *metadata))
        return Call(self.method, self.request, self.parse, options)


AnyCall: TypeAlias = Call[Any, Any, Any]


def identity(result: Out) -> Out:
    """The `parse` of operations whose result needs none."""
    return result


def reply_message(reply: tuple[Out, object]) -> Out:
    """The `parse` of unary calls whose result is the reply message itself."""
    return reply[0]
