from __future__ import annotations

import collections
import dataclasses
import datetime
import decimal
import enum
import inspect
import sys
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, Any, List, Literal, NamedTuple, NewType, Optional, Union  # noqa: UP035

import pydantic
import pytest
from google.protobuf.json_format import MessageToDict
from typing_extensions import NotRequired, Required, TypeAliasType, TypedDict

from genai_grpc import protos
from genai_grpc._coerce.schema.proto_schema import to_schema

UserId = NewType("UserId", int)
Plain = collections.namedtuple("Plain", "a b")
INT, STR = {"type": "INTEGER"}, {"type": "STRING"}


class Colour(enum.Enum):
    """What things look like."""

    RED = "red"
    BLUE = "blue"


class Size(enum.IntEnum):
    SMALL = 1
    LARGE = 2


class Film(TypedDict):
    """A film."""

    title: str
    year: NotRequired[Annotated[int, "of the first showing"]]


class Partly(TypedDict, total=False):
    title: Required[str]
    year: int


@dataclasses.dataclass
class Person:
    """Somebody.

    Attributes:
        name: The full
            name.
        age: In years.
    """

    name: str
    age: Annotated[int, "Whole years."] = 0
    films: list[Film] = dataclasses.field(default_factory=list, metadata={"description": "Seen ones."})
    id: int = dataclasses.field(default=0, init=False)


@dataclasses.dataclass
class Point:
    x: float
    y: float | None


class Pair(NamedTuple):
    first: int
    second: str = ""


class Recipe(pydantic.BaseModel):
    """What to cook."""

    name: str = pydantic.Field(alias="theName", max_length=40)
    minutes: int = pydantic.Field(gt=0, lt=100, description="On the stove.")
    colours: list[Colour] = []
    first: Film | None = None
    kind: Literal["cake"] = "cake"


class Switch(pydantic.BaseModel):
    level: Literal[1, 2]
    at: int | str | None


@dataclasses.dataclass
class Node:
    value: int
    children: list[Node] = dataclasses.field(default_factory=list)


class Tree(pydantic.BaseModel):
    left: Optional[Tree] = None  # noqa: UP045


@dataclasses.dataclass
class Husband:
    wife: Wife | None = None


@dataclasses.dataclass
class Wife:
    husband: Husband | None = None


def record(required: list[str], **properties: Any) -> dict[str, Any]:
    """An object's Schema as JSON."""
    order = {"propertyOrdering": list(properties)} if len(properties) > 1 else {}
    return {"type": "OBJECT", "properties": properties, **({"required": required} if required else {}), **order}


COLOUR = {"type": "STRING", "enum": ["red", "blue"], "description": "What things look like."}
FILM = record(["title"], title=STR, year={**INT, "description": "of the first showing"}) | {"description": "A film."}


