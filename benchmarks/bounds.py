"""What this project's client may cost, as CPU or memory over the plain stub's; `make bench-check` holds it to that."""

from __future__ import annotations

from typing import Final, NamedTuple

__all__ = ["BOUNDS", "Bound"]


class Bound(NamedTuple):
    """A ratio that is not passed, and the one that is aimed at."""

    limit: float
    reach: float


BOUNDS: Final = {
    "unary": Bound(9, 1.10),
    "threads": Bound(9, 1.10),
    "async": Bound(9, 1.15),
    "uvloop": Bound(9, 1.15),
    "stream": Bound(9, 0.40),
    "stream_async": Bound(9, 1.15),
    "stream_uvloop": Bound(9, 1.15),
    "chat": Bound(9, 0.75),
    "blob": Bound(9, 0.35),
    "blob_memory": Bound(9, 0.50),
    "import": Bound(9, 0.51),
    "import_memory": Bound(9, 1.0),
    "first_call": Bound(9, 1.10),
    "image": Bound(9, 0.11),
}
