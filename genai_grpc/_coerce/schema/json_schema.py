"""JSON Schema: written from type nodes, and read into them for libraries that describe their types in it.

Beside validation keywords, the output is limited to the keywords that the Gemini API supports
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
from genai_grpc._coerce.schema.references import inline, shared_definitions

__all__ = ["SCHEMA_FORMATS", "UPPER_BOUNDS", "is_json_schema", "read_json_schema", "to_json_schema"]

CONSTRAINTS: Final = frozenset(
    {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength", "pattern"}
    | {"minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties"}
)
# Keywords of JSON Schema that a Schema does not have, or has under another name.
JSON_SCHEMA_ONLY: Final = frozenset(
    {"$schema", "$id", "$defs", "$ref", "$anchor", "$comment", "$dynamicRef", "$dynamicAnchor", "$vocabulary"}
    | {"definitions", "anyOf", "oneOf", "allOf", "not", "if", "then", "else", "const", "discriminator"}
    | {"prefixItems", "additionalItems", "unevaluatedItems", "contains", "minContains", "maxContains", "uniqueItems"}
    | {"additionalProperties", "unevaluatedProperties", "patternProperties", "propertyNames"}
    | {"dependentRequired", "dependentSchemas", "dependencies"}
    | {"exclusiveMinimum", "exclusiveMaximum", "multipleOf"}
    | {"examples", "readOnly", "writeOnly", "deprecated", "contentEncoding", "contentMediaType", "contentSchema"}
)
# Keywords of both.
COMMON: Final = frozenset(
    {"type", "title", "description", "default", "format", "enum", "example", "required", "properties", "items"}
    | {"minimum", "maximum", "minLength", "maxLength", "pattern", "minItems", "maxItems"}
    | {"minProperties", "maxProperties", "propertyOrdering"}
)
# The formats of each type that a Schema may have: see `proto_schema.UNSUPPORTED`.
SCHEMA_FORMATS: Final[Mapping[str, frozenset[str]]] = {
    "string": frozenset({"enum", "date-time"}),
    "integer": frozenset({"int32", "int64"}),
    "number": frozenset({"float", "double"}),
}
# The upper bounds for which a Schema reads 0 as absent.
UPPER_BOUNDS: Final = frozenset({"maxLength", "maxItems", "maxProperties"})
# Keywords whose values are data, and those whose values map names to schemas.
DATA_KEYWORDS: Final = frozenset({"const", "default", "enum", "example", "examples", "required"})
NAME_KEYWORDS: Final = frozenset({"properties", "$defs", "definitions"})

JSON_TYPES: Final[Mapping[type, str]] = {str: "string", bool: "boolean", int: "integer", float: "number"}


def to_json_schema(schema: TypeSchema) -> dict[str, Any]:
    """Return the JSON Schema of a type. Types that are recursive, or used more than once, are under "$defs"."""
    schema = inline(schema, shared_definitions(schema))
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
            prefix = {"prefixItems": list(map(_write, nodes))} if nodes else {}
            return {"type": "array", **prefix, "minItems": len(nodes), "maxItems": len(nodes)}
        case MapType(values=values, keys=ScalarType(constraints={"pattern": pattern, **rest})) if not rest:
            return {"type": "object", "patternProperties": {pattern: _write(values)}, "additionalProperties": False}
        case MapType(values=values, keys=keys):
            extra = {"additionalProperties": written} if (written := _write(values)) else {}
            return {"type": "object", **extra, **({} if keys is None else {"propertyNames": _write(keys)})}
        case ObjectType(fields=fields, extra=extra_type):
            extra = {} if extra_type is None else {"additionalProperties": _write(extra_type)}
            return {**_object(fields), **extra}
        case UnionType(options=options):
            return {"anyOf": [*map(_write, options), *([{"type": "null"}] if node.nullable else [])]}
        case Ref(name=name):
            ref = {"$ref": f"#/$defs/{name}"}
            if not (node.nullable or node.description or node.constraints):
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
    """Whether a dict is JSON Schema rather than the fields of a Schema.

    It is if a Schema cannot say all of it, e.g. since it has a keyword that only JSON Schema has. A type that is
    written in capitals or as a number marks a Schema, whatever else is in the dict.

    >>> is_json_schema({"$ref": "#/$defs/Node"}), is_json_schema({"type": "string"})
    (True, False)
    """
    nodes = list(_subschemas(value))
    if any(_is_schema_type(node.get("type")) for node in nodes):
        return False
    return any(map(_needs_json_schema, nodes))


def _is_schema_type(value: Any) -> bool:
    return (isinstance(value, str) and value.isupper()) or (isinstance(value, int) and not isinstance(value, bool))


def _needs_json_schema(node: Mapping[str, Any]) -> bool:
    """Whether a Schema lacks words for this node of a dict, regardless of the nodes in it."""
    json_type = node.get("type")
    return (
        bool(JSON_SCHEMA_ONLY & node.keys())
        or any(isinstance(key, str) and key.startswith("x-") for key in node)
        or isinstance(json_type, list)
        or isinstance(node.get("items"), (bool, list))
        or any(isinstance(item, bool) for item in _mapping(node.get("properties")).values())
        or any(not isinstance(item, str) for item in node.get("enum") or ())
        or any(node.get(keyword) == 0 for keyword in UPPER_BOUNDS)
        or ("format" in node and node["format"] not in SCHEMA_FORMATS.get(str(json_type), ()))
        or (json_type == "object" and not node.get("properties"))
        or (json_type == "array" and not node.get("items"))
        or (json_type is None and node.keys() <= COMMON)
    )


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


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
        definitions: Receives the types that it refers to.
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
                required, extra = node.get("required", ()), node.get("additionalProperties")
                fields = tuple(Field(name, read(item), name in required) for name, item in properties.items())
                return ObjectType(fields, extra=read(extra) if isinstance(extra, Mapping) and extra else None)
            case {"type": "object", "patternProperties": Mapping() as patterns} if len(patterns) == 1:
                ((pattern, values),) = patterns.items()
                return MapType(read(values), ScalarType("string", constraints={"pattern": pattern}))
            case {"type": "object", "propertyNames": Mapping() as keys}:
                return MapType(read(node.get("additionalProperties")), read({"type": "string", **keys}))
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
