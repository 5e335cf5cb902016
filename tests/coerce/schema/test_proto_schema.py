from __future__ import annotations

import collections
import dataclasses
import datetime
import decimal
import enum
import gc
import inspect
import json
import pickle
import sys
import typing
import uuid
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import GenericAlias
from typing import Annotated, Any, List, Literal, NamedTuple, NewType, Optional, Union  # noqa: UP035

import pydantic
import pytest
from google.protobuf.json_format import MessageToDict
from typing_extensions import NotRequired, Required, TypeAliasType, TypedDict

from genai_grpc import protos
from genai_grpc._coerce.schema.proto_schema import to_nearest_schema, to_schema

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


def object_schema(required: list[str], **properties: Any) -> dict[str, Any]:
    """The JSON of an object's Schema."""
    order = {"propertyOrdering": list(properties)} if len(properties) > 1 else {}
    return {"type": "OBJECT", "properties": properties, **({"required": required} if required else {}), **order}


COLOUR = {"type": "STRING", "enum": ["red", "blue"], "description": "What things look like."}
FILM = object_schema(["title"], title=STR, year={**INT, "description": "of the first showing"}) | {
    "description": "A film."
}


@pytest.mark.parametrize(
    ("python_type", "schema"),
    [
        pytest.param(int, INT, id="int"),
        pytest.param(float, {"type": "NUMBER"}, id="float"),
        pytest.param(str, STR, id="str"),
        pytest.param(bool, {"type": "BOOLEAN"}, id="bool"),
        pytest.param(type(None), {"type": "NULL"}, id="NoneType"),
        pytest.param(datetime.datetime, {**STR, "format": "date-time"}, id="datetime"),
        pytest.param(datetime.date, {**STR, "description": "Format: date."}, id="date"),
        pytest.param(datetime.time, {**STR, "description": "Format: time."}, id="time"),
        pytest.param(datetime.timedelta, {**STR, "description": "Format: duration."}, id="timedelta"),
        pytest.param(uuid.UUID, {**STR, "description": "Format: uuid."}, id="UUID"),
        pytest.param(
            Annotated[datetime.date, "Its birthday."],
            {**STR, "description": "Its birthday. Format: date."},
            id="date with a description",
        ),
        pytest.param(decimal.Decimal, {"type": "NUMBER"}, id="Decimal"),
        pytest.param(UserId, INT, id="NewType"),
        pytest.param(TypeAliasType("Number", int), INT, id="type alias"),
        pytest.param(Annotated[int, 3], INT, id="Annotated with unrelated metadata"),
        pytest.param(Colour, COLOUR, id="Enum of str"),
        pytest.param(Size, {**STR, "enum": ["SMALL", "LARGE"]}, id="Enum of int"),
        pytest.param(Literal["a", "b"], {**STR, "enum": ["a", "b"]}, id="Literal"),
        pytest.param(Literal["a", None], {**STR, "enum": ["a"], "nullable": True}, id="Literal with None"),
        pytest.param(Literal[Size.SMALL], {**STR, "enum": ["SMALL"]}, id="Literal of an Enum member"),
        pytest.param(Literal[None], {"type": "NULL"}, id="Literal of None"),
        pytest.param(Optional[int], {**INT, "nullable": True}, id="Optional"),  # noqa: UP045
        pytest.param(int | None, {**INT, "nullable": True}, id="X | None"),
        pytest.param(Union[int, str], {"anyOf": [INT, STR]}, id="Union"),  # noqa: UP007
        pytest.param(int | str | None, {"anyOf": [INT, STR], "nullable": True}, id="X | Y | None"),
        pytest.param(list[int], {"type": "ARRAY", "items": INT}, id="list"),
        pytest.param(List[int], {"type": "ARRAY", "items": INT}, id="List"),  # noqa: UP006
        pytest.param(Sequence[int], {"type": "ARRAY", "items": INT}, id="Sequence"),
        pytest.param(Iterable[int], {"type": "ARRAY", "items": INT}, id="Iterable"),
        pytest.param(set[int], {"type": "ARRAY", "items": INT}, id="set"),
        pytest.param(tuple[int, ...], {"type": "ARRAY", "items": INT}, id="variadic tuple"),
        pytest.param(
            tuple[int, int],
            {"type": "ARRAY", "items": INT, "minItems": "2", "maxItems": "2"},
            id="tuple of equal types",
        ),
        pytest.param(
            tuple[int], {"type": "ARRAY", "items": INT, "minItems": "1", "maxItems": "1"}, id="tuple of one item"
        ),
        pytest.param(Film, FILM, id="TypedDict"),
        pytest.param(Partly, object_schema(["title"], title=STR, year=INT), id="TypedDict with total=False"),
        pytest.param(
            Person,
            object_schema(
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
            object_schema(["x", "y"], x={"type": "NUMBER"}, y={"type": "NUMBER", "nullable": True}),
            id="dataclass without docstring",
        ),
        pytest.param(Pair, object_schema(["first"], first=INT, second=STR), id="NamedTuple"),
        pytest.param(
            Recipe,
            object_schema(
                ["theName", "minutes"],
                theName={**STR, "maxLength": "40"},
                minutes={**INT, "minimum": 1.0, "maximum": 99.0, "description": "On the stove."},
                colours={"type": "ARRAY", "items": COLOUR},
                first={**object_schema(["title"], title=STR, year=INT), "description": "A film.", "nullable": True},
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
        pytest.param(
            Annotated[int, pydantic.Field(max_length=3)], INT, id="length constraint of a type without length"
        ),
        pytest.param(
            Annotated[int, pydantic.Field(ge=1, description="Of men.")],
            {**INT, "minimum": 1.0, "description": "Of men."},
            id="Annotated with a pydantic Field",
        ),
        pytest.param({"type": "array", "items": {"type": "string"}}, {"type": "ARRAY", "items": STR}, id="dict"),
        pytest.param(
            {"type": "OBJECT", "anyOf": [STR]},
            {"type": "OBJECT", "anyOf": [STR]},
            id="dict with type names in capitals",
        ),
        pytest.param(
            {"type": "object", "properties": {"$ref": {"type": "string"}}},
            object_schema([], **{"$ref": STR}),
            id="property named as a keyword",
        ),
        pytest.param(protos.Schema(type=protos.Type.INTEGER), INT, id="Schema"),
    ],
)
def test_schema(python_type: Any, schema: dict[str, Any]) -> None:
    """Each supported type is converted to its Schema."""
    result = to_schema(python_type)
    assert result.json_schema is None
    assert result.schema is not None
    json = MessageToDict(result.schema)
    if python_type is Recipe:
        # pydantic does not read a description from a bare str.
        json["properties"]["first"]["properties"]["year"].pop("description", None)
    assert json == schema


class Bounded(pydantic.BaseModel):
    share: Annotated[float, pydantic.Field(gt=0, lt=1)]
    step: Annotated[int, pydantic.Field(multiple_of=5)] = 5
    tags: set[str] = set()


class Counts(pydantic.BaseModel):
    by_name: dict[str, int]


@dataclasses.dataclass
class Nothing:
    pass


REFERENCE = {"$ref": "#/$defs/Node"}
NODE = {
    "type": "object",
    "properties": {"value": {"type": "integer"}, "children": {"type": "array", "items": REFERENCE}},
    "required": ["value"],
    "propertyOrdering": ["value", "children"],
}
NULL = {"type": "null"}


@pytest.mark.parametrize(
    ("python_type", "schema"),
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
            id="recursive pydantic model",
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
            id="mutually recursive",
        ),
        pytest.param(Literal[1, 2], {"type": "integer", "enum": [1, 2]}, id="Literal of int"),
        pytest.param(
            list[Literal[1]], {"type": "array", "items": {"type": "integer", "enum": [1]}}, id="list of Literal"
        ),
        pytest.param(
            Literal[1] | str,
            {"anyOf": [{"type": "integer", "enum": [1]}, {"type": "string"}]},
            id="union with Literal",
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
            id="pydantic model with Literal of int",
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
        pytest.param(Any, {}, id="Any"),
        pytest.param(object, {}, id="object"),
        pytest.param(list, {"type": "array", "items": {}}, id="bare list"),
        pytest.param(tuple, {"type": "array", "items": {}}, id="bare tuple"),
        pytest.param(tuple[()], {"type": "array", "minItems": 0, "maxItems": 0}, id="empty tuple"),
        pytest.param(dict, {"type": "object"}, id="bare dict"),
        pytest.param(Nothing, {"type": "object"}, id="class without fields"),
        pytest.param(Mapping[str, int], {"type": "object", "additionalProperties": {"type": "integer"}}, id="Mapping"),
        pytest.param(
            list[dict[str, int]],
            {"type": "array", "items": {"type": "object", "additionalProperties": {"type": "integer"}}},
            id="list of dict",
        ),
        pytest.param(
            Counts,
            {
                "type": "object",
                "properties": {"by_name": {"type": "object", "additionalProperties": {"type": "integer"}}},
                "required": ["by_name"],
            },
            id="pydantic model with dict",
        ),
        pytest.param(
            Plain,
            {
                "type": "object",
                "properties": {"a": {}, "b": {}},
                "required": ["a", "b"],
                "propertyOrdering": ["a", "b"],
            },
            id="namedtuple",
        ),
        pytest.param(
            Bounded,
            {
                "type": "object",
                "properties": {
                    "share": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
                    "step": {"type": "integer", "multipleOf": 5},
                    "tags": {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
                },
                "required": ["share"],
                "propertyOrdering": ["share", "step", "tags"],
            },
            id="constraints that a Schema lacks",
        ),
        pytest.param(
            Annotated[dict[str, int] | str, pydantic.Field(min_length=1)],
            {
                "anyOf": [
                    {"type": "object", "additionalProperties": {"type": "integer"}, "minProperties": 1},
                    {"type": "string", "minLength": 1},
                ]
            },
            id="length constraint of a union",
        ),
        pytest.param(
            Annotated[list[int], pydantic.Field(max_length=0)],
            {"type": "array", "items": {"type": "integer"}, "maxItems": 0},
            id="upper bound of 0",
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
def test_json_schema(python_type: Any, schema: dict[str, Any]) -> None:
    """A type that a Schema cannot express is converted to JSON Schema."""
    result = to_schema(python_type)
    assert result.schema is None
    assert result.json_schema == schema


@pytest.mark.parametrize(
    ("python_type", "schema"),
    [
        (int, INT),
        (Any, {}),
        (list, {"type": "ARRAY", "items": {}}),
        (dict[str, int], {"type": "OBJECT"}),
        (Annotated[float, pydantic.Field(gt=0, le=1)], {"type": "NUMBER", "maximum": 1.0}),
        (Annotated[int, pydantic.Field(gt=0, ge=3, lt=9)], {**INT, "minimum": 3.0, "maximum": 8.0}),
    ],
    ids=str,
)
def test_nearest_schema(python_type: Any, schema: dict[str, Any]) -> None:
    """The nearest Schema of a type leaves out what a Schema cannot express."""
    assert MessageToDict(to_nearest_schema(python_type, "answer")) == schema


@pytest.mark.parametrize(
    ("python_type", "message"),
    [
        (Node, "a Schema cannot be recursive"),
        (tuple[int, str], "a Schema cannot express tuples of different types"),
        (Literal[1], "enums of values that are not str"),
    ],
    ids=str,
)
def test_no_nearest_schema(python_type: Any, message: str) -> None:
    """A type without a Schema that accepts its values is an error that says what to do."""
    with pytest.raises(ValueError, match=f"answer: .*{message}.*; pass the type as response_schema"):
        to_nearest_schema(python_type, "answer")


def diamond(levels: int) -> type:
    """A type whose fields share a type, whose fields share a type, and so on."""
    below: Any = int
    for level in range(levels):
        below = dataclasses.make_dataclass(f"Level{level}", [("left", below), ("right", below)])
    return typing.cast("type", below)


@pytest.mark.parametrize("levels", [2, 12])
def test_shared_types(levels: int) -> None:
    """Types that share types are read once; they share definitions where a Schema would repeat them many times."""
    result = to_schema(diamond(levels))
    if levels == 2:
        level = object_schema(["left", "right"], left=INT, right=INT)
        assert result.schema is not None
        assert MessageToDict(result.schema) == object_schema(["left", "right"], left=level, right=level)
    else:
        assert result.json_schema is not None
        assert sorted(result.json_schema["$defs"]) == sorted(f"Level{level}" for level in range(levels - 1))
        assert len(json.dumps(result.json_schema)) < 200 * levels


def test_types_are_read_once() -> None:
    """A type is read once, also within other types, and does not outlive the program's use of it."""
    local = dataclasses.make_dataclass("Local", [("number", int)])
    assert to_schema(local) is to_schema(local)
    assert to_schema(GenericAlias(list, (local,))) is to_schema(GenericAlias(list, (local,)))
    weak = weakref.ref(local)
    del local
    gc.collect()
    assert weak() is None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (int | str, str | int),
        (Literal[1], Literal[True]),
        (Annotated[int, pydantic.Field(ge=1)], Annotated[int, pydantic.Field(ge=2)]),
    ],
    ids=str,
)
def test_similar_types(one: Any, other: Any) -> None:
    """Types that Python calls equal, or almost, have schemas of their own."""
    assert to_schema(one) != to_schema(other)


def test_fields_are_copies() -> None:
    """A change to the schema of one request does not change that of the next."""
    to_schema(Person).fields("schema", "json_schema")["schema"].description = "Nobody."
    assert to_schema(Person).fields("schema", "json_schema")["schema"].description != "Nobody."


def test_classes_by_value() -> None:
    """What is cached of a class is left out of copies of its attributes, as programs pickle them."""
    local = dataclasses.make_dataclass("Local", [("number", int)])
    to_schema(local)
    assert pickle.loads(pickle.dumps(dict(vars(local))["__genai_grpc_types__"])) == {}


def test_classes_with_the_same_name() -> None:
    """Two classes with the same name get different definition names."""

    def make() -> type:
        return dataclasses.make_dataclass("Link", [("next", "Link | None")])

    first, second = make(), make()
    schema = to_schema(dataclasses.make_dataclass("Both", [("a", first), ("b", second)]))
    assert schema.json_schema is not None
    assert list(schema.json_schema["$defs"]) == ["Link", "Link2"]


@dataclasses.dataclass
class Bad:
    fine: list[int]
    items: list[dict[str, complex]]


class Hidden(TypedDict):
    what: Nowhere  # type: ignore[name-defined]  # undefined on purpose  # noqa: F821


class Raw(pydantic.BaseModel):
    call: Callable[[], None]


@pytest.mark.parametrize(
    ("python_type", "message"),
    [
        pytest.param(bytes, r"response_schema: .* of bytes \(JSON has no bytes; take a str of base64\)", id="bytes"),
        pytest.param(Bad, r"response_schema.items\[\]\[str\]: cannot make a schema of complex", id="path"),
        pytest.param(dict[int, str], "the keys of JSON objects are str", id="keys"),
        pytest.param(list["Bad"], r"response_schema\[\]: .* ForwardRef\('Bad'\)|'Bad' \(str\)", id="str"),
        pytest.param(3, r"cannot make a schema of 3 \(int\); supported are int, float, str", id="int value"),
        pytest.param([int], r"of \[<class 'int'>\] \(list\)", id="list value"),
        pytest.param(type, "cannot make a schema of type; supported are", id="class"),
        pytest.param(enum.Enum("Empty", []), "cannot make a schema of Empty", id="empty Enum"),
        pytest.param(Callable[[], int], "cannot make a schema of", id="Callable"),
        pytest.param(Hidden, "cannot resolve the annotations: name 'Nowhere' is not defined", id="undefined name"),
        pytest.param(Raw, "pydantic cannot make a schema of Raw", id="pydantic model with a Callable"),
        pytest.param(list[Literal["a", b""]], r"response_schema\[\]: a Literal of bytes has no JSON form", id="bytes"),
    ],
)
def test_unsupported_types(python_type: Any, message: str) -> None:
    """An unsupported type raises a TypeError with its name, its path and the supported types."""
    with pytest.raises(TypeError, match=message):
        to_schema(python_type)


def test_without_docstring_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without docstring-parser, fields get no descriptions from the docstring."""
    monkeypatch.setitem(sys.modules, "docstring_parser", None)
    unread = type("Person", (Person,), {"__doc__": Person.__doc__, "__annotations__": {}})
    schema = to_schema(dataclasses.dataclass(unread)).schema
    assert schema is not None
    assert [field.description for _, field in sorted(schema.properties.items())] == ["Whole years.", "Seen ones.", ""]


def test_without_pydantic(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without pydantic, all other types are supported."""
    monkeypatch.delitem(sys.modules, "pydantic")
    assert to_schema(list[Film]).schema is not None
    assert "pydantic" not in sys.modules
