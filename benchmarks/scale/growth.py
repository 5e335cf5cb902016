"""Growth of a cost with the size of the work."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from itertools import pairwise
from math import log
from typing import NamedTuple

__all__ = ["Growth", "growth"]


class Growth(NamedTuple):
    """Growth of a cost as a power of the size.

    Attributes:
        exponent: The exponent that fits all sizes best; 1 is linear, 2 is quadratic.
        steepest: The largest exponent between two adjacent sizes. A fixed cost makes those of small sizes less than 1;
            one well above 1 means that the cost is not linear there.
    """

    exponent: float
    steepest: float

    def __str__(self) -> str:
        return f"n^{self.exponent:.2f} (at most n^{self.steepest:.2f} between adjacent sizes)"


def growth(costs: Mapping[int, float]) -> Growth:
    """Fit the growth of the costs of at least two sizes.

    >>> print(growth({10: 5.0, 100: 50.0, 1000: 500.0}))
    n^1.00 (at most n^1.00 between adjacent sizes)
    """
    sizes = sorted(costs)
    points = [(log(size), log(costs[size])) for size in sizes]
    exponent, _ = statistics.linear_regression(*zip(*points, strict=True))
    steps = [(cost - before) / (size - smaller) for (smaller, before), (size, cost) in pairwise(points)]
    return Growth(exponent, max(steps))
