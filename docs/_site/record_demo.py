"""Record a program in a terminal as a picture: docs/demo.svg, of `make demo`.

Usage: record_demo.py OUTPUT COMMAND...

The picture shows the whole output; where animations run, it then shows the output again as it was printed. A text is a
`<text>` of SVG, so that it can be read, selected and searched.
"""

from __future__ import annotations

import os
import pty
import re
import select
import sys
import time
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Final

COLUMNS: Final = 96
CELL: Final = 8.45  # the width of a character at 14 px in the widest of the fonts
LINE: Final = 19.0
LEFT: Final = 18.0
TOP: Final = 58.0
LEAD: Final = 4.0  # seconds of the whole picture before it is played, and after
FONTS: Final = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
BOLD: Final = re.compile(r"\x1b\[1m(.*?)\x1b\[0m")


@dataclass
class Line:
    """A line of the terminal: pieces of text with the seconds at which they were printed."""

    pieces: list[tuple[float, str]] = field(default_factory=list)


def record(command: list[str]) -> list[tuple[float, str]]:
    """Run a command in a terminal; return what it prints, with the seconds since its first output."""
    process, terminal = pty.fork()
    if not process:
        os.environ.update(COLUMNS=str(COLUMNS), LINES="60", TERM="xterm-256color")
        os.execvp(command[0], command)  # noqa: S606 -- the command of this script's caller
    chunks: list[tuple[float, str]] = []
    start: float | None = None
    while True:
        select.select([terminal], [], [])
        try:
            data = os.read(terminal, 65536)
        except OSError:  # how Linux reports the end of a terminal
            break
        start = time.monotonic() if start is None else start
        chunks.append((time.monotonic() - start, data.decode()))
    if status := os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]):
        sys.exit(f"{' '.join(command)} ended with status {status}")
    return chunks


def lines_of(chunks: list[tuple[float, str]]) -> list[Line]:
    """The lines of the output, without a last empty one."""
    lines = [Line()]
    for second, text in chunks:
        for number, piece in enumerate(text.replace("\r", "").split("\n")):
            if number:
                lines.append(Line())
            if piece:
                lines[-1].pieces.append((second, piece))
    return lines if lines[-1].pieces else lines[:-1]


def draw(lines: list[Line], command: str) -> str:
    """The picture of the lines, under the command as a person types it."""
    end = max(second for line in lines for second, _ in line.pieces)
    total = LEAD + end + LEAD
    texts = [f'<text x="{LEFT}" y="{TOP}">$ {escape(command)}</text>']
    for number, line in enumerate(lines, start=1):
        column = 0
        for second, piece in line.pieces:
            weight = "; font-weight: bold" if BOLD.search(piece) else ""
            plain = BOLD.sub(r"\1", piece)
            indent = len(plain) - len(plain.lstrip(" "))
            x, y = LEFT + CELL * (column + indent), TOP + LINE * number
            style = f"--at: {_keyframes(second, total)}{weight}"
            texts.append(f'<text x="{x:.2f}" y="{y:.1f}" style="{style}">{escape(plain.strip(" "))}</text>')
            column += len(plain)
    width, height = 2 * LEFT + CELL * COLUMNS, TOP + LINE * len(lines) + LEFT
    names = sorted(set(re.findall(r"--at: (t\d+)", "".join(texts))), key=lambda name: int(name[1:]))
    keyframes = "\n".join(
        f"@keyframes {name} {{ 0%, {100 * LEAD / total:.2f}%, {int(name[1:]) / 100:.2f}%, 100% {{ opacity: 1 }}"
        f" {100 * LEAD / total + 0.01:.2f}%, {int(name[1:]) / 100 - 0.01:.2f}% {{ opacity: 0 }} }}"
        for name in names
    )
    return PICTURE.format(
        width=f"{width:.1f}",
        height=f"{height:.1f}",
        fonts=FONTS,
        cell=CELL,
        total=f"{total:.1f}",
        keyframes=keyframes,
        texts="\n".join(texts),
        command=escape(command),
    )


def _keyframes(second: float, total: float) -> str:
    """The name of the animation that shows what was printed at a second: its percentage in hundredths."""
    return f"t{max(round(10_000 * (LEAD + second) / total), round(10_000 * LEAD / total) + 2)}"


PICTURE: Final = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img">
<title>What {command} prints in a terminal</title>
<style>
text {{ --cell: {cell}px; font: 14px {fonts}; fill: #d6dae0; white-space: pre; }}
@media (prefers-reduced-motion: no-preference) {{
text[style] {{ animation: var(--at) {total}s step-end infinite; }}
}}
{keyframes}
</style>
<rect width="100%" height="100%" rx="6" fill="#262b33"/>
<circle cx="20" cy="20" r="6" fill="#ff5f58"/><circle cx="40" cy="20" r="6" fill="#ffbd2e"/>
<circle cx="60" cy="20" r="6" fill="#18c132"/>
{texts}
</svg>
"""


if __name__ == "__main__":
    output, *arguments = sys.argv[1:]
    Path(output).write_text(draw(lines_of(record(arguments)), "make demo"))
