from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from genai_grpc import errors
from genai_grpc._rpc.adaptive_limit import AdaptiveLimit
from genai_grpc._rpc.admission import Admission
from genai_grpc._rpc.concurrency_limiter import ConcurrencyLimiter, Waiter
from genai_grpc._services.generative_language import COUNT_TOKENS

FULL = errors.ResourceExhausted("no")


class Queue:
    """Waiters at a limiter, and the order in which they were let in."""

    def __init__(self, limiter: ConcurrencyLimiter) -> None:
        self.limiter = limiter
        self.admitted: list[int] = []
        self.waiters: list[Waiter] = []

    def join(self) -> Waiter:
        number = len(self.waiters)
        self.waiters.append(Waiter(lambda: self.admitted.append(number)))
        assert not self.limiter.enqueue(self.waiters[-1])
        return self.waiters[-1]


def filled(limit: int) -> ConcurrencyLimiter:
    """A limiter with no room left."""
    limiter = ConcurrencyLimiter(limit)
    assert all(limiter.try_acquire() for _ in range(limit))
    assert not limiter.try_acquire()
    return limiter


def test_first_come_first_served() -> None:
    """Who waits is let in as others leave, in order, and nobody passes the line."""
    limiter = filled(2)
    queue = Queue(limiter)
    for _ in range(3):
        queue.join()
    limiter.release(0, 1)
    assert queue.admitted == [0]
    assert not limiter.try_acquire()
    limiter.release(0, 1)
    limiter.release(0, 1)
    assert (queue.admitted, limiter.in_flight, limiter.waiting) == ([0, 1, 2], 2, 0)


def test_giving_up() -> None:
    """Who gives up is passed over; who was admitted just then makes room again."""
    limiter = filled(1)
    queue = Queue(limiter)
    first, second, third = queue.join(), queue.join(), queue.join()
    limiter.cancel(second)
    limiter.cancel(first)
    assert limiter.waiting == 1
    limiter.release(0, 1)
    assert queue.admitted == [2]
    limiter.cancel(third)
    assert limiter.in_flight == 0
    assert limiter.try_acquire()


def test_room_meanwhile() -> None:
    """Who finds room on getting in line goes through without waiting."""
    limiter = ConcurrencyLimiter(1)
    assert limiter.enqueue(Waiter(lambda: None))
    assert limiter.in_flight == 1


def test_a_loop_that_is_gone() -> None:
    """A waiter whose loop was closed loses its turn to the next."""
    limiter = filled(1)
    loop = asyncio.new_event_loop()
    loop.close()
    limiter.enqueue(Waiter(lambda: loop.call_soon_threadsafe(print)))
    queue = Queue(limiter)
    queue.join()
    limiter.release(0, 1)
    assert (queue.admitted, limiter.in_flight) == ([0], 1)


def test_a_gate_between_threads() -> None:
    """However threads come, wait and leave, no more than the limit are inside, and all get through."""
    limiter, most, lock = ConcurrencyLimiter(3), [0, 0], threading.Lock()

    def through(_: int) -> None:
        turn = threading.Event()
        if not limiter.try_acquire() and not limiter.enqueue(Waiter(turn.set)):
            assert turn.wait(30)
        with lock:
            most[0] += 1
            most[1] = max(most)
        with lock:
            most[0] -= 1
        limiter.release(0, 1)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(through, range(2000)))
    assert limiter.in_flight == limiter.waiting == 0
    assert 1 <= most[1] <= 3


def rounds(limiter: ConcurrencyLimiter, count: int, failed: float = 0.0, began: float = 100.0) -> int:
    """The limit after so many rounds of a second of calls that use it up, of which a part meets overload."""
    short = 0.0
    for number in range(count):
        while limiter.try_acquire():
            pass
        for _ in range(limiter.in_flight):
            short += failed
            limiter.release(began + number, began + number + 1, short >= 1, 1.0)
            short %= 1
            limiter.try_acquire()
    return limiter.limit


