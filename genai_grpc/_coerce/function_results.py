"""Results of Python functions as plain JSON, for the model.

The forms are those of pydantic's JSON mode (https://docs.pydantic.dev/latest/concepts/serialization/).
"""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import math
import os
import sys
import types
import typing
import uuid
from collections import abc
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, Final, TypeAlias, Union, get_args, get_origin

from google.protobuf.message import Message

from genai_grpc._coerce.struct import to_plain
from genai_grpc_protos._convert import as_message

__all__ = ["class_refusal", "result_type_refusal", "to_json_value"]

ACCEPTED: Final = (
    "return a str, number, bool, None, dict, list, tuple, set, Enum, dataclass, NamedTuple, pydantic model, datetime, "
    "date, time, timedelta, Decimal or UUID"
)
# Types without a JSON form, and what to return instead.
REFUSED: Final[Mapping[type, str]] = {
    bytes: "JSON has no bytes; return a str, for example of base64",
    bytearray: "JSON has no bytes; return a str, for example of base64",
    memoryview: "JSON has no bytes; return a str, for example of base64",
    complex: "JSON has no complex numbers; return two floats",
    abc.Awaitable: "it was not awaited; send the message with send_message_async",
    abc.AsyncIterable: "it yields asynchronously; return a list of its items",
}
# The service holds JSON numbers as double, which is exact for integers up to this one.
MAX_EXACT_INTEGER: Final = 2**53

Converter: TypeAlias = Callable[[Any, str], Any]


def to_json_value(value: Any, path: str = "the result") -> Any:
    """Convert a function's result to dicts, lists, str, numbers, bool and None.

    Dates, times and durations become ISO 8601; a Decimal, UUID or path a str; an Enum member its value; a dataclass or
    pydantic model (by alias) a dict; a NamedTuple, set or iterator a list. NaN and infinities become null. An integer
    beyond ±2**53 becomes a str, since the service's double would change it.

    Args:
        value: The result.
        path: Location of the value, for errors.

    Raises:
        TypeError: The value, or one in it, has no JSON form; the message names its path.

    >>> to_json_value({datetime.date(2024, 2, 29): [uuid.UUID(int=1), float("nan")]})
    {'2024-02-29': ['00000000-0000-0000-0000-000000000001', None]}
    """
    try:
        return _convert(value, path)
    except RecursionError:
        raise TypeError(f"{path}: it is nested too deeply, or contains itself") from None


def result_type_refusal(annotation: Any) -> str | None:
    """Say why values of a return type have no JSON form, and what to return instead; None if some may have one.

    >>> result_type_refusal(list[bytes])
    'JSON has no bytes; return a str, for example of base64'
    """
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is typing.Annotated:
        return result_type_refusal(arguments[0])
    if origin in (Union, types.UnionType):
        reasons = [result_type_refusal(option) for option in arguments if option is not types.NoneType]
        return None if None in reasons else reasons[0]
    if isinstance(origin, type) and issubclass(origin, abc.Iterable):
        return next((reason for argument in arguments if (reason := result_type_refusal(argument)) is not None), None)
    values = (bytes, bytearray, memoryview, complex)  # an awaitable may have been awaited by then
    return next((REFUSED[refused] for refused in values if annotation is refused), None)


def class_refusal(cls: type) -> str | None:
    """Say why the instances of a class have no JSON form; None if they have one."""
    if _converter(cls) is not None:
        return None
    hint = next((reason for refused, reason in REFUSED.items() if issubclass(cls, refused)), "")
    if not hint:
        hint = "return a list of its items" if issubclass(cls, abc.Iterable) else ACCEPTED
    return f"cannot make JSON of {cls.__qualname__}: {hint}"


def _convert(value: Any, path: str) -> Any:
    cls = type(value)
    converter = _converter(cls)
    if converter is None:
        raise TypeError(f"{path}: {class_refusal(cls)}")
    return converter(value, path)


def _converter(cls: type) -> Converter | None:
    """Return the conversion of the values of a class; None if they have no JSON form."""
    if (exact := CONVERTERS.get(cls)) is not None:
        return exact
    if any(issubclass(cls, refused) for refused in REFUSED):
        return None
    for base, converter in CONVERTERS.items():
        if issubclass(cls, base):
            return converter
    for is_supported, converter in PROTOCOLS:
        if is_supported(cls):
            return converter
    return None


def _unchanged(value: Any, path: str) -> Any:
    return value


def _str(value: Any, path: str) -> str:
    return str(value)