@pytest.mark.parametrize(
    ("kind", "schema"),
    [
        pytest.param(int, INT, id="int"),
        pytest.param(float, {"type": "NUMBER"}, id="float"),
        pytest.param(str, STR, id="str"),
        pytest.param(bool, {"type": "BOOLEAN"}, id="bool"),
        pytest.param(type(None), {"type": "NULL"}, id="NoneType"),
        pytest.param(Any, {}, id="Any"),
        pytest.param(object, {}, id="object"),
        pytest.param(datetime.datetime, {**STR, "format": "date-time"}, id="datetime"),
        pytest.param(datetime.date, {**STR, "format": "date"}, id="date"),
        pytest.param(datetime.time, {**STR, "format": "time"}, id="time"),
        pytest.param(datetime.timedelta, {**STR, "format": "duration"}, id="timedelta"),
        pytest.param(uuid.UUID, {**STR, "format": "uuid"}, id="UUID"),
        pytest.param(decimal.Decimal, {"type": "NUMBER"}, id="Decimal"),
        pytest.param(UserId, INT, id="NewType"),
        pytest.param(TypeAliasType("Number", int), INT, id="type alias"),
        pytest.param(Annotated[int, 3], INT, id="Annotated with what says nothing"),
        pytest.param(Colour, COLOUR, id="Enum of str"),
        pytest.param(Size, {**STR, "enum": ["SMALL", "LARGE"]}, id="Enum of others"),
        pytest.param(Literal["a", "b"], {**STR, "enum": ["a", "b"]}, id="Literal"),
        pytest.param(Literal["a", None], {**STR, "enum": ["a"], "nullable": True}, id="Literal with None"),
        pytest.param(Literal[Size.SMALL], {**STR, "enum": ["SMALL"]}, id="Literal of a member"),
        pytest.param(Literal[None], {"type": "NULL"}, id="Literal of None"),
        pytest.param(Optional[int], {**INT, "nullable": True}, id="Optional"),  # noqa: UP045
        pytest.param(int | None, {**INT, "nullable": True}, id="or None"),
        pytest.param(Union[int, str], {"anyOf": [INT, STR]}, id="Union"),  # noqa: UP007
        pytest.param(int | str | None, {"anyOf": [INT, STR], "nullable": True}, id="X | Y | None"),
        pytest.param(list, {"type": "ARRAY", "items": {}}, id="bare list"),
        pytest.param(list[int], {"type": "ARRAY", "items": INT}, id="list"),
        pytest.param(List[int], {"type": "ARRAY", "items": INT}, id="List"),  # noqa: UP006
        pytest.param(Sequence[int], {"type": "ARRAY", "items": INT}, id="Sequence"),
        pytest.param(Iterable[int], {"type": "ARRAY", "items": INT}, id="Iterable"),
        pytest.param(set[int], {"type": "ARRAY", "items": INT}, id="set"),
        pytest.param(tuple, {"type": "ARRAY", "items": {}}, id="bare tuple"),
        pytest.param(tuple[int, ...], {"type": "ARRAY", "items": INT}, id="tuple of any length"),
        pytest.param(
            tuple[int, int], {"type": "ARRAY", "items": INT, "minItems": "2", "maxItems": "2"}, id="tuple of one type"
        ),
        pytest.param(
            tuple[int], {"type": "ARRAY", "items": INT, "minItems": "1", "maxItems": "1"}, id="tuple of one item"
        ),
        pytest.param(dict, {"type": "OBJECT"}, id="bare dict"),
        pytest.param(Mapping[str, int], {"type": "OBJECT"}, id="Mapping"),
        pytest.param(Film, FILM, id="TypedDict"),
        pytest.param(Partly, record(["title"], title=STR, year=INT), id="TypedDict that is not total"),
        pytest.param(
            Person,
            record(
                ["name"],
                name={**STR, "description": "The full name."},
                age={**INT, "description": "Whole years."},
                films={"type": "ARRAY", "items": FILM, "description": "Seen ones."},
            )
            | {"description": inspect.cleandoc(Person.__doc__ or "")},
            id="dataclass",
        ),
        pytest.param(
            Point,
            record(["x", "y"], x={"type": "NUMBER"}, y={"type": "NUMBER", "nullable": True}),
            id="dataclass without docstring",
        ),
        pytest.param(Pair, record(["first"], first=INT, second=STR), id="NamedTuple"),
        pytest.param(Plain, record(["a", "b"], a={}, b={}), id="namedtuple"),
        pytest.param(
            Recipe,
            record(
                ["theName", "minutes"],
                theName={**STR, "maxLength": "40"},
                minutes={**INT, "minimum": 1.0, "maximum": 99.0, "description": "On the stove."},
                colours={"type": "ARRAY", "items": COLOUR},
                first={**record(["title"], title=STR, year=INT), "description": "A film.", "nullable": True},
                kind={**STR, "enum": ["cake"]},
            )
            | {"description": "What to cook."},
            id="pydantic model",
        ),
        pytest.param(pydantic.RootModel[list[int]], {"type": "ARRAY", "items": INT}, id="pydantic root model"),
        pytest.param(
            Annotated[list[int], "Primes.", pydantic.Field(min_length=1)],
            {"type": "ARRAY", "items": INT, "minItems": "1", "description": "Primes."},
            id="Annotated",
        ),
        pytest.param(
            Annotated[str, pydantic.Field(min_length=1, max_length=3, pattern="a*")],
            {**STR, "minLength": "1", "maxLength": "3", "pattern": "a*"},
            id="Annotated str",
        ),
        pytest.param(
            Annotated[tuple[int, int], pydantic.Field(max_length=2)],
            {"type": "ARRAY", "items": INT, "minItems": "2", "maxItems": "2"},
            id="Annotated tuple",
        ),
        pytest.param(Annotated[int, pydantic.Field(max_length=3)], INT, id="a length of what has none"),
        pytest.param(
            Annotated[int, pydantic.Field(ge=1, description="Of men.")],
            {**INT, "minimum": 1.0, "description": "Of men."},
            id="Annotated by pydantic",
        ),
        pytest.param({"type": "array", "items": {"type": "string"}}, {"type": "ARRAY", "items": STR}, id="dict"),
        pytest.param({"type": "OBJECT", "anyOf": [STR]}, {"type": "OBJECT", "anyOf": [STR]}, id="dict in capitals"),
        pytest.param(
            {"type": "object", "properties": {"$ref": {"type": "string"}}}, record([], **{"$ref": STR}), id="odd name"
        ),
        pytest.param(protos.Schema(type=protos.Type.INTEGER), INT, id="Schema"),
    ],
)
def test_schema(kind: Any, schema: dict[str, Any]) -> None:
    """Each form of type has its Schema."""
    form = to_schema(kind)
    assert form.json_schema is None
    assert form.schema is not None
    made = MessageToDict(form.schema)
    if kind is Recipe:
        made["properties"]["first"]["properties"]["year"].pop("description", None)  # pydantic knows none of a bare str
    assert made == schema


