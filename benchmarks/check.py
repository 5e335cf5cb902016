"""The guard: fails when this project's client costs more than its bound beside the plain stub, and chance is no excuse.

A bound is held when the median of the ratios is at most the bound, of a few rounds at first. Where it is not, fresh
processes measure again, longer. It is passed only if in each of `BATCHES` of those all but two of the rounds lie above
it: were the true median the bound, that would happen once in 30 times for one batch, once in 28,000 for the three.
"""

from __future__ import annotations

import statistics
import time
from typing import Final

from benchmarks.bounds import BOUNDS
from benchmarks.rounds import ratios
from benchmarks.table import rounds_of

__all__ = ["check"]

FIRST: Final = 5
ROUNDS: Final = 11
BATCHES: Final = 3
# Rounds that may lie at or below a bound that is passed nevertheless.
STRAYS: Final = 2


def check() -> bool:
    """Whether every bound is held; says each as it is found."""
    began = time.monotonic()
    held = [_held(name) for name in BOUNDS]
    print(f"bench-check: {sum(held)} of {len(held)} bounds are held ({time.monotonic() - began:.0f} s)")
    return all(held)


def _held(name: str) -> bool:
    bound = BOUNDS[name]
    for batch in range(BATCHES + 1):
        found = ratios(rounds_of(name, ["plain", "genai_grpc"], ROUNDS if batch else FIRST), "genai_grpc", "plain")
        median, below = statistics.median(found), sum(ratio <= bound.limit for ratio in found)
        again = f", batch {batch}" if batch else ""
        print(f"  {name:14} {median:5.2f} of the plain stub, bound {bound.limit:.2f}{again}", flush=True)
        if median <= bound.limit or (batch and below > STRAYS):
            return True
    print(f"  {name:14} is dearer than its bound")
    return False