def _text(value: str, path: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise TypeError(f"{path}: the str is not valid Unicode: {error.reason}") from None
    return value


def _integer(value: int, path: str) -> int | str:
    return int(value) if -MAX_EXACT_INTEGER <= value <= MAX_EXACT_INTEGER else str(int(value))


def _number(value: float, path: str) -> float | None:
    return float(value) if math.isfinite(value) else None


def _member(value: Enum, path: str) -> Any:
    """Return a member's value, or its name if the value has no JSON form."""
    return value.name if _converter(type(value.value)) is None else _convert(value.value, path)


def _isoformat(value: datetime.date | datetime.time, path: str) -> str:
    text = value.isoformat()
    return f"{text.removesuffix('+00:00')}Z" if text.endswith("+00:00") else text


def _duration(value: datetime.timedelta, path: str) -> str:
    """Format a duration of ISO 8601, in days and units below, as years differ in length."""
    sign, value = ("-", -value) if value < datetime.timedelta(0) else ("", value)
    minutes, seconds = divmod(value.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    fraction = f".{value.microseconds:06}".rstrip("0") if value.microseconds else ""
    units = {"H": hours, "M": minutes, "S": f"{seconds}{fraction}" if seconds or fraction else 0}
    time = "".join(f"{number}{unit}" for unit, number in units.items() if number)
    day = f"{value.days}D" if value.days else ""
    return f"{sign}P{day}{f'T{time}' if time else ''}" if day or time else "PT0S"


def _path(value: os.PathLike[Any], path: str) -> Any:
    return _convert(os.fspath(value), path)


def _object(value: Mapping[Any, Any], path: str) -> dict[str, Any]:
    converted: dict[str, Any] = {}
    for key, item in value.items():
        name = _key(key, path)
        if name in converted:
            raise TypeError(f"{path}: two keys have the JSON form {name!r}")
        converted[name] = _convert(item, f"{path}[{key!r}]")
    return converted


def _key(key: Any, path: str) -> str:
    if isinstance(key, bool):
        return str(key).lower()
    if isinstance(key, tuple):
        return ",".join(_key(item, path) for item in key)
    converted = _convert(key, f"a key of {path}")
    if isinstance(converted, (dict, list)):
        raise TypeError(f"a key of {path}: cannot make a str of {type(key).__qualname__}")
    return converted if isinstance(converted, str) else str(key if converted is None else converted)


def _array(value: abc.Iterable[Any], path: str) -> list[Any]:
    return [_convert(item, f"{path}[{number}]") for number, item in enumerate(value)]


def _is_pydantic(cls: type) -> bool:
    return hasattr(cls, "__pydantic_serializer__") or (
        "pydantic" in sys.modules and hasattr(cls, "__get_pydantic_core_schema__")
    )


def _pydantic(value: Any, path: str) -> Any:
    cls = type(value)
    try:
        serializer = (
            getattr(cls, "__pydantic_serializer__", None) or sys.modules["pydantic"].TypeAdapter(cls).serializer
        )
        plain = serializer.to_python(value, mode="json", by_alias=True)
    except (TypeError, ValueError, RuntimeError) as error:  # of serializers of the program, or an undefined type
        raise TypeError(f"{path}: pydantic cannot make JSON of {cls.__qualname__}: {error}") from error
    return _convert(plain, path)


def _dataclass(value: Any, path: str) -> dict[str, Any]:
    names = [field.name for field in dataclasses.fields(value)]
    return {name: _convert(getattr(value, name), f"{path}.{name}") for name in names}


def _is_message(cls: type) -> bool:
    proto_plus = sys.modules.get("proto")
    return issubclass(cls, Message) or (proto_plus is not None and issubclass(cls, proto_plus.Message))


def _message(value: Any, path: str) -> Any:
    message: Any = as_message(value)
    if message.DESCRIPTOR.file.name == "google/protobuf/struct.proto":
        return _convert(to_plain(message), path)
    from google.protobuf.json_format import MessageToDict  # 12 ms, for results that few functions have

    return _convert(MessageToDict(message), path)


def _is_numpy(cls: type) -> bool:
    return callable(getattr(cls, "tolist", None))


def _numpy(value: Any, path: str) -> Any:
    return _convert(value.tolist(), path)


# Of the bases of a class, the first one here counts.
CONVERTERS: Final[Mapping[type, Converter]] = {
    Enum: _member,
    str: _text,
    bool: _unchanged,
    int: _integer,
    float: _number,
    types.NoneType: _unchanged,
    datetime.date: _isoformat,
    datetime.time: _isoformat,
    datetime.timedelta: _duration,
    decimal.Decimal: _str,
    uuid.UUID: _str,
    os.PathLike: _path,
    dict: _object,
    list: _array,
    tuple: _array,
}
# After those: a class whose conversion follows from what it has.
PROTOCOLS: Final[tuple[tuple[Callable[[type], bool], Converter], ...]] = (
    (_is_pydantic, _pydantic),
    (dataclasses.is_dataclass, _dataclass),
    (_is_message, _message),
    (_is_numpy, _numpy),
    (lambda cls: issubclass(cls, abc.Mapping), _object),
    (lambda cls: issubclass(cls, (abc.Sequence, abc.Set, abc.MappingView, abc.Iterator)), _array),
)
