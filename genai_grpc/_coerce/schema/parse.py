"""Plain JSON to values of Python types."""

from __future__ import annotations

import datetime
import decimal
import json
import re
import types
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, get_origin

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
    children,
)
from genai_grpc._coerce.schema.python_types import PydanticValidator, read_type
from genai_grpc_protos._convert import as_message

__all__ = ["build", "parse_as", "parse_text"]


def parse_as(python_type: Any, value: Any, path: str = "answer") -> Any:
    """Convert plain JSON that follows a type's schema to an instance of the type.

    Integral floats become int where the type is int. Of a union, the first type that matches is used. JSON of a schema
    that was passed as a Schema or a dict is returned unchanged.

    Args:
        python_type: The type, as `to_schema` takes it.
        value: The JSON, as `json.loads` returns it.
        path: Name of the value, for errors.

    Raises:
        ValueError: The JSON does not match the type; the message names the location.
        TypeError: The type is not supported.

    >>> parse_as(dict[str, list[int]], {"primes": [2.0, 3.0]})
    {'primes': [2, 3]}
    """
    if isinstance(python_type, Mapping) or as_message(python_type) is not None:
        return value
    return build(read_type(python_type, path), value, path)


def parse_text(python_type: Any, text: str, path: str = "answer") -> Any:
    """Convert the text of an answer to an instance of the type of its schema.

    The type decides how the text is read. An answer of MIME type text/x.enum is a bare word, such as `red`. If all
    values of the type are words, the text is one of them, whatever else it would be as JSON, or else JSON such as
    `"red"`. If only some are, as in `Colour | int`, the text is JSON, or else a word. White space around is ignored.

    Args:
        python_type: The type, as `to_schema` takes it; None for any JSON.
        text: The answer.
        path: Name of the value, for errors.

    Raises:
        json.JSONDecodeError: It is not JSON.
        ValueError: The JSON does not match the type; the message names the location.
        TypeError: The type is not supported.

    >>> import enum
    >>> parse_text(enum.Enum("Switch", {"ON": "1", "OFF": "0"}), "1").name
    'ON'
    """
    if python_type is None or isinstance(python_type, Mapping) or as_message(python_type) is not None:
        return json.loads(text)
    schema = read_type(python_type, path)
    reading = schema.derived.get("parse_text") or schema.derived.setdefault("parse_text", _reading(python_type, schema))
    if (word := reading.word(text)) is not None and reading.only_words:
        return build(schema, word, path)
    if reading.from_text is not None:
        try:
            return reading.from_text(text)
        except ValueError:
            pass  # the error names the location below, or the text is JSON that a strict type takes as integers only
    try:
        value = json.loads(text)
    except ValueError:
        if word is None:
            raise
        value = word
    return build(schema, value, path)


@dataclass(frozen=True, slots=True)
class _Reading:
    """How the text of an answer of some type is read.

    Attributes:
        words: The words that are values of the type, by themselves.
        only_words: Whether each value of the type, other than None, is a word.
        from_text: Builds the value from JSON, if a library does that.
    """

    words: frozenset[str]
    only_words: bool
    from_text: Callable[[str], Any] | None

    def word(self, text: str) -> str | None:
        """Return the word that the text is; None if it is none."""
        return next((word for word in (text, text.strip()) if word in self.words), None)


def _reading(python_type: Any, schema: TypeSchema) -> _Reading:
    alternatives = list(_alternatives(schema.root, schema.definitions))
    words = {word for node in alternatives if isinstance(node, EnumType) for word in _words(node)}
    only_words = all(
        isinstance(node, EnumType) and all(isinstance(value, str) for value in node.values) for node in alternatives
    )
    return _Reading(frozenset(words), only_words, _text_validator(python_type, schema))


def _alternatives(node: JSONType, definitions: Mapping[str, JSONType]) -> Iterator[JSONType]:
    """Yield the node, or of a union its options."""
    match node:
        case Ref(name=name):
            yield from _alternatives(definitions[name], definitions)
        case UnionType(options=options):
            for option in options:
                yield from _alternatives(option, definitions)
        case _:
            yield node


