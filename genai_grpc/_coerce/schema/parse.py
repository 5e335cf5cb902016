"""From plain JSON back to values of Python's types."""

from __future__ import annotations

import datetime
import decimal
import re
import types
import uuid
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, Final

from genai_grpc._coerce.messages import as_message
from genai_grpc._coerce.schema.model import (
    Anything,
    Array,
    Choice,
    Either,
    Fixed,
    Outline,
    Record,
    Reference,
    Scalar,
    Shape,
    Table,
)
from genai_grpc._coerce.schema.python_types import read_type

__all__ = ["build", "parse_as"]


def parse_as(kind: Any, value: Any, path: str = "answer") -> Any:
    """An instance of a type, made of plain JSON that follows the type's schema.

    Whole numbers become int where that is asked for, also from a float. Of a union the first type that fits is taken.
    Where a schema was written by hand, as a Schema or a dict, the JSON stays as it is.

    Args:
        kind: The type, as `to_schema` takes it.
        value: What `json.loads` gives.
        path: What it is, for errors.

    Raises:
        ValueError: The JSON does not fit the type; the message says where.
        TypeError: The type is not supported.

    >>> parse_as(dict[str, list[int]], {"primes": [2.0, 3.0]})
    {'primes': [2, 3]}
    """
    if isinstance(kind, Mapping) or as_message(kind) is not None:
        return value
    return build(read_type(kind, path), value, path)


def build(outline: Outline, value: Any, path: str) -> Any:
    """An instance of the type that was read, made of plain JSON.

    Raises:
        ValueError: The JSON does not fit the type; the message says where.
    """
    return _build(outline.root, value, path, outline.named)


def _build(shape: Shape, value: Any, path: str, named: Mapping[str, Shape]) -> Any:
    if value is None and shape.nullable:
        return None
    if shape.validate is not None:
        return _made(shape.validate, path, value)
    match shape:
        case Anything():
            return value
        case Scalar(python=python):
            return _scalar(python, value, path)
        case Choice():
            return _member(shape, value, path)
        case Array(items=items, python=python):
            made = [_build(items, item, f"{path}[{n}]", named) for n, item in enumerate(_is(list, value, path))]
            return _made(python, path, made)
        case Fixed(items=several):
            given = _is(list, value, path)
            if len(given) != len(several):
                raise ValueError(f"{path} has {len(given)} items; it must have {len(several)}")
            pairs = enumerate(zip(several, given, strict=True))
            return tuple(_build(one, item, f"{path}[{n}]", named) for n, (one, item) in pairs)
        case Table(values=values):
            pairs_ = _is(dict, value, path).items()
            return {key: _build(values, item, f"{path}[{key!r}]", named) for key, item in pairs_}
        case Record():
            return _record(shape, value, path, named)
        case Either(options=options):
            return _first_fit(options, value, path, named)
        case Reference(name=name):
            return _build(named[name], value, path, named)


def _record(shape: Record, value: Any, path: str, named: Mapping[str, Shape]) -> Any:
    names = [one.name for one in shape.fields]
    if isinstance(value, list) and issubclass(_class(shape.python), tuple):
        # A NamedTuple is a list to `json.dumps`.
        value = {names[n] if n < len(names) else str(n): item for n, item in enumerate(value)}
    given: dict[str, Any] = _is(dict, value, path)
    if unknown := given.keys() - set(names):
        raise ValueError(f"{path} has no {', '.join(sorted(unknown))}; it has {', '.join(names)}")
    if missing := [one.name for one in shape.fields if one.required and one.name not in given]:
        raise ValueError(f"{path} lacks {', '.join(missing)}")
    made = {
        one.name: _build(one.shape, given[one.name], f"{path}.{one.name}", named)
        for one in shape.fields
        if one.name in given
    }
    return _made(lambda fields: shape.python(**fields), path, made)


def _class(python: Callable[..., Any]) -> type:
    return python if isinstance(python, type) else object


