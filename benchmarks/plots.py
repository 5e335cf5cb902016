"""Diagrams of docs/images/, from the saved results of `table` and `scale`.

The same results give the same bytes. The background is white in every theme. The colours are the palette of Okabe and
Ito, which is safe for colour-blind readers (https://jfly.uni-koeln.de/color/).
"""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from benchmarks.peers import PEERS
from benchmarks.scale.sweeps import BASE, OURS, PAIR, Figures, Point
from benchmarks.table import Row

__all__ = ["COLOURS", "STYLE", "draw_scale", "draw_table", "write_svg"]

IMAGES: Final = Path("docs/images")
COLOURS: Final = {
    "plain": "#555555",
    "genai_grpc": "#0072B2",
    "genai_grpc_rest": "#56B4E9",
    "generativelanguage": "#E69F00",
    "generativeai": "#D55E00",
    "generativeai_key": "#CC79A7",
    "google_genai": "#009E73",
}
MARKERS: Final = {BASE: "s", OURS: "o"}
STYLE: Final[dict[Any, Any]] = {
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 10,
    "figure.facecolor": "white",
    "font.size": 9,
    "grid.color": "#dddddd",
    "savefig.facecolor": "white",
    "svg.fonttype": "none",
    "svg.hashsalt": "genai_grpc",
}
MIB: Final = 2**20


def draw_scale(figures: Figures) -> None:
    """Draw the diagrams of docs/scale.md."""
    with mpl.rc_context(STYLE):
        _throughput(figures["threads"])
        _memory_in_flight(figures)
        _chat(figures)
        _request(figures["large"])


def draw_table(rows: dict[str, Row]) -> None:
    """Draw the diagram of the table of docs/performance.md."""
    peers = [peer for peer in PEERS if peer != BASE]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(8, 0.72 * len(rows) + 1.2), layout="constrained")
        axes = figure.subplots()
        thickness = 0.8 / len(peers)
        for number, peer in enumerate(peers):
            places = [row + (number - (len(peers) - 1) / 2) * thickness for row in range(len(rows))]
            values = [row.peers[peer][1] for row in rows.values()]
            # Bars of ratios start at 1: cheaper ones go to the left.
            widths = [value - 1 for value in values]
            axes.barh(places, widths, thickness, left=1, color=COLOURS[peer], label=PEERS[peer].title)
            for place, value in zip(places, values, strict=True):
                _value_at_end(axes, place, value, bold=peer == OURS)
        axes.axvline(1, color="black", linewidth=1)
        axes.set_yticks(range(len(rows)), [row.title.replace("`", "") for row in rows.values()])
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set_xscale("log", base=2)
        every = [row.peers[peer][1] for row in rows.values() for peer in peers]
        axes.set_xlim(min(*every, 1) / 2.2, max(*every, 1) * 1.6)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.grid(visible=False, axis="y")
        axes.set_xlabel("CPU or memory over the plain stub's (1), log scale")
        figure.legend(loc="outside upper center", ncols=3, frameon=False)
        _save(figure, "table")


def _value_at_end(axes: Any, place: float, value: float, *, bold: bool) -> None:
    left = value < 1
    axes.annotate(
        f"{value:.2f}" if bold else f"{value:.1f}",
        (value, place),
        xytext=(-3 if left else 3, 0),
        textcoords="offset points",
        ha="right" if left else "left",
        va="center",
        fontsize=6.5,
        fontweight="bold" if bold else "normal",
    )


def _throughput(series: dict[int, dict[str, Point]]) -> None:
    figure, (rate, cpu) = _panels()
    _lines(rate, series, lambda point, _: point.rate)
    _lines(cpu, series, lambda point, _: point.cpu * 1e6)
    rate.set_title("calls/s")
    rate.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    cpu.set_title("CPU per call, µs")
    for axes in (rate, cpu):
        axes.set_xlabel("threads")
        axes.set_xscale("log", base=2)
        axes.set_xticks(list(series), [str(size) for size in series])
        axes.set_ylim(bottom=0)
    _save(figure, "throughput-threads")


def _memory_in_flight(figures: Figures) -> None:
    figure, panels = _panels()
    for axes, (name, title) in zip(
        panels, {"held": "async", "held_threads": "sync, one thread per call"}.items(), strict=True
    ):
        _lines(axes, figures[name], lambda point, _: point.memory / 1e6)
        axes.set_title(f"memory, MB: {title}")
        axes.set_xlabel("calls in flight")
        axes.set_xlim(left=0)
        axes.set_ylim(bottom=0)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    _save(figure, "memory-in-flight")


def _chat(figures: Figures) -> None:
    figure, panels = _panels(sharey=True)
    titles = {"late_chat": "history sent by this chat", "resumed_chat": "history given at the start"}
    for axes, name in zip(panels, titles, strict=True):
        _lines(axes, figures[name], lambda point, _: point.cpu * 1e3)
    for axes, (name, title) in zip(panels, titles.items(), strict=True):
        _logarithmic(axes, {size: f"{size:,}" for size in figures[name]})
        axes.set_title(f"CPU per turn, ms: {title}")
        axes.set_xlabel("earlier turns of 1 kB + 1 kB")
    _save(figure, "chat-turn")


def _request(series: dict[int, dict[str, Point]]) -> None:
    figure, (cpu, memory) = _panels()
    _lines(cpu, series, lambda point, _: point.cpu * 1e3)
    _lines(memory, series, lambda point, _: point.memory / MIB)
    cpu.set_title("CPU per request, ms")
    memory.set_title("memory per request, MiB")
    for axes in (cpu, memory):
        _logarithmic(axes, {size: f"{size // MIB}" for size in series})
        axes.set_xlabel("blob, MiB")
    _save(figure, "request")


def _panels(*, sharey: bool = False) -> tuple[Figure, Any]:
    figure = Figure(figsize=(8, 3.2), layout="constrained")
    return figure, figure.subplots(1, 2, sharey=sharey)


def _lines(axes: Any, series: dict[int, dict[str, Point]], value: Callable[[Point, int], float]) -> None:
    for peer in PAIR:
        values = [value(points[peer], size) for size, points in series.items()]
        axes.plot(
            list(series), values, marker=MARKERS[peer], markersize=4, color=COLOURS[peer], label=PEERS[peer].title
        )


def _logarithmic(axes: Any, sizes: dict[int, str]) -> None:
    """Make both axes logarithmic, name the sizes, and add a line that a linear cost is parallel to."""
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks(list(sizes), list(sizes.values()))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    low, high = axes.get_ylim()
    first, last = min(sizes), max(sizes)
    # Below the costs at the largest size, and so below those at smaller ones, unless growth is more than linear.
    end = min(line.get_ydata()[-1] for line in axes.lines) / 2
    axes.plot([first, last], [end * first / last, end], color="#999999", linestyle=":", label="linear")
    axes.set_ylim(low, high)


def _save(figure: Figure, name: str) -> None:
    if not figure.legends:
        handles, labels = figure.axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), frameon=False)
    write_svg(figure, IMAGES / f"{name}.svg")


def write_svg(figure: Figure, path: Path) -> None:
    """Write a diagram, without the date and the version of matplotlib."""
    svg = io.StringIO()
    figure.savefig(svg, format="svg", metadata={"Date": None, "Creator": None})
    lines = [line.rstrip() for line in svg.getvalue().splitlines()]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
