"""Latency of streamed chunks, from the server's sending of a chunk to its text in the program."""

from __future__ import annotations

import statistics
from typing import Final

from benchmarks.peers import PEERS
from benchmarks.rounds import interleaved
from benchmarks.serving import SCENARIOS

__all__ = ["latency_table"]

ROUNDS: Final = 5


def latency_table() -> str:
    """Measure each peer, sync and async; returns a Markdown table of the first chunk's and each chunk's latency."""
    pace = SCENARIOS["paced"].pace / 1000
    lines = [
        f"| ms, chunks {pace:g} ms apart | first, sync | each, sync: median (p99) | first, async | each, async |",
        "|---|---:|---:|---:|---:|",
    ]
    cells: dict[str, list[str]] = {peer: [] for peer in PEERS}
    for workload in ("latency", "latency_async"):
        found = interleaved(workload, list(PEERS), ROUNDS)
        for peer in PEERS:
            runs = [costs[peer].latencies or [] for costs in found if peer in costs]
            each = [value * 1e3 for run in runs for value in run[1:]]
            first = statistics.median(run[0] * 1e3 for run in runs)
            p99 = statistics.quantiles(each, n=100)[-1]
            cells[peer] += [f"{first:.1f}", f"{statistics.median(each):.2f} ({p99:.1f})"]
    lines += [f"| {PEERS[peer].title} | {' | '.join(row)} |" for peer, row in cells.items()]
    return "\n".join(lines)
