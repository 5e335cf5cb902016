"""Intermediate representation of a schema: dataclasses between Python types and the schemas sent to the API."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

__all__ = [
    "AnyType",
    "ArrayType",
    "Definitions",
    "EnumType",
    "Field",
    "JSONType",
    "MapType",
    "ObjectType",
    "Ref",
    "ScalarType",
    "TupleType",
    "TypeSchema",
    "UnionType",
    "walk",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeNode:
    """Base of all nodes.

    Attributes:
        description: Description for the model.
        nullable: Whether null is allowed too.
        constraints: Validation keywords of JSON Schema, such as "minimum" or "maxItems".
        validate: Builds the Python value from plain JSON, where the library that defines the type does it.
    """

    description: str = ""
    nullable: bool = False
    constraints: Mapping[str, Any] = field(default_factory=dict)
    validate: Callable[[Any], Any] | None = None


@dataclass(frozen=True, slots=True)
class AnyType(TypeNode):
    """Any JSON value."""


@dataclass(frozen=True, slots=True)
class ScalarType(TypeNode):
    """A value of one JSON type and an optional format, parsed as `python_type`."""

    json_type: str
    format: str = ""
    python_type: type[Any] = object


@dataclass(frozen=True, slots=True)
class EnumType(TypeNode):
    """One of several JSON values; `members` are the Python values at the same indexes."""

    values: tuple[str | int | float | bool, ...]
    members: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class ArrayType(TypeNode):
    """Items of one type; `factory` builds the Python collection from their list."""

    items: JSONType
    factory: Callable[[list[Any]], Any] = list


@dataclass(frozen=True, slots=True)
class TupleType(TypeNode):
    """A fixed number of items, each of its own type."""

    items: tuple[JSONType, ...]


@dataclass(frozen=True, slots=True)
class MapType(TypeNode):
    """Values of one type under arbitrary keys."""

    values: JSONType


@dataclass(frozen=True, slots=True)
class Field:
    """A named value of an object."""

    name: str
    type: JSONType
    required: bool = True


@dataclass(frozen=True, slots=True)
class ObjectType(TypeNode):
    """Named values; `factory` is called with them as keyword arguments."""

    fields: tuple[Field, ...]
    factory: Callable[..., Any] = dict


@dataclass(frozen=True, slots=True)
class UnionType(TypeNode):
    """A value of one of several types."""

    options: tuple[JSONType, ...]


@dataclass(frozen=True, slots=True)
class Ref(TypeNode):
    """A reference to a definition by name."""

    name: str


JSONType: TypeAlias = AnyType | ScalarType | EnumType | ArrayType | TupleType | MapType | ObjectType | UnionType | Ref


@dataclass(frozen=True, slots=True)
class TypeSchema:
    """The schema of a type: its root node, and the recursive types in it by name."""

    root: JSONType
    definitions: Mapping[str, JSONType]


@dataclass(slots=True)
class Definitions:
    """Collects and names the types that prove recursive while they are read."""

    by_name: dict[str, JSONType] = field(default_factory=dict)
    _names: dict[object, str] = field(default_factory=dict)
    _open: set[object] = field(default_factory=set)

    def define(self, key: object, name: str, read: Callable[[], JSONType]) -> JSONType:
        """Return what `read` returns, or a Ref if reading it meets `key` again, now or earlier.

        Args:
            key: Identifies the type, e.g. the class.
            name: Preferred name of the definition; a number is appended if it is taken.
            read: Reads the type.
        """
        if key in self._open and key not in self._names:
            taken = set(self._names.values())
            numbered = (f"{name}{number}" for number in range(2, len(taken) + 3))
            self._names[key] = name if name not in taken else next(free for free in numbered if free not in taken)
        if key in self._names:
            return Ref(self._names[key])
        self._open.add(key)
        node = read()
        self._open.remove(key)
        if key not in self._names:
            return node
        self.by_name[self._names[key]] = node
        return Ref(self._names[key])


def walk(node: JSONType) -> Iterator[JSONType]:
    """Yield the node and all nodes below it, without following references."""
    yield node
    children: tuple[JSONType, ...] = ()
    match node:
        case ArrayType(items=items):
            children = (items,)
        case TupleType(items=nodes) | UnionType(options=nodes):
            children = nodes
        case MapType(values=values):
            children = (values,)
        case ObjectType(fields=fields):
            children = tuple(each.type for each in fields)
    for child in children:
        yield from walk(child)
