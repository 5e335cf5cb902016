"""Schemas to send: from Python types, Schema messages, and dicts of either dialect."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from genai_grpc import protos
from genai_grpc._coerce.schema.json_schema import SCHEMA_FORMATS, UPPER_BOUNDS, is_json_schema, to_json_schema
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
from genai_grpc._coerce.schema.references import inline, inlined_size, shared_definitions
from genai_grpc_protos._convert import as_message, to_message
from genai_grpc_protos.protobuf import Value

__all__ = ["WireSchema", "to_nearest_schema", "to_schema", "to_wire_schema"]

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


# What the service was reported to refuse in a Schema, though the message can express it; and the reports. Such a schema
# is sent as JSON Schema; but a format moves into the description.
REFUSED: Final = {
    "a format of str other than enum and date-time": "https://github.com/google-gemini/gemini-cli/issues/3178",
    "an object without properties, as a parameter": "https://github.com/agno-agi/agno/issues/2112",
    "an object without properties, in a response_schema": "https://github.com/browser-use/browser-use/issues/3786",
    "an array without items": "https://github.com/kkrishnan90/gemini-desktop/pull/7",
    "a value without a type": "https://github.com/zereight/gitlab-mcp/issues/166",
    "an enum of values that are not str": "https://github.com/decolua/9router/issues/359",
    "additionalProperties": "https://github.com/googleapis/python-genai/issues/1815",
}
# A Schema has no references, so it repeats a type that is used twice. Larger types than this become JSON Schema.
MAX_REPEATED_NODES: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class WireSchema:
    """A schema as it is sent: a Schema or, for types that a Schema cannot express, JSON Schema. One of them is set.

    Attributes:
        schema: The Schema.
        json_schema: The JSON Schema.
        value: The JSON Schema as a message, if it has been converted.
    """

    schema: protos.Schema | None = None
    json_schema: Mapping[str, Any] | None = None
    value: Value | None = None

    def fields(self, schema: str, json_schema: str) -> dict[str, Any]:
        """Return the schema under the name of the message field for its dialect; a Schema is a copy.

        >>> WireSchema(json_schema={"type": "null"}).fields("response_schema", "response_json_schema")
        {'response_json_schema': {'type': 'null'}}
        """
        if self.schema is not None:
            copy = protos.Schema()
            copy.CopyFrom(self.schema)
            return {schema: copy}
        return {json_schema: self.json_schema if self.value is None else self.value}


def to_schema(value: Any, path: str = "response_schema") -> WireSchema:
    """Coerce a Schema, its dict, JSON Schema or a Python type.

    A type becomes a Schema; or JSON Schema if a Schema cannot express it: if it is recursive, takes any value, has a
    dict, an object without fields, an enum of values that are not str, a tuple of different types, a bound or another
    constraint that a Schema lacks, or the same types again and again.

    Args:
        value: A Schema, also of another package; a dict of one; a dict of JSON Schema, recognised by what a Schema
            lacks, such as "$ref", "anyOf" and "additionalProperties"; or a type.
        path: Location of the value, for errors.

    Returns:
        The schema, which is shared by all uses of the type; copy it before a change.

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
    """Convert the schema of a type to a Schema if it can express it, else to JSON Schema; once."""
    wire_schema: WireSchema | None = schema.derived.get("to_wire_schema")
    if wire_schema is None:
        wire_schema = schema.derived["to_wire_schema"] = _to_wire_schema(schema)
    return wire_schema


def to_nearest_schema(python_type: Any, path: str) -> protos.Schema:
    """Convert a type to a Schema that accepts its values and, where a Schema cannot express the type, other values.

    Raises:
        TypeError: The type is not supported.
        ValueError: There is no such Schema, since the type is recursive, or has an enum of values that are not str or a
            tuple of different types.

    >>> to_nearest_schema(dict[str, int], "answer").type == protos.Type.OBJECT
    True
    """
    schema = read_type(python_type, path)
    if math.isinf(inlined_size(schema)):
        raise ValueError(f"{path}: a Schema cannot be recursive; pass the type as response_schema")
    root = inline(schema).root
    if not all(map(_has_schema, walk(root))):
        what = "tuples of different types, or enums of values that are not str"
        raise ValueError(f"{path}: a Schema cannot express {what}; pass the type as response_schema")
    return _to_schema(root)


