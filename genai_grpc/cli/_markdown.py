"""Markdown that is formatted in a terminal while it arrives."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from markdown_it import MarkdownIt
from rich.live import Live
from rich.markdown import Markdown
from rich.segment import Segment
from rich.spinner import Spinner

from genai_grpc._self import Self
from genai_grpc.cli._output import printable

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

__all__ = ["MarkdownStream", "split_blocks"]


class MarkdownStream:
    """Formats Markdown while it arrives: complete blocks are printed once, the last one is drawn again and again.

    So a reply may be longer than the terminal. A spinner turns until the first text.

    Args:
        console: The terminal.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._pending = ""
        self._printed = False
        self._live = Live(Spinner("dots"), console=console, transient=True, refresh_per_second=10)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Print the last block, also of a reply that was interrupted."""
        self._live.update("")
        self._live.stop()
        if self._pending.strip():
            self._print(self._pending)
            self._pending = ""

    def write(self, text: str) -> None:
        """Add text."""
        complete, self._pending = split_blocks(self._pending + printable(text))
        if complete:
            self._print(complete)
        self._live.update(_Block(self._pending, after_block=self._printed, is_last=True))

    def _print(self, text: str) -> None:
        self._console.print(_Block(text, after_block=self._printed), end="")
        self._printed = True


class _Block:
    """Markdown without empty lines around it, but for one after an earlier block.

    Args:
        text: The Markdown.
        after_block: Whether it follows another block.
        is_last: Whether it is drawn again and again: then it is as many of the last lines as the terminal has room for.
    """

    def __init__(self, text: str, *, after_block: bool, is_last: bool = False) -> None:
        self._text = text
        self._after_block = after_block
        self._is_last = is_last

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        # A link whose address is not shown could lead anywhere.
        lines = console.render_lines(Markdown(self._text, hyperlinks=False), options, pad=False)
        while lines and _is_empty(lines[-1]):
            lines.pop()
        while lines and _is_empty(lines[0]):
            lines.pop(0)
        if self._after_block and lines:
            lines.insert(0, [])
        if self._is_last:
            lines = lines[-max(console.height - 2, 1) :]
        for line in lines:
            yield from line
            yield Segment.line()


def _is_empty(line: list[Segment]) -> bool:
    return not "".join(segment.text for segment in line).strip()


def split_blocks(text: str) -> tuple[str, str]:
    r"""Split Markdown before its last block, which may still grow.

    >>> split_blocks("One.\n\nTw")
    ('One.\n\n', 'Tw')
    >>> split_blocks("```\nOne.\n\nTw")
    ('', '```\nOne.\n\nTw')
    """
    blocks = [token.map for token in _PARSER.parse(text) if token.level == 0 and token.map is not None]
    if len(blocks) < 2:
        return "", text
    lines = _LINE.findall(text)
    start = blocks[-1][0]
    return "".join(lines[:start]), "".join(lines[start:])


_LINE: Final = re.compile(r"[^\n]*\n|[^\n]+")
_PARSER: Final = MarkdownIt().enable("table").enable("strikethrough")
