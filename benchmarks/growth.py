"""How a cost grows with the size of what it is the cost of."""

from __future__ import annotations

import statistics
from itertools import pairwise
from math import log
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Growth", "growth"]


class Growth(NamedTuple):
    """How a cost grows with a size.

    Attributes:
        exponent: Of the power of the size that fits all sizes best; 1 is linear, 2 is quadratic.
        steepest: The largest exponent between two neighbouring sizes. A cost that is fixed makes those of small sizes
            less than 1; one well above 1 says that the cost is not linear there.
    """

    exponent: float
    steepest: float

    def __str__(self) -> str:
        return f"n^{self.exponent:.2f} (at most n^{self.steepest:.2f} from one size to the next)"


def growth(costs: Mapping[int, float]) -> Growth:
    """The growth of the costs of at least two sizes.

    >>> growth({10: 5.0, 100: 50.0, 1000: 500.0})
    Growth(exponent=1.0, steepest=1.0)
    """
    sizes = sorted(costs)
    points = [(log(size), log(costs[size])) for size in sizes]
    exponent, _ = statistics.linear_regression(*zip(*points, strict=True))
    steps = [(cost - before) / (size - smaller) for (smaller, before), (size, cost) in pairwise(points)]
    return Growth(exponent, max(steps))
