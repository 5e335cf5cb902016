"""What a value may look like: small dataclasses between Python's types and the schemas that models are given."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = [
    "Anything",
    "Array",
    "Choice",
    "Definitions",
    "Either",
    "Field",
    "Fixed",
    "Outline",
    "Record",
    "Reference",
    "Scalar",
    "Shape",
    "Table",
    "within",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """What any shape may carry.

    Attributes:
        description: Words for the model.
        nullable: Whether null does as well.
        limits: Keywords of JSON Schema that narrow it further, such as "minimum" or "maxItems".
        validate: Makes the Python value of plain JSON, where a library that the type comes from does it.
    """

    description: str = ""
    nullable: bool = False
    limits: Mapping[str, Any] = field(default_factory=dict)
    validate: Callable[[Any], Any] | None = None


@dataclass(frozen=True, slots=True)
class Anything(Noted):
    """Any JSON value."""


@dataclass(frozen=True, slots=True)
class Scalar(Noted):
    """A single value, of a kind that JSON has and a format; `python` is what it becomes."""

    kind: str
    format: str = ""
    python: type[Any] = object


@dataclass(frozen=True, slots=True)
class Choice(Noted):
    """One of some JSON values; each stands for the member at its place."""

    values: tuple[str | int | float | bool, ...]
    members: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Array(Noted):
    """Items of one shape; `python` collects them."""

    items: Shape
    python: Callable[[list[Any]], Any] = list


@dataclass(frozen=True, slots=True)
class Fixed(Noted):
    """So many items, each of a shape of its own: a tuple."""

    items: tuple[Shape, ...]


@dataclass(frozen=True, slots=True)
class Table(Noted):
    """Values of one shape under any keys."""

    values: Shape


@dataclass(frozen=True, slots=True)
class Field:
    """A named value of a record."""

    name: str
    shape: Shape
    required: bool = True


@dataclass(frozen=True, slots=True)
class Record(Noted):
    """Named values; `python` is called with them by name."""

    fields: tuple[Field, ...]
    python: Callable[..., Any] = dict


@dataclass(frozen=True, slots=True)
class Either(Noted):
    """A value of one of some shapes."""

    options: tuple[Shape, ...]


@dataclass(frozen=True, slots=True)
class Reference(Noted):
    """A shape by its name among the definitions."""

    name: str


Shape: TypeAlias = Anything | Scalar | Choice | Array | Fixed | Table | Record | Either | Reference


@dataclass(frozen=True, slots=True)
class Outline:
    """A type, read: its shape, and by name the shapes in it that refer to themselves."""

    root: Shape
    named: Mapping[str, Shape]


@dataclass(slots=True)
class Definitions:
    """Gives names to the shapes that turn out to refer to themselves while they are read."""

    named: dict[str, Shape] = field(default_factory=dict)
    _names: dict[object, str] = field(default_factory=dict)
    _open: set[object] = field(default_factory=set)

    def read(self, key: object, name: str, reading: Callable[[], Shape]) -> Shape:
        """The shape that `reading` gives; a Reference if `key` is met again meanwhile, or was.

        Args:
            key: What is read, e.g. a class.
            name: What to call it; a number is added if the name is taken.
            reading: Reads it.
        """
        if key in self._open and key not in self._names:
            taken = set(self._names.values())
            numbered = (f"{name}{number}" for number in range(2, len(taken) + 3))
            self._names[key] = name if name not in taken else next(one for one in numbered if one not in taken)
        if key in self._names:
            return Reference(self._names[key])
        self._open.add(key)
        shape = reading()
        self._open.remove(key)
        if key not in self._names:
            return shape
        self.named[self._names[key]] = shape
        return Reference(self._names[key])


def within(shape: Shape) -> Iterator[Shape]:
    """The shape and all those in it, without following references."""
    yield shape
    inner: tuple[Shape, ...] = ()
    match shape:
        case Array(items=items):
            inner = (items,)
        case Fixed(items=several) | Either(options=several):
            inner = several
        case Table(values=values):
            inner = (values,)
        case Record(fields=fields):
            inner = tuple(one.shape for one in fields)
    for one in inner:
        yield from within(one)