def _first_fit(options: tuple[Shape, ...], value: Any, path: str, named: Mapping[str, Shape]) -> Any:
    # A number is of the type that it already has, if that is among the options.
    exact = [
        one for one in options if isinstance(one, Scalar) and type(value) in (int, float) and one.python is type(value)
    ]
    reasons = []
    for option in [*exact, *options]:
        try:
            return _build(option, value, path, named)
        except ValueError as error:
            reasons.append(str(error))
    raise ValueError(f"{path} fits none of its types: {'; '.join(dict.fromkeys(reasons))}")


def _member(shape: Choice, value: Any, path: str) -> Any:
    for known, member in zip(shape.values, shape.members or shape.values, strict=True):
        # True is no 1, though they are equal.
        if value == known and isinstance(value, bool) is isinstance(known, bool):
            return member
    for member in shape.members:
        # A model that was told the names may say a value all the same, and the other way round.
        if isinstance(member, Enum) and not isinstance(value, bool) and value in (member.name, member.value):
            return member
    raise ValueError(f"{path}: {value!r} is none of {', '.join(map(repr, shape.values))}")


def _made(python: Callable[[Any], Any], path: str, value: Any) -> Any:
    """What a type makes of a value, its errors with the path."""
    try:
        return python(value)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from error


def _is(python: type, value: Any, path: str) -> Any:
    if not isinstance(value, python):
        raise ValueError(f"{path}: {value!r} is no {python.__name__}")  # noqa: TRY004  # the JSON is wrong, not the program
    return value


def _scalar(python: type, value: Any, path: str) -> Any:
    takes, make = SCALARS[python]
    if type(value) not in takes:
        raise ValueError(f"{path}: {value!r} is no {python.__name__}")
    try:
        return make(value)
    except (ArithmeticError, ValueError):
        raise ValueError(f"{path}: {value!r} is no {python.__name__}") from None


def _int(value: int | float) -> int:
    if value != (whole := int(value)):
        raise ValueError
    return whole


def _decimal(value: int | float | str) -> decimal.Decimal:
    # By way of str, 0.1 is 0.1 and not 0.1000000000000000055511151231257827.
    return decimal.Decimal(str(value))


def _moment(text: str) -> str:
    """A time as RFC 3339 has it (https://www.rfc-editor.org/rfc/rfc3339), as Python 3.10 reads it."""
    text = re.sub(r"[Zz]$", "+00:00", text)
    return re.sub(r"\.(\d+)", lambda found: f".{found[1][:6]:0<6}", text)


def _date(text: str) -> datetime.date:
    is_moment = len(text) > len("2000-01-31")
    return datetime.datetime.fromisoformat(_moment(text)).date() if is_moment else datetime.date.fromisoformat(text)


DURATION: Final = re.compile(
    r"(?P<sign>-?)P(?:(?P<weeks>\d+)W)?(?:(?P<days>\d+)D)?"
    r"(?:T(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+(?:\.\d+)?)S)?)?"
)


def _duration(value: int | float | str) -> datetime.timedelta:
    """A duration as RFC 3339, appendix A, has it, without years and months; or seconds."""
    if not isinstance(value, str):
        return datetime.timedelta(seconds=value)
    found = DURATION.fullmatch(value)
    if found is None:
        raise ValueError
    parts = {name: float(number) for name, number in found.groupdict().items() if name != "sign" and number}
    length = datetime.timedelta(**parts)
    return -length if found["sign"] else length


NUMBERS: Final = (int, float)
# What each type is made of, and how.
SCALARS: Final[Mapping[type, tuple[tuple[type, ...], Callable[[Any], Any]]]] = {
    int: (NUMBERS, _int),
    float: (NUMBERS, float),
    str: ((str,), str),
    bool: ((bool,), bool),
    types.NoneType: ((types.NoneType,), lambda value: value),
    datetime.datetime: ((str,), lambda text: datetime.datetime.fromisoformat(_moment(text))),
    datetime.date: ((str,), _date),
    datetime.time: ((str,), lambda text: datetime.time.fromisoformat(_moment(text))),
    datetime.timedelta: ((str, *NUMBERS), _duration),
    uuid.UUID: ((str,), uuid.UUID),
    decimal.Decimal: ((str, *NUMBERS), _decimal),
}
