"""Flame graph as a static SVG: functions as boxes on their callers, as wide as their CPU, coloured by owner."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from html import escape
from typing import Final

from benchmarks.profile.stacks import OWNERS

__all__ = ["Box", "svg"]

WIDTH: Final = 1200
MARGIN: Final = 12
ROW: Final = 17
HEAD: Final = 92
CHARACTER: Final = 6.6  # width of a character in the labels' font
MIN_WIDTH: Final = 1.2  # of a box
COLOURS: Final = dict(
    zip(OWNERS, ("#f0803c", "#a8cbe8", "#6fa3d4", "#93c47d", "#ead98b", "#c9a6d6", "#b9b9c3", "#e3ded6"), strict=True)
)


class Box:
    """A function in its call path, and the microseconds spent in it and its callees."""

    def __init__(self, name: str, owner: str) -> None:
        self.name = name
        self.owner = owner
        self.weight = 0.0
        self.boxes: dict[tuple[str, str], Box] = {}

    def add(self, path: Iterable[tuple[str, str]], weight: float) -> None:
        """Add a stack: names and owners, from this box's callees to the leaf."""
        box = self
        box.weight += weight
        for name, owner in path:
            box = box.boxes.setdefault((name, owner), Box(name, owner))
            box.weight += weight

    def depth(self, min_weight: float) -> int:
        """Rows of boxes above this one, of at least that weight."""
        return max((1 + box.depth(min_weight) for box in self.boxes.values() if box.weight >= min_weight), default=0)


def svg(root: Box, title: str, unit: str, shares: Mapping[str, float]) -> str:
    """Draw the boxes of a root, with a title and a legend of the microseconds of each owner."""
    scale = (WIDTH - 2 * MARGIN) / root.weight
    height = HEAD + root.depth(MIN_WIDTH / scale) * ROW + MARGIN
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}">',
        "<style>text{font:11px ui-monospace,Menlo,Consolas,monospace;fill:#222}.t{font:bold 15px sans-serif}"
        ".l{font:12px sans-serif}rect{stroke:#fff;stroke-width:.6}"
        + "".join(f".c{number}{{fill:{colour}}}" for number, colour in enumerate(COLOURS.values()))
        + "</style>",
        f'<rect width="{WIDTH}" height="{height}" rx="6" fill="#fff"/>',
        f'<text class="t" x="{MARGIN}" y="24">{escape(title)}</text>',
        *_legend(shares, root.weight),
        *_boxes(root, MARGIN, height - MARGIN - ROW, scale, unit),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _legend(shares: Mapping[str, float], total: float) -> Iterator[str]:
    for number, owner in enumerate(OWNERS):
        weight = shares.get(owner, 0.0)
        row, column = divmod(number, 4)
        x, y = MARGIN + column * (WIDTH - 2 * MARGIN) // 4, 38 + row * 20
        text = f"{owner}: {amount(weight)}, {weight / total:.0%}"
        yield f'<rect class="c{number}" x="{x}" y="{y}" width="12" height="12"/>'
        yield f'<text class="l" x="{x + 18}" y="{y + 10}">{escape(text)}</text>'


def _boxes(parent: Box, x: float, y: int, scale: float, unit: str) -> Iterator[str]:
    for box in sorted(parent.boxes.values(), key=lambda box: -box.weight):
        width = box.weight * scale
        if width < MIN_WIDTH:
            continue
        tooltip = escape(f"{box.name} ({box.owner}): {amount(box.weight)} {unit}")
        position = f'x="{x:.1f}" y="{y}" width="{width:.1f}" height="{ROW}"'
        yield f'<rect class="c{OWNERS.index(box.owner)}" {position}><title>{tooltip}</title></rect>'
        characters = int((width - 5) / CHARACTER)
        if characters >= 3:
            label = box.name if len(box.name) <= characters else f"{box.name[: characters - 1]}…"
            yield f'<text x="{x + 3:.1f}" y="{y + 12}">{escape(label)}</text>'
        yield from _boxes(box, x, y - ROW, scale, unit)
        x += width


def amount(weight: float) -> str:
    """Microseconds, with two to three digits."""
    return f"{weight:.0f} µs" if weight >= 20 else f"{weight:.1f} µs"
