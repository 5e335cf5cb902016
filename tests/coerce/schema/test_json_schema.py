from __future__ import annotations

from typing import Any

import pytest

from genai_grpc._coerce.schema.json_schema import is_json_schema, read_json_schema, to_json_schema
from genai_grpc._coerce.schema.model import (
    Anything,
    Array,
    Choice,
    Definitions,
    Either,
    Field,
    Fixed,
    Outline,
    Record,
    Reference,
    Scalar,
    Shape,
    Table,
)

INT, STR, NULL = {"type": "integer"}, {"type": "string"}, {"type": "null"}
INTEGER, STRING = Scalar("integer"), Scalar("string")


@pytest.mark.parametrize(
    ("schema", "shape"),
    [
        pytest.param(STR, STRING, id="string"),
        pytest.param({**STR, "format": "date", "title": "T", "default": "x"}, Scalar("string", "date"), id="format"),
        pytest.param(
            {**STR, "description": "A word.", "pattern": "a*", "maxLength": 3},
            Scalar("string", description="A word.", limits={"maxLength": 3, "pattern": "a*"}),
            id="description and limits",
        ),
        pytest.param({"type": "array"}, Array(Anything()), id="array"),
        pytest.param(
            {"type": "array", "items": INT, "minItems": 0}, Array(INTEGER, limits={"minItems": 0}), id="array of"
        ),
        pytest.param({"type": "array", "prefixItems": [INT, STR]}, Fixed((INTEGER, STRING)), id="tuple"),
        pytest.param({"type": "object"}, Table(Anything()), id="object"),
        pytest.param({"type": "object", "additionalProperties": False}, Table(Anything()), id="closed object"),
        pytest.param({"type": "object", "additionalProperties": INT}, Table(INTEGER), id="map"),
        pytest.param(
            {"type": "object", "properties": {"a": INT, "b": STR}, "required": ["b"]},
            Record((Field("a", INTEGER, False), Field("b", STRING, True))),
            id="record",
        ),
        pytest.param(
            {"type": "object", "properties": {"a": INT}}, Record((Field("a", INTEGER, False),)), id="nothing required"
        ),
        pytest.param({"allOf": [INT], "description": "A."}, Scalar("integer", description="A."), id="allOf one"),
        pytest.param({"anyOf": [INT, STR]}, Either((INTEGER, STRING)), id="anyOf"),
        pytest.param({"oneOf": [INT, STR, NULL]}, Either((INTEGER, STRING), nullable=True), id="oneOf with null"),
        pytest.param({"anyOf": [INT, NULL]}, Scalar("integer", nullable=True), id="one or null"),
        pytest.param({"anyOf": [{"anyOf": [INT, NULL]}]}, Scalar("integer", nullable=True), id="nested null"),
        pytest.param({"type": ["integer", "null"]}, Scalar("integer", nullable=True), id="types"),
        pytest.param({"type": ["integer", "string"]}, Either((INTEGER, STRING)), id="two types"),
        pytest.param({"const": "a"}, Choice(("a",)), id="const"),
        pytest.param({"const": None}, Scalar("null"), id="const null"),
        pytest.param({"enum": ["a", 1, None]}, Choice(("a", 1), nullable=True), id="enum"),
        pytest.param({}, Anything(), id="anything"),
        pytest.param({"not": INT, "description": "No."}, Anything(description="No."), id="what has no shape"),
        pytest.param({"type": "array", "items": True}, Array(Anything()), id="true"),
        pytest.param({"$ref": "#/$defs/A", "$defs": {"A": INT}}, INTEGER, id="reference"),
        pytest.param(
            {"$ref": "#/$defs/A", "$defs": {"A": INT}, "description": "B."},
            Scalar("integer", description="B."),
            id="reference with words of its own",
        ),
    ],
)
def test_reading(schema: dict[str, Any], shape: Shape) -> None:
    """A JSON Schema as libraries write it is a shape; what shapes cannot say is left out."""
    definitions = Definitions()
    assert read_json_schema(schema, "owner", definitions) == shape
    assert definitions.named == {}


def test_reading_what_refers_to_itself() -> None:
    """Definitions that refer to themselves are named, those of each owner apart."""
    node = {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}}}
    definitions = Definitions()
    schema = {"$ref": "#/$defs/Node", "$defs": {"Node": node}}
    assert read_json_schema(schema, "one", definitions) == Reference("Node")
    assert read_json_schema(schema, "another", definitions) == Reference("Node2")
    assert definitions.named == {name: Record((Field("next", Reference(name), False),)) for name in ("Node", "Node2")}


