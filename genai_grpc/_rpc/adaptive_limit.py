"""Adaptive concurrency limit (CUBIC). The caller passes the time and holds the lock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["AdaptiveLimit", "CubicLimit"]


@dataclass(frozen=True, slots=True)
class AdaptiveLimit:
    """Settings of a concurrency limit that adapts to the service's capacity (CUBIC, RFC 9438, as in TCP).

    While calls succeed and use at least half of it, the limit grows: fast up to where it last met overload, slowly
    around it, ever faster beyond; from 20 to 200 in about nine round trips. When more than a tenth of the calls of a
    round trip meet overload, it is multiplied by `backoff_ratio`, at most once per typical latency.

    Overload is ServiceUnavailable, ResourceExhausted, a deadline that passed although it was longer than the typical
    latency, or a latency above `latency_threshold`.

    Attributes:
        initial_limit: Calls in flight at first.
        min_limit: The limit never falls below this.
        max_limit: The limit never grows above this.
        backoff_ratio: Factor applied to the limit on overload, between 0 and 1.
        latency_threshold: Seconds to the reply, or to the first chunk, above which a call counts as overload; None for
            no threshold.

    >>> AdaptiveLimit(initial_limit=10, latency_threshold=5.0).max_limit
    1000
    """

    initial_limit: int = 20
    min_limit: int = 1
    max_limit: int = 1000
    backoff_ratio: float = 0.7
    latency_threshold: float | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.min_limit <= self.initial_limit <= self.max_limit:
            raise ValueError(
                "an adaptive limit has 1 <= min_limit <= initial_limit <= max_limit; "
                f"got {self.min_limit}, {self.initial_limit}, {self.max_limit}"
            )
        if not 0 < self.backoff_ratio < 1:
            raise ValueError(f"backoff_ratio is between 0 and 1; got {self.backoff_ratio}")


class CubicLimit:
    """CUBIC limit (https://www.rfc-editor.org/rfc/rfc9438.html#section-4.2), measured in round trips, not seconds.

    Concave growth to the last maximum, convex growth beyond it. As in TCP, it is reduced at most once per round trip,
    however many calls report the same overload: errors return fast, and replies that would show the effect do not.

    Attributes:
        limit: Calls that may be in flight.
    """

    __slots__ = ("_last_cut", "_overload_ratio", "_round_ends", "_rounds_since_cut", "_settings", "_w_max", "limit")

    def __init__(self, settings: AdaptiveLimit) -> None:
        self._settings = settings
        self.limit = float(settings.initial_limit)
        # W_max of the RFC, and the round trips since the limit was there; negative until it is there again.
        self._w_max = self.limit
        self._rounds_since_cut = 0.0
        # Moving average over the calls of about one round trip.
        self._overload_ratio = 0.0
        self._last_cut = self._round_ends = float("-inf")

    def on_sample(self, started: float, now: float, typical_latency: float, overloaded: bool, in_flight: int) -> None:
        """Adjust the limit after a call.

        Args:
            started: When the call was sent.
            now: When it ended.
            typical_latency: In seconds.
            overloaded: Whether it met overload.
            in_flight: Calls in flight, this one included.
        """
        if started < self._last_cut or now < self._round_ends:
            return
        limit, settings = self.limit, self._settings
        self._overload_ratio += (overloaded - self._overload_ratio) / max(limit, _MIN_SAMPLES)
        if overloaded:
            if self._overload_ratio > _OVERLOAD:
                self._w_max = limit
                self._rounds_since_cut = -((limit * (1 - settings.backoff_ratio) / _C) ** (1 / 3))
                self.limit = max(float(settings.min_limit), limit * settings.backoff_ratio)
                self._overload_ratio, self._last_cut, self._round_ends = 0.0, now, now + typical_latency
        elif in_flight * 2 >= int(limit):
            # A limit that is not reached says nothing about a higher one.
            self._rounds_since_cut += 1 / limit
            grown = self._w_max + _C * self._rounds_since_cut**3
            self.limit = min(float(settings.max_limit), max(limit, grown))


# C of the RFC, per round trip cubed instead of per second cubed.
_C: Final = 0.4
# A few errors are no overload: a healthy service has some, too.
_OVERLOAD: Final = 0.1
# The ratio is taken over at least this many calls, so that a single error is not 100 %.
_MIN_SAMPLES: Final = 20
