"""Python types read into a few small shapes, from which schemas are written.

>>> read(list[int], "the schema").shape
Array(items=Scalar(type='INTEGER', format=''), length=None)
"""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import inspect
import sys
import types
import typing
import uuid
from collections import abc
from dataclasses import dataclass, field
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Final,
    Literal,
    TypeAlias,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from genai_grpc._coerce.docstrings import parameters_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = [
    "ANY",
    "MANY",
    "MAPS",
    "UNIONS",
    "Anything",
    "Array",
    "Choice",
    "Field",
    "Map",
    "Nullable",
    "OneOf",
    "Reading",
    "Record",
    "Reference",
    "Scalar",
    "Shape",
    "described",
    "fields_of",
    "is_named_tuple",
    "is_pydantic",
    "read",
    "read_fields",
    "to_word",
]


@dataclass(frozen=True, slots=True)
class Scalar:
    """A value of one of the service's simple types."""

    type: Literal["STRING", "INTEGER", "NUMBER", "BOOLEAN", "NULL"]
    format: str = ""


@dataclass(frozen=True, slots=True)
class Choice:
    """One of these values."""

    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Array:
    """Values of one shape; so many of them, if `length` is given."""

    items: Shape
    length: int | None = None


@dataclass(frozen=True, slots=True)
class Map:
    """Values of one shape under any keys."""

    values: Shape


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a record, or one parameter of a function."""

    name: str
    shape: Shape
    required: bool
    description: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """An object with named fields."""

    name: str
    fields: tuple[Field, ...]
    description: str = ""


@dataclass(frozen=True, slots=True)
class OneOf:
    """A value of one of these shapes."""

    options: tuple[Shape, ...]


@dataclass(frozen=True, slots=True)
class Nullable:
    """A value of this shape, or null."""

    shape: Shape


@dataclass(frozen=True, slots=True)
class Anything:
    """Any JSON."""


@dataclass(frozen=True, slots=True)
class Reference:
    """The record of this name, inside which it stands."""

    name: str


Shape: TypeAlias = "Scalar | Choice | Array | Map | Record | OneOf | Nullable | Anything | Reference"

SUPPORTED: Final = (
    "int, float, str, bool, Enum, Literal, Optional, Union, list, tuple, set, dict, TypedDict, dataclass, NamedTuple, "
    "pydantic model, datetime, date, time, UUID, Decimal"
)

SCALARS: Final[dict[Any, Scalar]] = {
    str: Scalar("STRING"),
    int: Scalar("INTEGER"),
    float: Scalar("NUMBER"),
    bool: Scalar("BOOLEAN"),
    type(None): Scalar("NULL"),
    datetime.datetime: Scalar("STRING", "date-time"),
    datetime.date: Scalar("STRING", "date"),
    datetime.time: Scalar("STRING", "time"),
    uuid.UUID: Scalar("STRING", "uuid"),
    decimal.Decimal: Scalar("STRING"),
}
# What holds many values of one type, by what it is made of again.
MANY: Final[dict[Any, Callable[[Iterator[Any]], Any]]] = {
    list: list,
    set: set,
    frozenset: frozenset,
    abc.Sequence: list,
    abc.MutableSequence: list,
    abc.Iterable: list,
    abc.Collection: list,
    abc.Set: set,
    abc.MutableSet: set,
}
MAPS: Final = frozenset({dict, abc.Mapping, abc.MutableMapping})
UNIONS: Final = frozenset({Union, types.UnionType})
ANY: Final = frozenset({Any, object})

# Name, type, whether required, and description.
Named: TypeAlias = tuple[str, Any, bool, str]


@dataclass
class Reading:
    """The shape of a type, and the records in it that stand inside themselves."""

    shape: Shape
    recursive: dict[str, Record] = field(default_factory=dict)


def read(hint: Any, where: str) -> Reading:
    """Read a type.

    Args:
        hint: The type.
        where: What to call its place in an error.

    Raises:
        TypeError: It is none that JSON could hold; the message says which and where.
    """
    reader = _Reader()
    shape = reader.read(hint, where)
    return Reading(shape, reader.recursive)


def read_fields(fields: list[Named], where: str) -> tuple[tuple[Field, ...], dict[str, Record]]:
    """Read named types: the parameters of a function."""
    reader = _Reader()
    return reader.fields(fields, where), reader.recursive


class _Reader:
    """Reads types, and knows inside which records it is."""

    def __init__(self) -> None:
        self.recursive: dict[str, Record] = {}
        self._open: list[type] = []
        self._referred: set[type] = set()

    def read(self, hint: Any, where: str) -> Shape:
        hint, _ = described(hint)
        try:
            if hint in SCALARS:
                return SCALARS[hint]
            if hint in ANY or isinstance(hint, TypeVar):
                return Anything()
        except TypeError:  # unhashable, so no type
            raise _unsupported(hint, where) from None
        origin, arguments = get_origin(hint) or hint, get_args(hint)
        if origin is Literal:
            return Choice(tuple(arguments))
        if origin in UNIONS:
            return self._union(arguments, where)
        if origin in MANY:
            return Array(self.read(arguments[0], f"{where}[]") if arguments else Anything())
        if origin is tuple:
            return self._tuple(arguments, where)
        if origin in MAPS:
            return Map(self.read(arguments[1], f"{where}[]") if arguments else Anything())
        if isinstance(hint, type) and issubclass(hint, enum.Enum):
            return Choice(tuple(member.value for member in hint))
        if (fields := fields_of(origin)) is not None:
            return self._record(origin, fields, where)
        raise _unsupported(hint, where)

    def fields(self, fields: list[Named], where: str) -> tuple[Field, ...]:
        return tuple(
            Field(name, self.read(hint, f"{where}.{name}"), required, description or described(hint)[1])
            for name, hint, required, description in fields
        )

    def _union(self, arguments: tuple[Any, ...], where: str) -> Shape:
        options = tuple(self.read(option, where) for option in arguments if option is not type(None))
        shape = options[0] if len(options) == 1 else OneOf(options)
        return Nullable(shape) if type(None) in arguments else shape

    def _tuple(self, arguments: tuple[Any, ...], where: str) -> Shape:
        match arguments:
            case () | ((),):
                return Array(Anything())
            case (item, types.EllipsisType()):
                return Array(self.read(item, f"{where}[]"))
        shapes = tuple(self.read(item, f"{where}[{n}]") for n, item in enumerate(arguments))
        return Array(shapes[0] if len(set(shapes)) == 1 else OneOf(tuple(dict.fromkeys(shapes))), len(shapes))

    def _record(self, cls: Any, fields: list[Named], where: str) -> Shape:
        if cls in self._open:
            self._referred.add(cls)
            return Reference(cls.__name__)
        self._open.append(cls)
        record = Record(cls.__name__, self.fields(fields, where), _class_description(cls))
        self._open.pop()
        if cls in self._referred:
            self.recursive[cls.__name__] = record
            return Reference(cls.__name__)
        return record


def to_word(choice: object) -> str:
    """A choice in words: the enum of a Schema has no others."""
    return str(choice).lower() if isinstance(choice, bool) else str(choice)


def described(hint: Any) -> tuple[Any, str]:
    """A type without its annotations, and the description among them: a str, or a pydantic Field's."""
    description = ""
    while True:
        if get_origin(hint) is Annotated:
            hint, *notes = get_args(hint)
            found = (note if isinstance(note, str) else getattr(note, "description", None) for note in notes)
            description = description or next((said for said in found if isinstance(said, str)), "")
        elif _origin_name(hint) in ("Required", "NotRequired", "ReadOnly"):
            hint = get_args(hint)[0]
        elif (plain := _plain(hint)) is not hint:
            hint = plain
        else:
            return hint, description


