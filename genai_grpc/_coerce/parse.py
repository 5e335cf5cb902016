"""JSON back into the Python types whose schema it follows.

>>> parse_as(list[int], [1.0, 2.0])
[1, 2]
"""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import math
import types
import uuid
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, TypeVar, get_args, get_origin

from genai_grpc._coerce.shapes import (
    ANY,
    MANY,
    MAPS,
    UNIONS,
    described,
    fields_of,
    is_named_tuple,
    is_pydantic,
    to_word,
)

__all__ = ["parse_as"]


def parse_as(hint: Any, value: Any, where: str = "the value") -> Any:
    """A value of a type, from JSON as dicts, lists, strings and numbers.

    Records are built, members of an Enum found by value or name, whole numbers given as int where the type says so.
    Of a Union, the first type that fits is taken. What the type does not say anything about stays as it is.

    Raises:
        ValueError: The JSON does not fit the type; the message says where.
    """
    hint, _ = described(hint)
    if hint in ANY or isinstance(hint, TypeVar):
        return value
    if hint in SCALARS:
        return SCALARS[hint](value, where)
    origin, arguments = get_origin(hint) or hint, get_args(hint)
    if origin in UNIONS:
        return _first(arguments, value, where)
    if origin is Literal:
        return _choice([(choice, choice) for choice in arguments], value, where)
    if origin in MANY:
        item = arguments[0] if arguments else Any
        return MANY[origin](parse_as(item, one, f"{where}[{n}]") for n, one in enumerate(_list(value, where)))
    if origin is tuple:
        return _tuple(arguments, _list(value, where), where)
    if origin in MAPS:
        item = arguments[1] if arguments else Any
        return {key: parse_as(item, one, f"{where}[{key!r}]") for key, one in _object(value, where).items()}
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return _choice([(member.value, member) for member in hint] + list(hint.__members__.items()), value, where)
    return _record(origin, value, where)


def _record(cls: Any, value: Any, where: str) -> Any:
    given = _object(value, where)
    if is_pydantic(cls):
        return cls.model_validate(given)  # pydantic's ValidationError is a ValueError
    fields = fields_of(cls)
    if fields is None:
        raise ValueError(f"{where}: cannot make a {getattr(cls, '__name__', cls)!s}")
    known = {name: hint for name, hint, *_ in fields}
    if unknown := given.keys() - known.keys():
        raise ValueError(f"{where}: {cls.__name__} has no field {', '.join(sorted(unknown))}")
    if missing := [name for name, _, required, _ in fields if required and name not in given]:
        raise ValueError(f"{where}: {cls.__name__} needs {', '.join(missing)}")
    made = {name: parse_as(known[name], item, f"{where}.{name}") for name, item in given.items()}
    built: Callable[..., Any] = cls
    return built(**made) if dataclasses.is_dataclass(cls) or is_named_tuple(cls) else made


def _first(options: tuple[Any, ...], value: Any, where: str) -> Any:
    problems = []
    # A value that is of a type already keeps it: 1.5 is no int, and "1" no number.
    for option in sorted(options, key=lambda option: not _is_exactly(option, value)):
        try:
            return parse_as(option, value, where)
        except ValueError as error:
            problems.append(str(error))
    raise ValueError(f"{where} fits none of its types: {'; '.join(problems)}")


def _is_exactly(option: Any, value: Any) -> bool:
    hint, _ = described(option)
    return hint is type(value) or (hint is int and isinstance(value, float) and value.is_integer())


def _choice(choices: list[tuple[Any, Any]], value: Any, where: str) -> Any:
    """What is meant by the choice that equals a value, or by the one whose word in a schema it is."""
    for choice, meant in choices:
        if choice == value and isinstance(choice, bool) == isinstance(value, bool):
            return meant
    for choice, meant in choices:
        if choice is not None and to_word(choice) == value:
            return meant
    raise ValueError(f"{where}: {value!r} is none of {', '.join(repr(choice) for choice, _ in choices)}")


def _tuple(arguments: tuple[Any, ...], items: list[Any], where: str) -> tuple[Any, ...]:
    match arguments:
        case () | ((),):
            return tuple(items)
        case (hint, types.EllipsisType()):
            return tuple(parse_as(hint, item, f"{where}[{n}]") for n, item in enumerate(items))
    if len(items) != len(arguments):
        raise ValueError(f"{where} has {len(items)} items, and takes {len(arguments)}")
    return tuple(
        parse_as(hint, item, f"{where}[{n}]") for n, (hint, item) in enumerate(zip(arguments, items, strict=True))
    )


def _list(value: Any, where: str) -> list[Any]:
    if isinstance(value, (list, tuple)):
        return list(value)
    raise _wrong("a list", value, where)


def _object(value: Any, where: str) -> Mapping[str, Any]:
    if isinstance(value, Mapping):
        return value
    raise _wrong("an object", value, where)


def _wrong(wanted: str, value: Any, where: str) -> ValueError:
    return ValueError(f"{where} takes {wanted}; got {'null' if value is None else type(value).__name__}")


def _whole(value: Any, where: str) -> int:
    if (
        isinstance(value, bool)
        or not isinstance(value, (int, float))
        or not math.isfinite(value)
        or value != int(value)
    ):
        raise _wrong("a whole number", value, where)
    return int(value)


def _number(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _wrong("a number", value, where)
    return float(value)


def _exactly(kind: type, wanted: str) -> Callable[[Any, str], Any]:
    def take(value: Any, where: str) -> Any:
        if not isinstance(value, kind):
            raise _wrong(wanted, value, where)
        return value

    return take


def _read(kind: Callable[[str], Any], wanted: str) -> Callable[[Any, str], Any]:
    def take(value: Any, where: str) -> Any:
        try:
            return kind(str(value))
        except (ValueError, decimal.InvalidOperation):
            raise ValueError(f"{where} takes {wanted}; got {value!r}") from None

    return take


def _moment(text: str) -> datetime.datetime:
    # Python reads a final Z from 3.11 on.
    return datetime.datetime.fromisoformat(text.removesuffix("Z") + "+00:00" if text.endswith("Z") else text)


SCALARS: Final[dict[Any, Callable[[Any, str], Any]]] = {
    str: _exactly(str, "a string"),
    bool: _exactly(bool, "true or false"),
    type(None): _exactly(type(None), "null"),
    int: _whole,
    float: _number,
    datetime.datetime: _read(_moment, "a date and time such as 2026-01-31T12:00:00Z"),
    datetime.date: _read(datetime.date.fromisoformat, "a date such as 2026-01-31"),
    datetime.time: _read(datetime.time.fromisoformat, "a time such as 12:00:00"),
    uuid.UUID: _read(uuid.UUID, "a UUID"),
    decimal.Decimal: _read(decimal.Decimal, "a decimal number"),
}
