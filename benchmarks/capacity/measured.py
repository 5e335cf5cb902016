"""What a call costs by measurement: the figures of `make bench` and `make bench-scale`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from benchmarks.peers import PEERS
from benchmarks.workloads import WORKLOADS

__all__ = ["KINDS", "costs", "memory_in_flight"]

PAGE: Final = Path("docs/performance.md")
RESULTS: Final = Path("build/bench")

KINDS: Final = ("threads", "async", "uvloop", "stream", "stream_async", "stream_uvloop")
"""The kinds of work that the page plans with: three of calls, three of chunks."""

# Bytes a call in flight, of 5,000 async streams that had their first chunk and waited for more: 30.4 MiB for 1,000
# of them, on the versions that docs/performance.md names.
# Where `make bench-scale` has measured here, its figure is taken.
IN_FLIGHT: Final = 31_900.0


def costs(results: Path = RESULTS, page: Path = PAGE) -> dict[str, dict[str, float]]:
    """Seconds of CPU of each kind of work, a call or a chunk, by each peer.

    They are those that `make bench` left in `results`, or the rounder ones that it wrote into the page.
    """
    saved = results / "table.json"
    if saved.exists():
        rows = json.loads(saved.read_text())
        return {
            kind: _seconds(rows[kind][2][1], {name: each[1] for name, each in rows[kind][3].items()}) for kind in KINDS
        }
    return _of_page(page.read_text())


def _seconds(base: float, ratios: dict[str, float]) -> dict[str, float]:
    """Seconds, of the plain stub's microseconds and what the others cost over them."""
    return {name: base * ratios.get(name, 1.0) / 1e6 for name in PEERS}


def _of_page(text: str) -> dict[str, dict[str, float]]:
    lines = [[cell.strip(" *") for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    heads = next(cells for cells in lines if cells[0] == "work")
    names = {spec.title: name for name, spec in PEERS.items()}
    kinds = {WORKLOADS[kind].title: kind for kind in KINDS}
    found = {}
    for title, base, *ratios in lines:
        if (kind := kinds.get(title)) is not None and len(ratios) == len(heads) - 2:
            shown = dict(zip(heads[2:], ratios, strict=True))
            numbers = {names[head]: float(ratio.split()[0].strip("*")) for head, ratio in shown.items()}
            found[kind] = _seconds(float(base.split()[2]), numbers)
    if missing := set(KINDS) - set(found):
        raise ValueError(f"{PAGE} has no rows for {', '.join(sorted(missing))}; make bench writes them")
    return found


def memory_in_flight(results: Path = RESULTS) -> float:
    """Bytes that a call in flight takes, async, in a process that has many."""
    saved = results / "scale.json"
    if not saved.exists():
        return IN_FLIGHT
    held = json.loads(saved.read_text())["held"]
    size = max(held, key=int)
    # A point is its CPU, its rate and its memory, in this order.
    return float(held[size]["genai_grpc"][2]) / int(size)
