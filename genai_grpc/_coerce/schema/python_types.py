"""Python's types, read into shapes."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import inspect
import json
import sys
import types
import typing
import uuid
from collections import abc
from dataclasses import replace
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Union, get_args, get_origin

from genai_grpc._coerce.schema.docstrings import parameter_descriptions
from genai_grpc._coerce.schema.json_schema import read_json_schema
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
    Scalar,
    Shape,
    Table,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

__all__ = ["note_of", "read_type", "resolve"]

SUPPORTED: Final = (
    "int, float, str, bool, None, Any, an Enum, Literal, a union, list, tuple, set, dict with str keys, a TypedDict, "
    "a dataclass, a NamedTuple, a pydantic model, datetime, date, time, timedelta, UUID, Decimal"
)
HINTS: Final = {
    bytes: "JSON has no bytes; take a str of base64",
    bytearray: "JSON has no bytes; take a str of base64",
    complex: "JSON has no complex numbers; take two floats",
}

# The formats are those of https://spec.openapis.org/registry/format/
SCALARS: Final = {
    int: Scalar("integer", python=int),
    float: Scalar("number", python=float),
    str: Scalar("string", python=str),
    bool: Scalar("boolean", python=bool),
    types.NoneType: Scalar("null", python=types.NoneType),
    datetime.datetime: Scalar("string", "date-time", python=datetime.datetime),
    datetime.date: Scalar("string", "date", python=datetime.date),
    datetime.time: Scalar("string", "time", python=datetime.time),
    datetime.timedelta: Scalar("string", "duration", python=datetime.timedelta),
    uuid.UUID: Scalar("string", "uuid", python=uuid.UUID),
    decimal.Decimal: Scalar("number", python=decimal.Decimal),
}
ARRAYS: Final[Mapping[Any, Callable[[list[Any]], Any]]] = {
    list: list,
    abc.Sequence: list,
    abc.MutableSequence: list,
    abc.Collection: list,
    abc.Iterable: list,
    set: set,
    abc.Set: set,
    abc.MutableSet: set,
    frozenset: frozenset,
}
TABLES: Final = (dict, abc.Mapping, abc.MutableMapping)
CONTAINERS: Final = (tuple, *ARRAYS, *TABLES)

QUALIFIERS: Final = ("Required", "NotRequired", "ReadOnly", "Final")
# Classes with one of these are pydantic's own, or know how to describe themselves to it.
PYDANTIC: Final = ("__get_pydantic_core_schema__", "__pydantic_validator__")

# What metadata of Annotated calls its limits (https://github.com/annotated-types/annotated-types), in JSON Schema.
LIMITS: Final = {
    "ge": "minimum",
    "gt": "exclusiveMinimum",
    "le": "maximum",
    "lt": "exclusiveMaximum",
    "multiple_of": "multipleOf",
    "pattern": "pattern",
}
LENGTHS: Final = {
    "min_length": {"string": "minLength", "array": "minItems"},
    "max_length": {"string": "maxLength", "array": "maxItems"},
}


def read_type(kind: Any, path: str, definitions: Definitions | None = None) -> Outline:
    """The outline of a type.

    Args:
        kind: The type.
        path: Where it stands, for errors.
        definitions: Those of other types that are to stand in one schema with it.

    Raises:
        TypeError: It, or a type in it, is not supported or cannot be resolved; the message says which and where.

    >>> read_type(bool, "answer").root.kind
    'boolean'
    """
    definitions = definitions or Definitions()
    root = _read(kind, path, definitions)
    return Outline(root, definitions.named)


def resolve(annotations: Mapping[str, Any], names: Mapping[str, Any], path: str) -> dict[str, Any]:
    """Annotations with what is said as a str evaluated.

    Args:
        annotations: Types, or str of them, by what they annotate.
        names: The names that such a str may use.
        path: What they annotate, for errors.

    Raises:
        TypeError: One of them uses a name that is not known when the program runs.
    """
    # Not the function itself: up to Python 3.10 a default of None would make the type optional.
    return _hints(types.SimpleNamespace(__annotations__=dict(annotations)), path, dict(names))


def note_of(hint: Any) -> str:
    """The description in an Annotated type: a str, pydantic's Field(description=...), or PEP 727's Doc; else ""."""
    while (origin := get_origin(hint)) in _special(*QUALIFIERS):
        hint = get_args(hint)[0]
    if origin is not typing.Annotated:
        return ""
    for one in hint.__metadata__:
        for said in (one, getattr(one, "description", None), getattr(one, "documentation", None)):
            if isinstance(said, str):
                return said
    return ""


def _special(*names: str) -> tuple[Any, ...]:
    """These of `typing`, and those that `typing_extensions` has of its own."""
    modules = (typing, sys.modules.get("typing_extensions"))
    return tuple(getattr(module, name) for module in modules for name in names if hasattr(module, name))


def _hints(holder: Any, path: str, names: dict[str, Any] | None = None) -> dict[str, Any]:
    # A class may name itself, also where it is no global.
    local = {holder.__name__: holder} if isinstance(holder, type) else None
    try:
        return typing.get_type_hints(holder, names, local, include_extras=True)
    except NameError as error:
        raise TypeError(
            f"{path}: cannot resolve the annotations: {error}; import or define it at the top of its module, "
            "and not for type checkers only"
        ) from None


def _read(kind: Any, path: str, definitions: Definitions) -> Shape:
    kind = types.NoneType if kind is None else kind
    if any(kind is one for one in (Any, object, inspect.Parameter.empty)):
        return Anything()
    for scalar, shape in SCALARS.items():
        if kind is scalar:
            return shape
    if isinstance(kind, _special("TypeAliasType")):
        return definitions.read(kind, kind.__name__, lambda: _read(kind.__value__, path, definitions))
    if isinstance(kind, typing.NewType):
        return _read(kind.__supertype__, path, definitions)
    if (origin := get_origin(kind)) is not None or any(kind is one for one in CONTAINERS):
        return _read_form(kind, origin or kind, path, definitions)
    if isinstance(kind, type):
        return _read_class(kind, path, definitions)
    raise _refusal(kind, path)


def _read_form(kind: Any, origin: Any, path: str, definitions: Definitions) -> Shape:
    """A type that is made of others."""
    arguments = get_args(kind)
    if origin is typing.Annotated:
        return _narrow(_read(arguments[0], path, definitions), kind.__metadata__, note_of(kind))
    if origin in _special(*QUALIFIERS):
        return _read(arguments[0], path, definitions)
    if origin in _special("Literal"):
        return _choice(arguments)
    if origin in (Union, types.UnionType):
        return _union(arguments, path, definitions)
    if origin is tuple:
        return _tuple(arguments, path, definitions)
    if origin in ARRAYS:
        return Array(_read(arguments[0] if arguments else Any, f"{path}[]", definitions), ARRAYS[origin])
    if origin in TABLES:
        key, value = arguments or (str, Any)
        if key not in (str, Any):
            raise _refusal(kind, path, "the keys of JSON objects are str")
        return Table(_read(value, f"{path}[str]", definitions))
    raise _refusal(kind, path)


def _tuple(arguments: tuple[Any, ...], path: str, definitions: Definitions) -> Shape:
    match arguments:
        case (item, last) if last is ...:
            return Array(_read(item, f"{path}[]", definitions), tuple)
        case () | ((),):  # `tuple`; `tuple[()]` is () to Python 3.10
            return Array(Anything(), tuple)
    return Fixed(tuple(_read(item, f"{path}[{number}]", definitions) for number, item in enumerate(arguments)))


def _union(arguments: tuple[Any, ...], path: str, definitions: Definitions) -> Shape:
    kept = [one for one in arguments if one is not types.NoneType]
    options = tuple(_read(one, path, definitions) for one in kept)
    nullable = len(kept) < len(arguments)
    if len(options) == 1:
        return replace(options[0], nullable=nullable or options[0].nullable)
    return Either(options, nullable=nullable)


def _choice(members: Iterable[Any]) -> Shape:
    """The choice that a Literal gives."""
    members = list(members)
    kept = tuple(member for member in members if member is not None)
    values = tuple(_spelling(member) if isinstance(member, Enum) else member for member in kept)
    return Choice(values, kept, nullable=len(kept) < len(members)) if kept else SCALARS[types.NoneType]


def _spelling(member: Enum) -> str:
    """What stands for a member: its value where all values of its enum are str, else its name."""
    return str(member.value) if all(isinstance(one.value, str) for one in type(member)) else member.name


def _narrow(shape: Shape, metadata: Iterable[Any], note: str) -> Shape:
    """The shape with what is said in the metadata of an Annotated type: a description and limits."""
    match shape:
        case Scalar(kind=kind):
            pass
        case Array() | Fixed():
            kind = "array"
        case _:
            kind = ""
    limits = {}
    # pydantic's Field holds what it was given as metadata in turn.
    for one in [inner for outer in metadata for inner in (outer, *_inner(outer))]:
        for name, keyword in LIMITS.items():
            if isinstance(limit := getattr(one, name, None), (int, float, str)):
                limits[keyword] = limit
        for name, keywords in LENGTHS.items():
            if kind in keywords and isinstance(limit := getattr(one, name, None), int):
                limits[keywords[kind]] = limit
    return replace(shape, description=note or shape.description, limits={**shape.limits, **limits})


def _inner(metadata: Any) -> list[Any]:
    inner = getattr(metadata, "metadata", None)
    return inner if isinstance(inner, list) else []


def _read_class(kind: Any, path: str, definitions: Definitions) -> Shape:
    pydantic = sys.modules.get("pydantic")
    if pydantic is not None and any(hasattr(kind, name) for name in PYDANTIC):
        return _read_pydantic(pydantic, kind, path, definitions)
    if issubclass(kind, Enum) and len(kind):
        members = list(kind)
        return Choice(tuple(map(_spelling, members)), tuple(members), description=_description(kind))
    for reading in _read_typed_dict, _read_dataclass, _read_named_tuple:
        if (fields := reading(kind)) is not None:
            return definitions.read(kind, kind.__name__, partial(_record, kind, fields, path, definitions))
    raise _refusal(kind, path)


# The names of a record's fields, whether each is required, and what is said of it.
_Names = dict[str, tuple[bool, str]]


def _read_typed_dict(kind: Any) -> _Names | None:
    required: frozenset[str] | None = getattr(kind, "__required_keys__", None)
    if required is None or not issubclass(kind, dict):
        return None
    return {name: (name in required, "") for name in kind.__annotations__}


def _read_dataclass(kind: Any) -> _Names | None:
    if not dataclasses.is_dataclass(kind):
        return None
    none = dataclasses.MISSING
    return {
        one.name: (one.default is none and one.default_factory is none, one.metadata.get("description", ""))
        for one in dataclasses.fields(kind)
        if one.init
    }


def _read_named_tuple(kind: Any) -> _Names | None:
    names: tuple[str, ...] | None = getattr(kind, "_fields", None)
    defaults: Mapping[str, Any] | None = getattr(kind, "_field_defaults", None)
    if names is None or defaults is None or not issubclass(kind, tuple):
        return None
    return {name: (name not in defaults, "") for name in names}


def _record(kind: Any, names: _Names, path: str, definitions: Definitions) -> Shape:
    hints = _hints(kind, path)
    said = parameter_descriptions(kind.__dict__.get("__doc__"))
    fields = []
    for name, (required, description) in names.items():
        hint = hints.get(name, Any)
        shape = _read(hint, f"{path}.{name}", definitions)
        note = note_of(hint) or description or said.get(name) or shape.description
        fields.append(Field(name, replace(shape, description=note), _is_required(hint, required)))
    return Record(tuple(fields), dict if issubclass(kind, dict) else kind, description=_description(kind))


def _is_required(hint: Any, otherwise: bool) -> bool:
    """Whether a key is required. A TypedDict does not know itself where its annotations are str."""
    while (origin := get_origin(hint)) is typing.Annotated or origin in _special(*QUALIFIERS):
        if origin in _special("Required", "NotRequired"):
            return origin in _special("Required")
        hint = get_args(hint)[0]
    return otherwise


def _description(kind: Any) -> str:
    """A class's docstring, unless it wrote none and has the one that Python writes."""
    written = kind.__dict__.get("__doc__") or ""
    generated = written == "An enumeration." or written.startswith(f"{kind.__name__}(")
    return "" if generated else inspect.cleandoc(written)


