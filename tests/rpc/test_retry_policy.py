from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from genai_grpc import errors, protos
from genai_grpc._rpc.admission import Admission
from genai_grpc._rpc.attempts import run_attempts
from genai_grpc._rpc.call import Call, identity
from genai_grpc._rpc.operation import Attempt, Sleep
from genai_grpc._rpc.options import Limits
from genai_grpc._rpc.retry_policy import NO_RETRY, RetryPolicy
from genai_grpc._services.generative_language import COUNT_TOKENS, CREATE_CACHED_CONTENT
from genai_grpc_protos.rpc import RetryInfo

if TYPE_CHECKING:
    from collections.abc import Iterable


def wait(seconds: float) -> RetryInfo:
    """The detail with which a service asks for a wait."""
    info = RetryInfo()
    info.retry_delay.FromNanoseconds(round(seconds * 1e9))
    return info


UNAVAILABLE = errors.ServiceUnavailable("no")
EXHAUSTED = errors.ResourceExhausted("no", details=[wait(1.5)])
HALF: Any = {"jitter": lambda: 0.5}


@pytest.mark.parametrize(
    ("error", "delay"),
    [
        pytest.param(UNAVAILABLE, 0.25, id="unavailable"),
        pytest.param(errors.Cancelled("no"), 0.25, id="cancelled by the service"),
        pytest.param(errors.ClientClosed("no"), None, id="cancelled by closing the client"),
        pytest.param(errors.ServiceUnavailable("no", details=[wait(2)]), 2.25, id="unavailable, a wait asked for"),
        pytest.param(EXHAUSTED, 1.75, id="exhausted, a wait asked for"),
        pytest.param(errors.ResourceExhausted("no", details=[wait(0)]), 0.25, id="exhausted, come back at once"),
        pytest.param(errors.ResourceExhausted("no"), None, id="exhausted for good"),
        pytest.param(errors.ResourceExhausted("no", details=[protos.Part()]), None, id="exhausted, other details"),
        *(
            pytest.param(kind("no", details=[wait(1)]), None, id=kind.status)
            for kind in errors.APIError.__subclasses__()
            if kind not in (errors.ServiceUnavailable, errors.Cancelled, errors.ResourceExhausted)
        ),
    ],
)
def test_which_failures(error: errors.APIError, delay: float | None) -> None:
    """Only what a later try may mend is tried again, not before the service asks for it."""
    assert RetryPolicy().backoff(error, 1, **HALF) == delay


def test_effects_that_must_not_come_twice() -> None:
    """A call that creates something is tried again only where the code says that it was not begun."""
    policy = RetryPolicy()
    assert policy.backoff(UNAVAILABLE, 1, idempotent=False) is None
    assert policy.backoff(EXHAUSTED, 1, idempotent=False, **HALF) == 1.75
    assert not CREATE_CACHED_CONTENT.idempotent


def test_growing_bounds() -> None:
    """The bound of the wait grows from try to try up to its maximum, until the tries are used up."""
    policy = RetryPolicy(max_attempts=6, initial_backoff=1, backoff_multiplier=3, max_backoff=20)
    delays = [policy.backoff(UNAVAILABLE, tried, jitter=lambda: 1.0) for tried in range(1, 8)]
    assert delays == [1, 3, 9, 20, 20, None, None]


def test_jitter() -> None:
    """The wait is drawn between nothing and its bound."""
    policy = RetryPolicy(max_attempts=3, initial_backoff=2)
    drawn = [policy.backoff(UNAVAILABLE, 1) for _ in range(50)]
    assert all(delay is not None and 0 <= delay <= 2 for delay in drawn)
    assert len(set(drawn)) > 1


@pytest.mark.parametrize(
    "policy", [NO_RETRY, RetryPolicy(max_attempts=1), RetryPolicy(max_attempts=0)], ids=["NO_RETRY", "1", "0"]
)
def test_never(policy: RetryPolicy) -> None:
    """One try means none after it."""
    assert policy.backoff(UNAVAILABLE, 1) is None


class Clock:
    """A clock that stands still unless it is set."""

    def __init__(self) -> None:
        self.time = 100.0

    def __call__(self) -> float:
        return self.time


