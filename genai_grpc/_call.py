"""A call described, not performed, and the plans made of calls; the plan of one call's tries among them.

A `Call` is one RPC with its request and the way to read its reply. Work of several RPCs is a `Plan`: a generator that
yields steps and is sent what came of them. Both are pure; the sync and the async shell each perform them with one
small driver.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any, Final, Generic, TypeAlias, TypeVar

from genai_grpc import protos
from genai_grpc.errors import APIError, DeadlineExceeded
from genai_grpc_protos.protobuf import Empty

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from genai_grpc._retry import RetryPolicy

__all__ = [
    "COUNT_TOKENS",
    "CREATE_CACHED_CONTENT",
    "DELETE_CACHED_CONTENT",
    "GENERATE_CONTENT",
    "GET_CACHED_CONTENT",
    "GET_MODEL",
    "LIST_CACHED_CONTENTS",
    "LIST_MODELS",
    "STREAM_GENERATE_CONTENT",
    "UPDATE_CACHED_CONTENT",
    "Call",
    "Emit",
    "Invoke",
    "Metadata",
    "Method",
    "Open",
    "Options",
    "Plan",
    "Read",
    "Sleep",
    "Step",
    "Try",
    "attempts",
    "same",
]

Req = TypeVar("Req", bound="Message")
Res = TypeVar("Res", bound="Message")
Out = TypeVar("Out")

Metadata: TypeAlias = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Method(Generic[Req, Res]):
    """An RPC of the service: its path, message classes, whether replies stream, and default deadline in seconds."""

    path: str
    request: type[Req]
    response: type[Res]
    streaming: bool = False
    timeout: float = 60.0


@dataclass(frozen=True, slots=True)
class Options:
    """What one call sets for itself; None leaves a value to the client's default.

    Attributes:
        timeout: Seconds for the whole call, over all tries and the waits between them.
        retry: The policy for tries after the first; `genai_grpc._retry.NEVER` is a policy of no retries.
        metadata: Pairs to send beside the client's own.
    """

    timeout: float | None = None
    retry: RetryPolicy | None = None
    metadata: Metadata = ()


@dataclass(frozen=True, slots=True)
class Call(Generic[Req, Res, Out]):
    """An RPC to perform; `parse` makes the result of the reply or, of a streaming method, of the open stream."""

    method: Method[Req, Res]
    request: Req
    parse: Callable[[Any], Out]
    options: Options = field(default_factory=Options)


@dataclass(frozen=True, slots=True)
class Try:
    """One try of a call with so many seconds left. Sent back: the reply, or the open stream with its first chunk."""

    call: Call[Any, Any, Any]
    timeout: float


@dataclass(frozen=True, slots=True)
class Sleep:
    """A wait of so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Read:
    """The next chunk of an open stream; None at its end."""

    source: Any


@dataclass(frozen=True, slots=True)
class Open:
    """A plan that emits chunks, to be opened as a stream. Sent back: the open stream with its first chunk."""

    plan: Plan[None]


@dataclass(frozen=True, slots=True)
class Invoke:
    """Functions of the program to run. Sent back: their results, in order.

    Attributes:
        functions: Each with its name. What returns an awaitable is awaited, all of them together; that needs the
            async shell.
        catch: Whether an exception is a result; otherwise the first one ends the plan.
    """

    functions: tuple[tuple[str, Callable[[], Any]], ...]
    catch: bool = False


@dataclass(frozen=True, slots=True)
class Emit:
    """Items to hand out at once, from a plan that makes an iterator."""

    items: tuple[Any, ...]


Step: TypeAlias = "Call[Any, Any, Any] | Try | Sleep | Read | Open | Invoke | Emit"
Plan: TypeAlias = Generator[Any, Any, Out]


def attempts(call: Call[Any, Any, Any], policy: RetryPolicy, timeout: float, now: Callable[[], float]) -> Plan[Any]:
    """The plan of one call: try it, and again as `policy` says, all within `timeout` seconds.

    Raises:
        APIError: The last try's, which says how many there were.
    """
    deadline = now() + timeout
    left = timeout
    for tried in count(1):
        try:
            return call.parse((yield Try(call, left)))
        except APIError as error:
            error.tries = tried
            delay = policy.delay(error, tried)
            if delay is None or now() + delay >= deadline:
                raise
            yield Sleep(delay)
            left = deadline - now()
            if left <= 0:
                raise DeadlineExceeded(
                    f"the deadline of {timeout:g} s passed after {tried} tries; the last: {error.message}",
                    details=error.details,
                    tries=tried,
                ) from error
    raise AssertionError  # the loop has no end


def same(response: Out) -> Out:
    """The `parse` of calls whose result is the reply itself."""
    return response


_SERVICE: Final = "/google.ai.generativelanguage.v1beta."
# An answer may be thought over for minutes; nothing else takes long.
_GENERATION: Final = 600.0

GENERATE_CONTENT: Final = Method(
    f"{_SERVICE}GenerativeService/GenerateContent",
    protos.GenerateContentRequest,
    protos.GenerateContentResponse,
    timeout=_GENERATION,
)
STREAM_GENERATE_CONTENT: Final = Method(
    f"{_SERVICE}GenerativeService/StreamGenerateContent",
    protos.GenerateContentRequest,
    protos.GenerateContentResponse,
    streaming=True,
    timeout=_GENERATION,
)
COUNT_TOKENS: Final = Method(
    f"{_SERVICE}GenerativeService/CountTokens", protos.CountTokensRequest, protos.CountTokensResponse
)
GET_MODEL: Final = Method(f"{_SERVICE}ModelService/GetModel", protos.GetModelRequest, protos.Model)
LIST_MODELS: Final = Method(f"{_SERVICE}ModelService/ListModels", protos.ListModelsRequest, protos.ListModelsResponse)
CREATE_CACHED_CONTENT: Final = Method(
    f"{_SERVICE}CacheService/CreateCachedContent", protos.CreateCachedContentRequest, protos.CachedContent
)
GET_CACHED_CONTENT: Final = Method(
    f"{_SERVICE}CacheService/GetCachedContent", protos.GetCachedContentRequest, protos.CachedContent
)
LIST_CACHED_CONTENTS: Final = Method(
    f"{_SERVICE}CacheService/ListCachedContents", protos.ListCachedContentsRequest, protos.ListCachedContentsResponse
)
UPDATE_CACHED_CONTENT: Final = Method(
    f"{_SERVICE}CacheService/UpdateCachedContent", protos.UpdateCachedContentRequest, protos.CachedContent
)
DELETE_CACHED_CONTENT: Final = Method(
    f"{_SERVICE}CacheService/DeleteCachedContent", protos.DeleteCachedContentRequest, Empty
)
