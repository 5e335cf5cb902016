"""The table: each kind of work by each peer, as CPU over the plain stub's of the same round."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from benchmarks.bounds import BOUNDS
from benchmarks.imports import first_calls, imports
from benchmarks.peers import PEERS
from benchmarks.rounds import Cost, Spread, Worker, interleaved, ratios, spread
from benchmarks.serving import SCENARIOS, serve
from benchmarks.workloads import WORKLOADS

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["BASE", "OURS", "Row", "measure", "memory_of_blob", "rounds_of", "runs_table", "table"]

BASE: Final = "plain"
OURS: Final = "genai_grpc"


class Row(NamedTuple):
    """What one kind of work cost.

    Attributes:
        title: Its name.
        unit: What `base` is the cost of.
        base: Of the plain stub: microseconds of CPU a unit, or bytes of memory.
        peers: Of each other peer: its cost over the plain stub's of the same round.
    """

    title: str
    unit: str
    base: Spread
    peers: dict[str, Spread]


def measure(rounds: int, peers: Sequence[str] = tuple(PEERS)) -> dict[str, Row]:
    """All rows of these peers, by the names that `bounds.BOUNDS` has for them."""
    rows = {}
    for name in BOUNDS:
        print(f"  {name}", flush=True)
        rows[name] = _row(name, rounds_of(name, peers, rounds))
    return rows


def rounds_of(name: str, peers: Sequence[str], rounds: int) -> list[dict[str, Cost]]:
    """Rounds of the row of that name. Where memory is what it is about, `cpu` holds bytes."""
    if name.endswith("memory"):
        source = {"blob_memory": memory_of_blob, "import_memory": imports}[name]
        found = source(peers, max(3, rounds // 3))  # memory varies little
        return [{peer: cost._replace(cpu=cost.peak) for peer, cost in costs.items()} for costs in found]
    if name in ("import", "first_call"):
        return (imports if name == "import" else first_calls)(peers, rounds)
    return interleaved(name, peers, rounds)


def memory_of_blob(peers: Sequence[str], rounds: int) -> list[dict[str, Cost]]:
    """The memory of one request with an image file, each in a process that has sent none."""
    with serve(SCENARIOS["short"]) as endpoint:
        found = []
        for _ in range(rounds):
            costs = {}
            for peer in peers:
                with Worker(peer, "blob", endpoint, count=1) as worker:
                    costs[peer] = worker.round()
            found.append(costs)
        return found


# What is aimed at is a time of its own, too.
ABSOLUTE: Final = frozenset({"first_call", "image", "import"})
TITLES: Final = {
    "blob_memory": ("inline image of 10 MiB, memory", "byte"),
    "import": ("import", "import"),
    "import_memory": ("import, memory", "byte"),
    "first_call": ("import and first answer", "program"),
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
    """The rows as a table in Markdown: the median of the ratios, and their quartiles for this project's client."""
    others = [peer for peer in PEERS if peer not in (BASE, OURS)]
    heads = ["work", "plain stub", "**genai_grpc**", *(PEERS[peer].title for peer in others)]
    lines = [f"| {' | '.join(heads)} |", "|---|" + "---:|" * (len(heads) - 1)]
    for name, row in rows.items():
        ours = Spread(*row.peers[OURS])
        cells = [row.title, f"1 = {_shown(row.base[1], row.unit)}"]
        absolute = f", {_shown(ours.median * row.base[1], row.unit)}" if name in ABSOLUTE else ""
        cells += [f"**{ours.median:.2f}** ({ours.low:.2f} to {ours.high:.2f}){absolute}"]
        cells += [f"{row.peers[peer][1]:.1f}" for peer in others]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def runs_table(runs: Sequence[dict[str, Row]]) -> str:
    """What is aimed at, and what this project's client reached in each run, as a table in Markdown."""
    heads = ["work", "aimed at", *(f"run {number}" for number in range(1, len(runs) + 1))]
    lines = [f"| {' | '.join(heads)} |", "|---|" + "---:|" * (len(heads) - 1)]
    for name, row in runs[0].items():
        reach = BOUNDS[name].reach
        found = [run[name].peers[OURS].median for run in runs]
        cells = [f"**{ratio:.2f}**" if round(ratio, 2) <= reach else f"{ratio:.2f}" for ratio in found]
        lines.append(f"| {' | '.join([row.title, f'{reach:.2f}', *cells])} |")
    return "\n".join(lines)


def _shown(value: float, unit: str) -> str:
    if unit == "byte":
        return f"{value / 1e6:.0f} MB"
    return f"{value / 1e3:.1f} ms" if value >= 1000 else f"{value:.0f} µs"