def _words(node: EnumType) -> Iterator[str]:
    """Yield what a model may answer for a value of an enum: the values that are str, and the members' names."""
    yield from (value for value in node.values if isinstance(value, str))
    for member in node.members:
        if isinstance(member, Enum):
            yield from (name for name in (member.name, member.value) if isinstance(name, str))


def _text_validator(python_type: Any, schema: TypeSchema) -> Callable[[str], Any] | None:
    """Return pydantic's parser of JSON, for a type of pydantic and for a list, tuple or dict of such types.

    For three nested models it takes a tenth of the time of `json.loads` and `build`. Other types are built here, by
    rules of their own, such as names for the members of an enum: see benchmarks/micro/schemas.py.
    """
    if schema.root.validate is not None:
        return schema.root.validate.from_text
    if get_origin(python_type) in (list, tuple, dict) and _is_validated(schema.root, schema.definitions):
        from pydantic import TypeAdapter  # imported already, by the program that defines the types

        return PydanticValidator(TypeAdapter(python_type)).from_text
    return None


def _is_validated(node: JSONType, definitions: Mapping[str, JSONType]) -> bool:
    """Whether the node is of pydantic, or an array or map of such nodes."""
    if node.validate is not None:
        return True
    return isinstance(node, (ArrayType, TupleType, MapType)) and all(
        _is_validated(child, definitions) for child in children(node)
    )


def build(schema: TypeSchema, value: Any, path: str) -> Any:
    """Convert plain JSON to an instance of the type that `schema` was read from.

    Raises:
        ValueError: The JSON does not match the type; the message names the location.
    """
    return _build(schema.root, value, path, schema.definitions)


def _build(node: JSONType, value: Any, path: str, definitions: Mapping[str, JSONType]) -> Any:
    if value is None and node.nullable:
        return None
    if node.validate is not None:
        return _call(node.validate, path, value)
    match node:
        case AnyType():
            return value
        case ScalarType(python_type=python_type):
            return _scalar(python_type, value, path)
        case EnumType():
            return _member(node, value, path)
        case ArrayType(items=item_type, factory=factory):
            array = _expect(list, value, path)
            return _call(
                factory, path, [_build(item_type, x, f"{path}[{n}]", definitions) for n, x in enumerate(array)]
            )
        case TupleType(items=item_types):
            array = _expect(list, value, path)
            if len(array) != len(item_types):
                raise ValueError(f"{path} has {len(array)} items; it must have {len(item_types)}")
            pairs = enumerate(zip(item_types, array, strict=True))
            return tuple(_build(item_type, item, f"{path}[{n}]", definitions) for n, (item_type, item) in pairs)
        case MapType(values=value_type):
            entries = _expect(dict, value, path).items()
            return {key: _build(value_type, item, f"{path}[{key!r}]", definitions) for key, item in entries}
        case ObjectType():
            return _object(node, value, path, definitions)
        case UnionType(options=options):
            return _first_match(options, value, path, definitions)
        case Ref(name=name):
            return _build(definitions[name], value, path, definitions)


def _object(node: ObjectType, value: Any, path: str, definitions: Mapping[str, JSONType]) -> Any:
    names = [field.name for field in node.fields]
    if isinstance(value, list) and isinstance(node.factory, type) and issubclass(node.factory, tuple):
        # `json.dumps` writes a NamedTuple as a list.
        value = {names[n] if n < len(names) else str(n): item for n, item in enumerate(value)}
    entries: dict[str, Any] = _expect(dict, value, path)
    if unknown := entries.keys() - set(names):
        raise ValueError(f"{path} has no {', '.join(sorted(unknown))}; it has {', '.join(names)}")
    if missing := [field.name for field in node.fields if field.required and field.name not in entries]:
        raise ValueError(f"{path} lacks {', '.join(missing)}")
    arguments = {
        field.name: _build(field.type, entries[field.name], f"{path}.{field.name}", definitions)
        for field in node.fields
        if field.name in entries
    }
    return _call(lambda keywords: node.factory(**keywords), path, arguments)


def _first_match(options: tuple[JSONType, ...], value: Any, path: str, definitions: Mapping[str, JSONType]) -> Any:
    # A number keeps its type, int or float, if that is an option.
    exact = [
        option
        for option in options
        if isinstance(option, ScalarType) and type(value) in (int, float) and option.python_type is type(value)
    ]
    errors = []
    for option in [*exact, *options]:
        try:
            return _build(option, value, path, definitions)
        except ValueError as error:
            errors.append(str(error))
    raise ValueError(f"{path} matches none of its types: {'; '.join(dict.fromkeys(errors))}")


