"""Operations: work of several RPCs and waits, as a generator of steps.

An operation yields steps and is sent their results. It is pure: the sync and the async transport each perform the steps
with one small driver, so nothing is written once for sync and again for async.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from math import inf
from typing import Any, NamedTuple, NoReturn, TypeAlias, TypeVar

from genai_grpc._rpc.call import AnyCall
from genai_grpc._rpc.concurrency_limiter import ConcurrencyLimiter

__all__ = [
    "Acquire",
    "Attempt",
    "CallFunctions",
    "CallMethod",
    "OpenStream",
    "Operation",
    "ReadChunk",
    "Sleep",
    "Step",
    "Yield",
    "unexpected_step",
]

Out = TypeVar("Out")


class Attempt(NamedTuple):
    """Attempt a call once. Sent back: the reply or, of a streaming method, the open stream and its first chunk.

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


class Sleep(NamedTuple):
    """Wait for some seconds."""

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


class CallMethod(NamedTuple):
    """Call a method of an object, or in async its twin, `name_async`. Sent back: its result."""

    owner: Any
    name: str
    arguments: dict[str, Any]


class Yield(NamedTuple):
    """Hand items to the consumer, from an operation that is iterated."""

    items: tuple[Any, ...]


# A Call as a step is performed with its retries. Sent back: its result.
Step: TypeAlias = "Attempt | Acquire | Sleep | ReadChunk | OpenStream | CallFunctions | CallMethod | Yield | AnyCall"
Operation: TypeAlias = Generator[Step, Any, Out]


def unexpected_step(step: NoReturn) -> AssertionError:
    """The error for a value that is not a step; a type checker proves with it that every kind of step is handled."""
    return AssertionError(f"an operation does not yield {step!r}")
