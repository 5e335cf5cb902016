"""Golden tables: each accepted value with the request fields it becomes, and each rejected value with its error.

A row of a table in golden/ is a Python expression followed by its outcome: fields of the request in protobuf's text
format, "nothing", or an error, in which "..." matches any text. To replace the outcomes that differ, for review, run
`make test ARGS="tests/coerce/test_golden.py --rewrite"`.
"""

from __future__ import annotations

import dataclasses
import datetime
import enum
import re
import textwrap
import typing
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, TypedDict

import pydantic
import pytest
from google.protobuf import duration_pb2, text_format, timestamp_pb2
from google.protobuf.message import Message

from genai_grpc import GenerativeModel, protos, types
from genai_grpc._coerce.cached_content import to_cached_content
from genai_grpc_protos import protobuf

TABLES: Final = Path(__file__).with_name("golden")
WIDTH: Final = 120


def request(**defaults: Any) -> protos.GenerateContentRequest:
    """Build the request of a model with these defaults, without contents."""
    return GenerativeModel(**defaults).build_request(None)


# Builds the message of a row's value, by table.
BUILD: Final[Mapping[str, Callable[[Any], Message]]] = {
    "cached_content": lambda value: to_cached_content("gemini-pro", **value),
    "contents": lambda value: GenerativeModel().build_request(value),
    "generation_config": lambda value: request(generation_config=value),
    "history": lambda value: protos.GenerateContentRequest(
        contents=GenerativeModel().start_chat(history=value).history
    ),
    "parts": lambda value: GenerativeModel().build_request(value),
    "safety_settings": lambda value: request(safety_settings=value),
    "system_instruction": lambda value: request(system_instruction=value),
    "tool_config": lambda value: request(tool_config=value),
    "tools": lambda value: request(tools=value),
}


def double(number: int) -> int:
    """Double a number."""
    return number * 2


async def later(seconds: float) -> None:
    """Wait."""


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Film(TypedDict):
    title: str
    year: int | None


@dataclasses.dataclass
class Person:
    """Somebody."""

    name: str
    films: list[Film] = dataclasses.field(default_factory=list)


class Recipe(pydantic.BaseModel):
    minutes: int = pydantic.Field(gt=0, description="On the stove.")


@dataclasses.dataclass
class Node:
    value: int
    next: Node | None = None


# The names that expressions may use; the fixture `names` adds others.
NAMES: Final[Mapping[str, Any]] = {
    **{
        module.__name__.rpartition(".")[2]: module
        for module in (datetime, duration_pb2, protobuf, protos, timestamp_pb2)
    },
    **{name: getattr(typing, name) for name in ("List", "Literal", "Optional", "Union")},
    **{each.__name__: each for each in (Colour, Film, Node, Path, Person, Recipe, double, later)},
    "types": types,
}


@dataclasses.dataclass(frozen=True)
class Row:
    """A row; its outcome is in the lines from `first` up to, not including, `last`, counted from 0."""

    table: str
    expression: str
    expected: str
    first: int
    last: int

    def __str__(self) -> str:
        return f"{self.table}: {self.expression}"

    def value(self, names: dict[str, Any]) -> Any:
        """Evaluate the expression."""
        return eval(self.expression, names)  # noqa: S307 -- our own tables


def read_rows(table: Path) -> Iterator[Row]:
    """Read the rows of a table: each is a line with ">>>" and the lines after it, up to an empty one."""
    lines = [*table.read_text().splitlines(), ""]
    for number, line in enumerate(lines):
        if line.startswith(">>> "):
            end = lines.index("", number)
            yield Row(table.stem, line[4:], "\n".join(lines[number + 1 : end]), number + 1, end)


ROWS: Final = [row for table in sorted(TABLES.glob("*.txt")) if table.stem in BUILD for row in read_rows(table)]
ACCEPTED: Final = [row for row in ROWS if row.expected and not re.match(r"\w+Error: ", row.expected)]


