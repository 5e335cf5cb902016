"""Main table: CPU or memory of each peer at each kind of work, over the plain stub's of the same round."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from benchmarks.bounds import BOUNDS
from benchmarks.imports import first_calls, imports
from benchmarks.peers import PEERS, VERTEX
from benchmarks.rounds import Cost, Spread, Worker, interleaved, ratios, spread
from benchmarks.serving import SCENARIOS, serve
from benchmarks.workloads import WORKLOADS

__all__ = ["BASE", "OURS", "Row", "blob_memory", "measure", "rounds_of", "runs_table", "table"]

BASE: Final = "plain"
OURS: Final = "genai_grpc"


class Row(NamedTuple):
    """Result of one kind of work.

    Attributes:
        title: Its name in a table.
        unit: The unit that `base` is the cost of.
        base: Cost of the plain stub: microseconds of CPU per unit, or bytes of memory.
        peers: Ratios of each other peer to the plain stub in the same round.
    """

    title: str
    unit: str
    base: Spread
    peers: dict[str, Spread]


def measure(rounds: int, peers: Sequence[str] = tuple(PEERS)) -> dict[str, Row]:
    """Measure all rows, by their names in `bounds.BOUNDS`."""
    rows = {}
    for name in BOUNDS:
        print(f"  {name}", flush=True)
        rows[name] = _row(name, rounds_of(name, peers, rounds))
    return rows


def rounds_of(name: str, peers: Sequence[str], rounds: int) -> list[dict[str, Cost]]:
    """Run the rounds of one row. In a row about memory, `cpu` holds bytes."""
    if name.endswith("memory"):
        source = {"blob_memory": blob_memory, "import_memory": imports}[name]
        found = source(peers, max(3, rounds // 3))  # memory varies little
        return [{peer: cost._replace(cpu=cost.peak) for peer, cost in costs.items()} for costs in found]
    if name in ("import", "first_call"):
        return (imports if name == "import" else first_calls)(peers, rounds)
    return interleaved(name, peers, rounds)


def blob_memory(peers: Sequence[str], rounds: int) -> list[dict[str, Cost]]:
    """Memory of one request with an image file, each in a process that has sent none."""
    with serve(SCENARIOS["short"], vertex=peers[0] in VERTEX) as endpoint:
        found = []
        for _ in range(rounds):
            costs = {}
            for peer in peers:
                with Worker(peer, "blob", endpoint, count=1) as worker:
                    costs[peer] = worker.round()
            found.append(costs)
        return found


# Rows whose target is also a time.
ABSOLUTE: Final = frozenset({"first_call", "image", "import"})
TITLES: Final = {
    "blob_memory": ("inline image of 10 MiB, memory", "byte"),
    "import": ("import", "import"),
    "import_memory": ("import, memory", "byte"),
    "first_call": ("import and first reply", "program"),
}


def _row(name: str, found: list[dict[str, Cost]]) -> Row:
    if name in TITLES:
        (title, unit), count = TITLES[name], 1
    else:
        title, unit, count = WORKLOADS[name][:3]
    scale = 1.0 if unit == "byte" else 1e6
    base = spread([costs[BASE].cpu / count * scale for costs in found if BASE in costs])
    peers = {peer: spread(ratios(found, peer, BASE)) for peer in found[0] if peer != BASE}
    return Row(title, unit, base, peers)


def table(rows: dict[str, Any]) -> str:
    """The rows as a Markdown table: medians of the ratios, and for this client their quartiles."""
    others = [peer for peer in PEERS if peer not in (BASE, OURS)]
    heads = ["work", "plain stub", "**genai_grpc**", *(PEERS[peer].title for peer in others)]
    lines = [f"| {' | '.join(heads)} |", "|---|" + "---:|" * (len(heads) - 1)]
    for name, row in rows.items():
        ours = Spread(*row.peers[OURS])
        cells = [row.title, f"1 = {_amount(row.base[1], row.unit)}"]
        absolute = f", {_amount(ours.median * row.base[1], row.unit)}" if name in ABSOLUTE else ""
        cells += [f"**{ours.median:.2f}** ({ours.low:.2f} to {ours.high:.2f}){absolute}"]
        cells += [f"{row.peers[peer][1]:.1f}" for peer in others]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def runs_table(runs: Sequence[dict[str, Row]]) -> str:
    """The targets, and this client's ratios in each run, as a Markdown table."""
    heads = ["work", "target", *(f"run {number}" for number in range(1, len(runs) + 1))]
    lines = [f"| {' | '.join(heads)} |", "|---|" + "---:|" * (len(heads) - 1)]
    for name, row in runs[0].items():
        target = BOUNDS[name].target
        found = [run[name].peers[OURS].median for run in runs]
        cells = [f"**{ratio:.2f}**" if round(ratio, 2) <= target else f"{ratio:.2f}" for ratio in found]
        lines.append(f"| {' | '.join([row.title, f'{target:.2f}', *cells])} |")
    return "\n".join(lines)


def _amount(value: float, unit: str) -> str:
    if unit == "byte":
        return f"{value / 1e6:.0f} MB"
    return f"{value / 1e3:.1f} ms" if value >= 1000 else f"{value:.0f} µs"