def _member(node: EnumType, value: Any, path: str) -> Any:
    for known, member in zip(node.values, node.members or node.values, strict=True):
        # True == 1, but they are different JSON values.
        if value == known and isinstance(value, bool) is isinstance(known, bool):
            return member
    for member in node.members:
        # A model may answer with a value although the schema lists the names, and vice versa.
        if isinstance(member, Enum) and not isinstance(value, bool) and value in (member.name, member.value):
            return member
    raise ValueError(f"{path}: {value!r} is not one of {', '.join(map(repr, node.values))}")


def _call(factory: Callable[[Any], Any], path: str, value: Any) -> Any:
    """Call the factory; its TypeError and ValueError become a ValueError with the path."""
    try:
        return factory(value)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from error


def _expect(python_type: type, value: Any, path: str) -> Any:
    if not isinstance(value, python_type):
        raise _mismatch(python_type, value, path)
    return value


def _scalar(python_type: type, value: Any, path: str) -> Any:
    accepted, convert = SCALARS[python_type]
    if type(value) not in accepted:
        raise _mismatch(python_type, value, path)
    try:
        return convert(value)
    except (ArithmeticError, ValueError):
        raise _mismatch(python_type, value, path) from None


def _mismatch(python_type: type, value: Any, path: str) -> ValueError:
    return ValueError(f"{path}: expected {python_type.__name__}, got {value!r}")


def _int(value: int | float) -> int:
    if value != (integer := int(value)):
        raise ValueError
    return integer


def _decimal(value: int | float | str) -> decimal.Decimal:
    # Through str, so that 0.1 is 0.1 and not 0.1000000000000000055511151231257827.
    return decimal.Decimal(str(value))


def _to_iso_format(text: str) -> str:
    """Rewrite an RFC 3339 time (https://www.rfc-editor.org/rfc/rfc3339) so that Python 3.10's `fromisoformat` reads it.

    It reads neither a "Z" nor fractions other than of 3 or 6 digits.
    """
    text = re.sub(r"[Zz]$", "+00:00", text)
    return re.sub(r"\.(\d+)", lambda found: f".{found[1][:6]:0<6}", text)


def _date(text: str) -> datetime.date:
    if len(text) > len("2000-01-31"):
        return datetime.datetime.fromisoformat(_to_iso_format(text)).date()
    return datetime.date.fromisoformat(text)


DURATION: Final = re.compile(
    r"(?P<sign>-?)P(?:(?P<weeks>\d+)W)?(?:(?P<days>\d+)D)?"
    r"(?:T(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+(?:\.\d+)?)S)?)?"
)


def _duration(value: int | float | str) -> datetime.timedelta:
    """Parse a duration of RFC 3339, appendix A, without years and months; or a number of seconds."""
    if not isinstance(value, str):
        return datetime.timedelta(seconds=value)
    found = DURATION.fullmatch(value)
    if found is None:
        raise ValueError
    units = {name: float(number) for name, number in found.groupdict().items() if name != "sign" and number}
    duration = datetime.timedelta(**units)
    return -duration if found["sign"] else duration


NUMBERS: Final = (int, float)
# By Python type: the types of JSON values that it is parsed from, and the conversion.
SCALARS: Final[Mapping[type, tuple[tuple[type, ...], Callable[[Any], Any]]]] = {
    int: (NUMBERS, _int),
    float: (NUMBERS, float),
    str: ((str,), str),
    bool: ((bool,), bool),
    types.NoneType: ((types.NoneType,), lambda value: value),
    datetime.datetime: ((str,), lambda text: datetime.datetime.fromisoformat(_to_iso_format(text))),
    datetime.date: ((str,), _date),
    datetime.time: ((str,), lambda text: datetime.time.fromisoformat(_to_iso_format(text))),
    datetime.timedelta: ((str, *NUMBERS), _duration),
    uuid.UUID: ((str,), uuid.UUID),
    decimal.Decimal: ((str, *NUMBERS), _decimal),
}