@pytest.fixture
def names(other_pool: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """The names that expressions may use, including an image opened from a file, and messages of another package."""
    image = pytest.importorskip("PIL.Image")
    monkeypatch.chdir(TABLES)
    with image.open("pixel.gif") as opened:
        yield {**NAMES, "opened": opened, "other_pool": other_pool}


@pytest.fixture(scope="module")
def rewritten(request: pytest.FixtureRequest) -> Iterator[dict[Row, str] | None]:
    """Collect the outcomes of rows that differ, and write them to the tables, if `--rewrite` is set; else None."""
    if not request.config.getoption("--rewrite"):
        yield None
        return
    outcomes: dict[Row, str] = {}
    yield outcomes
    for name in {row.table for row in outcomes}:
        table = TABLES / f"{name}.txt"
        lines = table.read_text().splitlines()
        for row, text in reversed([item for item in outcomes.items() if item[0].table == name]):
            lines[row.first : row.last] = text.splitlines()
        table.write_text("\n".join([*lines, ""]))


def outcome_of(row: Row, names: dict[str, Any]) -> Message | Exception:
    """Return the request of a row's value, without its model, or the error."""
    try:
        message = BUILD[row.table](row.value(names))
    except (TypeError, ValueError) as error:
        return error
    outcome = type(message)()
    outcome.CopyFrom(message)
    outcome.ClearField("model")
    return outcome


def matches(expected: str, outcome: Message | Exception) -> bool:
    """Whether an outcome is the expected one."""
    if isinstance(outcome, Exception):
        pattern = ".*".join(map(re.escape, normalize_space(expected).split("...")))
        return re.fullmatch(pattern, normalize_space(to_text(outcome)), re.DOTALL) is not None
    try:
        return text_format.Parse(expected.removeprefix("nothing"), type(outcome)()) == outcome
    except text_format.ParseError:
        return False


def normalize_space(text: str) -> str:
    return " ".join(text.split())


def to_text(outcome: Message | Exception) -> str:
    """Format an outcome as in the tables: each value of a field of the request begins a line."""
    if isinstance(outcome, Exception):
        return wrap(f"{type(outcome).__name__}: {outcome}")
    lines = []
    for field, value in outcome.ListFields():
        for item in [value] if isinstance(value, (str, Message)) else [[item] for item in value]:
            message = type(outcome)(**{field.name: item})
            lines.append(wrap(text_format.MessageToString(message, as_utf8=True, as_one_line=True)))
    return "\n".join(lines) or "nothing"


def wrap(line: str) -> str:
    """Wrap a long line, with indented continuation lines, but not within quotes or before a field's value."""
    unbreakable = re.sub(r'"(?:[^"\\]|\\.)*"|: ', lambda found: found[0].replace(" ", "\0"), line)
    lines = textwrap.wrap(unbreakable, WIDTH, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False)
    return "\n".join(lines).replace("\0", " ")


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_row(row: Row, names: dict[str, Any], rewritten: dict[Row, str] | None) -> None:
    """A row's value has the outcome in the table."""
    outcome = outcome_of(row, names)
    if rewritten is None:
        assert matches(row.expected, outcome), to_text(outcome)
    elif not row.expected or not matches(row.expected, outcome):
        rewritten[row] = to_text(outcome)


@pytest.mark.parametrize("row", ACCEPTED, ids=str)
def test_arguments_are_not_modified(row: Row, names: dict[str, Any]) -> None:
    """Coercion does not modify its argument, at any depth."""
    value, unused, equal = (row.value(names) for _ in range(3))
    BUILD[row.table](value)
    if unused == equal:  # generators and tools compare by identity
        assert value == unused


@pytest.mark.parametrize("row", [row for row in ACCEPTED if row.table == "parts"], ids=str)
def test_part_in_each_position(row: Row, names: dict[str, Any]) -> None:
    """A value becomes the same part alone, in a list, and as the parts of a turn."""
    value = row.value(names)
    alone = BUILD["parts"](value)
    for contents in [value], iter([value]), {"parts": value}, {"role": "user", "parts": [value]}:
        assert BUILD["contents"](contents) == alone


FIELDS: Final = protos.GenerationConfig.DESCRIPTOR.fields_by_name


def test_generation_config_keywords(names: dict[str, Any]) -> None:
    """A GenerationConfig equals a dict of its arguments, and the table has a row for each of them."""
    rows = [row.value(names) for row in ACCEPTED if row.table == "generation_config"]
    dicts = [value for value in rows if isinstance(value, dict) and value.keys() <= {*FIELDS}]
    for value in dicts:
        assert request(generation_config=types.GenerationConfig(**value)) == request(generation_config=value)
    assert {name for value in dicts for name in value} == {
        field.name for field in dataclasses.fields(types.GenerationConfig)
    }