def test_an_adaptive_limit_grows() -> None:
    """From a low start, rounds that go well make it grow more and more quickly, up to the maximum."""
    limiter = ConcurrencyLimiter(AdaptiveLimit(initial_limit=20))
    first, second, third = rounds(limiter, 3), rounds(limiter, 3), rounds(limiter, 3)
    assert 20 < first < 40 < second < 100 < 200 < third
    assert rounds(limiter, 30) == 1000
    assert rounds(ConcurrencyLimiter(AdaptiveLimit(initial_limit=20, max_limit=24)), 30) == 24


def test_an_adaptive_limit_falls() -> None:
    """A round of overload takes off its part once, however many calls tell of it, and never goes below the minimum."""
    assert rounds(ConcurrencyLimiter(AdaptiveLimit(initial_limit=20, backoff_ratio=0.5)), 1, failed=1) == 10
    assert rounds(ConcurrencyLimiter(AdaptiveLimit(initial_limit=20, min_limit=3)), 50, failed=1) == 3


def test_quick_refusals_are_one_overload() -> None:
    """However quickly calls are refused, the limit falls once in the time that an answer usually takes."""
    limiter = ConcurrencyLimiter(AdaptiveLimit(initial_limit=300))
    found = []
    for number in range(200):
        limiter.try_acquire()
        limiter.release(100 + number * 0.05, 100.05 + number * 0.05, True, 2.0)
        found.append(limiter.limit)
    assert sorted(set(found), reverse=True) == [300, 210, 147, 102, 72]


def test_calls_from_before_a_cut() -> None:
    """Calls that were sent before the limit fell tell of the same overload, whenever they end."""
    limiter = ConcurrencyLimiter(AdaptiveLimit(initial_limit=20, backoff_ratio=0.5))
    assert rounds(limiter, 1, failed=1) == 10
    for _ in range(20):
        limiter.try_acquire()
        limiter.release(100, 109, True, 1.0)
    assert limiter.limit == 10


def test_an_adaptive_limit_comes_back() -> None:
    """After an outage that brought it down to the minimum, ten rounds bring it back to hundreds."""
    limiter = ConcurrencyLimiter(AdaptiveLimit(initial_limit=300))
    assert rounds(limiter, 60, failed=1) == 1
    assert rounds(limiter, 12, began=200) > 200


def test_a_few_failures_are_no_overload() -> None:
    """A service that refuses a few calls at all times does not keep the limit down; one that refuses many does."""
    assert rounds(ConcurrencyLimiter(AdaptiveLimit(initial_limit=20)), 20, failed=0.03) > 500
    assert rounds(ConcurrencyLimiter(AdaptiveLimit(initial_limit=300)), 20, failed=0.3) < 50


def ended(error: errors.APIError | None, took: float, latency: float | None = None) -> int:
    """A limit of 20 after a round of calls that ended so; an answer usually takes a second."""
    admission = Admission(AdaptiveLimit(initial_limit=20, backoff_ratio=0.5, latency_threshold=latency))
    admission.limiter.try_acquire()
    admission.on_success(COUNT_TOKENS, 0, 1, 1)
    for _ in range(20):
        admission.limiter.try_acquire()
    for _ in range(20):
        if error is None:
            admission.on_success(COUNT_TOKENS, 200, 200 + took, 200 + took)
        else:
            admission.on_failure(COUNT_TOKENS, 200, 200 + took, error)
    return admission.limiter.limit


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
    limiter = ConcurrencyLimiter(AdaptiveLimit(initial_limit=20))
    for _ in range(100):
        limiter.try_acquire()
        limiter.release(100, 101, False, 1.0)
    assert limiter.limit == 20


@pytest.mark.parametrize(
    "wrong",
    [
        {"initial_limit": 0},
        {"min_limit": 30},
        {"max_limit": 10},
        {"min_limit": 0},
        {"backoff_ratio": 1},
        {"backoff_ratio": 0},
    ],
    ids=str,
)
def test_a_wrong_adaptive_limit(wrong: Any) -> None:
    """Bounds that contradict each other are refused."""
    with pytest.raises(ValueError, match="got"):
        AdaptiveLimit(**wrong)
