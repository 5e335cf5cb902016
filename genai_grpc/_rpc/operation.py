"""Operations: work of several RPCs and waits, as a generator of steps.

An operation yields steps and is sent their results. It is pure: the sync and the async transport each perform the steps
with one small driver, so nothing is written once for sync and again for async.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from math import inf
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, TypeAlias, TypeVar

from genai_grpc._rpc.call import AnyCall
from genai_grpc._rpc.concurrency_limiter import ConcurrencyLimiter

if TYPE_CHECKING:
    from genai_grpc._rpc.shared_rate_limiter import SharedRateLimiter

__all__ = [
    "Acquire",
    "Attempt",
    "CallBlocking",
    "CallEach",
    "CallFunctions",
    "CallMethod",
    "HttpReply",
    "HttpRequest",
    "OpenStream",
    "Operation",
    "ReadChunk",
    "Reserve",
    "Sleep",
    "Step",
    "Yield",
    "unexpected_step",
]

Out = TypeVar("Out")


class Attempt(NamedTuple):
    """Attempt a call once. Sent back: the reply and its metadata or, of a stream, the open stream and its first chunk.

    Attributes:
        call: The call.
        timeout: Seconds left for it.
        idle_timeout: Seconds that a stream may take to its next chunk.
    """

    call: AnyCall
    timeout: float
    idle_timeout: float = inf


class Acquire(NamedTuple):
    """Wait for a slot of a concurrency limiter, for at most `seconds`. Sent back: whether there is a slot."""

    limiter: ConcurrencyLimiter
    seconds: float


class Reserve(NamedTuple):
    """Reserve an attempt at a shared rate limiter. Sent back: the seconds to wait; None if it is refused."""

    limiter: SharedRateLimiter
    tokens: float
    max_wait: float


class Sleep(NamedTuple):
    """Wait for some seconds, or until the calls of the client are cancelled."""

    seconds: float


class ReadChunk(NamedTuple):
    """Read the next chunk of an open stream. Sent back: the chunk; None at the end."""

    stream: Any


class OpenStream(NamedTuple):
    """Open an operation that yields chunks as a stream. Sent back: the open stream and its first chunk."""

    operation: Operation[None]


class CallFunctions(NamedTuple):
    """Call functions of the program. Sent back: their results, in order.

    Attributes:
        functions: Names and functions. The async transport awaits awaitable results, concurrently; the sync transport
            refuses them.
        catch: Whether an exception counts as a result; otherwise the first one ends the operation.
    """

    functions: tuple[tuple[str, Callable[[], Any]], ...]
    catch: bool = False


class CallEach(NamedTuple):
    """Perform several calls. Sent back: their results, in order. An error ends the calls in flight.

    Attributes:
        calls: Taken from the iterator when each is performed.
        concurrency: The most calls of the async transport at once. The sync transport performs one after the other.
    """

    calls: Iterator[AnyCall]
    concurrency: int


class CallMethod(NamedTuple):
    """Call a method of an object, or in async its twin, `name_async`. Sent back: its result."""

    owner: Any
    name: str
    arguments: dict[str, Any]


class CallBlocking(NamedTuple):
    """Call a function that blocks, such as one that reads a file. Sent back: its result.

    Attributes:
        function: The sync transport calls it, the async one on another thread.
    """

    function: Callable[[], Any]


class HttpRequest(NamedTuple):
    """Send one HTTP request. Sent back: its `HttpReply`, whatever its status.

    Attributes:
        method: Such as "POST".
        url: The URL.
        headers: Besides those of the client.
        content: The body.
        timeout: Seconds that connecting, and each wait for the connection, may take.
        sink: Gets the body of a successful reply piece by piece, in place of `HttpReply.body`.
    """

    method: str
    url: str
    headers: Mapping[str, str]
    content: bytes = b""
    timeout: float = 60.0
    sink: Callable[[bytes], object] | None = None


class HttpReply(NamedTuple):
    """A reply.

    Attributes:
        status: The status code.
        headers: By their names in lower case.
        body: The body; empty if it went to the sink.
        host: What answered.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    host: str


class Yield(NamedTuple):
    """Hand items to the consumer, from an operation that is iterated."""

    items: tuple[Any, ...]


# A Call as a step is performed with its retries. Sent back: its result.
Step: TypeAlias = (
    Attempt
    | Acquire
    | Reserve
    | Sleep
    | ReadChunk
    | OpenStream
    | CallEach
    | CallFunctions
    | CallMethod
    | CallBlocking
    | HttpRequest
    | Yield
    | AnyCall
)
Operation: TypeAlias = Generator[Step, Any, Out]


def unexpected_step(step: NoReturn) -> AssertionError:
    """The error for a value that is not a step; a type checker proves with it that every kind of step is handled."""
    return AssertionError(f"an operation does not yield {step!r}")
