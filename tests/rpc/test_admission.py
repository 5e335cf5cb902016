from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from genai_grpc import errors, protos
from genai_grpc._rpc.admission import Admission
from genai_grpc._rpc.attempts import run_attempts
from genai_grpc._rpc.call import Call, identity
from genai_grpc._rpc.operation import Acquire, Attempt, Sleep
from genai_grpc._rpc.options import Limits
from genai_grpc._rpc.rate_limiter import RateLimit
from genai_grpc._rpc.retry_budget import RESERVE
from genai_grpc._rpc.retry_policy import NO_RETRY, RetryPolicy
from genai_grpc._services.generative_language import COUNT_TOKENS, GENERATE_CONTENT, STREAM_GENERATE_CONTENT
from genai_grpc_protos.protobuf import Duration
from genai_grpc_protos.rpc import RetryInfo

if TYPE_CHECKING:
    from collections.abc import Callable

FULL = errors.ResourceExhausted("no")


# The admission within a call's plan

CALL: Call[Any, Any, Any] = Call(COUNT_TOKENS, protos.CountTokensRequest(), identity)
REPLY = protos.CountTokensResponse(total_tokens=3)


class Clock:
    """A clock that stands still unless it is set."""

    time = 100.0

    def __call__(self) -> float:
        return self.time


def plan(
    admission: Admission, timeout: float = 60, policy: RetryPolicy = NO_RETRY, now: Callable[[], float] = lambda: 100.0
) -> Any:
    """The plan of a call, most often at a time that stands still."""
    return run_attempts(CALL, Limits(timeout, 300, policy), admission, now)


def answer(admission: Admission, seconds: float, reply: Any = REPLY, timeout: float = 60) -> None:
    """Have a call answered, or fail, after so many seconds."""
    clock = Clock()
    running = plan(admission, timeout, now=clock)
    assert isinstance(next(running), Attempt)
    clock.time += seconds
    with pytest.raises((StopIteration, errors.APIError)):
        running.throw(reply) if isinstance(reply, Exception) else running.send(reply)


def test_what_is_kept_for_the_answer() -> None:
    """Who waits in line keeps thrice the usual answer time, or half its timeout, or the usual time if that is more."""
    admission = Admission(9)
    assert (admission.typical_latency(COUNT_TOKENS), admission.response_reserve(COUNT_TOKENS, 60)) == (0, 0)
    answer(admission, 2)
    assert admission.typical_latency(COUNT_TOKENS) == 2
    assert [admission.response_reserve(COUNT_TOKENS, timeout) for timeout in (60, 12, 10, 4, 3)] == [6, 6, 5, 2, 2]
    assert admission.response_reserve(GENERATE_CONTENT, 60) == 0
    answer(admission, 3)
    assert 2 < admission.typical_latency(COUNT_TOKENS) < 3


def test_what_tells_how_long_answers_take() -> None:
    """Answers do, and deadlines that passed after the usual time; what was refused, or had less time, does not."""
    admission = Admission(9)
    late = errors.DeadlineExceeded("late")
    answer(admission, 2)
    for seconds, error in (0.01, FULL), (50, errors.InternalServerError("no")), (1, late):
        answer(admission, seconds, error)
    assert admission.typical_latency(COUNT_TOKENS) == 2
    for _ in range(20):
        answer(admission, 30, late)
    assert 25 < admission.typical_latency(COUNT_TOKENS) < 30
    unknown = Admission(9)
    answer(unknown, 5, late)
    assert unknown.typical_latency(COUNT_TOKENS) == 5


def test_no_turn_too_late_for_an_answer() -> None:
    """A call whose turn by the rate leaves no time for an answer is refused at once and takes no turn."""
    admission = Admission(9, RateLimit(requests_per_minute=6, burst_seconds=0))
    answer(admission, 3)
    assert next(plan(admission)) == Sleep(10)
    with pytest.raises(
        errors.DeadlineExceeded,
        match=r"delays the call by 20\.0 s, too late .* in 25\.0 s, as a reply typically takes 3 s",
    ):
        next(plan(admission, timeout=25))
    assert next(plan(admission, timeout=35)) == Sleep(20)


def test_no_room_too_late_for_an_answer() -> None:
    """A call waits for room for as long as leaves time for its answer, and is refused then, if there is no room yet."""
    admission, clock = Admission(1), Clock()
    answer(admission, 3)
    assert admission.limiter.try_acquire()
    waiting = plan(admission, now=clock)
    assert next(waiting) == Acquire(admission.limiter, 51)
    clock.time += 51
    with pytest.raises(
        errors.DeadlineExceeded,
        match=r"1 calls were in flight, .* for 51\.0 s, .* in 9\.0 s, as a reply typically takes 3 s",
    ) as caught:
        waiting.send(False)
    assert caught.value.attempts == 0


