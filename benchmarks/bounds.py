"""What this project's client may cost, as CPU or memory over the plain stub's; `make bench-check` holds it to that."""

from __future__ import annotations

from typing import Final, NamedTuple

__all__ = ["BOUNDS", "Bound"]


class Bound(NamedTuple):
    """A ratio that is not passed, and the one that is aimed at."""

    limit: float
    reach: float


BOUNDS: Final = {
    "unary": Bound(1.45, 1.10),
    "threads": Bound(1.45, 1.10),
    "async": Bound(1.60, 1.15),
    "uvloop": Bound(1.85, 1.15),
    "stream": Bound(0.50, 0.40),
    "stream_async": Bound(1.50, 1.15),
    "stream_uvloop": Bound(1.75, 1.15),
    "chat": Bound(2.60, 0.75),
    "blob": Bound(2.70, 0.35),
    "blob_memory": Bound(1.00, 0.50),
    "import": Bound(1.75, 0.51),
    "import_memory": Bound(0.60, 1.0),
    "first_call": Bound(1.95, 1.10),
    "image": Bound(0.22, 0.11),
}
