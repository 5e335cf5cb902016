from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genai_grpc import errors, protos
from genai_grpc._balance import RESERVE, WINDOW, Balance
from genai_grpc._call import COUNT_TOKENS, GENERATE_CONTENT, STREAM_GENERATE_CONTENT, Call, Limits, Sleep, Try, same
from genai_grpc._flow import Flow
from genai_grpc._gate import Gate, Waiter
from genai_grpc._limits import AdaptiveLimit, RateLimit
from genai_grpc._rate import Rate
from genai_grpc._retry import NEVER, RetryPolicy
from genai_grpc._tries import Admit, attempts
from genai_grpc_protos.rpc import QuotaFailure, RetryInfo

if TYPE_CHECKING:
    from collections.abc import Callable

FULL = errors.ResourceExhausted("no")


class Queue:
    """Waiters at a gate, and the order in which they were let in."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.admitted: list[int] = []
        self.waiters: list[Waiter] = []

    def join(self) -> Waiter:
        number = len(self.waiters)
        self.waiters.append(Waiter(lambda: self.admitted.append(number)))
        assert not self.gate.wait(self.waiters[-1])
        return self.waiters[-1]


def filled(limit: int) -> Gate:
    """A gate with no room left."""
    gate = Gate(limit)
    assert all(gate.enter() for _ in range(limit))
    assert not gate.enter()
    return gate


def test_first_come_first_served() -> None:
    """Who waits is let in as others leave, in order, and nobody passes the line."""
    gate = filled(2)
    queue = Queue(gate)
    for _ in range(3):
        queue.join()
    gate.leave(0, 1)
    assert queue.admitted == [0]
    assert not gate.enter()
    gate.leave(0, 1)
    gate.leave(0, 1)
    assert (queue.admitted, gate.inside, gate.waiting) == ([0, 1, 2], 2, 0)


def test_giving_up() -> None:
    """Who gives up is passed over; who was admitted just then makes room again."""
    gate = filled(1)
    queue = Queue(gate)
    first, second, third = queue.join(), queue.join(), queue.join()
    gate.give_up(second)
    gate.give_up(first)
    assert gate.waiting == 1
    gate.leave(0, 1)
    assert queue.admitted == [2]
    gate.give_up(third)
    assert gate.inside == 0
    assert gate.enter()


def test_room_meanwhile() -> None:
    """Who finds room on getting in line goes through without waiting."""
    gate = Gate(1)
    assert gate.wait(Waiter(lambda: None))
    assert gate.inside == 1


def test_a_loop_that_is_gone() -> None:
    """A waiter whose loop was closed loses its turn to the next."""
    gate = filled(1)
    loop = asyncio.new_event_loop()
    loop.close()
    gate.wait(Waiter(lambda: loop.call_soon_threadsafe(print)))
    queue = Queue(gate)
    queue.join()
    gate.leave(0, 1)
    assert (queue.admitted, gate.inside) == ([0], 1)


def test_a_gate_between_threads() -> None:
    """However threads come, wait and leave, no more than the limit are inside, and all get through."""
    gate, most, lock = Gate(3), [0, 0], threading.Lock()

    def through(_: int) -> None:
        turn = threading.Event()
        if not gate.enter() and not gate.wait(Waiter(turn.set)):
            assert turn.wait(30)
        with lock:
            most[0] += 1
            most[1] = max(most)
        with lock:
            most[0] -= 1
        gate.leave(0, 1)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(through, range(2000)))
    assert gate.inside == gate.waiting == 0
    assert 1 <= most[1] <= 3


def rounds(gate: Gate, count: int, failed: float = 0.0, began: float = 100.0) -> int:
    """The limit after so many rounds of a second of calls that use it up, of which a part meets overload."""
    short = 0.0
    for number in range(count):
        while gate.enter():
            pass
        for _ in range(gate.inside):
            short += failed
            gate.leave(began + number, began + number + 1, short >= 1, 1.0)
            short %= 1
            gate.enter()
    return gate.limit


def test_an_adaptive_limit_grows() -> None:
    """From a low start, rounds that go well make it grow more and more quickly, up to the maximum."""
    gate = Gate(AdaptiveLimit(initial=20))
    first, second, third = rounds(gate, 3), rounds(gate, 3), rounds(gate, 3)
    assert 20 < first < 40 < second < 100 < 200 < third
    assert rounds(gate, 30) == 1000
    assert rounds(Gate(AdaptiveLimit(initial=20, maximum=24)), 30) == 24


def test_an_adaptive_limit_falls() -> None:
    """A round of overload takes off its part once, however many calls tell of it, and never goes below the minimum."""
    assert rounds(Gate(AdaptiveLimit(initial=20, backoff=0.5)), 1, failed=1) == 10
    assert rounds(Gate(AdaptiveLimit(initial=20, minimum=3)), 50, failed=1) == 3


def test_quick_refusals_are_one_overload() -> None:
    """However quickly calls are refused, the limit falls once in the time that an answer usually takes."""
    gate = Gate(AdaptiveLimit(initial=300))
    found = []
    for number in range(200):
        gate.enter()
        gate.leave(100 + number * 0.05, 100.05 + number * 0.05, True, 2.0)
        found.append(gate.limit)
    assert sorted(set(found), reverse=True) == [300, 210, 147, 102, 72]


def test_calls_from_before_a_cut() -> None:
    """Calls that were sent before the limit fell tell of the same overload, whenever they end."""
    gate = Gate(AdaptiveLimit(initial=20, backoff=0.5))
    assert rounds(gate, 1, failed=1) == 10
    for _ in range(20):
        gate.enter()
        gate.leave(100, 109, True, 1.0)
    assert gate.limit == 10


def test_an_adaptive_limit_comes_back() -> None:
    """After an outage that brought it down to the minimum, ten rounds bring it back to hundreds."""
    gate = Gate(AdaptiveLimit(initial=300))
    assert rounds(gate, 60, failed=1) == 1
    assert rounds(gate, 12, began=200) > 200


def test_a_few_failures_are_no_overload() -> None:
    """A service that refuses a few calls at all times does not keep the limit down; one that refuses many does."""
    assert rounds(Gate(AdaptiveLimit(initial=20)), 20, failed=0.03) > 500
    assert rounds(Gate(AdaptiveLimit(initial=300)), 20, failed=0.3) < 50


def ended(error: errors.APIError | None, took: float, latency: float | None = None) -> int:
    """A limit of 20 after a round of calls that ended so; an answer usually takes a second."""
    flow = Flow(AdaptiveLimit(initial=20, backoff=0.5, latency=latency))
    answer(flow, 1)
    for _ in range(20):
        flow.gate.enter()
    for _ in range(20):
        if error is None:
            flow.answered(COUNT_TOKENS, 200, 200 + took, 200 + took)
        else:
            flow.failed(COUNT_TOKENS, 200, 200 + took, error)
    return flow.gate.limit


OVERLOAD = {
    "exhausted": (FULL, 0.1),
    "unavailable": (errors.ServiceUnavailable("no"), 0.1),
    "no answer in time": (errors.DeadlineExceeded("no"), 30),
}
NO_OVERLOAD = {
    "an answer": (None, 30),
    "not found": (errors.NotFound("no"), 0.1),
    "cancelled": (errors.Cancelled("no"), 30),
    "less time than an answer takes": (errors.DeadlineExceeded("no"), 0.5),
}


@pytest.mark.parametrize(("error", "took"), OVERLOAD.values(), ids=list(OVERLOAD))
def test_what_is_overload(error: errors.APIError, took: float) -> None:
    """Refusals lower the limit, and deadlines that passed though there was time for an answer."""
    assert ended(error, took) == 10


@pytest.mark.parametrize(("error", "took"), NO_OVERLOAD.values(), ids=list(NO_OVERLOAD))
def test_what_is_no_overload(error: errors.APIError | None, took: float) -> None:
    """Errors of the request itself and the impatience of its caller leave the limit alone."""
    assert ended(error, took) == 20


def test_slow_answers_are_overload() -> None:
    """Where a latency is set, answers above it lower the limit."""
    assert ended(None, 3, latency=2) == 10
    assert ended(None, 1.5, latency=2) == 20


def test_what_is_far_from_used_up() -> None:
    """Answers of calls far below the limit teach nothing about more."""
    gate = Gate(AdaptiveLimit(initial=20))
    for _ in range(100):
        gate.enter()
        gate.leave(100, 101, False, 1.0)
    assert gate.limit == 20


@pytest.mark.parametrize(
    "wrong",
    [{"initial": 0}, {"minimum": 30}, {"maximum": 10}, {"minimum": 0}, {"backoff": 1}, {"backoff": 0}],
    ids=str,
)
def test_a_wrong_adaptive_limit(wrong: Any) -> None:
    """Bounds that contradict each other are refused."""
    with pytest.raises(ValueError, match="got"):
        AdaptiveLimit(**wrong)


@given(
    per_minute=st.floats(1, 6000),
    burst=st.floats(0, 5),
    pauses=st.lists(st.floats(0, 3), min_size=2, max_size=60),
)
def test_no_more_than_the_rate(per_minute: float, burst: float, pauses: list[float]) -> None:
    """In no stretch of time are more requests sent than the rate, one, and the burst allow."""
    rate, now, sent = Rate(RateLimit(requests=per_minute, burst=burst)), 0.0, list[float]()
    for pause in pauses:
        now += pause
        wait, _ = rate.reserve(now, 1e9)
        now += wait
        sent.append(now)
    for first in range(len(sent)):
        for last in range(first, len(sent)):
            allowed = (sent[last] - sent[first] + burst) * per_minute / 60 + 1
            assert last - first + 1 <= allowed + 1e-6


def test_tokens() -> None:
    """What a reply says it took holds back those after it, and is the guess for them."""
    rate = Rate(RateLimit(tokens=600, burst=0))
    assert rate.reserve(0, 100) == (0, 0)
    rate.settle(0, 50)  # takes 5 seconds
    assert rate.reserve(0, 100) == (5, 50)
    rate.settle(50, 30)
    assert rate.reserve(0, 100) == (8, 46)


def test_no_turn_past_the_deadline() -> None:
    """A call whose turn would come too late takes none from the others."""
    rate = Rate(RateLimit(requests=60, burst=0))
    assert rate.reserve(0, 10) == (0, 0)
    assert rate.reserve(0, 0.5) == (1, None)
    assert rate.reserve(0, 10) == (1, 0)


def asks_to_wait(seconds: int) -> errors.ResourceExhausted:
    """A failure with which the service asks to be left alone for so long."""
    info = RetryInfo()
    info.retry_delay.seconds = seconds
    return errors.ResourceExhausted("no", details=[info])


def violation(quota_id: str, value: int, metric: str = "") -> QuotaFailure:
    """A failure of one quota."""
    return QuotaFailure(violations=[QuotaFailure.Violation(quota_id=quota_id, quota_value=value, quota_metric=metric)])


@pytest.mark.parametrize(
    ("detail", "learned"),
    [
        (violation("GenerateRequestsPerMinutePerProjectPerModel", 15), (15, None)),
        (violation("GenerateContentInputTokensPerModelPerMinute", 32000), (None, 32000)),
        (violation("PerMinute", 9, "generate_content_free_tier_input_token_count"), (None, 9)),
        (violation("GenerateRequestsPerDayPerProjectPerModel", 50), (None, None)),
        (violation("GenerateRequestsPerMinute", 0), (None, None)),
    ],
    ids=["requests", "tokens", "tokens by the metric", "a day", "no value"],
)
def test_a_quota_is_learned(detail: QuotaFailure, learned: tuple[float | None, float | None]) -> None:
    """A quota a minute that the service names becomes the limit."""
    rate = Rate(RateLimit())
    rate.learn(errors.ResourceExhausted("no", details=[detail]), 0)
    assert rate.per_minute == learned


def test_a_quota_lowers_only() -> None:
    """A quota above what the program set does not raise it; other errors teach nothing."""
    rate, learned = Rate(RateLimit(requests=10)), []
    for kind, quota in (errors.ResourceExhausted, 15), (errors.NotFound, 5), (errors.ResourceExhausted, 5):
        rate.learn(kind("no", details=[violation("RequestsPerMinute", quota)]), 0)
        learned.append(rate.per_minute)
    assert learned == [(10, None), (10, None), (5, None)]


def test_everybody_is_held_back() -> None:
    """The wait that the service asks of one call holds back all calls of the client."""
    rate = Rate(RateLimit())
    rate.learn(asks_to_wait(7), 100)
    assert rate.reserve(101, 60) == (6, 0)


@pytest.mark.parametrize("wrong", [{"requests": 0}, {"tokens": -1}, {"burst": -1}], ids=str)
def test_a_wrong_rate(wrong: Any) -> None:
    """Rates are above 0."""
    with pytest.raises(ValueError, match="got"):
        RateLimit(**wrong)


def taken(balance: Balance, now: float, wanted: int = 1000) -> int:
    """How many retries a client may spend at once."""
    return sum(balance.take_out(RetryPolicy(), now) for _ in range(wanted))


def test_the_balance_of_retries() -> None:
    """The reserve is spent, then only what calls pay in; time fills the reserve again."""
    balance, policy = Balance(), RetryPolicy(budget=0.5)
    assert taken(balance, 100) == RESERVE
    for _ in range(4):
        balance.pay_in(policy, 100)
    assert taken(balance, 100) == 2
    assert taken(balance, 100 + WINDOW) == 1
    assert taken(balance, 100 + 4.5 * WINDOW) == 3
    assert taken(balance, 1e6) == RESERVE


def test_what_was_paid_in_lapses() -> None:
    """A busy client may try again many calls at once, but not more for what it called long ago."""
    balance, policy = Balance(), RetryPolicy(budget=0.5)
    for now in range(100, 200):
        for _ in range(20):
            balance.pay_in(policy, now)
    assert taken(balance, 199) == RESERVE + 2 * 0.5 * 20 * WINDOW
    for now in range(200, 300):
        for _ in range(20):
            balance.pay_in(policy, now)
    assert taken(balance, 300 + WINDOW) == RESERVE


def test_a_fleet_that_calls_seldom() -> None:
    """In an outage of a minute, a client of one call a second tries some half of its calls again."""
    balance, policy = Balance(), RetryPolicy()
    for now in range(100, 1000):
        balance.pay_in(policy, now)
    spent = 0
    for now in range(1000, 1060):
        balance.pay_in(policy, now)
        spent += taken(balance, now, 3)
    assert spent < 0.6 * 60


def test_no_budget() -> None:
    """A policy without a budget is not bounded by it."""
    balance, policy = Balance(), RetryPolicy(budget=None)
    assert all(balance.take_out(policy, 0) for _ in range(1000))


# The flow within a call's plan

CALL: Call[Any, Any, Any] = Call(COUNT_TOKENS, protos.CountTokensRequest(), same)
REPLY = protos.CountTokensResponse(total_tokens=3)


class Clock:
    """A clock that stands still unless it is set."""

    time = 100.0

    def __call__(self) -> float:
        return self.time


def plan(flow: Flow, timeout: float = 60, policy: RetryPolicy = NEVER, now: Callable[[], float] = lambda: 100.0) -> Any:
    """The plan of a call, most often at a time that stands still."""
    return attempts(CALL, Limits(timeout, 300, policy), flow, now)


def answer(flow: Flow, seconds: float, reply: Any = REPLY, timeout: float = 60) -> None:
    """Have a call answered, or fail, after so many seconds."""
    clock = Clock()
    running = plan(flow, timeout, now=clock)
    assert isinstance(next(running), Try)
    clock.time += seconds
    with pytest.raises((StopIteration, errors.APIError)):
        running.throw(reply) if isinstance(reply, Exception) else running.send(reply)


def test_what_is_kept_for_the_answer() -> None:
    """Who waits in line keeps thrice the usual answer time, or half its timeout, or the usual time if that is more."""
    flow = Flow(9)
    assert (flow.usual(COUNT_TOKENS), flow.kept(COUNT_TOKENS, 60)) == (0, 0)
    answer(flow, 2)
    assert flow.usual(COUNT_TOKENS) == 2
    assert [flow.kept(COUNT_TOKENS, timeout) for timeout in (60, 12, 10, 4, 3)] == [6, 6, 5, 2, 2]
    assert flow.kept(GENERATE_CONTENT, 60) == 0
    answer(flow, 3)
    assert 2 < flow.usual(COUNT_TOKENS) < 3


def test_what_tells_how_long_answers_take() -> None:
    """Answers do, and deadlines that passed after the usual time; what was refused, or had less time, does not."""
    flow = Flow(9)
    late = errors.DeadlineExceeded("late")
    answer(flow, 2)
    for seconds, error in (0.01, FULL), (50, errors.InternalServerError("no")), (1, late):
        answer(flow, seconds, error)
    assert flow.usual(COUNT_TOKENS) == 2
    for _ in range(20):
        answer(flow, 30, late)
    assert 25 < flow.usual(COUNT_TOKENS) < 30
    unknown = Flow(9)
    answer(unknown, 5, late)
    assert unknown.usual(COUNT_TOKENS) == 5


def test_no_turn_too_late_for_an_answer() -> None:
    """A call whose turn by the rate leaves no time for an answer is refused at once and takes no turn."""
    flow = Flow(9, RateLimit(requests=6, burst=0))
    answer(flow, 3)
    assert next(plan(flow)) == Sleep(10)
    with pytest.raises(
        errors.DeadlineExceeded, match=r"wait 20\.0 s, too late .* in 25\.0 s, as an answer usually takes 3 s"
    ):
        next(plan(flow, timeout=25))
    assert next(plan(flow, timeout=35)) == Sleep(20)


def test_no_room_too_late_for_an_answer() -> None:
    """A call waits for room for as long as leaves time for its answer, and is refused then, if there is no room yet."""
    flow, clock = Flow(1), Clock()
    answer(flow, 3)
    assert flow.gate.enter()
    waiting = plan(flow, now=clock)
    assert next(waiting) == Admit(flow.gate, 51)
    clock.time += 51
    with pytest.raises(
        errors.DeadlineExceeded,
        match=r"1 calls were in flight, .* for 51\.0 s, .* in 9\.0 s, as an answer usually takes 3 s",
    ) as caught:
        waiting.send(False)
    assert caught.value.tries == 0


def test_those_who_wait_are_held_back_too() -> None:
    """A call that waits for its turn when the service asks to be left alone takes another turn, after that."""
    flow, clock = Flow(9, RateLimit(requests=60, burst=0)), Clock()
    assert isinstance(next(plan(flow, now=clock)), Try)
    early, late = plan(flow, now=clock), plan(flow, now=clock)
    assert [next(early), next(late)] == [Sleep(1), Sleep(2)]
    assert flow.rate is not None
    flow.rate.learn(asks_to_wait(10), clock.time)
    after = plan(flow, now=clock)
    assert next(after) == Sleep(10)
    clock.time += 1
    assert early.send(None) == Sleep(10)
    clock.time += 1
    assert late.send(None) == Sleep(10)
    clock.time += 8
    assert isinstance(after.send(None), Try)
    clock.time += 1
    assert isinstance(early.send(None), Try)
    clock.time += 0.999999  # a turn is a turn, however the clock rounds
    assert isinstance(late.send(None), Try)


def test_a_retry_without_a_turn() -> None:
    """A retry that gets no turn says how often the call was tried, and what the last try ended with."""
    flow = Flow(9, RateLimit(requests=6, burst=0))
    running = plan(flow, timeout=15, policy=RetryPolicy(initial=0))
    next(running)
    assert next(plan(flow)) == Sleep(10)
    unavailable = errors.ServiceUnavailable("no")
    assert running.throw(unavailable) == Sleep(0)
    with pytest.raises(errors.DeadlineExceeded, match="rate limit has the call wait") as caught:
        next(running)
    assert (caught.value.tries, caught.value.__cause__) == (1, unavailable)


@pytest.mark.parametrize("reply", [REPLY, FULL], ids=["a reply without usage", "a failure"])
def test_tokens_that_nobody_took(reply: Any) -> None:
    """The tokens that were taken off for a call which took none are given back, and change no guess."""
    flow, clock = Flow(9, RateLimit(tokens=600, burst=0)), Clock()
    assert flow.rate is not None
    flow.rate.settle(0, 50)
    clock.time += 5
    running = plan(flow, now=clock)
    assert isinstance(next(running), Try)
    assert flow.rate.reserve(clock.time, 0) == (5, None)
    with pytest.raises((StopIteration, errors.APIError)):
        running.throw(reply) if isinstance(reply, Exception) else running.send(reply)
    assert flow.rate.reserve(clock.time, 0) == (0, 50)


def test_a_stream_takes_until_its_last_chunk() -> None:
    """What a stream takes is the time to its end, not to its first chunk."""
    flow, clock, told = Flow(9), Clock(), list[Any]()
    call: Call[Any, Any, Any] = Call(STREAM_GENERATE_CONTENT, protos.GenerateContentRequest(), same)
    running = attempts(call, Limits(60, 300, NEVER), flow, clock)
    next(running)
    clock.time += 1
    with pytest.raises(StopIteration):
        running.send((SimpleNamespace(on_end=told.append), None))
    clock.time += 7
    told[0](None, None)
    assert flow.usual(STREAM_GENERATE_CONTENT) == 8


def test_a_call_waits_for_its_turn() -> None:
    """Where the gate is full, a call first asks for a place in line, for no longer than its deadline."""
    flow = Flow(1)
    first, second = plan(flow), plan(flow)
    assert isinstance(next(first), Try)
    assert next(second) == Admit(flow.gate, 60)
    with pytest.raises(StopIteration):
        first.send(REPLY)
    assert flow.gate.enter()  # as the shell does for the second
    assert isinstance(second.send(True), Try)
    second.close()
    assert flow.gate.inside == 0


def test_room_is_made_however_a_call_ends() -> None:
    """A reply, an error, Ctrl-C and a plan that is dropped all make room."""
    flow = Flow(1)
    ends: list[Callable[[Any], Any]] = [
        lambda running: running.send(REPLY),
        lambda running: running.throw(FULL),
        lambda running: running.throw(KeyboardInterrupt()),
    ]
    for how in ends:
        running = plan(flow)
        next(running)
        with pytest.raises((StopIteration, errors.APIError, KeyboardInterrupt)):
            how(running)
        assert flow.gate.inside == 0
    dropped = plan(flow)
    next(dropped)
    del dropped
    assert flow.gate.inside == 0


def test_a_rate_in_a_call() -> None:
    """A call waits for its time by the rate, or fails at once where that is past its deadline."""
    flow = Flow(9, RateLimit(requests=6, burst=0))
    assert isinstance(next(plan(flow)), Try)
    assert next(plan(flow)) == Sleep(10)
    wanted = r"rate limit has the call wait 20\.0 s, too late for its deadline in 15\.0 s; begin fewer calls, or set"
    with pytest.raises(errors.DeadlineExceeded, match=wanted) as caught:
        next(plan(flow, timeout=15))
    assert caught.value.tries == 0


def test_an_outage_is_not_amplified() -> None:
    """When the retries of a client are used up, calls fail after one try."""
    flow, policy = Flow(9), RetryPolicy(tries=9, initial=0)
    tries = []
    for _ in range(100):
        running = plan(flow, policy=policy)
        step = next(running)
        try:
            while True:
                step = running.send(None) if isinstance(step, Sleep) else running.throw(errors.ServiceUnavailable("no"))
        except errors.ServiceUnavailable as error:
            tries.append(error.tries)
    assert tries[0] == 9
    assert tries[-1] == 1
    assert sum(tries) - 100 <= RESERVE + 100 * 0.2 + 1
