"""A call described, not performed, and the plans made of calls.

A `Call` is one RPC with its request and the way to read its reply. Work of several RPCs is a `Operation`: a generator that
yields steps and is sent what came of them. Both are pure; the sync and the async shell each perform them with one
small driver.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from math import inf
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, Generic, NamedTuple, Protocol, TypeAlias, TypeVar

from genai_grpc import protos

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from genai_grpc._rpc.retry_policy import RetryPolicy

__all__ = [
    "COUNT_TOKENS",
    "DEFAULTS",
    "GENERATE_CONTENT",
    "SERVICES",
    "STREAM_GENERATE_CONTENT",
    "Attempt",
    "Call",
    "CallFunctions",
    "Interceptor",
    "Limits",
    "Metadata",
    "Method",
    "OpenStream",
    "Operation",
    "Options",
    "ReadChunk",
    "SerializedRequest",
    "Sleep",
    "Yield",
    "identity",
]

Req = TypeVar("Req", bound="Message")
Res = TypeVar("Res", bound="Message")
Out = TypeVar("Out")

Metadata: TypeAlias = tuple[tuple[str, str], ...]


def _nowhere(_: object) -> str:
    return ""


class Method(Generic[Req, Res]):
    """An RPC of the service.

    Attributes:
        path: Its name on the wire, `/package.Service/Method`.
        request: The class of its requests.
        response: The class of its replies.
        route: The field of a request that routes it, as in the method's HTTP path (https://google.aip.dev/4222).
        routed: What that field of a request holds; "" for a method that has none.
        streaming: Whether the replies stream.
        idempotent: Whether having its effect twice is as good as once.
        timeout: Seconds for a call that names none.
    """

    __slots__ = ("idempotent", "path", "request", "response", "route", "routed", "streaming", "timeout")

    def __init__(
        self,
        path: str,
        request: type[Req],
        response: type[Res],
        route: str | None = None,
        *,
        streaming: bool = False,
        idempotent: bool = True,
        timeout: float = 60.0,
    ) -> None:
        self.path = path
        self.request = request
        self.response = response
        self.route = route
        self.routed: Callable[[Any], str] = _nowhere if route is None else attrgetter(route)
        self.streaming = streaming
        self.idempotent = idempotent
        self.timeout = timeout


class SerializedRequest(Generic[Req]):
    """A request that is serialized already, in place of its message.

    Attributes:
        kind: The class of the message.
        model: What it is about, which routes it.
        data: Its bytes.
    """

    __slots__ = ("data", "kind", "model")

    def __init__(self, kind: type[Req], model: str, data: bytes) -> None:
        self.kind = kind
        self.model = model
        self.data = data

    def SerializeToString(self) -> bytes:  # noqa: N802 -- as messages have it
        """The bytes."""
        return self.data

    def message(self) -> Req:
        """The message."""
        return self.kind.FromString(self.data)


class Options(NamedTuple):
    """What one call sets for itself; None leaves a value to the client's default.

    Attributes:
        timeout: Seconds for the whole call, over all tries and the waits between them.
        idle_timeout: Seconds that a stream may take to its next chunk.
        retry: The policy for tries after the first; `genai_grpc._rpc.retry_policy.NEVER` is a policy of no retries.
        metadata: Pairs to send beside the client's own.
    """

    timeout: float | None = None
    idle_timeout: float | None = None
    retry: RetryPolicy | None = None
    metadata: Metadata = ()


DEFAULTS: Final = Options()
"""What a call has that sets nothing for itself."""


class Limits(NamedTuple):
    """What holds for one call, its own options and its client's taken together; as `Options` has it."""

    timeout: float
    idle_timeout: float
    retry: RetryPolicy


class Call(Generic[Req, Res, Out]):
    """An RPC to perform; `parse` makes the result of the reply or, of a streaming method, of the open stream."""

    __slots__ = ("method", "options", "parse", "request")

    def __init__(
        self,
        method: Method[Req, Res],
        request: Req | SerializedRequest[Req],
        parse: Callable[[Any], Out],
        options: Options = DEFAULTS,
    ) -> None:
        self.method = method
        self.request = request
        self.parse = parse
        self.options = options

    def shown(self) -> Call[Req, Res, Out]:
        """This call, with a message where its request is serialized: for what looks on."""
        if isinstance(self.request, SerializedRequest):
            return Call(self.method, self.request.message(), self.parse, self.options)
        return self


class Attempt(NamedTuple):
    """One try of a call. Sent back: the reply, or the open stream with its first chunk.

    Attributes:
        call: What is tried.
        timeout: Seconds that are left for it.
        idle_timeout: Seconds that a stream may take to its next chunk.
    """

    call: Call[Any, Any, Any]
    timeout: float
    idle_timeout: float = inf


class Sleep(NamedTuple):
    """A wait of so many seconds."""

    seconds: float


class ReadChunk(NamedTuple):
    """The next chunk of an open stream; None at its end."""

    source: Any


class OpenStream(NamedTuple):
    """A plan that emits chunks, to be opened as a stream. Sent back: the open stream with its first chunk."""

    plan: Operation[None]


class CallFunctions(NamedTuple):
    """Functions of the program to run. Sent back: their results, in order.

    Attributes:
        functions: Each with its name. What returns an awaitable is awaited, all of them together; that needs the
            async shell.
        catch: Whether an exception is a result; otherwise the first one ends the plan.
    """

    functions: tuple[tuple[str, Callable[[], Any]], ...]
    catch: bool = False


class Yield(NamedTuple):
    """Items to hand out at once, from a plan that makes an iterator."""

    items: tuple[Any, ...]


Operation: TypeAlias = Generator[Any, Any, Out]


class Interceptor(Protocol):
    """What looks on while a client performs its calls, each over all its tries."""

    def intercept(self, call: Call[Any, Any, Any], plan: Operation[Any]) -> Operation[Any]:
        """The plan to perform instead of `plan`, which performs the call; most often `plan`, with something around.

        Its result is the reply or, of a streaming method, the open stream with its first chunk.
        """
        ...


def identity(response: Out) -> Out:
    """The `parse` of calls whose result is the reply itself."""
    return response


SERVICES: Final = "/google.ai.generativelanguage.v1beta."
# An answer may be thought over for minutes; nothing else takes long.
_GENERATION: Final = 600.0

GENERATE_CONTENT: Final = Method(
    f"{SERVICES}GenerativeService/GenerateContent",
    protos.GenerateContentRequest,
    protos.GenerateContentResponse,
    route="model",
    timeout=_GENERATION,
)
STREAM_GENERATE_CONTENT: Final = Method(
    f"{SERVICES}GenerativeService/StreamGenerateContent",
    protos.GenerateContentRequest,
    protos.GenerateContentResponse,
    route="model",
    streaming=True,
    timeout=_GENERATION,
)
COUNT_TOKENS: Final = Method(
    f"{SERVICES}GenerativeService/CountTokens", protos.CountTokensRequest, protos.CountTokensResponse, route="model"
)
