from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmarks import pages, table
from benchmarks.bounds import BOUNDS
from benchmarks.peers import PEERS
from benchmarks.rounds import Spread
from benchmarks.scale import page as scale_page
from benchmarks.scale import sweeps
from benchmarks.workloads import WORKLOADS

ROOT = Path(__file__).parents[2]


def labels(text: str) -> list[str]:
    """Heads and row titles of the Markdown tables in a text."""
    found = []
    lines = text.splitlines()
    for number, line in enumerate(lines):
        if line.startswith("|---"):
            found.append(lines[number - 1])
        elif line.startswith("|"):
            found.append(line.split("|")[1])
    return found


def committed(page: Path, name: str) -> list[str]:
    """Labels of a generated block of a committed page."""
    [block] = re.findall(rf"<!-- {name}: .*? -->(.*?)<!-- end of {name} -->", (ROOT / page).read_text(), re.DOTALL)
    return labels(block)


def test_write_replaces_block(tmp_path: Path) -> None:
    """A generated block is replaced between its markers; the rest of the page stays."""
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- runs: written by make bench -->\n\nold\n\n<!-- end of runs -->\nafter\n")
    pages.write(page, "runs", "new")
    assert page.read_text() == "before\n<!-- runs: written by make bench -->\n\nnew\n\n<!-- end of runs -->\nafter\n"


def test_write_needs_markers(tmp_path: Path) -> None:
    """A page without the block is left unchanged, and the error names the markers."""
    page = tmp_path / "page.md"
    page.write_text("text\n")
    with pytest.raises(ValueError, match="add one: a line '<!-- runs: written by make"):
        pages.write(page, "runs", "new")
    assert page.read_text() == "text\n"


def test_performance_labels() -> None:
    """The tables of the performance page have the heads and row titles that the benchmark would write."""
    ratios = {peer: Spread(1.0, 1.0, 1.0) for peer in PEERS if peer != table.BASE}
    rows = {
        name: table.Row(table.TITLES[name][0] if name in table.TITLES else WORKLOADS[name].title, "call", ratio, ratios)
        for name, ratio in dict.fromkeys(BOUNDS, Spread(1.0, 1.0, 1.0)).items()
    }
    assert labels(table.table(rows)) == committed(pages.PERFORMANCE, "table")
    assert labels(table.runs_table([rows] * 3)) == committed(pages.PERFORMANCE, "runs")


def test_scale_labels() -> None:
    """The tables of the scale page have the heads and row titles that the benchmark would write."""
    sizes = {name: sweep.sizes for name, sweep in sweeps.SWEEPS.items()}
    sizes |= {name: tuple(sorted(each)) for name, each in sweeps.HELD.items()}
    point = sweeps.Point(1.0, 1.0, 1.0, 1.0, 1.0)
    figures = {name: {size: dict.fromkeys(sweeps.PAIR, point) for size in each} for name, each in sizes.items()}
    for name, text in scale_page.blocks(figures).items():
        assert labels(text) == committed(pages.SCALE, name)
