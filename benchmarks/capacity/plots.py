"""Diagrams of docs/capacity.md. Lines differ in markers or dashes, not in colours alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from benchmarks.capacity.findings import CLIENTS, TIERS, TITLES, TOKENS, UTILISATION, Findings, per_minute, rounded
from benchmarks.capacity.runs import OUTAGE, Load, Timeline, md1_wait
from benchmarks.plots import COLOURS, STYLE, write_svg

__all__ = ["draw"]

LINES: Final[tuple[tuple[str, str, Any], ...]] = (
    ("#0072B2", "o", "-"),
    ("#D55E00", "s", "--"),
    ("#009E73", "^", "-."),
    ("#CC79A7", "D", ":"),
    ("#E69F00", "v", (0, (3, 5))),
)


def draw(findings: Findings, directory: Path) -> None:
    """Draw all diagrams, as `capacity-NAME.svg`."""
    with mpl.rc_context(STYLE):
        figures = {
            "wait": _wait(findings),
            "limits": _limits(findings),
            "quota": _quota(findings.binding),
            "outage": _outage(findings.outages),
        }
        for name, figure in figures.items():
            write_svg(figure, directory / f"capacity-{name}.svg")


def _plain_numbers(axis: Any) -> None:
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}" if value >= 1 else f"{value:g}"))


def _wait(findings: Findings) -> Figure:
    figure = Figure(figsize=(8, 3.6), layout="constrained")
    axes = figure.subplots()
    steps = [number / 200 for number in range(20, 198)]
    for peer in CLIENTS:
        cost = findings.costs["async"][peer]
        rates, waits = [step / cost for step in steps], [md1_wait(step, cost) * 1e3 for step in steps]
        axes.plot(rates, waits, color=COLOURS[peer], label=TITLES[peer])
        found = findings.waits[peer]
        axes.plot([each.rate for each in found], [each.mean * 1e3 for each in found], "o", ms=4, color=COLOURS[peer])
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("calls/s on one core, async (log-log; lines: M/D/1, dots: simulated)")
    axes.set_ylabel("mean wait for the core, ms")
    _plain_numbers(axes.xaxis)
    _plain_numbers(axes.yaxis)
    figure.legend(loc="outside upper center", ncols=3, frameon=False)
    return figure


def _limits(findings: Findings) -> Figure:
    figure = Figure(figsize=(8, 3.6), layout="constrained")
    axes = figure.subplots()
    bars = []
    for name, quota in TIERS.items():
        bars.append((f"{name}: requests", quota.requests, "#E69F00"))
        bars.append((f"{name}: tokens", quota.tokens / TOKENS, "#F0E442"))
    bars += [
        (f"one core: {TITLES[peer]}", per_minute(findings.costs["async"][peer]), COLOURS[peer]) for peer in CLIENTS
    ]
    names, values, colours = zip(*bars, strict=True)
    axes.barh(names, values, color=colours, edgecolor="#333333", linewidth=0.4)
    for number, value in enumerate(values):
        axes.annotate(
            rounded(value), (value, number), xytext=(3, 0), textcoords="offset points", va="center", fontsize=7.5
        )
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xlim(right=max(values) * 4)
    axes.grid(visible=False, axis="y")
    _plain_numbers(axes.xaxis)
    axes.set_title(f"calls per minute: quotas at {TOKENS:,.0f} tokens per call, one async core at {UTILISATION:.0%}")
    axes.set_xlabel("log scale")
    return figure


def _quota(binding: dict[str, dict[float, Load]]) -> Figure:
    figure = Figure(figsize=(8, 3.2), layout="constrained")
    panels = figure.subplots(1, 3)
    titles = {"answered": "answered in time, %", "attempts": "attempts per call", "used": "quota used, %"}
    for axes, (field, title) in zip(panels, titles.items(), strict=True):
        scale = 1 if field == "attempts" else 100
        for (name, loads), (colour, marker, dash) in zip(binding.items(), LINES, strict=False):
            values = [getattr(load, field) * scale for load in loads.values()]
            label = name.replace("requests_per_minute=", "")  # too long for the legend
            axes.plot(list(loads), values, linestyle=dash, marker=marker, ms=4, color=colour, label=label)
        axes.set_title(title)
        axes.set_ylim(bottom=0)
        axes.set_xlabel("load, times the quota")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=3, frameon=False)
    return figure


def _outage(outages: dict[str, dict[str, list[Timeline]]]) -> Figure:
    figure = Figure(figsize=(8, 5), layout="constrained")
    grid = figure.subplots(2, 2, sharex=True, sharey="row")
    titles = {"requests": "requests/s at the service", "answered": "calls/s answered"}
    for column, (processes, settings) in enumerate(outages.items()):
        for row, (field, title) in enumerate(titles.items()):
            axes = grid[row][column]
            axes.axvspan(*OUTAGE, color="#eeeeee")
            for (name, (timeline, *_)), (colour, _, dash) in zip(settings.items(), LINES, strict=False):
                values = getattr(timeline, field)
                times = [(number + 0.5) * timeline.step for number in range(len(values))]
                axes.plot(times, values, linestyle=dash, color=colour, label=name)
            axes.set_ylim(bottom=0)
            if row == 0:
                axes.set_title(processes)
            else:
                axes.set_xlabel("seconds; outage shaded")
            if column == 0:
                axes.set_ylabel(title)
    figure.legend(*grid[0][0].get_legend_handles_labels(), loc="outside upper center", ncols=2, frameon=False)
    return figure
