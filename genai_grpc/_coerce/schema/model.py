"""Intermediate representation of a schema: dataclasses between Python types and the schemas sent to the API."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeAlias

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
    "Validator",
    "children",
    "resolve",
    "walk",
]


class Validator(Protocol):
    """Builds values of a type. Both methods raise a ValueError if the JSON does not match the type."""

    def __call__(self, value: Any) -> Any:
        """Build the value from plain JSON."""
        ...

    def from_text(self, text: str) -> Any:
        """Build the value from the text of JSON."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeNode:
    """Base of all nodes.

    Attributes:
        description: Description for the model.
        nullable: Whether null is allowed too.
        constraints: Validation keywords of JSON Schema, such as "minimum" or "maxItems".
        validate: Builds the Python value, where the library that defines the type does it.
    """

    description: str = ""
    nullable: bool = False
    constraints: Mapping[str, Any] = field(default_factory=dict)
    validate: Validator | None = None


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
    """Values of one type under arbitrary keys, which are str; of the type `keys`, if that is given."""

    values: JSONType
    keys: JSONType | None = None


@dataclass(frozen=True, slots=True)
class Field:
    """A named value of an object."""

    name: str
    type: JSONType
    required: bool = True


@dataclass(frozen=True, slots=True)
class ObjectType(TypeNode):
    """Named values; `factory` is called with them as keyword arguments. `extra` is the type of the others."""

    fields: tuple[Field, ...]
    factory: Callable[..., Any] = dict
    extra: JSONType | None = None


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
    """The schema of a type.

    Attributes:
        root: The type's node.
        definitions: The nodes that a Ref in `root`, or in another definition, names.
        derived: What was computed from the schema, by the name of the function that did; not part of its value.
    """

    root: JSONType
    definitions: Mapping[str, JSONType]
    derived: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)


@dataclass(slots=True)
class Definitions:
    """Collects and names the types with parts of their own, so that each is read once, however often it is used."""

    by_name: dict[str, JSONType] = field(default_factory=dict)
    _names: dict[object, str] = field(default_factory=dict)

    def define(self, key: object, name: str, read: Callable[[], JSONType]) -> Ref:
        """Return a reference to what `read` returns, which is called for the first use of `key` only.

        Args:
            key: Identifies the type, e.g. the class.
            name: Preferred name of the definition; a number is appended if it is taken.
            read: Reads the type.
        """
        if key not in self._names:
            taken = set(self._names.values())
            numbered = (f"{name}{number}" for number in range(2, len(taken) + 3))
            self._names[key] = name if name not in taken else next(free for free in numbered if free not in taken)
            try:
                self.by_name[self._names[key]] = read()
            except BaseException:
                del self._names[key]
                raise
        return Ref(self._names[key])

    def resolve(self, node: JSONType) -> JSONType:
        """Return what a reference refers to, if that has been read; other nodes unchanged."""
        while isinstance(node, Ref) and node.name in self.by_name:
            node = resolve(node, self.by_name)
        return node


def resolve(ref: Ref, definitions: Mapping[str, JSONType]) -> JSONType:
    """Return the definition that a reference names, with what the reference adds to it."""
    target = definitions[ref.name]
    return replace(
        target,
        description=ref.description or target.description,
        nullable=ref.nullable or target.nullable,
        constraints={**target.constraints, **ref.constraints},
        validate=ref.validate or target.validate,
    )


def children(node: JSONType) -> tuple[JSONType, ...]:
    """Return the nodes directly below a node, without following references."""
    match node:
        case ArrayType(items=items):
            return (items,)
        case TupleType(items=nodes) | UnionType(options=nodes):
            return nodes
        case MapType(values=values, keys=keys):
            return (values,) if keys is None else (values, keys)
        case ObjectType(fields=fields, extra=extra):
            return (*(each.type for each in fields), *(() if extra is None else (extra,)))
    return ()


def walk(node: JSONType) -> Iterator[JSONType]:
    """Yield the node and all nodes below it, without following references."""
    yield node
    for child in children(node):
        yield from walk(child)