@pytest.mark.parametrize(
    ("shape", "schema"),
    [
        pytest.param(Anything(), {}, id="anything"),
        pytest.param(Anything(nullable=True, description="A."), {"description": "A."}, id="anything is null as well"),
        pytest.param(
            Scalar("string", "date", description="A.", limits={"maxLength": 3}),
            {"description": "A.", "type": "string", "format": "date", "maxLength": 3},
            id="scalar",
        ),
        pytest.param(Scalar("integer", nullable=True), {"type": ["integer", "null"]}, id="nullable"),
        pytest.param(Scalar("null", nullable=True), {"type": ["null"]}, id="nullable null"),
        pytest.param(Choice((1, 2)), {**INT, "enum": [1, 2]}, id="choice"),
        pytest.param(
            Choice((True, "a", 0.5), nullable=True),
            {"type": ["boolean", "string", "number", "null"], "enum": [True, "a", 0.5, None]},
            id="choice of several types",
        ),
        pytest.param(Array(INTEGER), {"type": "array", "items": INT}, id="array"),
        pytest.param(
            Fixed((INTEGER, STRING)),
            {"type": "array", "prefixItems": [INT, STR], "minItems": 2, "maxItems": 2},
            id="tuple",
        ),
        pytest.param(Table(Anything()), {"type": "object"}, id="table of anything"),
        pytest.param(Table(INTEGER), {"type": "object", "additionalProperties": INT}, id="table"),
        pytest.param(Record(()), {"type": "object"}, id="empty record"),
        pytest.param(
            Record((Field("a", INTEGER, False),)), {"type": "object", "properties": {"a": INT}}, id="record of one"
        ),
        pytest.param(
            Record((Field("b", INTEGER), Field("a", STRING, False))),
            {"type": "object", "properties": {"b": INT, "a": STR}, "required": ["b"], "propertyOrdering": ["b", "a"]},
            id="record",
        ),
        pytest.param(Either((INTEGER, STRING)), {"anyOf": [INT, STR]}, id="either"),
        pytest.param(Either((INTEGER, STRING), nullable=True), {"anyOf": [INT, STR, NULL]}, id="either or null"),
        pytest.param(Reference("A"), {"$ref": "#/$defs/A"}, id="reference"),
        pytest.param(Reference("A", nullable=True), {"anyOf": [{"$ref": "#/$defs/A"}, NULL]}, id="reference or null"),
        pytest.param(
            Reference("A", description="B."),
            {"description": "B.", "anyOf": [{"$ref": "#/$defs/A"}]},
            id="reference with words of its own",
        ),
    ],
)
def test_writing(shape: Shape, schema: dict[str, Any]) -> None:
    """A shape is written as the JSON Schema that the Gemini API reads, its definitions beside it."""
    assert to_json_schema(Outline(shape, {})) == schema
    assert to_json_schema(Outline(shape, {"A": INTEGER})) == {**schema, "$defs": {"A": INT}}


@pytest.mark.parametrize(
    ("value", "is_one"),
    [
        ({"type": "string"}, False),
        ({"type": "object", "properties": {"a": STR}, "required": ["a"]}, False),
        ({"properties": {"a": {"const": 1}}}, True),
        ({"properties": {"const": STR}}, False),
        ({"properties": ["const"]}, False),
        ({"items": {"type": ["string", "null"]}}, True),
        ({"any_of": [STR, {"oneOf": []}]}, True),
        ({"any_of": ({"not": {}},)}, True),
        ({"$defs": {}}, True),
        ({"definitions": {"A": STR}}, True),
        ({"enum": ["const"], "default": {"const": 1}, "example": {"$ref": ""}}, False),
        ({"anyOf": [{"type": "STRING"}]}, False),
        ({"type": "STRING", "exclusiveMinimum": 1}, False),
        ({"type": "number", "exclusiveMinimum": 1}, True),
    ],
    ids=str,
)
def test_is_json_schema(value: dict[str, Any], is_one: bool) -> None:
    """A dict is JSON Schema by a keyword that a Schema lacks, in it and not in its data or names."""
    assert is_json_schema(value) is is_one
