from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

from genai_grpc._rpc.concurrency_limiter import ConcurrencyLimiter
from genai_grpc._rpc.waiter import Waiter


class Queue:
    """Waiters of a limiter, and the order in which they were admitted."""

    def __init__(self, limiter: ConcurrencyLimiter) -> None:
        self.limiter = limiter
        self.admitted: list[int] = []
        self.waiters: list[Waiter] = []

    def enqueue(self) -> Waiter:
        number = len(self.waiters)
        self.waiters.append(Waiter(lambda: self.admitted.append(number)))
        assert not self.limiter.enqueue(self.waiters[-1])
        return self.waiters[-1]


def full_limiter(limit: int) -> ConcurrencyLimiter:
    """A limiter without a free slot."""
    limiter = ConcurrencyLimiter(limit)
    assert all(limiter.try_acquire() for _ in range(limit))
    assert not limiter.try_acquire()
    return limiter


def test_first_in_first_out() -> None:
    """Waiters are admitted in order as slots are released; a new call does not overtake them."""
    limiter = full_limiter(2)
    queue = Queue(limiter)
    for _ in range(3):
        queue.enqueue()
    limiter.release(0, 1)
    assert queue.admitted == [0]
    assert not limiter.try_acquire()
    limiter.release(0, 1)
    limiter.release(0, 1)
    assert (queue.admitted, limiter.in_flight, limiter.waiting) == ([0, 1, 2], 2, 0)


def test_cancelled_waiter() -> None:
    """A cancelled waiter is skipped; one that was admitted already releases its slot."""
    limiter = full_limiter(1)
    queue = Queue(limiter)
    first, second, third = queue.enqueue(), queue.enqueue(), queue.enqueue()
    limiter.cancel(second)
    limiter.cancel(first)
    assert limiter.waiting == 1
    limiter.release(0, 1)
    assert queue.admitted == [2]
    limiter.cancel(third)
    assert limiter.in_flight == 0
    assert limiter.try_acquire()


def test_slot_freed_before_enqueue() -> None:
    """A waiter that finds a free slot when it is enqueued takes the slot without waiting."""
    limiter = ConcurrencyLimiter(1)
    assert limiter.enqueue(Waiter(lambda: None))
    assert limiter.in_flight == 1


def test_closed_limiter() -> None:
    """A limiter that is closed ends all waits without a slot, and admits nobody who would have to wait."""
    limiter = full_limiter(1)
    queue = Queue(limiter)
    waiters = [queue.enqueue() for _ in range(3)]
    limiter.cancel(waiters[1])
    loop = asyncio.new_event_loop()
    loop.close()
    limiter.enqueue(Waiter(lambda: loop.call_soon_threadsafe(print)))
    limiter.close()
    assert queue.admitted == [0, 2]  # notified
    late = Waiter(lambda: None)
    assert limiter.enqueue(late)
    assert not any(waiter.admitted for waiter in [*waiters, late])
    limiter.release(0, 1)
    assert (queue.admitted, limiter.in_flight) == ([0, 2], 0)


def test_waiter_of_closed_loop() -> None:
    """A waiter whose event loop was closed is skipped."""
    limiter = full_limiter(1)
    loop = asyncio.new_event_loop()
    loop.close()
    limiter.enqueue(Waiter(lambda: loop.call_soon_threadsafe(print)))
    queue = Queue(limiter)
    queue.enqueue()
    limiter.release(0, 1)
    assert (queue.admitted, limiter.in_flight) == ([0], 1)


def test_limit_across_threads() -> None:
    """However threads acquire, wait and release, no more than the limit are in flight, and all are admitted."""
    limiter, lock = ConcurrencyLimiter(3), threading.Lock()
    in_flight = peak = 0

    def call(_: int) -> None:
        nonlocal in_flight, peak
        admitted = threading.Event()
        if not limiter.try_acquire() and not limiter.enqueue(Waiter(admitted.set)):
            assert admitted.wait(30)
        with lock:
            in_flight += 1
            peak = max(peak, in_flight)
        with lock:
            in_flight -= 1
        limiter.release(0, 1)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(call, range(2000)))
    assert limiter.in_flight == limiter.waiting == 0
    assert 1 <= peak <= 3
