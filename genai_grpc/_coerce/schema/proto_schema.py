"""Schemas: of Python types, and of what else a person may pass for one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from genai_grpc import protos
from genai_grpc._coerce.messages import as_message, to_message
from genai_grpc._coerce.schema.json_schema import is_json_schema, to_json_schema
from genai_grpc._coerce.schema.model import (
    Anything,
    Array,
    Choice,
    Either,
    Field,
    Fixed,
    Outline,
    Record,
    Reference,
    Scalar,
    Shape,
    Table,
    within,
)
from genai_grpc._coerce.schema.python_types import read_type

__all__ = ["Form", "to_form", "to_schema"]

# The keywords of JSON Schema for which a Schema has a field.
FIELDS: Final = {
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
class Form:
    """What JSON must look like, as a Schema or, where a Schema cannot say it, as JSON Schema: one of the two is set."""

    schema: protos.Schema | None = None
    json_schema: Mapping[str, Any] | None = None

    def fields(self, schema: str, json_schema: str) -> dict[str, Any]:
        """As the value of one of two fields of a message.

        >>> Form(json_schema={"type": "null"}).fields("response_schema", "response_json_schema")
        {'response_json_schema': {'type': 'null'}}
        """
        return {json_schema: self.json_schema} if self.schema is None else {schema: self.schema}


def to_schema(value: Any, path: str = "response_schema") -> Form:
    """What JSON must look like, given as a Schema, its dict, a JSON Schema, or a Python type.

    A type becomes a Schema, or JSON Schema if it refers to itself, chooses among values that are no strings, or is a
    tuple of different types: a Schema has no words for these.

    Args:
        value: A Schema, also of another package; a dict of one; a dict of JSON Schema, told by keywords that a Schema
            lacks, such as "$ref", "anyOf" and "additionalProperties"; or a type.
        path: Where it stands, for errors.

    Raises:
        TypeError: No schema can be made of it, or of a type in it.
        ValueError: A dict has an unknown key.

    >>> to_schema(list[int]).schema.items.type == protos.Type.INTEGER
    True
    """
    if isinstance(value, Mapping) and is_json_schema(value):
        return Form(json_schema=value)
    if isinstance(value, Mapping) or as_message(value) is not None:
        return Form(schema=to_message(protos.Schema, value))
    return to_form(read_type(value, path))


def to_form(outline: Outline) -> Form:
    """The form of a type that was read."""
    if outline.named or not all(map(_is_sayable, within(outline.root))):
        return Form(json_schema=to_json_schema(outline))
    return Form(schema=_schema(outline.root))


def _is_sayable(shape: Shape) -> bool:
    """Whether a Schema has words for it, leaving aside the shapes in it."""
    match shape:
        case Choice(values=values):
            return all(isinstance(value, str) for value in values)
        case Fixed(items=several):
            return all(one == several[0] for one in several)
    return True


def _schema(shape: Shape) -> protos.Schema:
    schema = _body(shape)
    schema.description = shape.description
    schema.nullable = shape.nullable
    for keyword, limit in shape.limits.items():
        if keyword in FIELDS:
            setattr(schema, FIELDS[keyword], limit)
    if schema.type == protos.Type.INTEGER:
        # A Schema's bounds are inclusive; among whole numbers that is no loss.
        if "exclusiveMinimum" in shape.limits:
            schema.minimum = shape.limits["exclusiveMinimum"] + 1
        if "exclusiveMaximum" in shape.limits:
            schema.maximum = shape.limits["exclusiveMaximum"] - 1
    return schema


def _body(shape: Shape) -> protos.Schema:
    match shape:
        case Anything():
            return protos.Schema()
        case Scalar(kind=kind, format=form):
            return protos.Schema(type=protos.Type.Value(kind.upper()), format=form)
        case Choice(values=values):
            return protos.Schema(type=protos.Type.STRING, enum=[str(value) for value in values])
        case Array(items=items):
            return protos.Schema(type=protos.Type.ARRAY, items=_schema(items))
        case Fixed(items=several):
            item = _schema(several[0] if several else Anything())
            return protos.Schema(type=protos.Type.ARRAY, items=item, min_items=len(several), max_items=len(several))
        case Table():
            return protos.Schema(type=protos.Type.OBJECT)
        case Record(fields=fields):
            return _record(fields)
        case Either(options=options):
            return protos.Schema(any_of=map(_schema, options))
        case Reference(name=name):
            raise AssertionError(name)  # such an outline has definitions, and is written as JSON Schema


def _record(fields: tuple[Field, ...]) -> protos.Schema:
    return protos.Schema(
        type=protos.Type.OBJECT,
        properties={one.name: _schema(one.shape) for one in fields},
        required=[one.name for one in fields if one.required],
        property_ordering=[one.name for one in fields] if len(fields) > 1 else [],
    )
