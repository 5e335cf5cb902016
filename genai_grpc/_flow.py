"""What calls of one client share while they wait and are in flight: a bound, a rate, and a balance of retries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from genai_grpc._balance import Balance
from genai_grpc._gate import Gate
from genai_grpc._rate import Rate

if TYPE_CHECKING:
    from genai_grpc._limits import AdaptiveLimit, RateLimit

__all__ = ["Flow"]


class Flow:
    """The gate, the rate and the balance of one client."""

    __slots__ = ("balance", "gate", "rate")

    def __init__(self, max_in_flight: int | AdaptiveLimit, rate: RateLimit | None = None) -> None:
        self.gate = Gate(max_in_flight)
        self.rate = None if rate is None else Rate(rate)
        self.balance = Balance()
