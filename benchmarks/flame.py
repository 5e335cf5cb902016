"""A flame graph as a still SVG: functions as boxes on their callers, as wide as their CPU, coloured by their owner."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

from benchmarks.stacks import OWNERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = ["Box", "svg"]

WIDTH: Final = 1200
MARGIN: Final = 12
ROW: Final = 17
HEAD: Final = 92
CHARACTER: Final = 6.6  # the width of one, in the font of the labels
NARROWEST: Final = 1.2  # of the boxes that are drawn
COLOURS: Final = dict(
    zip(OWNERS, ("#f0803c", "#a8cbe8", "#6fa3d4", "#93c47d", "#ead98b", "#c9a6d6", "#b9b9c3", "#e3ded6"), strict=True)
)


class Box:
    """A function as called from where it stands, and the microseconds spent in it and in what it called."""

    def __init__(self, name: str, owner: str) -> None:
        self.name = name
        self.owner = owner
        self.weight = 0.0
        self.boxes: dict[tuple[str, str], Box] = {}

    def add(self, path: Iterable[tuple[str, str]], weight: float) -> None:
        """A stack of names and owners, from this box's callees to its leaf."""
        box = self
        box.weight += weight
        for name, owner in path:
            box = box.boxes.setdefault((name, owner), Box(name, owner))
            box.weight += weight

    def depth(self, least: float) -> int:
        """Rows of boxes above this one, of at least that weight."""
        return max((1 + box.depth(least) for box in self.boxes.values() if box.weight >= least), default=0)


def svg(root: Box, title: str, unit: str, shares: Mapping[str, float]) -> str:
    """The picture of a root's boxes, its title and a legend with the microseconds of each owner."""
    scale = (WIDTH - 2 * MARGIN) / root.weight
    height = HEAD + root.depth(NARROWEST / scale) * ROW + MARGIN
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


def _legend(shares: Mapping[str, float], whole: float) -> Iterator[str]:
    for number, owner in enumerate(OWNERS):
        weight = shares.get(owner, 0.0)
        row, column = divmod(number, 4)
        x, y = MARGIN + column * (WIDTH - 2 * MARGIN) // 4, 38 + row * 20
        text = f"{owner}: {amount(weight)}, {weight / whole:.0%}"
        yield f'<rect class="c{number}" x="{x}" y="{y}" width="12" height="12"/>'
        yield f'<text class="l" x="{x + 18}" y="{y + 10}">{escape(text)}</text>'


def _boxes(parent: Box, x: float, y: int, scale: float, unit: str) -> Iterator[str]:
    for box in sorted(parent.boxes.values(), key=lambda box: -box.weight):
        width = box.weight * scale
        if width < NARROWEST:
            continue
        hint = escape(f"{box.name} ({box.owner}): {amount(box.weight)} {unit}")
        place = f'x="{x:.1f}" y="{y}" width="{width:.1f}" height="{ROW}"'
        yield f'<rect class="c{OWNERS.index(box.owner)}" {place}><title>{hint}</title></rect>'
        room = int((width - 5) / CHARACTER)
        if room >= 3:
            label = box.name if len(box.name) <= room else f"{box.name[: room - 1]}…"
            yield f'<text x="{x + 3:.1f}" y="{y + 12}">{escape(label)}</text>'
        yield from _boxes(box, x, y - ROW, scale, unit)
        x += width


def amount(weight: float) -> str:
    """Microseconds, to three figures or so."""
    return f"{weight:.0f} µs" if weight >= 20 else f"{weight:.1f} µs"