CALL: Call[Any, Any, Any] = Call(COUNT_TOKENS, protos.CountTokensRequest(), identity)
REPLY = protos.CountTokensResponse(total_tokens=3)
FIXED = RetryPolicy(max_attempts=4, initial_backoff=0)


def drive(
    policy: RetryPolicy, timeout: float, replies: Iterable[tuple[float, Any]]
) -> tuple[list[Attempt | Sleep], Any]:
    """The steps of a call's plan and its result or error; each try takes its time and then replies."""
    clock, steps, queue = Clock(), list[Any](), iter(replies)
    plan = run_attempts(CALL, Limits(timeout, 300, policy), Admission(10), clock)
    try:
        step = next(plan)
        while True:
            steps.append(step)
            if isinstance(step, Sleep):
                clock.time += step.seconds
                step = plan.send(None)
                continue
            takes, reply = next(queue)
            clock.time += takes
            step = plan.throw(reply) if isinstance(reply, Exception) else plan.send(reply)
    except StopIteration as stop:
        return steps, stop.value
    except errors.APIError as error:
        return steps, error


def test_success() -> None:
    """A call that succeeds is one try with the whole deadline,, and its reply."""
    assert drive(FIXED, 60, [(1, REPLY)]) == ([Attempt(CALL, 60, 300)], REPLY)


def test_success_after_failures() -> None:
    """All tries and the waits between them share one deadline."""
    policy = RetryPolicy(max_attempts=4, initial_backoff=0)
    again = errors.ServiceUnavailable("no", details=[wait(2)])
    steps, result = drive(policy, 60, [(10, again), (5, again), (1, REPLY)])
    assert steps == [Attempt(CALL, 60, 300), Sleep(2), Attempt(CALL, 48, 300), Sleep(2), Attempt(CALL, 41, 300)]
    assert result == REPLY


def test_tries_used_up() -> None:
    """The last try's error is raised, and says how many there were."""
    kinds = [errors.ServiceUnavailable(f"no {n}") for n in range(4)]
    steps, error = drive(FIXED, 60, [(1, each) for each in kinds])
    assert error is kinds[-1]
    assert (error.attempts, str(error)) == (4, "503 no 3 (after 4 attempts)")
    assert sum(isinstance(step, Attempt) for step in steps) == 4


def test_not_tried_again() -> None:
    """An error that no later try would mend is raised at once, as it came."""
    error = errors.InvalidArgument("no")
    steps, raised = drive(FIXED, 60, [(1, error)])
    assert (steps, raised) == ([Attempt(CALL, 60, 300)], error)
    assert (error.attempts, str(error)) == (1, "400 no")


@pytest.mark.parametrize("asked", [59, 60, 3600])
def test_no_wait_past_the_deadline(asked: float) -> None:
    """A wait that would end after the deadline is not begun: the error is raised at once."""
    error = errors.ServiceUnavailable("no", details=[wait(asked)])
    assert drive(FIXED, 60, [(1, error)]) == ([Attempt(CALL, 60, 300)], error)


def test_overslept() -> None:
    """A wait that ended after the deadline all the same is DeadlineExceeded, and says what came before."""
    clock = Clock()
    plan = run_attempts(CALL, Limits(60, 300, FIXED), Admission(10), clock)
    next(plan)
    assert isinstance(plan.throw(errors.ServiceUnavailable("no", details=[wait(1)])), Sleep)
    clock.time += 60
    with pytest.raises(
        errors.DeadlineExceeded, match="the deadline of 60 s passed after 1 attempts; the last: no"
    ) as caught:
        next(plan)
    assert caught.value.attempts == 1
    assert isinstance(caught.value.__cause__, errors.ServiceUnavailable)


def test_time_left_falls() -> None:
    """Each try has less time than the one before."""
    steps, _ = drive(RetryPolicy(max_attempts=9), 600, [(3, UNAVAILABLE)] * 9)
    left = [step.timeout for step in steps if isinstance(step, Attempt)]
    assert len(left) == 9
    assert all(later <= earlier - 3 for earlier, later in pairwise(left))


def test_other_exceptions_pass() -> None:
    """What is no API error is nobody's to try again."""
    plan = run_attempts(CALL, Limits(60, 300, FIXED), Admission(10), Clock())
    next(plan)
    with pytest.raises(KeyboardInterrupt):
        plan.throw(KeyboardInterrupt())
