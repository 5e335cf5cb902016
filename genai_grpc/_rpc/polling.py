"""Polling of a resource until it has the state that a program waits for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from genai_grpc._rpc.call import AnyCall
from genai_grpc._rpc.operation import Operation, Sleep
from genai_grpc.errors import DeadlineExceeded

__all__ = ["poll"]

_FIRST_WAIT: Final = 0.25
_MAX_WAIT: Final = 5.0
_GROWTH: Final = 1.5


def poll(
    call: Callable[[], AnyCall],
    is_done: Callable[[Any], bool],
    timeout: float,
    clock: Callable[[], float],
    *,
    waits: Iterator[float] | None = None,
    description: str = "it",
) -> Operation[Any]:
    """Repeat a call until its result is done, and return that.

    Args:
        call: Makes the call.
        is_done: Whether a result is the last.
        timeout: Seconds for all calls and the waits between them.
        clock: Returns seconds.
        waits: Seconds to wait after each call; by default 0.25 s, growing to 5 s.
        description: What is waited for, for the message.

    Raises:
        DeadlineExceeded: It is not done within the timeout.
    """
    deadline = clock() + timeout
    waits = _growing() if waits is None else waits
    while True:
        result = yield call()
        if is_done(result):
            return result
        left = deadline - clock()
        if left <= 0:
            raise DeadlineExceeded(f"{description} was not done within {timeout:g} s; wait longer with timeout=...")
        yield Sleep(min(next(waits), left))


def _growing() -> Iterator[float]:
    wait = _FIRST_WAIT
    while True:
        yield wait
        wait = min(wait * _GROWTH, _MAX_WAIT)