def _to_wire_schema(schema: TypeSchema) -> WireSchema:
    nodes = [schema.root, *schema.definitions.values()]
    if all(_is_expressible(each) for node in nodes for each in walk(node)):
        size = inlined_size(schema)
        if size <= MAX_REPEATED_NODES or not shared_definitions(schema):
            return WireSchema(schema=_to_schema(inline(schema).root))
    json_schema = to_json_schema(schema)
    return WireSchema(json_schema=json_schema, value=to_message(Value, json_schema))


def _is_expressible(node: JSONType) -> bool:
    """Whether a Schema can express the node, and is not refused for it, regardless of the nodes below it."""
    integer = isinstance(node, ScalarType) and node.json_type == "integer"
    for keyword, value in node.constraints.items():
        if keyword not in SCHEMA_FIELDS and not (integer and keyword in INTEGER_BOUNDS):
            return False
        if keyword in UPPER_BOUNDS and value == 0:
            return False
    match node:
        case AnyType() | MapType() | ObjectType(fields=()):
            return False
        case ObjectType(extra=extra):
            return extra is None
        case TupleType(items=()):
            return False  # an upper bound of 0
    return _has_schema(node)


def _has_schema(node: JSONType) -> bool:
    """Whether there is a Schema that accepts the values of the node, regardless of the nodes below it."""
    match node:
        case EnumType(values=values):
            return all(isinstance(value, str) for value in values)
        case TupleType(items=items):
            return all(item == items[0] for item in items)
    return True


# Exclusive bounds, which a Schema lacks: the inclusive one, how an integer converts, and which of two bounds holds.
INTEGER_BOUNDS: Final[Mapping[str, tuple[str, Callable[[float], int], Callable[..., float]]]] = {
    "exclusiveMinimum": ("minimum", lambda bound: math.floor(bound) + 1, max),
    "exclusiveMaximum": ("maximum", lambda bound: math.ceil(bound) - 1, min),
}


def _to_schema(node: JSONType) -> protos.Schema:
    schema = _body(node)
    schema.description = node.description
    schema.nullable = node.nullable
    if isinstance(node, ScalarType) and node.format:
        if node.format in SCHEMA_FORMATS.get(node.json_type, ()):
            schema.format = node.format
        else:
            schema.description = f"{node.description} Format: {node.format}.".lstrip()
    for keyword, value in _inclusive(node).items():
        if keyword in SCHEMA_FIELDS:
            setattr(schema, SCHEMA_FIELDS[keyword], value)
    return schema


def _inclusive(node: JSONType) -> dict[str, Any]:
    """Return the constraints, with the exclusive bounds of an integer as inclusive ones."""
    constraints = dict(node.constraints)
    if isinstance(node, ScalarType) and node.json_type == "integer":
        for exclusive, (inclusive, convert, narrower) in INTEGER_BOUNDS.items():
            if (bound := constraints.pop(exclusive, None)) is not None:
                constraints[inclusive] = narrower(convert(bound), constraints.get(inclusive, convert(bound)))
    return constraints


def _body(node: JSONType) -> protos.Schema:
    match node:
        case ScalarType(json_type=json_type):
            return protos.Schema(type=protos.Type.Value(json_type.upper()))
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
        case AnyType():
            return protos.Schema()
        case Ref(name=name):
            raise AssertionError(name)  # its definition is in its place


def _object(fields: tuple[Field, ...]) -> protos.Schema:
    return protos.Schema(
        type=protos.Type.OBJECT,
        properties={field.name: _to_schema(field.type) for field in fields},
        required=[field.name for field in fields if field.required],
        property_ordering=[field.name for field in fields] if len(fields) > 1 else [],
    )
