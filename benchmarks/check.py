"""Regression check: fails if the client costs more than its bounds, relative to the plain stub.

A bound is met if the median of the ratios of a few rounds is at most the bound. Otherwise fresh processes measure
again, longer. The check fails only if in each of `BATCHES` of those all but two of the rounds are above the bound: if
the true median were the bound, that would happen once in 30 times for one batch, once in 28,000 for all three.
"""

from __future__ import annotations

import statistics
import time
from typing import Final

from benchmarks.bounds import BOUNDS
from benchmarks.rounds import ratios
from benchmarks.table import rounds_of

__all__ = ["check"]

# The plain stub and this client, for each API.
PAIRS: Final = (("plain", "genai_grpc"), ("plain_vertex", "genai_grpc_vertex"))
FIRST_ROUNDS: Final = 5
ROUNDS: Final = 11
BATCHES: Final = 3
# Rounds of a batch that may be at or below a bound that is exceeded nevertheless.
OUTLIERS: Final = 2


def check() -> bool:
    """Check every bound, and print each result as it is known; returns whether all are met."""
    started = time.monotonic()
    met = [_is_met(name, *pair) for pair in PAIRS for name in BOUNDS]
    print(f"bench-check: {sum(met)} of {len(met)} bounds are met ({time.monotonic() - started:.0f} s)")
    return all(met)


def _is_met(name: str, base: str, ours: str) -> bool:
    bound = BOUNDS[name]
    for batch in range(BATCHES + 1):
        rounds = rounds_of(name, [base, ours], ROUNDS if batch else FIRST_ROUNDS)
        found = ratios(rounds, ours, base)
        median, below = statistics.median(found), sum(ratio <= bound.limit for ratio in found)
        suffix = f", batch {batch}" if batch else ""
        print(f"  {name:14} {median:5.2f} of {base}, bound {bound.limit:.2f}{suffix}", flush=True)
        if median <= bound.limit or (batch and below > OUTLIERS):
            return True
    print(f"  {name:14} exceeds its bound ({ours})")
    return False
