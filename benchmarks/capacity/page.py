"""docs/capacity.md: its tables, from the measured costs, the assumptions named here, and the simulation."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Final, NamedTuple

from benchmarks.capacity import runs
from benchmarks.capacity.measured import costs, memory_in_flight
from benchmarks.capacity.service import Quota
from benchmarks.peers import PEERS
from genai_grpc._transport.grpc.channel_pool import MAX_STREAMS_PER_CHANNEL as CALLS_A_CONNECTION

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from benchmarks.capacity.runs import Load, Timeline, Wait

__all__ = [
    "BLOCKS",
    "CLIENTS",
    "TIERS",
    "TITLES",
    "TOKENS",
    "UTILISATION",
    "Findings",
    "find",
    "per_minute",
    "rounded",
    "write_page",
]

CLIENTS: Final = ("plain", "genai_grpc", "generativeai", "generativeai_key", "google_genai")
BASE: Final = "plain"
OURS: Final = "genai_grpc"
TITLES: Final = {peer: PEERS[peer].title for peer in CLIENTS} | {"generativeai_key": "google-generativeai, API key"}

# Assumptions, each to be replaced by one's own.
UTILISATION: Final = 0.6
PRICE: Final = 0.04  # dollars an hour of a core, about what clouds ask for general-purpose machines on demand
HOURS: Final = 730.0  # of a month
SECONDS: Final = 2.0  # that a call is in flight
TOKENS: Final = 2000.0  # of a call, prompt and answer
# Of a flash model in 2025, of the order that https://ai.google.dev/gemini-api/docs/rate-limits had then.
TIERS: Final = {
    "free": Quota(10, 250_000),
    "tier 1": Quota(1_000, 1_000_000),
    "tier 2": Quota(2_000, 3_000_000),
    "tier 3": Quota(10_000, 8_000_000),
}
UTILISATIONS: Final = (0.3, 0.5, 0.7, 0.8, 0.9)


class Findings(NamedTuple):
    """What was measured, and what the simulation came to."""

    costs: dict[str, dict[str, float]]
    memory: float
    waits: dict[str, list[Wait]]
    binding: dict[str, dict[float, Load]]
    outages: dict[str, dict[str, list[Timeline]]]


def find() -> Findings:
    """Read and simulate what tables and pictures share."""
    found = costs()
    waits = {peer: runs.waits(found["async"][peer], UTILISATIONS) for peer in CLIENTS}
    return Findings(found, memory_in_flight(), waits, runs.binding(), runs.outages())


def write_page(root: Path) -> dict[str, str]:
    """Draw the pictures of the page, and return what stands between its marks, by their names."""
    from benchmarks.capacity.plots import draw  # where matplotlib is

    findings = find()
    draw(findings, root / "docs/images")
    return {name: block(findings) for name, block in BLOCKS.items()}


def per_minute(cost: float) -> float:
    """Calls a minute of a core that works so much of its time as is planned."""
    return UTILISATION * 60 / cost


def _core(findings: Findings) -> str:
    heads = ["a core, all of its time", "calls/s: threads", "async", "uvloop", "chunks/s: sync", "async", "uvloop"]
    kinds = ("threads", "async", "uvloop", "stream", "stream_async", "stream_uvloop")
    rows = [[_title(peer), *(rounded(1 / findings.costs[kind][peer]) for kind in kinds)] for peer in CLIENTS]
    for row, peer in zip(rows, CLIENTS, strict=True):
        if peer == BASE:
            # The stub beside the others' uvloop is on asyncio.
            row[3] = row[6] = ""
    return _table(heads, rows)


def _waits(findings: Findings) -> str:
    waits, cost = findings.waits[OURS], findings.costs["async"][OURS]
    heads = ["utilisation", "calls/s", "wait: simulated mean", "by the formula", "99th percentile"]
    rows = [
        [f"{wait.utilisation:.0%}", rounded(wait.rate), *(_ms(each) for each in (wait.mean, wait.formula, wait.p99))]
        for wait in waits
    ]
    return f"{_table(heads, rows)}\n\ngenai_grpc, async: {cost * 1e6:.0f} µs a call."


def _streams(findings: Findings) -> str:
    call, chunk = findings.costs["async"][OURS], findings.costs["stream_async"][OURS]
    run, opened = runs.streams(call, chunk, UTILISATION)
    [process] = run.processes
    answers = runs.STREAMS
    return (
        f"Streams of {answers.chunks} chunks, {answers.pace:g} a second: at {UTILISATION:.0%} utilisation an async "
        f"core has {rounded(opened)} of them open and takes {rounded(opened * answers.pace)} chunks/s, which wait "
        f"for it for {_ms(sum(process.core.waits) / len(process.core.waits))} on average. They take "
        f"{len(process.pool.connections)} connections and {opened * findings.memory / 2**20:.0f} MiB. (Simulated.)"
    )


def _thousand(findings: Findings) -> str:
    heads = [f"1,000 cores, async, at {UTILISATION:.0%}", "calls/s", "$ for a million calls", "chunks/s"]
    rows = []
    for peer in CLIENTS:
        rate = 1000 * UTILISATION / findings.costs["async"][peer]
        chunks = 1000 * UTILISATION / findings.costs["stream_async"][peer]
        rows.append([_title(peer), rounded(rate), f"{1000 * PRICE / 3600 / rate * 1e6:.4f}", rounded(chunks)])
    return f"{_table(heads, rows)}\n\nAt ${PRICE:.2f} an hour of a core, the thousand cost ${1000 * PRICE:.0f} an hour."


def _cores(findings: Findings) -> str:
    clients = ("genai_grpc", "generativeai_key", "google_genai")
    heads = ["calls/s", *(f"cores: {TITLES[peer]}" for peer in clients), "in flight", "connections", "memory"]
    rows = []
    for rate in (10**3, 10**4, 10**5, 10**6):
        flight = rate * SECONDS
        needed = [rate * findings.costs["async"][peer] / UTILISATION for peer in clients]
        cells = [f"{rounded(cores)} (${rounded(cores * PRICE * HOURS)})" for cores in needed]
        connections, memory = flight / CALLS_A_CONNECTION, flight * findings.memory / 1e9
        rows.append([f"{rate:,}", *cells, f"{flight:,.0f}", rounded(connections), f"{rounded(memory)} GB"])
    return (
        f"{_table(heads, rows)}\n\nIn parentheses: dollars a month. A call is in flight for {SECONDS:g} s and takes "
        f"{findings.memory / 1e3:.0f} kB meanwhile; a connection carries {CALLS_A_CONNECTION} calls."
    )


def _tiers(findings: Findings) -> str:
    own = per_minute(findings.costs["async"][OURS])
    heads = [
        "example",
        "requests/min",
        "tokens/min",
        f"calls/min of {TOKENS:,.0f} tokens",
        "binds first",
        "of one core",
    ]
    rows = []
    for name, quota in TIERS.items():
        by_tokens = quota.tokens / TOKENS
        first = "requests" if quota.requests < by_tokens else "tokens"
        most = min(quota.requests, by_tokens)
        rows.append(
            [
                name,
                f"{quota.requests:,}",
                f"{quota.tokens:,}",
                rounded(by_tokens),
                first,
                f"{rounded(100 * most / own)}%",
            ]
        )
    return (
        f"{_table(heads, rows)}\n\nOne async core of genai_grpc at {UTILISATION:.0%} serves {rounded(own)} calls/min; "
        "the last column is what the quota leaves it to do."
    )


def _binding(findings: Findings) -> str:
    heads = [
        "answered in time; tries a call; share of the quota; median",
        *(f"{load:g} of the quota" for load in runs.LOADS),
    ]
    rows = [
        [f"`{name}`" if "(" in name else name, *map(_load, loads.values())] for name, loads in findings.binding.items()
    ]
    return _table(heads, rows)


def _load(load: Load) -> str:
    median = "" if load.median is None else f"; {load.median:.0f} s"
    return f"{_part(load.answered)}; {load.tries:.2f}; {load.used:.0%}{median}"


def _outage(findings: Findings) -> str:
    found = []
    for processes, settings in findings.outages.items():
        rows = []
        for name, timelines in settings.items():
            rows.append([name, f"{timelines[0].tries:.2f}", _back([each.recovered for each in timelines])])
        found.append(_table([processes, "tries a call in the outage", "after it, 99 % answered again"], rows))
    return "\n\n".join(found)


def _back(recovered: list[float | None]) -> str:
    """After how long calls were answered again, from the quickest run to the slowest."""
    first, *_, last = [
        "not within three minutes" if each is None else f"{each:.0f} s" if each else "at once"
        for each in sorted(recovered, key=lambda each: inf if each is None else each)
    ]
    return first if first == last else f"{first} to {last}"


def _adaptive(_: Findings) -> str:
    rows = [
        [name, _part(answered), "" if median is None else f"{median:.1f} s"]
        for name, (answered, median) in runs.adaptive().items()
    ]
    return _table(["`AdaptiveLimit`, 100 calls/s of 2 s", "answered in time", "median"], rows)


def _fleet(_: Findings) -> str:
    found = runs.fleet()
    heads = ["", *(f"{load:g} of the quota, {how}" for load in runs.FLEET_LOADS for how in ("even", "uneven"))]
    tables = []
    for way in runs.COUNTED:
        rows = []
        for name in runs.SHARES:
            shares = [found[way, load][name] for load in runs.FLEET_LOADS]
            shown = f"`{name}`" if "(" in name else name
            rows.append([shown, *(f"{_part(each.answered)}; {each.tries:.2f}" for share in shares for each in share)])
        tables.append(_table([f"quota counted {way}", *heads[1:]], rows))
    return "\n\n".join(tables)


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(cells)} |" for cells in (heads, *rows)]
    return "\n".join([lines[0], "|---|" + "---:|" * (len(heads) - 1), *lines[1:]])


def _title(peer: str) -> str:
    return f"**{TITLES[peer]}**" if peer == OURS else TITLES[peer]


def rounded(value: float) -> str:
    """To two digits, as far as the measurements bear."""
    if value >= 10:
        digits = len(f"{value:.0f}") - 2
        return f"{round(value, -digits):,.0f}"
    return f"{value:.2g}"


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:.2g} ms"


def _part(part: float) -> str:
    """A percentage that says 0 only of none and 100 only of all."""
    if 0 < part < 0.005:
        return "< 1%"
    return "> 99%" if 0.995 <= part < 1 else f"{part:.0%}"


BLOCKS: Final = {
    "core": _core,
    "waits": _waits,
    "streams": _streams,
    "thousand": _thousand,
    "cores": _cores,
    "tiers": _tiers,
    "binding": _binding,
    "outage": _outage,
    "adaptive": _adaptive,
    "fleet": _fleet,
}
