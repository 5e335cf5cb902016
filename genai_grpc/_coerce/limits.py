"""Check of plain JSON against the limits of a schema, such as those that `Annotated` types declare."""

from __future__ import annotations

import decimal
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from genai_grpc._coerce.schema.model import (
    AnyType,
    ArrayType,
    EnumType,
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

__all__ = ["check_limits", "has_limits"]


def has_limits(schema: TypeSchema) -> bool:
    """Whether a schema has limits that `check_limits` checks."""
    roots = (schema.root, *schema.definitions.values())
    return any(LIMITS.keys() & node.constraints.keys() for root in roots for node in walk(root))


def check_limits(schema: TypeSchema, value: Any, path: str) -> None:
    """Check plain JSON against the limits in its schema. What pydantic validates, and other types, are not checked.

    Of a union, the limits of one type that fits must hold.

    Raises:
        ValueError: A value is beyond a limit; the message names its path.
    """
    violation = next(_violations(schema.root, value, path, schema.definitions), None)
    if violation is not None:
        raise ValueError(violation)


def _violations(node: JSONType, value: Any, path: str, definitions: Mapping[str, JSONType]) -> Iterator[str]:
    if node.validate is not None or (value is None and node.nullable):
        return
    for keyword, limit in node.constraints.items():
        if keyword in LIMITS:
            json_types, is_within, requirement = LIMITS[keyword]
            if (subject := _subject(node, value, json_types)) is not None and not is_within(subject, limit):
                yield f"{path}: {value!r} {requirement.format(limit)}"
    if isinstance(node, UnionType):
        found = [
            next(_violations(option, value, path, definitions), None)
            for option in node.options
            if _fits(option, value, definitions)
        ]
        if found and None not in found:
            yield " and ".join(dict.fromkeys(map(str, found)))
    for child, item, child_path in _children(node, value, path, definitions):
        yield from _violations(child, item, child_path, definitions)


def _children(
    node: JSONType, value: Any, path: str, definitions: Mapping[str, JSONType]
) -> Iterator[tuple[JSONType, Any, str]]:
    match node, value:
        case Ref(name=name), _:
            yield definitions[name], value, path
        case ArrayType(items=items), list():
            yield from ((items, item, f"{path}[{number}]") for number, item in enumerate(value))
        case TupleType(items=nodes), list():
            # Their number is checked when the tuple is built.
            for number, (child, item) in enumerate(zip(nodes, value, strict=False)):
                yield child, item, f"{path}[{number}]"
        case MapType(values=values), dict():
            yield from ((values, item, f"{path}[{key!r}]") for key, item in value.items())
        case ObjectType(fields=fields), dict():
            yield from (
                (field.type, value[field.name], f"{path}.{field.name}") for field in fields if field.name in value
            )
        case ObjectType(fields=fields), list():  # a NamedTuple
            for field, item in zip(fields, value, strict=False):
                yield field.type, item, f"{path}.{field.name}"


def _subject(node: JSONType, value: Any, json_types: tuple[type, ...]) -> Any:
    """Return what a limit applies to; None for a value of another type, which building the argument refuses."""
    if isinstance(node, ScalarType) and node.python_type is decimal.Decimal and decimal.Decimal in json_types:
        try:
            return decimal.Decimal(str(value))
        except decimal.InvalidOperation:
            return None
    return value if isinstance(value, json_types) and not isinstance(value, bool) else None


def _fits(node: JSONType, value: Any, definitions: Mapping[str, JSONType]) -> bool:
    """Whether a value has the JSON type of a node."""
    if value is None and node.nullable:
        return True
    match node:
        case Ref(name=name):
            return _fits(definitions[name], value, definitions)
        case AnyType():
            return True
        case UnionType(options=options):
            return any(_fits(option, value, definitions) for option in options)
        case EnumType(values=values):
            return value in values
        case ScalarType(json_type=json_type):
            return isinstance(value, JSON_TYPES[json_type]) and isinstance(value, bool) is (json_type == "boolean")
        case ArrayType() | TupleType():
            return isinstance(value, list)
        case MapType() | ObjectType():
            return isinstance(value, dict)


def _is_multiple(value: Any, factor: Any) -> bool:
    # Through str, so that 0.3 is a multiple of 0.1.
    return decimal.Decimal(str(value)) % decimal.Decimal(str(factor)) == 0


def _is_unique(items: list[Any], wanted: object) -> bool:
    return not wanted or all(item not in items[:number] for number, item in enumerate(items))


JSON_TYPES: Final[Mapping[str, type | tuple[type, ...]]] = {
    "integer": int,
    "number": (int, float),
    "string": str,
    "boolean": bool,
    "null": type(None),
}
NUMBER: Final = (int, float, decimal.Decimal)
# By keyword of JSON Schema: the types it applies to, the check, and the requirement for errors.
LIMITS: Final[Mapping[str, tuple[tuple[type, ...], Callable[[Any, Any], bool], str]]] = {
    "minimum": (NUMBER, lambda value, limit: value >= limit, "must be at least {}"),
    "maximum": (NUMBER, lambda value, limit: value <= limit, "must be at most {}"),
    "exclusiveMinimum": (NUMBER, lambda value, limit: value > limit, "must be greater than {}"),
    "exclusiveMaximum": (NUMBER, lambda value, limit: value < limit, "must be less than {}"),
    "multipleOf": (NUMBER, _is_multiple, "must be a multiple of {}"),
    "minLength": ((str,), lambda value, limit: len(value) >= limit, "must have at least {} characters"),
    "maxLength": ((str,), lambda value, limit: len(value) <= limit, "must have at most {} characters"),
    "pattern": ((str,), lambda value, limit: re.search(limit, value) is not None, "must match {!r}"),
    "minItems": ((list,), lambda value, limit: len(value) >= limit, "must have at least {} items"),
    "maxItems": ((list,), lambda value, limit: len(value) <= limit, "must have at most {} items"),
    "uniqueItems": ((list,), _is_unique, "must have no equal items"),
    "minProperties": ((dict,), lambda value, limit: len(value) >= limit, "must have at least {} keys"),
    "maxProperties": ((dict,), lambda value, limit: len(value) <= limit, "must have at most {} keys"),
}
