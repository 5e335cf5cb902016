"""Schemas of Python types, and the values that come back."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import sys
import uuid
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, List, Literal, NamedTuple, NewType, Optional, TypedDict, Union  # noqa: UP035

import pydantic
import pytest
from google.protobuf.json_format import MessageToDict
from hypothesis import given
from hypothesis import strategies as st

from genai_grpc import protos
from genai_grpc._coerce.parse import parse_as
from genai_grpc._coerce.schema import to_form
from genai_grpc._coerce.settings import to_generation_config


class Colour(enum.Enum):
    """What things look like."""

    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    """How much of it."""

    LOW = 1
    HIGH = 2


class Movie(TypedDict):
    """A film."""

    title: str
    year: int


class Partial(TypedDict, total=False):
    title: str
    year: Annotated[int, "of the first showing"]


@dataclasses.dataclass
class Person:
    """Somebody.

    Attributes:
        name: The full name.
        age: In years.
    """

    name: str
    age: int = 0
    friends: list[str] = dataclasses.field(default_factory=list)


class Point(NamedTuple):
    x: float
    y: Optional[int] = None  # noqa: UP045


class Recipe(pydantic.BaseModel):
    name: str = pydantic.Field(description="What it is called.")
    steps: list[str] = []


class Tree(pydantic.BaseModel):
    value: int
    children: list[Tree] = []


@dataclasses.dataclass
class Linked:
    value: int
    next: Linked | None = None


UserId = NewType("UserId", int)
INT, STR = {"type": "INTEGER"}, {"type": "STRING"}


def record(properties: dict[str, Any], required: list[str], **more: Any) -> dict[str, Any]:
    """The JSON of an object's Schema."""
    found = {"type": "OBJECT", "properties": properties, "propertyOrdering": list(properties), **more}
    return {**found, "required": required} if required else found


@pytest.mark.parametrize(
    ("hint", "schema"),
    [
        pytest.param(int, INT, id="int"),
        pytest.param(float, {"type": "NUMBER"}, id="float"),
        pytest.param(str, STR, id="str"),
        pytest.param(bool, {"type": "BOOLEAN"}, id="bool"),
        pytest.param(Any, {}, id="Any"),
        pytest.param(datetime.datetime, {"type": "STRING", "format": "date-time"}, id="datetime"),
        pytest.param(uuid.UUID, STR, id="UUID"),
        pytest.param(decimal.Decimal, STR, id="Decimal"),
        pytest.param(UserId, INT, id="NewType"),
        pytest.param(Annotated[int, "a number"], INT, id="Annotated"),
        pytest.param(Colour, {"type": "STRING", "enum": ["red", "blue"]}, id="Enum"),
        pytest.param(Level, {"type": "STRING", "enum": ["1", "2"]}, id="IntEnum"),
        pytest.param(Literal["a", "b"], {"type": "STRING", "enum": ["a", "b"]}, id="Literal"),
        pytest.param(Literal["a", None], {"type": "STRING", "enum": ["a"], "nullable": True}, id="Literal with None"),
        pytest.param(Optional[int], {**INT, "nullable": True}, id="Optional"),  # noqa: UP045
        pytest.param(int | None, {**INT, "nullable": True}, id="or None"),
        pytest.param(Union[int, str], {"anyOf": [INT, STR]}, id="Union"),  # noqa: UP007
        pytest.param(list[int], {"type": "ARRAY", "items": INT}, id="list"),
        pytest.param(List[str], {"type": "ARRAY", "items": STR}, id="List"),  # noqa: UP006
        pytest.param(list, {"type": "ARRAY", "items": {}}, id="bare list"),
        pytest.param(Sequence[int], {"type": "ARRAY", "items": INT}, id="Sequence"),
        pytest.param(set[int], {"type": "ARRAY", "items": INT}, id="set"),
        pytest.param(tuple[int, ...], {"type": "ARRAY", "items": INT}, id="tuple of any length"),
        pytest.param(
            tuple[int, int], {"type": "ARRAY", "items": INT, "minItems": "2", "maxItems": "2"}, id="tuple of two"
        ),
        pytest.param(dict, {"type": "OBJECT"}, id="dict"),
        pytest.param(Mapping[str, int], {"type": "OBJECT"}, id="Mapping"),
        pytest.param(
            Movie, record({"title": STR, "year": INT}, ["title", "year"], description="A film."), id="TypedDict"
        ),
        pytest.param(
            Partial, record({"title": STR, "year": {**INT, "description": "of the first showing"}}, []), id="not total"
        ),
        pytest.param(Point, record({"x": {"type": "NUMBER"}, "y": {**INT, "nullable": True}}, ["x"]), id="NamedTuple"),
        pytest.param(
            Person,
            record(
                {
                    "name": {**STR, "description": "The full name."},
                    "age": {**INT, "description": "In years."},
                    "friends": {"type": "ARRAY", "items": STR},
                },
                ["name"],
                description="Somebody.",
            ),
            id="dataclass",
        ),
        pytest.param(
            Recipe,
            record(
                {"name": {**STR, "description": "What it is called."}, "steps": {"type": "ARRAY", "items": STR}},
                ["name"],
            ),
            id="pydantic",
        ),
        pytest.param({"type": "array", "items": {"type": "string"}}, {"type": "ARRAY", "items": STR}, id="dict of one"),
        pytest.param(protos.Schema(type=protos.Type.INTEGER), INT, id="Schema"),
    ],
)
def test_schema(hint: Any, schema: dict[str, Any]) -> None:
    """Each type has the Schema that says what its JSON looks like."""
    made = to_form(hint).schema
    assert made is not None
    assert MessageToDict(made) == schema


