"""Tables of docs/capacity.md, from measured costs, the assumptions in `findings`, and the simulation."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from math import inf
from pathlib import Path
from typing import Final

from benchmarks.capacity import runs
from benchmarks.capacity.findings import (
    BASE,
    CLIENTS,
    HOURS,
    OURS,
    PRICE,
    SECONDS,
    TIERS,
    TITLES,
    TOKENS,
    UTILISATION,
    Findings,
    find,
    per_minute,
    rounded,
)
from benchmarks.capacity.runs import Load
from genai_grpc._transport.grpc.channel_pool import MAX_STREAMS_PER_CHANNEL

__all__ = ["BLOCKS", "write_page"]


def write_page(root: Path) -> dict[str, str]:
    """Draw the diagrams of the page; returns its generated blocks, by name."""
    from benchmarks.capacity.plots import draw  # matplotlib is only in the benchmarks' environment

    findings = find()
    draw(findings, root / "docs/images")
    return {name: block(findings) for name, block in BLOCKS.items()}


def _core(findings: Findings) -> str:
    heads = ["one core at 100%", "calls/s: threads", "async", "uvloop", "chunks/s: sync", "async", "uvloop"]
    kinds = ("threads", "async", "uvloop", "stream", "stream_async", "stream_uvloop")
    rows = [[_title(peer), *(rounded(1 / findings.costs[kind][peer]) for kind in kinds)] for peer in CLIENTS]
    for row, peer in zip(rows, CLIENTS, strict=True):
        if peer == BASE:
            # The stub that uvloop is compared with runs on asyncio.
            row[3] = row[6] = ""
    return _table(heads, rows)


def _waits(findings: Findings) -> str:
    waits, cost = findings.waits[OURS], findings.costs["async"][OURS]
    heads = ["utilisation", "calls/s", "mean wait, simulated", "mean wait, M/D/1", "99th percentile, simulated"]
    rows = [
        [f"{wait.utilisation:.0%}", rounded(wait.rate), *(_ms(each) for each in (wait.mean, wait.formula, wait.p99))]
        for wait in waits
    ]
    return f"{_table(heads, rows)}\n\ngenai_grpc, async: {cost * 1e6:.0f} µs per call."


def _streams(findings: Findings) -> str:
    call, chunk = findings.costs["async"][OURS], findings.costs["stream_async"][OURS]
    run, opened = runs.streams(call, chunk, UTILISATION)
    [process] = run.processes
    responses = runs.STREAMS
    return (
        f"Simulated: streams of {responses.chunks} chunks, {responses.pace:g} per second. At {UTILISATION:.0%} "
        f"utilisation an async core has {rounded(opened)} of them open and receives "
        f"{rounded(opened * responses.pace)} chunks/s, which wait for the core for "
        f"{_ms(sum(process.core.waits) / len(process.core.waits))} on average. They use "
        f"{len(process.pool.channels)} connections and {opened * findings.memory / 2**20:.0f} MiB."
    )


def _thousand(findings: Findings) -> str:
    heads = [f"1,000 cores, async, at {UTILISATION:.0%}", "calls/s", "$ per million calls", "chunks/s"]
    rows = []
    for peer in CLIENTS:
        rate = 1000 * UTILISATION / findings.costs["async"][peer]
        chunks = 1000 * UTILISATION / findings.costs["stream_async"][peer]
        rows.append([_title(peer), rounded(rate), f"{1000 * PRICE / 3600 / rate * 1e6:.4f}", rounded(chunks)])
    return f"{_table(heads, rows)}\n\nAt ${PRICE:.2f} per core-hour, 1,000 cores cost ${1000 * PRICE:.0f} per hour."


def _cores(findings: Findings) -> str:
    clients = ("genai_grpc", "generativeai_key", "google_genai")
    heads = ["calls/s", *(f"cores: {TITLES[peer]}" for peer in clients), "in flight", "connections", "memory"]
    rows = []
    for rate in (10**3, 10**4, 10**5, 10**6):
        flight = rate * SECONDS
        needed = [rate * findings.costs["async"][peer] / UTILISATION for peer in clients]
        cells = [f"{rounded(cores)} (${rounded(cores * PRICE * HOURS)})" for cores in needed]
        connections, memory = flight / MAX_STREAMS_PER_CHANNEL, flight * findings.memory / 1e9
        rows.append([f"{rate:,}", *cells, f"{flight:,.0f}", rounded(connections), f"{rounded(memory)} GB"])
    return (
        f"{_table(heads, rows)}\n\nIn parentheses: dollars per month. A call is in flight for {SECONDS:g} s and uses "
        f"{findings.memory / 1e3:.0f} kB; a connection carries {MAX_STREAMS_PER_CHANNEL} calls."
    )


def _tiers(findings: Findings) -> str:
    core = per_minute(findings.costs["async"][OURS])
    heads = [
        "example",
        "requests/min",
        "tokens/min",
        f"calls/min of {TOKENS:,.0f} tokens",
        "limit reached first",
        "of one core",
    ]
    rows = []
    for name, quota in TIERS.items():
        by_tokens = quota.tokens / TOKENS
        first = "requests" if quota.requests < by_tokens else "tokens"
        rows.append(
            [
                name,
                f"{quota.requests:,}",
                f"{quota.tokens:,}",
                rounded(by_tokens),
                first,
                f"{rounded(100 * min(quota.requests, by_tokens) / core)}%",
            ]
        )
    return (
        f"{_table(heads, rows)}\n\nOne async core of genai_grpc at {UTILISATION:.0%} serves {rounded(core)} calls/min; "
        "the last column is the share of that which the quota allows."
    )


def _binding(findings: Findings) -> str:
    heads = [
        "answered in time; attempts per call; quota used; median latency",
        *(f"load {load:g}" for load in runs.LOADS),
    ]
    rows = [[_as_code(name), *map(_load, loads.values())] for name, loads in findings.binding.items()]
    return _table(heads, rows)


def _load(load: Load) -> str:
    median = "" if load.median is None else f"; {load.median:.0f} s"
    return f"{_share(load.answered)}; {load.attempts:.2f}; {load.used:.0%}{median}"


def _outage(findings: Findings) -> str:
    tables = []
    for processes, settings in findings.outages.items():
        rows = []
        for name, timelines in settings.items():
            recovery = _recovery([each.recovered for each in timelines])
            rows.append([_as_code(name), f"{timelines[0].attempts:.2f}", recovery])
        heads = [processes, "attempts per call in the outage", "time until 99 % are answered again"]
        tables.append(_table(heads, rows))
    return "\n\n".join(tables)


def _recovery(recovered: list[float | None]) -> str:
    """Time to recovery, from the fastest run to the slowest."""
    first, *_, last = [
        "over three minutes" if each is None else f"{each:.0f} s"
        for each in sorted(recovered, key=lambda each: inf if each is None else each)
    ]
    return first if first == last else f"{first} to {last}"


def _adaptive(_: Findings) -> str:
    rows = [
        [name, _share(answered), "" if median is None else f"{median:.1f} s"]
        for name, (answered, median) in runs.adaptive().items()
    ]
    return _table(["`AdaptiveLimit`, 100 calls/s of 2 s", "answered in time", "median latency"], rows)


def _fleet(_: Findings) -> str:
    found = runs.fleet()
    heads = [f"load {load:g}, {split}" for load in runs.FLEET_LOADS for split in ("even", "uneven")]
    tables = []
    for kind in runs.QUOTA_KINDS:
        rows = []
        for name in runs.SHARES:
            loads = [load for rate in runs.FLEET_LOADS for load in found[kind, rate][name]]
            rows.append([_as_code(name), *(f"{_share(load.answered)}; {load.attempts:.2f}" for load in loads)])
        tables.append(_table([f"quota: {kind}", *heads], rows))
    return "\n\n".join(tables)


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(cells)} |" for cells in (heads, *rows)]
    return "\n".join([lines[0], "|---|" + "---:|" * (len(heads) - 1), *lines[1:]])


def _title(peer: str) -> str:
    return f"**{TITLES[peer]}**" if peer == OURS else TITLES[peer]


def _as_code(name: str) -> str:
    """The name of settings, its constructors marked as code."""
    return re.sub(r"\w+\([^)]*\)", r"`\g<0>`", name)


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:.2g} ms"


def _share(part: float) -> str:
    """A percentage, 0 only for none and 100 only for all."""
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
