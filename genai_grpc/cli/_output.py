"""What commands print: tables, JSON, and text of models."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import click

if TYPE_CHECKING:
    from google.protobuf.message import Message
    from rich.console import Console

    from genai_grpc.responses import GenerateContentResponse

__all__ = [
    "chunk_text",
    "is_rich",
    "json_option",
    "new_console",
    "plain_writer",
    "print_json",
    "print_record",
    "print_table",
    "printable",
    "to_json",
]

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")

# Control characters but tab and newline: a reply must not send commands to the terminal.
_CONTROLS: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def printable(text: str) -> str:
    """Text without control characters, for a terminal."""
    return _CONTROLS.sub("", text)


def chunk_text(chunk: GenerateContentResponse) -> str:
    """The text of a chunk; empty for one without, such as the last one of a reply that the service stopped."""
    candidates = chunk.candidates
    return chunk.text if candidates and candidates[0].content.parts else ""


@contextmanager
def plain_writer() -> Iterator[Callable[[str], None]]:
    """Writes a reply as it is, with a newline at its end."""
    last = "\n"

    def write(text: str) -> None:
        nonlocal last
        if text:
            last = printable(text) if sys.stdout.isatty() else text
            sys.stdout.write(last)  # which removes nothing for a pipe, as click does
            sys.stdout.flush()

    try:
        yield write
    finally:
        if not last.endswith("\n"):
            click.echo()


def is_rich() -> bool:
    """Whether to format for a person: stdout is a terminal that can move its cursor, and rich is installed."""
    import os
    from importlib.util import find_spec

    return sys.stdout.isatty() and os.environ.get("TERM") not in ("dumb", "unknown") and find_spec("rich") is not None


def new_console(*, stderr: bool = False) -> Console:
    """A console of rich; it respects NO_COLOR and pipes."""
    from rich.console import Console  # 40 ms

    return Console(stderr=stderr, highlight=False, emoji=False, markup=False)


def to_json(message: Message) -> dict[str, Any]:
    """A message as JSON-ready values, with the fields' names in Python."""
    from genai_grpc_protos._json import to_json_dict  # json_format takes 50 ms

    return to_json_dict(message, preserving_proto_field_name=True)


def print_json(value: Any) -> None:
    """Print JSON."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2, default=str))


def print_table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows: aligned under headers in a terminal, else separated by tabs, without headers."""
    cells = ([_to_cell(value) for value in row] for row in rows)
    if not is_rich():
        for row in cells:
            click.echo("\t".join(row))
        return
    from rich.table import Table  # as above

    table = Table(*headers, box=None, pad_edge=False, header_style="bold")
    for row in cells:
        table.add_row(*row)
    new_console().print(table)


def print_record(fields: Mapping[str, object]) -> None:
    """Print the fields of one resource that are set, a line each."""
    shown = {name: _to_cell(value) for name, value in fields.items() if value not in (None, "", [])}
    width = max(map(len, shown), default=0)
    for name, value in shown.items():
        click.echo(f"{name:{width}}  {value}")


def _to_cell(value: object) -> str:
    match value:
        case None:
            return ""
        case list() | tuple():
            return ", ".join(map(str, value))
    return printable(" ".join(str(value).split()))
