"""How much a client sends at once and a minute, as a program says it; `_gate` and `_rate` keep to it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["AdaptiveLimit", "RateLimit"]


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


@dataclass(frozen=True, slots=True)
class RateLimit:
    """How many requests and tokens a client sends a minute, evenly spread, each caller in turn.

    A quota that the service says is used up (QuotaFailure) lowers the limit to what it says the quota is, and its
    RetryInfo holds back every call of the client for that long. What several clients share, each of them learns as a
    whole.

    Attributes:
        requests: Requests a minute; None for no limit until the service names one.
        tokens: Tokens a minute, prompts and answers together; None likewise. What a request will take is guessed from
            those before it, and set right when its reply says.
        burst: Seconds of the rate that may be used at once after a pause.

    >>> RateLimit(requests=600, tokens=1_000_000).burst
    1.0
    """

    requests: float | None = None
    tokens: float | None = None
    burst: float = 1.0

    def __post_init__(self) -> None:
        for name in ("requests", "tokens"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ValueError(f"{name} a minute are more than 0, or None for no limit; got {value}")
        if self.burst < 0:
            raise ValueError(f"burst is 0 seconds or more; got {self.burst}")
