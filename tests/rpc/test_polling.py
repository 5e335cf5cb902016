from __future__ import annotations

from itertools import repeat
from typing import Any

import pytest

from genai_grpc._rpc.operation import Operation, Sleep
from genai_grpc._rpc.polling import poll
from genai_grpc.errors import DeadlineExceeded


def run(operation: Operation[Any], results: list[Any], clock: list[float]) -> tuple[Any, list[float]]:
    """Send results for calls, let sleeps advance the clock; return the result and the seconds of each sleep."""
    waits, answers, step = [], iter(results), next(operation)
    while True:
        answer = None
        if isinstance(step, Sleep):
            waits.append(step.seconds)
            clock[0] += step.seconds
        else:
            answer = next(answers)
        try:
            step = operation.send(answer)
        except StopIteration as end:
            return end.value, waits


def polling(clock: list[float], timeout: float, **arguments: Any) -> Operation[Any]:
    call: Any = object
    return poll(call, lambda result: result == "done", timeout, lambda: clock[0], **arguments)


def test_result_is_returned_when_it_is_done() -> None:
    """The call is repeated after growing waits until its result is done."""
    clock = [10.0]
    result, waits = run(polling(clock, 60), ["new", "new", "done"], clock)
    assert (result, waits) == ("done", [0.25, 0.375])


def test_first_result_is_done() -> None:
    """What is done already is returned without a wait."""
    assert run(polling([0.0], 60), ["done"], [0.0]) == ("done", [])


def test_waits_end_at_five_seconds() -> None:
    """Waits grow to 5 seconds and no further."""
    clock = [0.0]
    _, waits = run(polling(clock, 1000), [*repeat("new", 20), "done"], clock)
    assert max(waits) == waits[-1] == 5.0


def test_deadline() -> None:
    """The last wait ends at the deadline; after one more call, DeadlineExceeded names what was waited for."""
    clock = [0.0]
    with pytest.raises(
        DeadlineExceeded, match=r"files/clip was not done within 1 s; wait longer with timeout="
    ) as error:
        run(polling(clock, 1, description="files/clip"), list(repeat("new", 100)), clock)
    assert (clock[0], error.value.code) == (1.0, 504)
