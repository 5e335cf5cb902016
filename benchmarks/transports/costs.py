"""Cost of other transports than gRPC's, with the gRPC protocol on top by hand: CPU over the plain stub's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from benchmarks.peers import PEERS, TRANSPORTS
from benchmarks.rounds import Cost, interleaved, ratios, spread
from benchmarks.workloads import WORKLOADS

__all__ = ["transport_table"]

COMPARED: Final = ("unary", "threads", "async", "stream", "stream_async", "latency", "latency_async", "blob")
# Kinds of work that a peer does not support.
UNSUPPORTED: Final = {
    "lower_bound": ("threads", "async", "stream_async", "latency_async"),
    "grpclib": ("unary", "threads", "stream", "latency", "blob"),
}


def transport_table(rounds: int) -> str:
    """Measure each transport; returns a Markdown table of the medians of the ratios, and their quartiles."""
    peers = ["plain", "genai_grpc", *TRANSPORTS]
    titles = [(PEERS[peer] if peer in PEERS else TRANSPORTS[peer]).title for peer in peers]
    lines = [f"| work | {' | '.join(titles)} |", "|---|" + "---:|" * len(peers)]
    for workload in COMPARED:
        print(f"  {workload}", flush=True)
        able = [peer for peer in peers if workload not in UNSUPPORTED.get(peer, ())]
        lines.append(_row(workload, peers, able, interleaved(workload, able, rounds)))
    return "\n".join(lines)


def _row(workload: str, peers: Sequence[str], able: Sequence[str], found: list[dict[str, Cost]]) -> str:
    spec = WORKLOADS[workload]
    base = spread([costs["plain"].cpu / spec.operations * 1e6 for costs in found]).median
    cells = [f"1 = {base / 1e3:.1f} ms" if base >= 1000 else f"1 = {base:.0f} µs"]
    for peer in peers[1:]:
        low, median, high = spread(ratios(found, peer, "plain")) if peer in able else (0.0, 0.0, 0.0)
        cells.append(f"{median:.2f} ({low:.2f} to {high:.2f})" if peer in able else "")
    return f"| {spec.title} | {' | '.join(cells)} |"
