"""What each accepted form becomes on the wire, and how each other one is refused: the tables in golden/.

A row is a Python expression and what comes of it: fields of the request in protobuf's text format, "nothing", or an
error, in which "..." stands for any words. `make test ARGS="tests/coerce/test_golden.py --rewrite"` writes what comes
now into the rows that say something else, for review.
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
    """The request of a model with these defaults, without contents."""
    return GenerativeModel(**defaults).build_request(None)


# What is made of a row's value, by table.
MAKE: Final[Mapping[str, Callable[[Any], Message]]] = {
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


# What a row's expression may name, beside what the fixture of that name adds.
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
    """One row; `first` and `last` are the lines of what comes of it, counted from 0, the last one not included."""

    table: str
    expression: str
    expected: str
    first: int
    last: int

    def __str__(self) -> str:
        return f"{self.table}: {self.expression}"

    def value(self, names: dict[str, Any]) -> Any:
        """What the expression says."""
        return eval(self.expression, names)  # noqa: S307 -- our own text


def read(table: Path) -> Iterator[Row]:
    """The rows of a table: a ">>>" and the lines after it, up to an empty one."""
    lines = [*table.read_text().splitlines(), ""]
    for number, line in enumerate(lines):
        if line.startswith(">>> "):
            end = lines.index("", number)
            yield Row(table.stem, line[4:], "\n".join(lines[number + 1 : end]), number + 1, end)


ROWS: Final = [row for table in sorted(TABLES.glob("*.txt")) if table.stem in MAKE for row in read(table)]
ACCEPTED: Final = [row for row in ROWS if row.expected and not re.match(r"\w+Error: ", row.expected)]


@pytest.fixture
def names(foreign: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """What a row's expression may name: also an image that was opened from a file, and messages of another package."""
    image = pytest.importorskip("PIL.Image")
    monkeypatch.chdir(TABLES)
    with image.open("pixel.gif") as opened:
        yield {**NAMES, "opened": opened, "theirs": foreign}


@pytest.fixture(scope="module")
def rewritten(request: pytest.FixtureRequest) -> Iterator[dict[Row, str] | None]:
    """Collects what comes of rows that say something else, if the tables are to be rewritten."""
    if not request.config.getoption("--rewrite"):
        yield None
        return
    made: dict[Row, str] = {}
    yield made
    for name in {row.table for row in made}:
        table = TABLES / f"{name}.txt"
        lines = table.read_text().splitlines()
        for row, came in reversed([pair for pair in made.items() if pair[0].table == name]):
            lines[row.first : row.last] = came.splitlines()
        table.write_text("\n".join([*lines, ""]))


def outcome(row: Row, names: dict[str, Any]) -> Message | Exception:
    """What comes of a row: a request without its model, or an error."""
    try:
        made = MAKE[row.table](row.value(names))
    except (TypeError, ValueError) as error:
        return error
    shown = type(made)()
    shown.CopyFrom(made)
    shown.ClearField("model")
    return shown


def agrees(expected: str, came: Message | Exception) -> bool:
    """Whether it is what is expected."""
    if isinstance(came, Exception):
        pattern = ".*".join(map(re.escape, words(expected).split("...")))
        return re.fullmatch(pattern, words(show(came)), re.DOTALL) is not None
    try:
        return text_format.Parse(expected.removeprefix("nothing"), type(came)()) == came
    except text_format.ParseError:
        return False


def words(text: str) -> str:
    return " ".join(text.split())


def show(came: Message | Exception) -> str:
    """What came as a table has it: each value of a message's fields begins a line."""
    if isinstance(came, Exception):
        return wrapped(f"{type(came).__name__}: {came}")
    lines = []
    for field, value in came.ListFields():
        for one in [value] if isinstance(value, (str, Message)) else [[item] for item in value]:
            alone = type(came)(**{field.name: one})
            lines.append(wrapped(text_format.MessageToString(alone, as_utf8=True, as_one_line=True)))
    return "\n".join(lines) or "nothing"


def wrapped(line: str) -> str:
    """A line, and further ones, indented, if it is long; none is broken within quotes or before a field's value."""
    whole = re.sub(r'"(?:[^"\\]|\\.)*"|: ', lambda found: found[0].replace(" ", "\0"), line)
    lines = textwrap.wrap(whole, WIDTH, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False)
    return "\n".join(lines).replace("\0", " ")


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_row(row: Row, names: dict[str, Any], rewritten: dict[Row, str] | None) -> None:
    """A row's value becomes the fields that it says, or is refused in its words."""
    came = outcome(row, names)
    if rewritten is None:
        assert agrees(row.expected, came), show(came)
    elif not row.expected or not agrees(row.expected, came):
        rewritten[row] = show(came)


@pytest.mark.parametrize("row", ACCEPTED, ids=str)
def test_the_callers_objects_stay_as_they_are(row: Row, names: dict[str, Any]) -> None:
    """Coercion changes nothing that it is given, however deep."""
    value, untouched, same = (row.value(names) for _ in range(3))
    MAKE[row.table](value)
    if untouched == same:  # generators and tools are equal to nothing but themselves
        assert value == untouched


@pytest.mark.parametrize("row", [row for row in ACCEPTED if row.table == "parts"], ids=str)
def test_a_part_alone_in_a_list_and_in_a_turn(row: Row, names: dict[str, Any]) -> None:
    """Whatever makes a part makes the same turn of the user alone, in a list, and as the parts of a turn."""
    value = row.value(names)
    alone = MAKE["parts"](value)
    for form in [value], iter([value]), {"parts": value}, {"role": "user", "parts": [value]}:
        assert MAKE["contents"](form) == alone


FIELDS: Final = protos.GenerationConfig.DESCRIPTOR.fields_by_name


def test_settings_as_keywords(names: dict[str, Any]) -> None:
    """A GenerationConfig says the same as a dict of its arguments, and the table has a row for each of them."""
    rows = [row.value(names) for row in ACCEPTED if row.table == "generation_config"]
    dicts = [value for value in rows if isinstance(value, dict) and value.keys() <= {*FIELDS}]
    for value in dicts:
        assert request(generation_config=types.GenerationConfig(**value)) == request(generation_config=value)
    assert {name for value in dicts for name in value} == {
        one.name for one in dataclasses.fields(types.GenerationConfig)
    }