def test_nested() -> None:
    """Types nest to any depth."""
    made = to_form(dict[str, list[Movie | None]])
    assert made.schema == protos.Schema(type=protos.Type.OBJECT)
    inner = to_form(list[Movie | None]).schema
    assert inner is not None
    assert inner.items.nullable
    assert list(inner.items.required) == ["title", "year"]


@pytest.mark.parametrize("hint", [Tree, Linked, list[Tree], Optional[Linked]], ids=str)  # noqa: UP045
def test_a_type_that_contains_itself(hint: Any) -> None:
    """A recursive type is a JSON Schema with definitions, and goes into response_json_schema."""
    form = to_form(hint)
    assert form.schema is None
    assert form.json_schema["$defs"].keys() <= {"Tree", "Linked"}
    config = to_generation_config({"response_schema": hint})
    assert config.HasField("response_json_schema")
    assert not config.HasField("response_schema")


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#/$defs/A", "$defs": {"A": {"type": "string"}}},
        {"type": "object", "additionalProperties": {"type": "integer"}},
        {"type": ["string", "null"]},
        {"type": "object", "properties": {"a": {"const": 1}}},
    ],
)
def test_json_schema(schema: dict[str, Any]) -> None:
    """A dict in words that only JSON Schema has is one."""
    assert to_form(schema).json_schema == schema


def test_property_names_are_no_words() -> None:
    """A property may be named like a word of JSON Schema."""
    form = to_form({"type": "object", "properties": {"not": {"type": "string"}, "const": {"type": "integer"}}})
    assert form.schema is not None


@pytest.mark.parametrize(
    ("hint", "words"),
    [
        (complex, "cannot make a schema of complex for the schema; supported are int"),
        (bytes, "cannot make a schema of bytes"),
        (list[complex], r"complex for the schema\[\]"),
        (object(), "cannot make a schema of"),
        ([int], "cannot make a schema of"),
        (int | complex, "complex"),
    ],
)
def test_refusals(hint: Any, words: str) -> None:
    """A type that JSON could not hold is refused, with where it stands and what is supported."""
    with pytest.raises(TypeError, match=words):
        to_form(hint)


def test_a_field_of_no_supported_type() -> None:
    """The error of a field names its path."""

    @dataclasses.dataclass
    class Bad:
        fine: int
        wrong: complex

    Bad.__annotations__ = {"fine": int, "wrong": complex}
    with pytest.raises(TypeError, match=r"complex for the schema\.wrong"):
        to_form(Bad)


