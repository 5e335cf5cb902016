"""Python types to type nodes."""

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
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from enum import Enum
from functools import partial
from typing import Any, Final, Union, get_args, get_origin

from genai_grpc._coerce.schema.annotations import field_names, signature, type_hints
from genai_grpc._coerce.schema.cache import cached
from genai_grpc._coerce.schema.docstrings import own_docstring, parameter_descriptions
from genai_grpc._coerce.schema.json_schema import read_json_schema
from genai_grpc._coerce.schema.model import (
    AnyType,
    ArrayType,
    Definitions,
    EnumType,
    Field,
    JSONType,
    MapType,
    ObjectType,
    ScalarType,
    TupleType,
    TypeSchema,
    UnionType,
)

__all__ = ["PydanticValidator", "description_of", "read_type"]

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
    int: ScalarType("integer", python_type=int),
    float: ScalarType("number", python_type=float),
    str: ScalarType("string", python_type=str),
    bool: ScalarType("boolean", python_type=bool),
    types.NoneType: ScalarType("null", python_type=types.NoneType),
    datetime.datetime: ScalarType("string", "date-time", python_type=datetime.datetime),
    datetime.date: ScalarType("string", "date", python_type=datetime.date),
    datetime.time: ScalarType("string", "time", python_type=datetime.time),
    datetime.timedelta: ScalarType("string", "duration", python_type=datetime.timedelta),
    uuid.UUID: ScalarType("string", "uuid", python_type=uuid.UUID),
    decimal.Decimal: ScalarType("number", python_type=decimal.Decimal),
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
MAPS: Final = (dict, abc.Mapping, abc.MutableMapping)
CONTAINERS: Final = (tuple, *ARRAYS, *MAPS)

QUALIFIERS: Final = ("Required", "NotRequired", "ReadOnly", "Final")
# A class with one of these attributes is a pydantic type, or describes itself to pydantic.
PYDANTIC_ATTRIBUTES: Final = ("__get_pydantic_core_schema__", "__pydantic_validator__")

# Constraints in Annotated metadata (https://github.com/annotated-types/annotated-types) to keywords of JSON Schema.
CONSTRAINTS: Final = {
    "ge": "minimum",
    "gt": "exclusiveMinimum",
    "le": "maximum",
    "lt": "exclusiveMaximum",
    "multiple_of": "multipleOf",
    "pattern": "pattern",
}
LENGTHS: Final = {
    "min_length": {"string": "minLength", "array": "minItems", "object": "minProperties"},
    "max_length": {"string": "maxLength", "array": "maxItems", "object": "maxProperties"},
}


def read_type(python_type: Any, path: str, definitions: Definitions | None = None) -> TypeSchema:
    """Read a type into a schema; a type without shared definitions is read once.

    Args:
        python_type: The type.
        path: Location of the type, for errors.
        definitions: Definitions shared with other types of the same schema.

    Raises:
        TypeError: The type, or a type in it, is not supported or cannot be resolved; the message names it and its path.

    >>> read_type(bool, "answer").root.json_type
    'boolean'
    """
    if definitions is not None:
        return TypeSchema(_read(python_type, path, definitions), definitions.by_name)

    def read() -> TypeSchema:
        own = Definitions()
        return TypeSchema(_read(python_type, path, own), own.by_name)

    return cached(python_type, read)


def description_of(hint: Any) -> str:
    """Return the description in an Annotated type, or "".

    It is a str, pydantic's Field(description=...), or PEP 727's Doc.
    """
    while (origin := get_origin(hint)) in _from_typing(*QUALIFIERS):
        hint = get_args(hint)[0]
    if origin is not typing.Annotated:
        return ""
    for item in hint.__metadata__:
        for text in (item, getattr(item, "description", None), getattr(item, "documentation", None)):
            if isinstance(text, str):
                return text
    return ""


def _from_typing(*names: str) -> tuple[Any, ...]:
    """Return the objects of these names in `typing`, and in `typing_extensions` if it is imported."""
    modules = (typing, sys.modules.get("typing_extensions"))
    return tuple(getattr(module, name) for module in modules for name in names if hasattr(module, name))


def _read(python_type: Any, path: str, definitions: Definitions) -> JSONType:
    python_type = types.NoneType if python_type is None else python_type
    if isinstance(python_type, dataclasses.InitVar):
        python_type = python_type.type
    if any(python_type is any_type for any_type in (Any, object, inspect.Parameter.empty)):
        return AnyType()
    for scalar, node in SCALARS.items():
        if python_type is scalar:
            return node
    if isinstance(python_type, _from_typing("TypeAliasType")):
        return definitions.define(
            python_type, python_type.__name__, lambda: _read(python_type.__value__, path, definitions)
        )
    if isinstance(python_type, typing.NewType):
        return _read(python_type.__supertype__, path, definitions)
    if (origin := get_origin(python_type)) is not None or any(python_type is container for container in CONTAINERS):
        return _read_generic(python_type, origin or python_type, path, definitions)
    if isinstance(python_type, type):
        return _read_class(python_type, path, definitions)
    raise _unsupported(python_type, path)