def _read_pydantic(pydantic: Any, kind: Any, path: str, definitions: Definitions) -> Shape:
    """A type that pydantic knows describes itself, in JSON Schema, and is made by pydantic."""
    try:
        adapter = pydantic.TypeAdapter(kind)
        schema = adapter.json_schema()
    except pydantic.errors.PydanticUserError as error:
        raise TypeError(f"{path}: pydantic cannot make a schema of {kind.__qualname__}: {error}") from error
    shape = read_json_schema(schema, kind, definitions)
    # As JSON, since a strict model takes a date from JSON's str, but not from Python's.
    return replace(shape, validate=lambda value: adapter.validate_json(json.dumps(_whole(value))))


def _whole(value: Any) -> Any:
    """Plain JSON with whole numbers as int: on the wire of calls all numbers are float."""
    match value:
        case float() if value.is_integer():
            return int(value)
        case dict():
            return {key: _whole(item) for key, item in value.items()}
        case list():
            return [_whole(item) for item in value]
    return value


def _refusal(kind: Any, path: str, hint: str = "") -> TypeError:
    name = kind.__qualname__ if isinstance(kind, type) and get_origin(kind) is None else repr(kind)
    if not isinstance(kind, type) and get_origin(kind) is None:
        name = f"{name} ({type(kind).__name__})"
    hint = hint or next((words for one, words in HINTS.items() if kind is one), "")
    return TypeError(f"{path}: cannot make a schema of {name}{f' ({hint})' if hint else ''}; supported are {SUPPORTED}")
