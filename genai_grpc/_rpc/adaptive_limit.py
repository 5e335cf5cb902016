"""How high a bound on calls in flight is that finds its own height.

No clock and no lock: the gate that it belongs to tells the time, and has one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["AdaptiveLimit", "Height"]


@dataclass(frozen=True, slots=True)
class AdaptiveLimit:
    """A bound on calls in flight that finds its own height.

    While calls go well and use it up, it grows: quickly to where it last met overload, slowly there, and more and more
    quickly beyond. From 20 to 200 it takes some nine rounds of calls. Where more than a tenth of the calls of a round
    meet overload, it goes down by a factor, once in the time that an answer usually takes (CUBIC, as in TCP:
    https://www.rfc-editor.org/rfc/rfc9438).

    Overload is ServiceUnavailable, ResourceExhausted, a deadline that passed though there was more time than an answer
    usually takes, or an answer slower than `latency`.

    Attributes:
        initial: Calls in flight at first.
        minimum: The bound never falls below this.
        maximum: Nor does it grow above this.
        backoff: What the bound is multiplied by at overload.
        latency: Seconds, to the reply or to the first chunk, above which an answer counts as overload; None: however
            long it takes.

    >>> AdaptiveLimit(initial=10, latency=5.0).maximum
    1000
    """

    initial: int = 20
    minimum: int = 1
    maximum: int = 1000
    backoff: float = 0.7
    latency: float | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.minimum <= self.initial <= self.maximum:
            raise ValueError(
                "an adaptive limit has 1 <= minimum <= initial <= maximum; "
                f"got {self.minimum}, {self.initial}, {self.maximum}"
            )
        if not 0 < self.backoff < 1:
            raise ValueError(f"backoff is between 0 and 1; got {self.backoff}")


class Height:
    """The height of an adaptive limit, by CUBIC (RFC 9438, https://www.rfc-editor.org/rfc/rfc9438.html#section-4.2).

    It grows with the cube of the rounds that went well since it was cut: quickly up to where it was, slowly there, and
    more and more quickly beyond, so that neither a deep fall nor a low start lasts. It is cut once a round, as in TCP,
    however many calls tell of one overload: refusals come quickly, and answers that would show the cut do not.

    Attributes:
        limit: How many calls may be in flight.
    """

    __slots__ = ("_cut", "_peak", "_round", "_rounds", "_rule", "_share", "limit")

    def __init__(self, rule: AdaptiveLimit) -> None:
        self._rule = rule
        self.limit = float(rule.initial)
        # Where it was when it was cut, or begun; the rounds from there, negative ones until it is there again.
        self._peak = self.limit
        self._rounds = 0.0
        # Of the calls of about one round, the part that met overload.
        self._share = 0.0
        self._cut = self._round = float("-inf")

    def learn(self, began: float, now: float, usual: float, overloaded: bool, inside: int) -> None:
        """Take in the end of a call.

        Args:
            began: When it was sent.
            now: When it ended.
            usual: Seconds that its answer would usually take.
            overloaded: Whether it met overload; it was answered, else.
            inside: How many calls were in flight with it.
        """
        if began < self._cut or now < self._round:
            return
        limit, rule = self.limit, self._rule
        self._share += (overloaded - self._share) / max(limit, _CALLS)
        if overloaded:
            if self._share > _OVERLOAD:
                self._peak, self._rounds = limit, -((limit * (1 - rule.backoff) / _SCALE) ** (1 / 3))
                self.limit = max(float(rule.minimum), limit * rule.backoff)
                self._share, self._cut, self._round = 0.0, now, now + usual
        elif inside * 2 >= int(limit):
            # A limit that is far from used up teaches nothing about more.
            self._rounds += 1 / limit
            self.limit = min(float(rule.maximum), max(limit, self._peak + _SCALE * self._rounds**3))


# C of the RFC, by rounds in place of its seconds.
_SCALE: Final = 0.4
# A few failures are no overload: a service that is well has some, too.
_OVERLOAD: Final = 0.1
# The share is taken of so many calls at the least, so that one failure is not all that there is.
_CALLS: Final = 20
