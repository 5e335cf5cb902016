"""Schemas to send: from Python types, Schema messages, and dicts of either dialect."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from genai_grpc import protos
from genai_grpc._coerce.schema.json_schema import is_json_schema, to_json_schema
from genai_grpc._coerce.schema.model import (
    AnyType,
    ArrayType,
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
from genai_grpc._coerce.schema.python_types import read_type
from genai_grpc_protos._convert import as_message, to_message

__all__ = ["WireSchema", "to_schema", "to_wire_schema"]

# The keywords of JSON Schema for which a Schema has a field.
SCHEMA_FIELDS: Final = {
    "minimum": "minimum",
    "maximum": "maximum",
    "minLength": "min_length",
    "maxLength": "max_length",
    "pattern": "pattern",
    "minItems": "min_items",
    "maxItems": "max_items",
    "minProperties": "min_properties",
    "maxProperties": "max_properties",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class WireSchema:
    """A schema as it is sent: a Schema or, for types that a Schema cannot express, JSON Schema. One of them is set."""

    schema: protos.Schema | None = None
    json_schema: Mapping[str, Any] | None = None

    def fields(self, schema: str, json_schema: str) -> dict[str, Any]:
        """Return the schema under the name of the message field for its dialect.

        >>> WireSchema(json_schema={"type": "null"}).fields("response_schema", "response_json_schema")
        {'response_json_schema': {'type': 'null'}}
        """
        return {json_schema: self.json_schema} if self.schema is None else {schema: self.schema}


def to_schema(value: Any, path: str = "response_schema") -> WireSchema:
    """Coerce a Schema, its dict, JSON Schema or a Python type.

    A type becomes a Schema; or JSON Schema if it is recursive, has an enum of values that are not str, or is a tuple
    of different types, none of which a Schema can express.

    Args:
        value: A Schema, also of another package; a dict of one; a dict of JSON Schema, recognised by keywords that a
            Schema lacks, such as "$ref", "anyOf" and "additionalProperties"; or a type.
        path: Location of the value, for errors.

    Raises:
        TypeError: It, or a type in it, is not supported.
        ValueError: A dict has an unknown key.

    >>> to_schema(list[int]).schema.items.type == protos.Type.INTEGER
    True
    """
    if isinstance(value, Mapping) and is_json_schema(value):
        return WireSchema(json_schema=value)
    if isinstance(value, Mapping) or as_message(value) is not None:
        return WireSchema(schema=to_message(protos.Schema, value))
    return to_wire_schema(read_type(value, path))


def to_wire_schema(schema: TypeSchema) -> WireSchema:
    """Convert the schema of a type to a Schema if it can express it, else to JSON Schema."""
    if schema.definitions or not all(map(_is_expressible, walk(schema.root))):
        return WireSchema(json_schema=to_json_schema(schema))
    return WireSchema(schema=_to_schema(schema.root))


def _is_expressible(node: JSONType) -> bool:
    """Whether a Schema can express the node, regardless of the nodes below it."""
    match node:
        case EnumType(values=values):
            return all(isinstance(value, str) for value in values)
        case TupleType(items=items):
            return all(item == items[0] for item in items)
    return True


def _to_schema(node: JSONType) -> protos.Schema:
    schema = _body(node)
    schema.description = node.description
    schema.nullable = node.nullable
    for keyword, value in node.constraints.items():
        if keyword in SCHEMA_FIELDS:
            setattr(schema, SCHEMA_FIELDS[keyword], value)
    if schema.type == protos.Type.INTEGER:
        # The bounds of a Schema are inclusive, which loses nothing for integers.
        if "exclusiveMinimum" in node.constraints:
            schema.minimum = node.constraints["exclusiveMinimum"] + 1
        if "exclusiveMaximum" in node.constraints:
            schema.maximum = node.constraints["exclusiveMaximum"] - 1
    return schema


def _body(node: JSONType) -> protos.Schema:
    match node:
        case AnyType():
            return protos.Schema()
        case ScalarType(json_type=json_type, format=value_format):
            return protos.Schema(type=protos.Type.Value(json_type.upper()), format=value_format)
        case EnumType(values=values):
            return protos.Schema(type=protos.Type.STRING, enum=[str(value) for value in values])
        case ArrayType(items=items):
            return protos.Schema(type=protos.Type.ARRAY, items=_to_schema(items))
        case TupleType(items=nodes):
            item = _to_schema(nodes[0] if nodes else AnyType())
            return protos.Schema(type=protos.Type.ARRAY, items=item, min_items=len(nodes), max_items=len(nodes))
        case MapType():
            return protos.Schema(type=protos.Type.OBJECT)
        case ObjectType(fields=fields):
            return _object(fields)
        case UnionType(options=options):
            return protos.Schema(any_of=map(_to_schema, options))
        case Ref(name=name):
            raise AssertionError(name)  # a schema with references has definitions, so it is written as JSON Schema


def _object(fields: tuple[Field, ...]) -> protos.Schema:
    return protos.Schema(
        type=protos.Type.OBJECT,
        properties={field.name: _to_schema(field.type) for field in fields},
        required=[field.name for field in fields if field.required],
        property_ordering=[field.name for field in fields] if len(fields) > 1 else [],
    )