REFERENCE = {"$ref": "#/$defs/Node"}
NODE = {
    "type": "object",
    "properties": {"value": {"type": "integer"}, "children": {"type": "array", "items": REFERENCE}},
    "required": ["value"],
    "propertyOrdering": ["value", "children"],
}
NULL = {"type": "null"}


@pytest.mark.parametrize(
    ("kind", "schema"),
    [
        pytest.param(Node, {**REFERENCE, "$defs": {"Node": NODE}}, id="recursive"),
        pytest.param(
            list[Optional[Node]],  # noqa: UP045
            {"type": "array", "items": {"anyOf": [REFERENCE, NULL]}, "$defs": {"Node": NODE}},
            id="list of recursive",
        ),
        pytest.param(
            Tree,
            {
                "$ref": "#/$defs/Tree",
                "$defs": {
                    "Tree": {"type": "object", "properties": {"left": {"anyOf": [{"$ref": "#/$defs/Tree"}, NULL]}}}
                },
            },
            id="recursive model",
        ),
        pytest.param(
            Husband,
            {
                "$ref": "#/$defs/Husband",
                "$defs": {
                    "Husband": {
                        "type": "object",
                        "properties": {
                            "wife": {
                                "type": ["object", "null"],
                                "properties": {"husband": {"anyOf": [{"$ref": "#/$defs/Husband"}, NULL]}},
                            }
                        },
                    }
                },
            },
            id="by way of another",
        ),
        pytest.param(Literal[1, 2], {"type": "integer", "enum": [1, 2]}, id="Literal of int"),
        pytest.param(
            list[Literal[1]], {"type": "array", "items": {"type": "integer", "enum": [1]}}, id="list of a choice"
        ),
        pytest.param(
            Literal[1] | str,
            {"anyOf": [{"type": "integer", "enum": [1]}, {"type": "string"}]},
            id="union with a choice",
        ),
        pytest.param(
            Literal["a", 1, None],
            {"type": ["string", "integer", "null"], "enum": ["a", 1, None]},
            id="Literal of several types",
        ),
        pytest.param(
            tuple[int, str],
            {
                "type": "array",
                "prefixItems": [{"type": "integer"}, {"type": "string"}],
                "minItems": 2,
                "maxItems": 2,
            },
            id="tuple of several types",
        ),
        pytest.param(
            Switch,
            {
                "type": "object",
                "properties": {
                    "level": {"type": "integer", "enum": [1, 2]},
                    "at": {"anyOf": [{"type": "integer"}, {"type": "string"}, NULL]},
                },
                "required": ["level", "at"],
                "propertyOrdering": ["level", "at"],
            },
            id="model with a choice of int",
        ),
        pytest.param(
            dict[str, tuple[int, Any]],
            {
                "type": "object",
                "additionalProperties": {
                    "type": "array",
                    "prefixItems": [{"type": "integer"}, {}],
                    "minItems": 2,
                    "maxItems": 2,
                },
            },
            id="dict",
        ),
        *(
            pytest.param(schema, schema, id=f"JSON Schema {number}")
            for number, schema in enumerate(
                [
                    {"$ref": "#/$defs/A", "$defs": {"A": {"type": "string"}}},
                    {"anyOf": [{"type": "string"}, NULL]},
                    {"type": ["string", "null"]},
                    {"type": "array", "items": {"additionalProperties": {"type": "string"}}},
                ]
            )
        ),
    ],
)
def test_json_schema(kind: Any, schema: dict[str, Any]) -> None:
    """What a Schema cannot say is said in JSON Schema."""
    form = to_schema(kind)
    assert form.schema is None
    assert form.json_schema == schema


