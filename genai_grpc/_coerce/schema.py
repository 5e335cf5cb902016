"""Schemas: from Python types, from dicts, and from messages.

A type that contains itself has no `Schema`, which cannot refer to itself; it becomes a JSON Schema.

>>> to_form(list[int]).schema.items.type == protos.Type.INTEGER
True
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from genai_grpc import protos
from genai_grpc._coerce.messages import foreign, to_message
from genai_grpc._coerce.shapes import (
    Anything,
    Array,
    Choice,
    Field,
    Map,
    Nullable,
    OneOf,
    Reading,
    Record,
    Reference,
    Scalar,
    Shape,
    read,
    to_word,
)

__all__ = ["Form", "form_of", "to_form"]

# Keys that JSON Schema has and Schema has not.
JSON_ONLY: Final = frozenset(
    {"$defs", "$id", "$ref", "$schema", "additionalProperties", "allOf", "const", "definitions", "not", "oneOf"}
    | {"patternProperties", "prefixItems", "uniqueItems"}
)
# The formats that the service takes in a Schema for strings; JSON Schema may name any.
FORMATS: Final = frozenset({"date-time"})


@dataclass(frozen=True, slots=True)
class Form:
    """What a value must look like, in one of the two ways that the wire has.

    Attributes:
        schema: The message, or None.
        json_schema: JSON Schema as dicts and lists, or None.
    """

    schema: protos.Schema | None = None
    json_schema: Any = None


def to_form(value: Any, where: str = "the schema") -> Form:
    """The form that a Schema, a dict of one, a dict of JSON Schema, or a Python type stands for.

    Raises:
        TypeError: It is none of these, or a type that JSON could not hold.
        ValueError: A dict has keys of neither kind of schema.
    """
    if isinstance(value, Mapping):
        if _is_json_schema(value):
            return Form(json_schema=value)
        return Form(schema=to_message(protos.Schema, value))
    if (message := foreign(value)) is not None:
        return Form(schema=to_message(protos.Schema, message))
    return form_of(read(value, where))


def form_of(reading: Reading) -> Form:
    """The form of a type that was read."""
    if reading.recursive:
        defined = {name: _json(record) for name, record in reading.recursive.items()}
        return Form(json_schema={**_json(reading.shape), "$defs": defined})
    return Form(schema=to_message(protos.Schema, _schema(reading.shape)))


def _is_json_schema(value: Any) -> bool:
    if isinstance(value, Mapping):
        # The keys of `properties` are names, not words of the schema.
        words = {key: item for key, item in value.items() if key != "properties"}
        inner = [*words.values(), *(value.get("properties") or {}).values()]
        listed = isinstance(value.get("type"), (list, tuple))
        return listed or not JSON_ONLY.isdisjoint(words) or any(map(_is_json_schema, inner))
    return isinstance(value, (list, tuple)) and any(map(_is_json_schema, value))


def _schema(shape: Shape) -> dict[str, Any]:
    """The fields of a Schema."""
    match shape:
        case Scalar(kind, form):
            return {"type": kind, "format": form} if form in FORMATS else {"type": kind}
        case Choice(values):
            words = [to_word(value) for value in values if value is not None]
            return {"type": "STRING", "enum": words, **({"nullable": True} if None in values else {})}
        case Array(items, length):
            limits = {} if length is None else {"min_items": length, "max_items": length}
            return {"type": "ARRAY", "items": _schema(items), **limits}
        case Map():
            return {"type": "OBJECT"}
        case Record(_, fields, description):
            made: dict[str, Any] = {"type": "OBJECT", "properties": {item.name: _described(item) for item in fields}}
            made["required"] = [item.name for item in fields if item.required]
            made["property_ordering"] = [item.name for item in fields]
            return {**made, "description": description} if description else made
        case OneOf(options):
            return {"any_of": [_schema(option) for option in options]}
        case Nullable(inner):
            return {**_schema(inner), "nullable": True}
        case Anything():
            return {}
        case Reference(name):
            raise AssertionError(f"{name} stands inside itself, and is written as JSON Schema")


def _described(item: Field) -> dict[str, Any]:
    schema = _schema(item.shape)
    return {**schema, "description": item.description} if item.description else schema


def _json(shape: Shape) -> dict[str, Any]:
    """JSON Schema (https://json-schema.org/draft/2020-12)."""
    match shape:
        case Scalar(kind, form):
            return {"type": kind.lower(), "format": form} if form else {"type": kind.lower()}
        case Choice(values):
            return {"enum": list(values)}
        case Array(items, length):
            limits = {} if length is None else {"minItems": length, "maxItems": length}
            return {"type": "array", "items": _json(items), **limits}
        case Map(values):
            return {"type": "object", "additionalProperties": _json(values)}
        case Record(_, fields, description):
            made: dict[str, Any] = {"type": "object", "properties": {item.name: _json_field(item) for item in fields}}
            made["required"] = [item.name for item in fields if item.required]
            return {**made, "description": description} if description else made
        case OneOf(options):
            return {"anyOf": [_json(option) for option in options]}
        case Nullable(inner):
            return {"anyOf": [_json(inner), {"type": "null"}]}
        case Anything():
            return {}
        case Reference(name):
            return {"$ref": f"#/$defs/{name}"}


def _json_field(item: Field) -> dict[str, Any]:
    schema = _json(item.shape)
    return {**schema, "description": item.description} if item.description else schema
