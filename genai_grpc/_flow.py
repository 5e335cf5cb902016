"""What calls of one client share while they wait and are in flight: a bound, a rate, and a balance of retries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from genai_grpc._balance import Balance
from genai_grpc._gate import Gate
from genai_grpc._rate import Rate
from genai_grpc.errors import DeadlineExceeded, ResourceExhausted, ServiceUnavailable

if TYPE_CHECKING:
    from genai_grpc._call import Method
    from genai_grpc._limits import AdaptiveLimit, RateLimit

__all__ = ["Flow"]


class Flow:
    """The gate, the rate and the balance of one client, and how long its answers usually take."""

    __slots__ = ("_latency", "_usual", "balance", "gate", "rate")

    def __init__(self, max_in_flight: int | AdaptiveLimit, rate: RateLimit | None = None) -> None:
        self.gate = Gate(max_in_flight)
        self._latency = None if isinstance(max_in_flight, int) else max_in_flight.latency
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
        return max(usual, min(3 * usual, timeout / 2))

    def leave(
        self,
        method: Method[Any, Any],
        began: float,
        now: float,
        error: BaseException | None = None,
        answered: float | None = None,
    ) -> None:
        """A try is over.

        Args:
            method: What was called.
            began: When it was sent, in seconds of a clock that never goes back.
            now: What that clock says now.
            error: What it failed with.
            answered: When the reply or the first chunk came; None if none did.
        """
        took = now - began
        usual = self._usual.get(method)
        late = isinstance(error, DeadlineExceeded) and (usual is None or took > usual)
        # A deadline that passed tells how long the answer takes at the least. Of a method whose answers got slow, there
        # might be nothing else to learn from.
        if error is None or late:
            self._usual[method] = took if usual is None else usual + _FORGET * (took - usual)
        slow = self._latency is not None and answered is not None and answered - began > self._latency
        if slow or late or isinstance(error, (ServiceUnavailable, ResourceExhausted)):
            self.gate.leave(began, now, True, usual or 0.0)
        else:
            self.gate.leave(began, now, False if error is None else None, usual or 0.0)


# How much one answer changes what is usual.
_FORGET: Final = 0.1
