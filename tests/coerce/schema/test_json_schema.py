from __future__ import annotations

from typing import Any

import pytest

from genai_grpc._coerce.schema.json_schema import is_json_schema, read_json_schema, to_json_schema
from genai_grpc._coerce.schema.model import (
    AnyType,
    ArrayType,
    Definitions,
    EnumType,
    Field,
    JSONType,
    MapType,
    ObjectType,
    Ref,
    ScalarType,
    TupleType,
    TypeSchema,
    UnionType,
    walk,
)

INT, STR, NULL = {"type": "integer"}, {"type": "string"}, {"type": "null"}
INTEGER, STRING = ScalarType("integer"), ScalarType("string")


@pytest.mark.parametrize(
    ("schema", "node"),
    [
        pytest.param(STR, STRING, id="string"),
        pytest.param(
            {**STR, "format": "date", "title": "T", "default": "x"}, ScalarType("string", "date"), id="format"
        ),
        pytest.param(
            {**STR, "description": "A word.", "pattern": "a*", "maxLength": 3},
            ScalarType("string", description="A word.", constraints={"maxLength": 3, "pattern": "a*"}),
            id="description and constraints",
        ),
        pytest.param({"type": "array"}, ArrayType(AnyType()), id="array"),
        pytest.param(
            {"type": "array", "items": INT, "minItems": 0},
            ArrayType(INTEGER, constraints={"minItems": 0}),
            id="typed array",
        ),
        pytest.param({"type": "array", "prefixItems": [INT, STR]}, TupleType((INTEGER, STRING)), id="tuple"),
        pytest.param({"type": "object"}, MapType(AnyType()), id="object"),
        pytest.param(
            {"type": "object", "additionalProperties": False}, MapType(AnyType()), id="additionalProperties false"
        ),
        pytest.param({"type": "object", "additionalProperties": INT}, MapType(INTEGER), id="map"),
        pytest.param(
            {"type": "object", "properties": {"a": INT, "b": STR}, "required": ["b"]},
            ObjectType((Field("a", INTEGER, False), Field("b", STRING, True))),
            id="object with properties",
        ),
        pytest.param(
            {"type": "object", "properties": {"a": INT}},
            ObjectType((Field("a", INTEGER, False),)),
            id="nothing required",
        ),
        pytest.param({"allOf": [INT], "description": "A."}, ScalarType("integer", description="A."), id="allOf one"),
        pytest.param({"anyOf": [INT, STR]}, UnionType((INTEGER, STRING)), id="anyOf"),
        pytest.param({"oneOf": [INT, STR, NULL]}, UnionType((INTEGER, STRING), nullable=True), id="oneOf with null"),
        pytest.param({"anyOf": [INT, NULL]}, ScalarType("integer", nullable=True), id="anyOf with null"),
        pytest.param({"anyOf": [{"anyOf": [INT, NULL]}]}, ScalarType("integer", nullable=True), id="nested null"),
        pytest.param({"type": ["integer", "null"]}, ScalarType("integer", nullable=True), id="list of types with null"),
        pytest.param({"type": ["integer", "string"]}, UnionType((INTEGER, STRING)), id="list of types"),
        pytest.param({"const": "a"}, EnumType(("a",)), id="const"),
        pytest.param({"const": None}, ScalarType("null"), id="const null"),
        pytest.param({"enum": ["a", 1, None]}, EnumType(("a", 1), nullable=True), id="enum"),
        pytest.param({}, AnyType(), id="any"),
        pytest.param({"not": INT, "description": "No."}, AnyType(description="No."), id="unsupported keyword"),
        pytest.param({"type": "array", "items": True}, ArrayType(AnyType()), id="items true"),
        pytest.param(
            {"type": "object", "properties": {"a": INT}, "additionalProperties": STR},
            ObjectType((Field("a", INTEGER, False),), extra=STRING),
            id="object with properties and others",
        ),
        pytest.param(
            {"type": "object", "patternProperties": {"^a": INT}},
            MapType(INTEGER, ScalarType("string", constraints={"pattern": "^a"})),
            id="map with a pattern",
        ),
        pytest.param(
            {"type": "object", "additionalProperties": INT, "propertyNames": {"enum": ["a", "b"]}},
            MapType(INTEGER, EnumType(("a", "b"))),
            id="map with names",
        ),
    ],
)
def test_read(schema: dict[str, Any], node: JSONType) -> None:
    """A JSON Schema as libraries write it is read into a node; what nodes cannot express is ignored."""
    definitions = Definitions()
    assert read_json_schema(schema, "owner", definitions) == node
    assert definitions.by_name == {}


