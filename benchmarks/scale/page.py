"""Tables of docs/scale.md, from the figures of `sweeps`, and the growth of each cost."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from benchmarks.peers import PEERS
from benchmarks.scale.growth import growth
from benchmarks.scale.sweeps import BASE, OURS, PAIR, Figures, Point

__all__ = ["blocks"]

TITLES: Final = {peer: PEERS[peer].title for peer in PAIR}
MIB: Final = 2**20
KILOBYTES_PER_TURN: Final = 2


def blocks(figures: Figures) -> dict[str, str]:
    """The generated blocks of the page, by name."""
    return {
        "throughput": "\n\n".join(
            [
                _throughput(figures, "threads", "threads, one process, one channel"),
                _throughput(figures, "processes", "processes of 16 threads"),
                _throughput(figures, "channels", "channels of 16 threads, one process"),
            ]
        ),
        "flight": "\n\n".join(
            [
                _flight(figures, "held", "async calls in flight"),
                _flight(figures, "held_threads", "sync calls in flight, one thread per call"),
            ]
        ),
        "stream": "\n\n".join(
            [_stream(figures, "stream", "chunks, sync"), _stream(figures, "stream_async", "chunks, async")]
        ),
        "chat": "\n\n".join(
            [
                _chat(figures, "late_chat", "earlier turns of the chat"),
                _whole_chat(figures),
                _chat(figures, "resumed_chat", "turns in the initial history"),
            ]
        ),
        "request": _request(figures),
    }


def _throughput(figures: Figures, name: str, head: str) -> str:
    series = figures[name]
    rows = [
        [
            f"{size}",
            *(f"{point[peer].rate:,.0f}" for peer in PAIR),
            *(f"{point[peer].cpu * 1e6:.0f} µs" for peer in PAIR),
            f"{point[OURS].ratio:.2f}",
        ]
        for size, point in series.items()
    ]
    heads = [head, *(f"{TITLES[peer]}, calls/s" for peer in PAIR)]
    heads += [*(f"{TITLES[peer]}, CPU per call" for peer in PAIR), "CPU ratio"]
    first, *_, last = series
    ends = [f"{TITLES[peer]} {series[last][peer].cpu / series[first][peer].cpu:.2f}" for peer in PAIR]
    return f"{_table(heads, rows)}\n\nCPU per call at {last}, over that at {first}: {', '.join(ends)}."


def _flight(figures: Figures, name: str, head: str) -> str:
    series = figures[name]
    rows = [
        [
            f"{size:,}",
            *(f"{point[peer].memory / 1e6:.1f} MB" for peer in PAIR),
            *(f"{point[peer].memory / size / 1e3:.1f} MB" for peer in PAIR),
            f"{point[OURS].memory / point[BASE].memory:.2f}",
        ]
        for size, point in series.items()
    ]
    heads = [head, *(f"{title}, memory" for title in TITLES.values())]
    heads += [*(f"{title}, per 1,000 calls" for title in TITLES.values()), "memory ratio"]
    memory = _growth(series, lambda point, _: point.memory)
    cpu = _growth(series, lambda point, size: point.cpu * size)
    return f"{_table(heads, rows)}\n\nMemory: {memory}.\nCPU of sending and receiving all calls: {cpu}."


def _stream(figures: Figures, name: str, head: str) -> str:
    series = figures[name]
    rows = [
        [
            f"{size:,}",
            *(f"{point[peer].cpu * 1e6:.1f} µs" for peer in PAIR),
            f"{point[OURS].ratio:.2f}",
            *(f"{point[peer].memory / 1e6:.1f} MB" for peer in PAIR),
        ]
        for size, point in series.items()
    ]
    heads = [head, *(f"{title}, CPU per chunk" for title in TITLES.values()), "CPU ratio"]
    heads += [f"{title}, memory" for title in TITLES.values()]
    cpu = _growth(series, lambda point, size: point.cpu * size)
    first, *_, last = series
    per_chunk = [
        f"{TITLES[peer]} {(series[last][peer].memory - series[first][peer].memory) / (last - first):,.0f} bytes"
        for peer in PAIR
    ]
    return (
        f"{_table(heads, rows)}\n\nCPU of the stream: {cpu}.\n"
        f"Memory per additional chunk, from {first:,} to {last:,}: {', '.join(per_chunk)}."
    )


def _chat(figures: Figures, name: str, head: str) -> str:
    series = figures[name]
    rows = [
        [
            f"{size:,}",
            f"{size * KILOBYTES_PER_TURN / 1000:.2f} MB",
            *(f"{point[peer].cpu * 1e3:.2f} ms" for peer in PAIR),
            f"{point[OURS].ratio:.2f}",
        ]
        for size, point in series.items()
    ]
    heads = [head, "request", *(f"{title}, CPU per turn" for title in TITLES.values()), "CPU ratio"]
    return f"{_table(heads, rows)}\n\nCPU per turn: {_growth(series, lambda point, _: point.cpu)}."


def _whole_chat(figures: Figures) -> str:
    turns = max(figures["late_chat"])
    spent = [f"{TITLES[peer]} {point.first:.1f} s" for peer, point in figures["late_chat"][turns].items()]
    return f"CPU of the first {turns:,} turns of a chat, in total: {', '.join(spent)}."


def _request(figures: Figures) -> str:
    series = figures["large"]
    rows = [
        [
            f"{size // MIB} MiB",
            *(f"{point[peer].cpu * 1e3:,.1f} ms" for peer in PAIR),
            f"{point[OURS].ratio:.2f}",
            *(f"{point[peer].memory / size:.1f}" for peer in PAIR),
        ]
        for size, point in series.items()
    ]
    heads = ["blob", *(f"{title}, CPU" for title in TITLES.values()), "CPU ratio"]
    heads += [f"{title}, memory / blob size" for title in TITLES.values()]
    cpu = _growth(series, lambda point, _: point.cpu)
    memory = _growth(series, lambda point, _: point.memory)
    return f"{_table(heads, rows)}\n\nCPU: {cpu}.\nMemory: {memory}."


def _growth(series: dict[int, dict[str, Point]], cost: Callable[[Point, int], float]) -> str:
    """Growth of each peer's cost with the size."""
    found = {peer: growth({size: cost(point[peer], size) for size, point in series.items()}) for peer in PAIR}
    return ", ".join(f"{TITLES[peer]} {each}" for peer, each in found.items())


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table with right-aligned figures."""
    heads = list(heads)
    lines = [f"| {' | '.join(cells)} |" for cells in [heads, *rows]]
    return "\n".join([lines[0], "|---|" + "---:|" * (len(heads) - 1), *lines[1:]])
