"""The figures of `scale` as the tables of docs/scale.md, and what they grow by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from benchmarks.growth import growth
from benchmarks.peers import PEERS
from benchmarks.scale import BASE, OURS, PAIR

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from benchmarks.scale import Figures, Point

__all__ = ["blocks"]

TITLES: Final = {peer: PEERS[peer].title for peer in PAIR}
MIB: Final = 2**20
KILOBYTES_A_TURN: Final = 2


def blocks(figures: Figures) -> dict[str, str]:
    """What stands between the marks of the page, by their names."""
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
                _flight(figures, "held_threads", "sync calls in flight, a thread each"),
            ]
        ),
        "stream": "\n\n".join(
            [_stream(figures, "stream", "chunks, sync"), _stream(figures, "stream_async", "chunks, async")]
        ),
        "chat": "\n\n".join(
            [
                _chat(figures, "late_chat", "turns of this chat before"),
                _whole_chat(figures),
                _chat(figures, "resumed_chat", "turns that the chat began with"),
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
    heads = [head, *(f"{TITLES[peer]}, calls a second" for peer in PAIR)]
    heads += [*(f"{TITLES[peer]}, CPU a call" for peer in PAIR), "ratio of CPU"]
    first, *_, last = series
    ends = [f"{TITLES[peer]} {series[last][peer].cpu / series[first][peer].cpu:.2f}" for peer in PAIR]
    return f"{_table(heads, rows)}\n\nCPU of a call, at {last} over that at {first}: {', '.join(ends)}."


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
    heads = [head, *TITLES.values(), *(f"{title}, per 1,000" for title in TITLES.values()), "ratio"]
    memory = _grown(series, lambda point, _: point.memory)
    cpu = _grown(series, lambda point, size: point.cpu * size)
    return f"{_table(heads, rows)}\n\nMemory: {memory}.\nCPU of sending and receiving them all: {cpu}."


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
    heads = [head, *(f"{title}, CPU a chunk" for title in TITLES.values()), "ratio of CPU"]
    heads += [f"{title}, memory" for title in TITLES.values()]
    cpu = _grown(series, lambda point, size: point.cpu * size)
    first, *_, last = series
    kept = [
        f"{TITLES[peer]} {(series[last][peer].memory - series[first][peer].memory) / (last - first):,.0f} bytes"
        for peer in PAIR
    ]
    return (
        f"{_table(heads, rows)}\n\nCPU of the stream: {cpu}.\n"
        f"Memory that a chunk more takes, from {first:,} to {last:,}: {', '.join(kept)}."
    )


def _chat(figures: Figures, name: str, head: str) -> str:
    series = figures[name]
    rows = [
        [
            f"{size:,}",
            f"{size * KILOBYTES_A_TURN / 1000:.2f} MB",
            *(f"{point[peer].cpu * 1e3:.2f} ms" for peer in PAIR),
            f"{point[OURS].ratio:.2f}",
        ]
        for size, point in series.items()
    ]
    heads = [head, "request", *(f"{title}, CPU a turn" for title in TITLES.values()), "ratio"]
    return f"{_table(heads, rows)}\n\nCPU of a turn: {_grown(series, lambda point, _: point.cpu)}."


def _whole_chat(figures: Figures) -> str:
    turns = max(figures["late_chat"])
    spent = [f"{TITLES[peer]} {point.first:.1f} s" for peer, point in figures["late_chat"][turns].items()]
    return f"CPU of a chat's first {turns:,} turns together, one sent after the other: {', '.join(spent)}."


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
    heads = ["blob", *(f"{title}, CPU" for title in TITLES.values()), "ratio of CPU"]
    heads += [f"{title}, memory over the blob's size" for title in TITLES.values()]
    cpu = _grown(series, lambda point, _: point.cpu)
    memory = _grown(series, lambda point, _: point.memory)
    return f"{_table(heads, rows)}\n\nCPU: {cpu}.\nMemory: {memory}."


def _grown(series: dict[int, dict[str, Point]], cost: Callable[[Point, int], float]) -> str:
    """How each peer's cost grows with the size."""
    found = {peer: growth({size: cost(point[peer], size) for size, point in series.items()}) for peer in PAIR}
    return ", ".join(f"{TITLES[peer]} {grown}" for peer, grown in found.items())


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table in Markdown, its figures aligned to the right."""
    heads = list(heads)
    lines = [f"| {' | '.join(cells)} |" for cells in [heads, *rows]]
    return "\n".join([lines[0], "|---|" + "---:|" * (len(heads) - 1), *lines[1:]])