def _read_generic(python_type: Any, origin: Any, path: str, definitions: Definitions) -> JSONType:
    arguments = get_args(python_type)
    if origin is typing.Annotated:
        node = _read(arguments[0], path, definitions)
        node = _annotate(definitions.resolve(node), python_type.__metadata__) or node
        return replace(node, description=description_of(python_type) or node.description)
    if origin in _from_typing(*QUALIFIERS):
        return _read(arguments[0], path, definitions)
    if origin in _from_typing("Literal"):
        return _literal(arguments, path)
    if origin in (Union, types.UnionType):
        return _union(arguments, path, definitions)
    if origin is tuple:
        return _tuple(python_type, arguments, path, definitions)
    if origin in ARRAYS:
        return ArrayType(_read(arguments[0] if arguments else Any, f"{path}[]", definitions), ARRAYS[origin])
    if origin in MAPS:
        key, value = arguments or (str, Any)
        if key not in (str, Any):
            raise _unsupported(python_type, path, "the keys of JSON objects are str")
        return MapType(_read(value, f"{path}[str]", definitions))
    raise _unsupported(python_type, path)


def _tuple(python_type: Any, arguments: tuple[Any, ...], path: str, definitions: Definitions) -> JSONType:
    match arguments:
        case (item, last) if last is ...:
            return ArrayType(_read(item, f"{path}[]", definitions), tuple)
        case () if python_type in (tuple, typing.Tuple):  # noqa: UP006 -- bare, and not the empty `tuple[()]`
            return ArrayType(AnyType(), tuple)
        case ((),):  # those of `tuple[()]` up to Python 3.10
            arguments = ()
    return TupleType(tuple(_read(item, f"{path}[{number}]", definitions) for number, item in enumerate(arguments)))


def _union(arguments: tuple[Any, ...], path: str, definitions: Definitions) -> JSONType:
    options = tuple(_read(each, path, definitions) for each in arguments if each is not types.NoneType)
    nullable = len(options) < len(arguments)
    if len(options) == 1:
        return replace(options[0], nullable=nullable or options[0].nullable)
    return UnionType(options, nullable=nullable)


def _literal(arguments: tuple[Any, ...], path: str) -> JSONType:
    members = tuple(member for member in arguments if member is not None)
    for member in members:
        if not isinstance(member, (str, int, Enum)):
            raise TypeError(f"{path}: a Literal of {type(member).__name__} has no JSON form; use a Literal of str")
    values = tuple(_enum_value(member) if isinstance(member, Enum) else member for member in members)
    return EnumType(values, members, nullable=len(members) < len(arguments)) if members else SCALARS[types.NoneType]


def _enum_value(member: Enum) -> str:
    """Return the JSON value of a member: its value if all values of the enum are str, else its name."""
    return str(member.value) if all(isinstance(each.value, str) for each in type(member)) else member.name


def _annotate(node: JSONType, metadata: Iterable[Any]) -> JSONType | None:
    """Return the node with the constraints of Annotated metadata; None if there are none for it."""
    metadata = list(metadata)
    if isinstance(node, UnionType):
        options = [_annotate(option, metadata) or option for option in node.options]
        return replace(node, options=tuple(options)) if tuple(options) != node.options else None
    json_type = _json_type(node)
    constraints = {}
    # pydantic's Field holds its constraints as metadata of its own.
    for item in [inner for outer in metadata for inner in (outer, *_nested_metadata(outer))]:
        for name, keyword in CONSTRAINTS.items():
            if isinstance(value := getattr(item, name, None), (int, float, str)):
                constraints[keyword] = value
        for name, keywords in LENGTHS.items():
            if json_type in keywords and isinstance(value := getattr(item, name, None), int):
                constraints[keywords[json_type]] = value
    return replace(node, constraints={**node.constraints, **constraints}) if constraints else None


def _json_type(node: JSONType) -> str:
    match node:
        case ScalarType(json_type=json_type):
            return json_type
        case ArrayType() | TupleType():
            return "array"
        case MapType() | ObjectType():
            return "object"
    return ""


def _nested_metadata(item: Any) -> list[Any]:
    metadata = getattr(item, "metadata", None)
    return metadata if isinstance(metadata, list) else []


def _read_class(cls: Any, path: str, definitions: Definitions) -> JSONType:
    pydantic = sys.modules.get("pydantic")
    if pydantic is not None and any(hasattr(cls, name) for name in PYDANTIC_ATTRIBUTES):
        return _read_pydantic(pydantic, cls, path, definitions)
    if issubclass(cls, Enum) and len(cls):
        members = tuple(cls)
        return EnumType(tuple(map(_enum_value, members)), members, description=_class_description(cls))
    for read_fields in _typed_dict_fields, _dataclass_fields, _named_tuple_fields:
        if (fields := read_fields(cls)) is not None:
            return definitions.define(cls, cls.__name__, partial(_object, cls, fields, path, definitions))
    raise _unsupported(cls, path)