def test_those_who_wait_are_held_back_too() -> None:
    """A call that waits for its turn when the service asks to be left alone takes another turn, after that."""
    admission, clock = Admission(9, RateLimit(requests_per_minute=60, burst_seconds=0)), Clock()
    assert isinstance(next(plan(admission, now=clock)), Attempt)
    early, late = plan(admission, now=clock), plan(admission, now=clock)
    assert [next(early), next(late)] == [Sleep(1), Sleep(2)]
    assert admission.rate_limiter is not None
    admission.rate_limiter.on_error(
        errors.ResourceExhausted("no", details=[RetryInfo(retry_delay=Duration(seconds=10))]), clock.time
    )
    after = plan(admission, now=clock)
    assert next(after) == Sleep(10)
    clock.time += 1
    assert early.send(None) == Sleep(10)
    clock.time += 1
    assert late.send(None) == Sleep(10)
    clock.time += 8
    assert isinstance(after.send(None), Attempt)
    clock.time += 1
    assert isinstance(early.send(None), Attempt)
    clock.time += 0.999999  # a turn is a turn, however the clock rounds
    assert isinstance(late.send(None), Attempt)


def test_a_retry_without_a_turn() -> None:
    """A retry that gets no turn says how often the call was tried, and what the last try ended with."""
    admission = Admission(9, RateLimit(requests_per_minute=6, burst_seconds=0))
    running = plan(admission, timeout=15, policy=RetryPolicy(initial_backoff=0))
    next(running)
    assert next(plan(admission)) == Sleep(10)
    unavailable = errors.ServiceUnavailable("no")
    assert running.throw(unavailable) == Sleep(0)
    with pytest.raises(errors.DeadlineExceeded, match="rate limit delays the call") as caught:
        next(running)
    assert (caught.value.attempts, caught.value.__cause__) == (1, unavailable)


@pytest.mark.parametrize("reply", [REPLY, FULL], ids=["a reply without usage", "a failure"])
def test_tokens_that_nobody_took(reply: Any) -> None:
    """The tokens that were taken off for a call which took none are given back, and change no guess."""
    admission, clock = Admission(9, RateLimit(tokens_per_minute=600, burst_seconds=0)), Clock()
    assert admission.rate_limiter is not None
    admission.rate_limiter.reconcile(0, 50)
    clock.time += 5
    running = plan(admission, now=clock)
    assert isinstance(next(running), Attempt)
    assert admission.rate_limiter.reserve(clock.time, 0) == (5, None)
    with pytest.raises((StopIteration, errors.APIError)):
        running.throw(reply) if isinstance(reply, Exception) else running.send(reply)
    assert admission.rate_limiter.reserve(clock.time, 0) == (0, 50)


def test_a_stream_takes_until_its_last_chunk() -> None:
    """What a stream takes is the time to its end, not to its first chunk."""
    admission, clock, told = Admission(9), Clock(), list[Any]()
    call: Call[Any, Any, Any] = Call(STREAM_GENERATE_CONTENT, protos.GenerateContentRequest(), identity)
    running = run_attempts(call, Limits(60, 300, NO_RETRY), admission, clock)
    next(running)
    clock.time += 1
    with pytest.raises(StopIteration):
        running.send((SimpleNamespace(add_done_callback=told.append), None))
    clock.time += 7
    told[0](None, None)
    assert admission.typical_latency(STREAM_GENERATE_CONTENT) == 8


def test_a_call_waits_for_its_turn() -> None:
    """Where the limiter is full, a call first asks for a place in line, for no longer than its deadline."""
    admission = Admission(1)
    first, second = plan(admission), plan(admission)
    assert isinstance(next(first), Attempt)
    assert next(second) == Acquire(admission.limiter, 60)
    with pytest.raises(StopIteration):
        first.send(REPLY)
    assert admission.limiter.try_acquire()  # as the shell does for the second
    assert isinstance(second.send(True), Attempt)
    second.close()
    assert admission.limiter.in_flight == 0


def test_room_is_made_however_a_call_ends() -> None:
    """A reply, an error, Ctrl-C and a plan that is dropped all make room."""
    admission = Admission(1)
    ends: list[Callable[[Any], Any]] = [
        lambda running: running.send(REPLY),
        lambda running: running.throw(FULL),
        lambda running: running.throw(KeyboardInterrupt()),
    ]
    for how in ends:
        running = plan(admission)
        next(running)
        with pytest.raises((StopIteration, errors.APIError, KeyboardInterrupt)):
            how(running)
        assert admission.limiter.in_flight == 0
    dropped = plan(admission)
    next(dropped)
    del dropped
    assert admission.limiter.in_flight == 0


def test_a_rate_in_a_call() -> None:
    """A call waits for its time by the rate, or fails at once where that is past its deadline."""
    admission = Admission(9, RateLimit(requests_per_minute=6, burst_seconds=0))
    assert isinstance(next(plan(admission)), Attempt)
    assert next(plan(admission)) == Sleep(10)
    wanted = r"rate limit delays the call by 20\.0 s, too late for its deadline in 15\.0 s; start fewer calls, or set"
    with pytest.raises(errors.DeadlineExceeded, match=wanted) as caught:
        next(plan(admission, timeout=15))
    assert caught.value.attempts == 0


def test_an_outage_is_not_amplified() -> None:
    """When the retries of a client are used up, calls fail after one try."""
    admission, policy = Admission(9), RetryPolicy(max_attempts=9, initial_backoff=0)
    tries = []
    for _ in range(100):
        running = plan(admission, policy=policy)
        step = next(running)
        try:
            while True:
                step = running.send(None) if isinstance(step, Sleep) else running.throw(errors.ServiceUnavailable("no"))
        except errors.ServiceUnavailable as error:
            tries.append(error.attempts)
    assert tries[0] == 9
    assert tries[-1] == 1
    assert sum(tries) - 100 <= RESERVE + 100 * 0.2 + 1