@pytest.mark.parametrize("description", ["", "B."])
def test_read_reference(description: str) -> None:
    """A reference is read once, with its definition, and keeps its own description."""
    definitions = Definitions()
    schema = {"$ref": "#/$defs/A", "$defs": {"A": INT}, **({"description": description} if description else {})}
    for _ in range(2):
        node = read_json_schema(schema, "owner", definitions)
        assert node == Ref("A", description=description)
        assert definitions.resolve(node) == ScalarType("integer", description=description)
    assert definitions.by_name == {"A": INTEGER}


def test_read_recursive_definitions() -> None:
    """Recursive definitions are named, with a different name for each owner."""
    node = {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}}}
    definitions = Definitions()
    schema = {"$ref": "#/$defs/Node", "$defs": {"Node": node}}
    assert read_json_schema(schema, "one", definitions) == Ref("Node")
    assert read_json_schema(schema, "another", definitions) == Ref("Node2")
    assert definitions.by_name == {name: ObjectType((Field("next", Ref(name), False),)) for name in ("Node", "Node2")}


@pytest.mark.parametrize(
    ("node", "schema"),
    [
        pytest.param(AnyType(), {}, id="any"),
        pytest.param(AnyType(nullable=True, description="A."), {"description": "A."}, id="nullable any"),
        pytest.param(
            ScalarType("string", "date", description="A.", constraints={"maxLength": 3}),
            {"description": "A.", "type": "string", "format": "date", "maxLength": 3},
            id="scalar",
        ),
        pytest.param(ScalarType("integer", nullable=True), {"type": ["integer", "null"]}, id="nullable"),
        pytest.param(ScalarType("null", nullable=True), {"type": ["null"]}, id="nullable null"),
        pytest.param(EnumType((1, 2)), {**INT, "enum": [1, 2]}, id="enum"),
        pytest.param(
            EnumType((True, "a", 0.5), nullable=True),
            {"type": ["boolean", "string", "number", "null"], "enum": [True, "a", 0.5, None]},
            id="enum of several types",
        ),
        pytest.param(ArrayType(INTEGER), {"type": "array", "items": INT}, id="array"),
        pytest.param(
            TupleType((INTEGER, STRING)),
            {"type": "array", "prefixItems": [INT, STR], "minItems": 2, "maxItems": 2},
            id="tuple",
        ),
        pytest.param(TupleType(()), {"type": "array", "minItems": 0, "maxItems": 0}, id="empty tuple"),
        pytest.param(MapType(AnyType()), {"type": "object"}, id="map of any"),
        pytest.param(MapType(INTEGER), {"type": "object", "additionalProperties": INT}, id="map"),
        pytest.param(
            MapType(INTEGER, ScalarType("string", constraints={"pattern": "^a"})),
            {"type": "object", "patternProperties": {"^a": INT}, "additionalProperties": False},
            id="map with a pattern",
        ),
        pytest.param(
            MapType(INTEGER, EnumType(("a", "b"))),
            {"type": "object", "additionalProperties": INT, "propertyNames": {**STR, "enum": ["a", "b"]}},
            id="map with names",
        ),
        pytest.param(ObjectType(()), {"type": "object"}, id="empty object"),
        pytest.param(
            ObjectType((Field("a", INTEGER, False),), extra=STRING),
            {"type": "object", "properties": {"a": INT}, "additionalProperties": STR},
            id="object with properties and others",
        ),
        pytest.param(
            ObjectType((Field("a", INTEGER, False),)),
            {"type": "object", "properties": {"a": INT}},
            id="object with one property",
        ),
        pytest.param(
            ObjectType((Field("b", INTEGER), Field("a", STRING, False))),
            {"type": "object", "properties": {"b": INT, "a": STR}, "required": ["b"], "propertyOrdering": ["b", "a"]},
            id="object with properties",
        ),
        pytest.param(UnionType((INTEGER, STRING)), {"anyOf": [INT, STR]}, id="union"),
        pytest.param(UnionType((INTEGER, STRING), nullable=True), {"anyOf": [INT, STR, NULL]}, id="nullable union"),
        pytest.param(Ref("A"), {"$ref": "#/$defs/A"}, id="reference"),
        pytest.param(Ref("A", nullable=True), {"anyOf": [{"$ref": "#/$defs/A"}, NULL]}, id="nullable reference"),
        pytest.param(
            Ref("A", description="B."),
            {"description": "B.", "anyOf": [{"$ref": "#/$defs/A"}]},
            id="reference with a description",
        ),
    ],
)
def test_write(node: JSONType, schema: dict[str, Any]) -> None:
    """A node is written as the JSON Schema that the Gemini API supports, with definitions under "$defs"."""
    definitions: dict[str, JSONType] = {"A": ArrayType(Ref("A"))}
    written = {**schema, "$defs": {"A": {"type": "array", "items": {"$ref": "#/$defs/A"}}}}
    assert to_json_schema(TypeSchema(node, definitions)) == (written if Ref in map(type, walk(node)) else schema)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (STR, False),
        ({"type": "object", "properties": {"a": STR}, "required": ["a"]}, False),
        ({"type": "object", "properties": {"const": STR}}, False),
        ({"type": "object", "properties": {"a": {"const": 1}}}, True),
        ({"type": "object", "properties": {"a": {"title": "A"}}}, True),
        ({"type": "object", "properties": {"a": True}}, True),
        ({"type": "object", "properties": {}}, True),
        ({"type": "object", "additionalProperties": False}, True),
        ({"type": "array", "items": {"type": ["string", "null"]}}, True),
        ({"type": "array", "items": True}, True),
        ({"type": "array", "items": [STR]}, True),
        ({"type": "array"}, True),
        ({"type": "array", "items": STR, "maxItems": "2"}, False),
        ({"type": "array", "items": STR, "maxItems": 0}, True),
        ({"any_of": [STR, INT]}, False),
        ({"any_of": [STR, {"oneOf": []}]}, True),
        ({"any_of": ({"not": {}},)}, True),
        ({"$defs": {}}, True),
        ({"definitions": {"A": STR}}, True),
        ({**STR, "enum": ["const"], "default": {"const": 1}, "example": {"$ref": ""}}, False),
        ({**STR, "examples": ["a"]}, True),
        ({**STR, "readOnly": True}, True),
        ({**STR, "x-order": 1}, True),
        ({**STR, "format": "date-time"}, False),
        ({**STR, "format": "uuid"}, True),
        ({**INT, "format": "int64"}, False),
        ({**INT, "enum": [1, 2]}, True),
        ({**STR, "enum": ["a", None]}, True),
        ({"enum": ["a"]}, True),
        ({"anyOf": [{"type": "STRING"}]}, False),
        ({"type": "STRING", "exclusiveMinimum": 1}, False),
        ({"type": 1, "exclusiveMinimum": 1}, False),
        ({"type": "number", "exclusiveMinimum": 1}, True),
        ({"typ": "string"}, False),
    ],
    ids=str,
)
def test_is_json_schema(value: dict[str, Any], expected: bool) -> None:
    """A dict is JSON Schema if it has a keyword that a Schema lacks, outside its data and property names."""
    assert is_json_schema(value) is expected