def test_two_classes_of_one_name() -> None:
    """Definitions of one name get different ones."""

    def make() -> type:
        return dataclasses.make_dataclass("Link", [("next", "Link | None")])

    first, second = make(), make()
    form = to_schema(dataclasses.make_dataclass("Both", [("a", first), ("b", second)]))
    assert form.json_schema is not None
    assert list(form.json_schema["$defs"]) == ["Link", "Link2"]


@dataclasses.dataclass
class Bad:
    fine: list[int]
    items: list[dict[str, complex]]


class Hidden(TypedDict):
    what: Nowhere  # type: ignore[name-defined]  # what is tested  # noqa: F821


class Raw(pydantic.BaseModel):
    call: Callable[[], None]


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        pytest.param(bytes, r"response_schema: .* of bytes \(JSON has no bytes; take a str of base64\)", id="bytes"),
        pytest.param(Bad, r"response_schema.items\[\]\[str\]: cannot make a schema of complex", id="path"),
        pytest.param(dict[int, str], "the keys of JSON objects are str", id="keys"),
        pytest.param(list["Bad"], r"response_schema\[\]: .* ForwardRef\('Bad'\)|'Bad' \(str\)", id="str"),
        pytest.param(3, r"cannot make a schema of 3 \(int\); supported are int, float, str", id="no type"),
        pytest.param([int], r"of \[<class 'int'>\] \(list\)", id="list"),
        pytest.param(type, "cannot make a schema of type; supported are", id="class"),
        pytest.param(enum.Enum("Empty", []), "cannot make a schema of Empty", id="empty Enum"),
        pytest.param(Callable[[], int], "cannot make a schema of", id="Callable"),
        pytest.param(Hidden, "cannot resolve the annotations: name 'Nowhere' is not defined", id="unknown name"),
        pytest.param(Raw, "pydantic cannot make a schema of Raw", id="model"),
    ],
)
def test_refusals(kind: Any, words: str) -> None:
    """A type without a schema is refused with its name, its place and what is supported."""
    with pytest.raises(TypeError, match=words):
        to_schema(kind)


def test_without_docstring_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without docstring-parser the attributes in a docstring describe no fields."""
    monkeypatch.setitem(sys.modules, "docstring_parser", None)
    schema = to_schema(Person).schema
    assert schema is not None
    assert [one.description for _, one in sorted(schema.properties.items())] == ["Whole years.", "Seen ones.", ""]


def test_without_pydantic(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without pydantic all other types have their schemas."""
    monkeypatch.delitem(sys.modules, "pydantic")
    assert to_schema(list[Film]).schema is not None
    assert "pydantic" not in sys.modules
