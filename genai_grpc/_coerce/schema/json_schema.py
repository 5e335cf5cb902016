"""JSON Schema: written from shapes, and read into them where a library describes its own types in it.

What is written keeps to what the Gemini API reads (https://ai.google.dev/api/generate-content#FIELDS.response_json_schema).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

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

__all__ = ["is_json_schema", "read_json_schema", "to_json_schema"]

LIMITS: Final = frozenset(
    {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength", "pattern"}
    | {"minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties"}
)
# What a JSON Schema may say and a Schema not, or not under this name.
OURS_NOT: Final = frozenset(
    {"$schema", "$id", "$defs", "$ref", "$anchor", "definitions", "anyOf", "oneOf", "allOf", "not", "if", "const"}
    | {"prefixItems", "additionalProperties", "patternProperties", "propertyNames"}
    | {"exclusiveMinimum", "exclusiveMaximum", "multipleOf", "uniqueItems"}
)
DATA: Final = frozenset({"const", "default", "enum", "example", "examples", "required"})
NAMED: Final = frozenset({"properties", "$defs", "definitions"})

JSON_TYPES: Final[Mapping[type, str]] = {str: "string", bool: "boolean", int: "integer", float: "number"}


def to_json_schema(outline: Outline) -> dict[str, Any]:
    """The JSON Schema of a type, with those of its shapes that refer to themselves under "$defs"."""
    schema = _write(outline.root)
    if outline.named:
        schema["$defs"] = {name: _write(shape) for name, shape in outline.named.items()}
    return schema


def _write(shape: Shape) -> dict[str, Any]:
    written: dict[str, Any] = {"description": shape.description} if shape.description else {}
    written |= _body(shape) | dict(shape.limits)
    if shape.nullable and "type" in written:
        kinds = written["type"] if isinstance(written["type"], list) else [written["type"]]
        written["type"] = [*dict.fromkeys([*kinds, "null"])]
    return written


def _body(shape: Shape) -> dict[str, Any]:
    match shape:
        case Anything():
            return {}
        case Scalar(kind=kind, format=form):
            return {"type": kind, "format": form} if form else {"type": kind}
        case Choice(values=values):
            kinds = list(dict.fromkeys(JSON_TYPES[type(value)] for value in values))
            null = [None] if shape.nullable else []
            return {"type": kinds[0] if len(kinds) == 1 else kinds, "enum": [*values, *null]}
        case Array(items=items):
            return {"type": "array", "items": _write(items)}
        case Fixed(items=several):
            bounds = {"minItems": len(several), "maxItems": len(several)}
            return {"type": "array", "prefixItems": [_write(one) for one in several], **bounds}
        case Table(values=Anything()):
            return {"type": "object"}
        case Table(values=values):
            return {"type": "object", "additionalProperties": _write(values)}
        case Record(fields=fields):
            return _record(fields)
        case Either(options=options):
            return {"anyOf": [*map(_write, options), *([{"type": "null"}] if shape.nullable else [])]}
        case Reference(name=name):
            link = {"$ref": f"#/$defs/{name}"}
            if not (shape.nullable or shape.description):
                return link
            # Nothing else may stand beside a "$ref".
            return {"anyOf": [link, *([{"type": "null"}] if shape.nullable else [])]}


def _record(fields: tuple[Field, ...]) -> dict[str, Any]:
    written: dict[str, Any] = {"type": "object"}
    if fields:
        written["properties"] = {one.name: _write(one.shape) for one in fields}
    if required := [one.name for one in fields if one.required]:
        written["required"] = required
    if len(fields) > 1:
        # On the wire it is a Struct, which keeps no order.
        written["propertyOrdering"] = [one.name for one in fields]
    return written


def is_json_schema(value: Mapping[str, Any]) -> bool:
    """Whether a dict says what only JSON Schema can say, rather than the fields of a Schema.

    Types in capitals are a Schema's, whatever else is there.

    >>> is_json_schema({"$ref": "#/$defs/Node"}), is_json_schema({"type": "string"})
    (True, False)
    """
    nodes = list(_nodes(value))
    if any(isinstance(kind := node.get("type"), str) and kind.isupper() for node in nodes):
        return False
    return any(OURS_NOT & node.keys() or isinstance(node.get("type"), list) for node in nodes)


def _nodes(value: Any) -> list[Mapping[str, Any]]:
    """The schema and all those in it; what is data or a name in it is left alone."""
    if isinstance(value, (list, tuple)):
        return [node for item in value for node in _nodes(item)]
    if not isinstance(value, Mapping):
        return []
    found = [value]
    for key, item in value.items():
        if key in NAMED and isinstance(item, Mapping):
            found += _nodes(list(item.values()))
        elif key not in DATA:
            found += _nodes(item)
    return found


def read_json_schema(schema: Mapping[str, Any], owner: object, definitions: Definitions) -> Shape:
    """The shape that a JSON Schema describes, as libraries write them: its references lead to its own "$defs".

    Titles and defaults are left out.

    Args:
        schema: The JSON Schema.
        owner: What it is of; its definitions are told from those of others by that.
        definitions: Gets the shapes that refer to themselves.
    """

    def read(node: Any) -> Shape:
        if not isinstance(node, Mapping):
            return Anything()
        shape = body(node)
        limits = {keyword: node[keyword] for keyword in LIMITS & node.keys()}
        return replace(
            shape,
            description=node.get("description", shape.description),
            limits={**shape.limits, **dict(sorted(limits.items()))},
        )

    def body(node: Mapping[str, Any]) -> Shape:
        match node:
            case {"$ref": str(link)}:
                name = link.rpartition("/")[2]
                return definitions.read((owner, name), name, lambda: read(schema["$defs"][name]))
            case {"allOf": [one]}:
                return read(one)
            case {"anyOf": [*options]} | {"oneOf": [*options]}:
                return either([read(one) for one in options])
            case {"const": value}:
                return choice([value])
            case {"enum": [*values]}:
                return choice(values)
            case {"type": [*kinds]}:
                return either([read({**node, "type": kind}) for kind in kinds])
            case {"prefixItems": [*several]}:
                return Fixed(tuple(map(read, several)))
            case {"type": "array"}:
                return Array(read(node.get("items")))
            case {"type": "object", "properties": properties}:
                required = node.get("required", ())
                return Record(tuple(Field(name, read(one), name in required) for name, one in properties.items()))
            case {"type": "object"}:
                return Table(read(node.get("additionalProperties")))
            case {"type": str(kind)}:
                return Scalar(kind, node.get("format", ""))
        return Anything()

    def either(options: list[Shape]) -> Shape:
        kept = [one for one in options if not (isinstance(one, Scalar) and one.kind == "null")]
        nullable = len(kept) < len(options)
        if len(kept) == 1:
            return replace(kept[0], nullable=nullable or kept[0].nullable)
        return Either(tuple(kept), nullable=nullable)

    def choice(values: list[Any]) -> Shape:
        kept = tuple(value for value in values if value is not None)
        return Choice(kept, nullable=len(kept) < len(values)) if kept else Scalar("null")

    return read(schema)