def _plain(hint: Any) -> Any:
    """What a NewType or a `type` alias stands for; anything else as it is."""
    if isinstance(hint, typing.NewType):
        return hint.__supertype__
    alias = getattr(typing, "TypeAliasType", None)
    return hint.__value__ if alias is not None and isinstance(hint, alias) else hint


def fields_of(cls: Any) -> list[Named] | None:
    """The fields of a record type; None if it is no such type."""
    if not isinstance(cls, type):
        return None
    if is_pydantic(cls):
        model: Any = cls
        return [
            (item.alias or name, item.rebuild_annotation(), item.is_required(), item.description or "")
            for name, item in model.model_fields.items()
        ]
    if issubclass(cls, dict) and hasattr(cls, "__required_keys__"):
        return [(name, hint, _is_required(cls, name, hint), "") for name, hint in _hints(cls).items()]
    said = parameters_of(cls.__dict__.get("__doc__") or "")
    if dataclasses.is_dataclass(cls):
        hints, missing = _hints(cls), dataclasses.MISSING
        return [
            (item.name, hints[item.name], item.default is missing is item.default_factory, said.get(item.name, ""))
            for item in dataclasses.fields(cls)
            if item.init
        ]
    if is_named_tuple(cls):
        defaults: Any = vars(cls)["_field_defaults"]
        return [(name, hint, name not in defaults, said.get(name, "")) for name, hint in _hints(cls).items()]
    return None


def is_pydantic(cls: Any) -> bool:
    """Whether a type is a pydantic model; pydantic is looked at only if the program has imported it."""
    pydantic = sys.modules.get("pydantic")
    return pydantic is not None and isinstance(cls, type) and issubclass(cls, pydantic.BaseModel)


def is_named_tuple(cls: Any) -> bool:
    """Whether a type is a NamedTuple with annotations."""
    return isinstance(cls, type) and issubclass(cls, tuple) and hasattr(cls, "_field_defaults")


def _is_required(cls: Any, name: str, hint: Any) -> bool:
    # `__required_keys__` does not see a Required or NotRequired in an annotation that is a string.
    match _origin_name(hint):
        case "Required":
            return True
        case "NotRequired":
            return False
    return name in cls.__required_keys__


def _origin_name(hint: Any) -> str:
    origin = get_origin(hint)
    name: str = getattr(origin, "__name__", getattr(origin, "_name", "")) or ""
    return name


def _hints(cls: Any) -> dict[str, Any]:
    return get_type_hints(cls, include_extras=True)


def _class_description(cls: type) -> str:
    """A class's own docstring, its first paragraph; not the one that a dataclass or a NamedTuple is given."""
    text = inspect.cleandoc(cls.__dict__.get("__doc__") or "")
    return "" if text.startswith(f"{cls.__name__}(") else text.partition("\n\n")[0].replace("\n", " ")


def _unsupported(hint: Any, where: str) -> TypeError:
    name = getattr(hint, "__name__", None) or repr(hint)
    return TypeError(f"cannot make a schema of {name} for {where}; supported are {SUPPORTED}")
