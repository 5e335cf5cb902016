"""Measured costs of calls: the figures of `make bench ARGS=table` and `make bench ARGS=scale`."""

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
"""Kinds of work that the page plans with: three of calls, three of chunks."""

# Bytes per call in flight, of 5,000 async streams that had received their first chunk: 30.4 MiB per 1,000, on the
# versions that docs/performance.md names. The figure of `make bench ARGS=scale` is preferred where it is saved.
IN_FLIGHT: Final = 31_900.0


def costs(results: Path = RESULTS, page: Path = PAGE) -> dict[str, dict[str, float]]:
    """Seconds of CPU per call or chunk, by kind of work and client.

    Taken from what `make bench ARGS=table` saved in `results`, or else from the rounded figures in the page.

    Raises:
        ValueError: The page has no row for a kind of work.
    """
    saved = results / "table.json"
    if saved.exists():
        rows = json.loads(saved.read_text())
        return {
            kind: _seconds(rows[kind][2][1], {name: each[1] for name, each in rows[kind][3].items()}) for kind in KINDS
        }
    return _costs_from_page(page.read_text())


def _seconds(base: float, ratios: dict[str, float]) -> dict[str, float]:
    """Seconds per client, from the microseconds of the plain stub and the ratios of the other clients."""
    return {name: base * ratios.get(name, 1.0) / 1e6 for name in PEERS}


def _costs_from_page(text: str) -> dict[str, dict[str, float]]:
    lines = [[cell.strip(" *") for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    heads = next(cells for cells in lines if cells[0] == "work")
    names = {spec.title: name for name, spec in PEERS.items()}
    kinds = {WORKLOADS[kind].title: kind for kind in KINDS}
    found = {}
    for cells in lines:
        if (kind := kinds.get(cells[0])) is not None and len(cells) == len(heads):
            _, base, *ratios = cells
            by_head = dict(zip(heads[2:], ratios, strict=True))
            numbers = {names[head]: float(ratio.split()[0].strip("*")) for head, ratio in by_head.items()}
            found[kind] = _seconds(float(base.split()[2]), numbers)
    if missing := set(KINDS) - set(found):
        raise ValueError(f"{PAGE} has no rows for {', '.join(sorted(missing))}; `make bench ARGS=table` writes them")
    return found


def memory_in_flight(results: Path = RESULTS) -> float:
    """Bytes per async call in flight, in a process that has many."""
    saved = results / "scale.json"
    if not saved.exists():
        return IN_FLIGHT
    held = json.loads(saved.read_text())["held"]
    size = max(held, key=int)
    # A `sweeps.Point` is saved as a list: cpu, rate, memory and so on.
    return float(held[size]["genai_grpc"][2]) / int(size)
