from __future__ import annotations

import json
from typing import Any

import pytest
from google.protobuf import json_format

from genai_grpc import protos
from genai_grpc.errors import InvalidArgument
from genai_grpc.local.engines.llama.output_grammar import JSONSchema, to_json_schema, to_output_schema

STRING = {"type": "STRING"}


def _schema(fields: dict[str, Any]) -> protos.Schema:
    return json_format.ParseDict(fields, protos.Schema())


def _config(**fields: Any) -> protos.GenerationConfig:
    return json_format.ParseDict(fields, protos.GenerationConfig())


def _enforced_schema(config: protos.GenerationConfig) -> JSONSchema:
    """The JSON Schema that the grammar enforces."""
    output_schema = to_output_schema(config)
    assert output_schema is not None
    schema: JSONSchema = json.loads(output_schema.rule.removeprefix("%json "))
    return schema


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, {}),
        (STRING, {"type": "string"}),
        ({"type": "NULL", "nullable": True}, {"type": "null"}),
        ({"type": "INTEGER", "nullable": True}, {"type": ["integer", "null"]}),
        ({"type": "INTEGER", "minimum": 0, "maximum": 9}, {"type": "integer", "minimum": 0, "maximum": 9}),
        ({"type": "NUMBER", "minimum": 0.5}, {"type": "number", "minimum": 0.5}),
        ({"type": "STRING", "enum": ["a", "b"], "format": "enum"}, {"type": "string", "enum": ["a", "b"]}),
        ({"type": "STRING", "enum": ["a"], "nullable": True}, {"type": ["string", "null"], "enum": ["a", None]}),
        ({"type": "STRING", "format": "date"}, {"type": "string", "format": "date"}),
        (
            {"type": "STRING", "title": "T", "description": "D", "pattern": "a+", "minLength": 1, "maxLength": 2},
            {"type": "string", "title": "T", "description": "D", "pattern": "a+", "minLength": 1, "maxLength": 2},
        ),
        (
            {"type": "ARRAY", "items": STRING, "minItems": 1, "maxItems": 3},
            {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 3},
        ),
        ({"anyOf": [STRING], "nullable": True}, {"anyOf": [{"type": "string"}, {"type": "null"}]}),
        (
            {"type": "OBJECT", "properties": {"a": STRING}, "required": ["a"], "minProperties": 1, "maxProperties": 2},
            {
                "type": "object",
                "properties": {"a": {"type": "string"}},
                "required": ["a"],
                "minProperties": 1,
                "maxProperties": 2,
            },
        ),
    ],
)
def test_fields(fields: dict[str, Any], expected: JSONSchema) -> None:
    """Each field of a Schema becomes its keyword."""
    assert to_json_schema(_schema(fields)) == expected


def test_property_order() -> None:
    """Properties are in the order of property_ordering, then of required, then of their names."""
    schema = _schema(
        {
            "type": "OBJECT",
            "properties": dict.fromkeys("abcdef", STRING),
            "required": ["c", "e"],
            "propertyOrdering": ["f", "b", "unknown"],
        }
    )
    assert list(to_json_schema(schema)["properties"]) == ["f", "b", "c", "e", "a", "d"]


def test_plain_text() -> None:
    """Plain text has no schema."""
    assert to_output_schema(_config()) is None
    assert to_output_schema(_config(responseMimeType="text/plain")) is None


def test_any_json() -> None:
    """JSON without a schema is an object or an array."""
    assert {"type": "object"} in _enforced_schema(_config(responseMimeType="application/json"))["anyOf"]


def test_bounds() -> None:
    """Values without bounds get some, so that a small model ends them; other bounds are kept."""
    schema = {
        "type": "OBJECT",
        "properties": {
            "free": {"type": "INTEGER"},
            "bound": {"type": "INTEGER", "minimum": 1, "maximum": 2},
            "list": {"type": "ARRAY", "items": {"type": "NUMBER"}},
        },
    }
    enforced = _enforced_schema(_config(responseMimeType="application/json", responseSchema=schema))
    assert enforced["additionalProperties"] is False
    assert enforced["properties"]["free"]["maximum"] == 2**53 - 1
    assert enforced["properties"]["bound"] == {"type": "integer", "minimum": 1, "maximum": 2}
    assert enforced["properties"]["list"]["items"]["multipleOf"] == 1e-6


def test_unsupported_keywords() -> None:
    """Keywords that llguidance lacks, but sets and dicts have, are in the hint and not in the grammar."""
    schema = {"type": "object", "patternProperties": {"a": {"type": "array", "uniqueItems": True}}}
    config = _config(responseMimeType="application/json", responseJsonSchema=schema)
    assert _enforced_schema(config)["patternProperties"] == {"a": {"type": "array"}}
    output = to_output_schema(config)
    assert output is not None
    assert "uniqueItems" in output.format_hint


def test_json_schema() -> None:
    """A JSON Schema is used unchanged, with whole numbers as integers and properties in its propertyOrdering."""
    schema = {
        "type": "object",
        "properties": {"a": {"type": "string", "minLength": 2}, "b": {"$ref": "#/$defs/B"}},
        "propertyOrdering": ["b", "a"],
        "$defs": {"B": {"type": "boolean"}},
    }
    enforced = _enforced_schema(_config(responseMimeType="application/json", responseJsonSchema=schema))
    assert list(enforced["properties"]) == ["b", "a"]
    assert enforced["properties"] == {"b": {"$ref": "#/$defs/B"}, "a": {"type": "string", "minLength": 2}}
    assert enforced["$defs"] == {"B": {"type": "boolean"}}
    assert "propertyOrdering" not in enforced


def test_enum() -> None:
    """A text/x.enum is one of the schema's names, without quotes."""
    schema = {"type": "STRING", "enum": ["cat", 'a "dog"']}
    output_schema = to_output_schema(_config(responseMimeType="text/x.enum", responseSchema=schema))
    assert output_schema is not None
    assert output_schema.rule == r'"cat" | "a \"dog\""'


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"responseMimeType": "text/html"}, "'text/html'; give text/plain, application/json or text/x.enum"),
        ({"responseSchema": STRING}, "needs response_mime_type='application/json'"),
        ({"responseMimeType": "text/x.enum", "responseSchema": STRING}, "with an enum"),
        ({"responseMimeType": "application/json", "responseJsonSchema": 3}, "response_json_schema is 3"),
        (
            {"responseMimeType": "application/json", "responseSchema": STRING, "responseJsonSchema": {}},
            "response_schema and response_json_schema are both given",
        ),
    ],
)
def test_invalid_config(config: dict[str, Any], message: str) -> None:
    """A MIME type and a schema that do not go together are an error that says what to give."""
    with pytest.raises(InvalidArgument, match=message):
        to_output_schema(_config(**config))