@pytest.mark.parametrize("missing", ["docstring_parser", "pydantic"])
def test_without_a_library(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without docstring-parser or pydantic there are schemas, with fewer descriptions."""
    monkeypatch.setitem(sys.modules, missing, None)
    schema = to_form(Person).schema
    assert schema is not None
    assert schema.properties["name"].description == ("" if missing == "docstring_parser" else "The full name.")


@pytest.mark.parametrize(
    ("hint", "value", "parsed"),
    [
        (int, 3.0, 3),
        (float, 3, 3.0),
        (Any, {"a": [1]}, {"a": [1]}),
        (Colour, "red", Colour.RED),
        (Colour, "RED", Colour.RED),
        (Level, "2", Level.HIGH),
        (Level, 2.0, Level.HIGH),
        (Literal["a", 1, True], "1", 1),
        (Literal["a", 1, True], True, True),
        (Literal[True], "true", True),
        (int | None, None, None),
        (int | str, "1", "1"),
        (int | str, 1.0, 1),
        (float | int, 1.5, 1.5),
        (list[int], [1.0, 2.0], [1, 2]),
        (set[int], [1.0, 1.0], {1}),
        (tuple[int, str], [1.0, "a"], (1, "a")),
        (tuple[int, ...], [1.0], (1,)),
        (dict[str, int], {"a": 1.0}, {"a": 1}),
        (Movie, {"title": "M", "year": 1931.0}, {"title": "M", "year": 1931}),
        (Partial, {}, {}),
        (Person, {"name": "Ada", "age": 36.0}, Person("Ada", 36)),
        (Point, {"x": 1, "y": None}, Point(1.0, None)),
        (Recipe, {"name": "Tea", "steps": ["Boil"]}, Recipe(name="Tea", steps=["Boil"])),
        (Tree, {"value": 1, "children": [{"value": 2}]}, Tree(value=1, children=[Tree(value=2)])),
        (Linked, {"value": 1.0, "next": {"value": 2.0}}, Linked(1, Linked(2))),
        (datetime.date, "2026-01-31", datetime.date(2026, 1, 31)),
        (datetime.datetime, "2026-01-31T12:00:00Z", datetime.datetime(2026, 1, 31, 12, tzinfo=datetime.timezone.utc)),
        (decimal.Decimal, "1.10", decimal.Decimal("1.10")),
        (uuid.UUID, "12345678123456781234567812345678", uuid.UUID("12345678-1234-5678-1234-567812345678")),
        (UserId, 3.0, 3),
    ],
    ids=str,
)
def test_parse(hint: Any, value: Any, parsed: Any) -> None:
    """JSON comes back as what its type says."""
    made = parse_as(hint, value)
    assert made == parsed
    assert type(made) is type(parsed)


@pytest.mark.parametrize(
    ("hint", "value", "words"),
    [
        (int, 1.5, "the value takes a whole number; got float"),
        (int, True, "the value takes a whole number; got bool"),
        (str, 3, "the value takes a string; got int"),
        (list[int], [1, "2"], r"the value\[1\] takes a whole number; got str"),
        (list[int], None, "the value takes a list; got null"),
        (dict[str, int], {"a": "b"}, r"the value\['a'\] takes a whole number"),
        (Colour, "green", "'green' is none of"),
        (Colour, ["red"], "is none of"),
        (int | bool, "a", "fits none of its types: "),
        (tuple[int, int], [1], "the value has 1 items, and takes 2"),
        (Movie, {"title": "M"}, "Movie needs year"),
        (Person, {"name": "A", "shoe": 1}, "Person has no field shoe"),
        (Person, [], "the value takes an object; got list"),
        (Recipe, {}, "name"),
        (datetime.date, "tomorrow", "takes a date such as"),
        (decimal.Decimal, "one", "takes a decimal number"),
    ],
    ids=str,
)
def test_parse_refusals(hint: Any, value: Any, words: str) -> None:
    """JSON that does not fit its type is a ValueError that says where."""
    with pytest.raises(ValueError, match=words):
        parse_as(hint, value)


@given(st.builds(Person, st.text(), st.integers(), st.lists(st.text())))
def test_round_trip(person: Person) -> None:
    """A value written as JSON and read back is the same."""
    assert parse_as(Person, dataclasses.asdict(person)) == person
