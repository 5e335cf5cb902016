"""Bounds of the client's CPU and memory, as ratios to the plain stub's; `make bench-check` enforces them."""

from __future__ import annotations

from typing import Final, NamedTuple

__all__ = ["BOUNDS", "Bound"]


class Bound(NamedTuple):
    """Ratios of one kind of work.

    Attributes:
        limit: `make bench-check` fails above this.
        target: The ratio aimed at.
    """

    limit: float
    target: float


BOUNDS: Final = {
    "unary": Bound(1.30, 1.10),
    "threads": Bound(1.35, 1.10),
    "async": Bound(1.40, 1.15),
    "uvloop": Bound(1.40, 0.85),
    "stream": Bound(0.40, 0.40),
    "stream_async": Bound(1.35, 1.15),
    "stream_uvloop": Bound(1.30, 0.90),
    "chat": Bound(0.95, 0.75),
    "blob": Bound(0.62, 0.35),
    "blob_memory": Bound(0.42, 0.50),
    "import": Bound(0.55, 0.51),
    "import_memory": Bound(0.35, 1.0),
    "first_call": Bound(1.30, 1.10),
    "image": Bound(0.20, 0.11),
}
