"""JSON Schema: written from type nodes, and read into them for libraries that describe their types in it.

Output is limited to the keywords that the Gemini API supports
(https://ai.google.dev/api/generate-content#FIELDS.response_json_schema).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

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
)

__all__ = ["is_json_schema", "read_json_schema", "to_json_schema"]

CONSTRAINTS: Final = frozenset(
    {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength", "pattern"}
    | {"minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties"}
)
# Keywords of JSON Schema that a Schema does not have, or has under another name.
JSON_SCHEMA_ONLY: Final = frozenset(
    {"$schema", "$id", "$defs", "$ref", "$anchor", "definitions", "anyOf", "oneOf", "allOf", "not", "if", "const"}
    | {"prefixItems", "additionalProperties", "patternProperties", "propertyNames"}
    | {"exclusiveMinimum", "exclusiveMaximum", "multipleOf", "uniqueItems"}
)
# Keywords whose values are data, and those whose values map names to schemas.
DATA_KEYWORDS: Final = frozenset({"const", "default", "enum", "example", "examples", "required"})
NAME_KEYWORDS: Final = frozenset({"properties", "$defs", "definitions"})

JSON_TYPES: Final[Mapping[type, str]] = {str: "string", bool: "boolean", int: "integer", float: "number"}


def to_json_schema(schema: TypeSchema) -> dict[str, Any]:
    """Return the JSON Schema of a type, with recursive types under "$defs"."""
    written = _write(schema.root)
    if schema.definitions:
        written["$defs"] = {name: _write(node) for name, node in schema.definitions.items()}
    return written


def _write(node: JSONType) -> dict[str, Any]:
    written: dict[str, Any] = {"description": node.description} if node.description else {}
    written |= _body(node) | dict(node.constraints)
    if node.nullable and "type" in written:
        types = written["type"] if isinstance(written["type"], list) else [written["type"]]
        written["type"] = [*dict.fromkeys([*types, "null"])]
    return written


def _body(node: JSONType) -> dict[str, Any]:
    match node:
        case AnyType():
            return {}
        case ScalarType(json_type=json_type, format=value_format):
            return {"type": json_type, "format": value_format} if value_format else {"type": json_type}
        case EnumType(values=values):
            types = list(dict.fromkeys(JSON_TYPES[type(value)] for value in values))
            null = [None] if node.nullable else []
            return {"type": types[0] if len(types) == 1 else types, "enum": [*values, *null]}
        case ArrayType(items=items):
            return {"type": "array", "items": _write(items)}
        case TupleType(items=nodes):
            bounds = {"minItems": len(nodes), "maxItems": len(nodes)}
            return {"type": "array", "prefixItems": list(map(_write, nodes)), **bounds}
        case MapType(values=AnyType()):
            return {"type": "object"}
        case MapType(values=values):
            return {"type": "object", "additionalProperties": _write(values)}
        case ObjectType(fields=fields):
            return _object(fields)
        case UnionType(options=options):
            return {"anyOf": [*map(_write, options), *([{"type": "null"}] if node.nullable else [])]}
        case Ref(name=name):
            ref = {"$ref": f"#/$defs/{name}"}
            if not (node.nullable or node.description):
                return ref
            # The API allows no other keyword next to "$ref".
            return {"anyOf": [ref, *([{"type": "null"}] if node.nullable else [])]}


def _object(fields: tuple[Field, ...]) -> dict[str, Any]:
    written: dict[str, Any] = {"type": "object"}
    if fields:
        written["properties"] = {field.name: _write(field.type) for field in fields}
    if required := [field.name for field in fields if field.required]:
        written["required"] = required
    if len(fields) > 1:
        # It is sent as a Struct, which does not keep the order of its fields.
        written["propertyOrdering"] = [field.name for field in fields]
    return written


def is_json_schema(value: Mapping[str, Any]) -> bool:
    """Whether a dict is JSON Schema rather than the fields of a Schema: it has a keyword that only JSON Schema has.

    A type name in capitals marks a Schema, whatever the other keywords are.

    >>> is_json_schema({"$ref": "#/$defs/Node"}), is_json_schema({"type": "string"})
    (True, False)
    """
    nodes = list(_subschemas(value))
    if any(isinstance(json_type := node.get("type"), str) and json_type.isupper() for node in nodes):
        return False
    return any(JSON_SCHEMA_ONLY & node.keys() or isinstance(node.get("type"), list) for node in nodes)


def _subschemas(value: Any) -> list[Mapping[str, Any]]:
    """Return the schema and all schemas in it, skipping data and property names."""
    if isinstance(value, (list, tuple)):
        return [node for item in value for node in _subschemas(item)]
    if not isinstance(value, Mapping):
        return []
    found = [value]
    for keyword, item in value.items():
        if keyword in NAME_KEYWORDS and isinstance(item, Mapping):
            found += _subschemas(list(item.values()))
        elif keyword not in DATA_KEYWORDS:
            found += _subschemas(item)
    return found


def read_json_schema(schema: Mapping[str, Any], owner: object, definitions: Definitions) -> JSONType:
    """Read a JSON Schema as libraries write it, with references to its own "$defs". Titles and defaults are ignored.

    Args:
        schema: The JSON Schema.
        owner: The type it describes; keeps its definitions apart from those of other types.
        definitions: Receives the recursive types.
    """

    def read(node: Any) -> JSONType:
        if not isinstance(node, Mapping):
            return AnyType()
        result = body(node)
        constraints = {keyword: node[keyword] for keyword in CONSTRAINTS & node.keys()}
        return replace(
            result,
            description=node.get("description", result.description),
            constraints={**result.constraints, **dict(sorted(constraints.items()))},
        )

    def body(node: Mapping[str, Any]) -> JSONType:
        match node:
            case {"$ref": str(ref)}:
                name = ref.rpartition("/")[2]
                return definitions.define((owner, name), name, lambda: read(schema["$defs"][name]))
            case {"allOf": [single]}:
                return read(single)
            case {"anyOf": [*options]} | {"oneOf": [*options]}:
                return _union(list(map(read, options)))
            case {"const": value}:
                return _enum([value])
            case {"enum": [*values]}:
                return _enum(values)
            case {"type": [*types]}:
                return _union([read({**node, "type": json_type}) for json_type in types])
            case {"prefixItems": [*items]}:
                return TupleType(tuple(map(read, items)))
            case {"type": "array"}:
                return ArrayType(read(node.get("items")))
            case {"type": "object", "properties": properties}:
                required = node.get("required", ())
                return ObjectType(tuple(Field(name, read(item), name in required) for name, item in properties.items()))
            case {"type": "object"}:
                return MapType(read(node.get("additionalProperties")))
            case {"type": str(json_type)}:
                return ScalarType(json_type, node.get("format", ""))
        return AnyType()

    return read(schema)


def _union(options: list[JSONType]) -> JSONType:
    rest = [option for option in options if not (isinstance(option, ScalarType) and option.json_type == "null")]
    nullable = len(rest) < len(options)
    if len(rest) == 1:
        return replace(rest[0], nullable=nullable or rest[0].nullable)
    return UnionType(tuple(rest), nullable=nullable)


def _enum(values: list[Any]) -> JSONType:
    rest = tuple(value for value in values if value is not None)
    return EnumType(rest, nullable=len(rest) < len(values)) if rest else ScalarType("null")
