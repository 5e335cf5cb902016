"""Types as Schemas of the API."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import inspect
import sys
import uuid
from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Any, List, Literal, Optional, Union  # noqa: UP035

import pydantic
import pytest
from google.protobuf.json_format import MessageToDict
from typing_extensions import TypeAliasType, TypedDict

from genai_grpc import protos
from genai_grpc._coerce.schema.proto_schema import to_nearest_schema, to_schema
from tests.coerce.schema.sample_types import (
    COLOUR,
    FILM,
    INT,
    STR,
    Colour,
    Film,
    Node,
    Pair,
    Partly,
    Person,
    Point,
    Recipe,
    Size,
    UserId,
    object_schema,
)


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
