"""What calls of one client share while they wait and are in flight: a bound, a rate, and a balance of retries."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any, Final

from genai_grpc._rpc.retry_budget import Balance
from genai_grpc._rpc.concurrency_limiter import Gate
from genai_grpc._rpc.rate_limiter import Rate
from genai_grpc.errors import DeadlineExceeded, ResourceExhausted, ServiceUnavailable

if TYPE_CHECKING:
    from genai_grpc._rpc.call import Method
    from genai_grpc._rpc.adaptive_limit import AdaptiveLimit
    from genai_grpc._rpc.rate_limiter import RateLimit

__all__ = ["Flow"]


class Flow:
    """The gate, the rate and the balance of one client, and how long its answers usually take."""

    __slots__ = ("_latency", "_usual", "balance", "gate", "rate")

    def __init__(self, max_in_flight: int | AdaptiveLimit, rate: RateLimit | None = None) -> None:
        self.gate = Gate(max_in_flight)
        latency = None if isinstance(max_in_flight, int) else max_in_flight.latency
        self._latency = inf if latency is None else latency
        self.rate = None if rate is None else Rate(rate)
        self.balance = Balance()
        # By method, since counting tokens takes milliseconds and a long answer minutes.
        self._usual: dict[Method[Any, Any], float] = {}

    def usual(self, method: Method[Any, Any]) -> float:
        """Seconds that an answer of this method usually takes, a stream to its last chunk; 0 before the first one."""
        return self._usual.get(method, 0.0)

    def kept(self, method: Method[Any, Any], timeout: float) -> float:
        """Seconds of its `timeout` that a call does not wait in line for, since it is to be answered in them.

        Three times what an answer usually takes, which is time enough for nearly all of them; where that is more than
        half the timeout, half of it, but never less than an answer usually takes.
        """
        usual = self._usual.get(method, 0.0)
        return 3 * usual if 6 * usual < timeout else max(usual, timeout / 2)

    def answered(self, method: Method[Any, Any], began: float, first: float, now: float) -> None:
        """A try was answered, and makes room.

        Args:
            method: What was called.
            began: When it was sent, in seconds of a clock that never goes back.
            first: When the reply or the first chunk came.
            now: When the reply or the last chunk did.
        """
        took = now - began
        usual = self._usual.get(method, took)
        self._usual[method] = usual + _FORGET * (took - usual)
        self.gate.leave(began, now, first - began > self._latency, usual)

    def failed(self, method: Method[Any, Any], began: float, now: float, error: BaseException) -> None:
        """A try failed, or nobody waits for it any more, and makes room; the times are as in `answered`."""
        took, usual = now - began, self._usual.get(method, 0.0)
        overloaded = isinstance(error, (ServiceUnavailable, ResourceExhausted))
        if isinstance(error, DeadlineExceeded) and took > usual:
            # It tells how long the answer takes at the least. Of a method whose answers got slow, there might be
            # nothing else to learn from.
            overloaded, self._usual[method] = True, usual + _FORGET * (took - usual) if usual else took
        self.gate.leave(began, now, overloaded or None, usual)


# How much one answer changes what is usual.
_FORGET: Final = 0.1
