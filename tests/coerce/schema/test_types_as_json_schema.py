"""Types that a Schema cannot express, as JSON Schema."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Optional

import pydantic
import pytest

from genai_grpc._coerce.schema.proto_schema import to_schema
from tests.coerce.schema.sample_types import Husband, Node, Plain, Switch, Tree


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