# By field name: whether it is required, and its description.
_Fields = dict[str, tuple[bool, str]]


def _typed_dict_fields(cls: Any) -> _Fields | None:
    required: frozenset[str] | None = getattr(cls, "__required_keys__", None)
    if required is None or not issubclass(cls, dict):
        return None
    return {name: (name in required, "") for name in field_names(cls)}


def _dataclass_fields(cls: Any) -> _Fields | None:
    constructor: Callable[..., Any] = cls
    if not dataclasses.is_dataclass(cls):
        return None
    described = {field.name: field.metadata.get("description", "") for field in dataclasses.fields(cls)}
    # Of the signature, since InitVars are not among the fields.
    return {
        name: (parameter.default is inspect.Parameter.empty, described.get(name, ""))
        for name, parameter in signature(constructor).parameters.items()
        if parameter.kind not in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    }


def _named_tuple_fields(cls: Any) -> _Fields | None:
    names: tuple[str, ...] | None = getattr(cls, "_fields", None)
    defaults: Mapping[str, Any] | None = getattr(cls, "_field_defaults", None)
    if names is None or defaults is None or not issubclass(cls, tuple):
        return None
    return {name: (name not in defaults, "") for name in names}


def _object(cls: Any, class_fields: _Fields, path: str, definitions: Definitions) -> JSONType:
    hints = type_hints(cls, path)
    documented: dict[str, str] = {}
    for base in reversed(cls.__mro__):  # inherited fields are described where they are declared
        if base not in (object, dict, tuple):
            documented |= parameter_descriptions(own_docstring(base))
    fields = []
    for name, (required, metadata_description) in class_fields.items():
        hint = hints.get(name, Any)
        node = _read(hint, f"{path}.{name}", definitions)
        description = description_of(hint) or metadata_description or documented.get(name) or node.description
        fields.append(Field(name, replace(node, description=description), _is_required(hint, required)))
    return ObjectType(tuple(fields), dict if issubclass(cls, dict) else cls, description=_class_description(cls))


def _is_required(hint: Any, default: bool) -> bool:
    """Whether a key is required; a TypedDict does not know it itself where its annotations are str."""
    while (origin := get_origin(hint)) is typing.Annotated or origin in _from_typing(*QUALIFIERS):
        if origin in _from_typing("Required", "NotRequired"):
            return origin in _from_typing("Required")
        hint = get_args(hint)[0]
    return default


def _class_description(cls: Any) -> str:
    """Return a class's own docstring, without those that Python generates."""
    docstring = own_docstring(cls)
    generated = docstring == "An enumeration." or docstring.startswith(f"{cls.__name__}(")
    return "" if generated else docstring


def _read_pydantic(pydantic: Any, cls: Any, path: str, definitions: Definitions) -> JSONType:
    """Read a type through the JSON Schema that pydantic makes of it; its values are built by pydantic too."""
    try:
        adapter = pydantic.TypeAdapter(cls)
        schema = adapter.json_schema()
    except pydantic.errors.PydanticUserError as error:
        raise TypeError(f"{path}: pydantic cannot make a schema of {cls.__qualname__}: {error}") from error
    return replace(read_json_schema(schema, cls, definitions), validate=PydanticValidator(adapter))


@dataclasses.dataclass(frozen=True, slots=True)
class PydanticValidator:
    """Builds values with a TypeAdapter of pydantic."""

    adapter: Any

    def __call__(self, value: Any) -> Any:
        """Build the value from plain JSON."""
        # As JSON, since a strict model accepts a date as a JSON string, but not as a Python str.
        return self.from_text(json.dumps(_restore_integers(value)))

    def from_text(self, text: str) -> Any:
        """Build the value from the text of JSON."""
        return self.adapter.validate_json(text)


def _restore_integers(value: Any) -> Any:
    """Return plain JSON with integral floats as int: the arguments of a function call are sent as double."""
    match value:
        case float() if value.is_integer():
            return int(value)
        case dict():
            return {key: _restore_integers(item) for key, item in value.items()}
        case list():
            return [_restore_integers(item) for item in value]
    return value


def _unsupported(python_type: Any, path: str, hint: str = "") -> TypeError:
    is_class = isinstance(python_type, type) and get_origin(python_type) is None
    name = python_type.__qualname__ if is_class else repr(python_type)
    if not isinstance(python_type, type) and get_origin(python_type) is None:
        name = f"{name} ({type(python_type).__name__})"
    hint = hint or next((text for each, text in HINTS.items() if python_type is each), "")
    return TypeError(f"{path}: cannot make a schema of {name}{f' ({hint})' if hint else ''}; supported are {SUPPORTED}")
