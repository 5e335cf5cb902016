"""Any message from the same message, a foreign one of that name, or a dict."""

from __future__ import annotations

import base64
import datetime
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, TypeVar

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

__all__ = ["as_message", "field_of", "to_enum", "to_message"]

M = TypeVar("M", bound=Message)

# What a scalar field takes; every type that is not here takes an int.
TAKES: Final = {
    FieldDescriptor.TYPE_BOOL: "a bool",
    FieldDescriptor.TYPE_BYTES: "bytes",
    FieldDescriptor.TYPE_DOUBLE: "a number",
    FieldDescriptor.TYPE_FLOAT: "a number",
    FieldDescriptor.TYPE_STRING: "a str",
}


def to_message(cls: type[M], value: object) -> M:
    """A message of `cls`: itself, one of its full name from another pool or proto-plus, or a dict of its fields.

    A dict may nest further dicts and messages, name enum values by str, and give a Struct as a dict, a Duration as
    seconds or a timedelta, a Timestamp as a datetime, bytes as a str of base64. Keys are field names, also in
    camelCase or with proto-plus's trailing underscore.

    Raises:
        TypeError: `value` is something else; a field got a value of the wrong type.
        ValueError: A key is no field; a str is no value of its enum.
    """
    return _to_message(cls, value, cls.DESCRIPTOR.name)


def as_message(value: Any) -> Message | None:
    """The plain protobuf message in `value`, if there is one: a message itself, or what a proto-plus object wraps."""
    if (plus := sys.modules.get("proto")) is not None and isinstance(value, plus.Message):
        value = type(value).pb(value)
    return value if isinstance(value, Message) else None


def _to_message(cls: type[M], value: object, path: str) -> M:
    if isinstance(value, cls):
        return value
    message = as_message(value)
    if message is not None and message.DESCRIPTOR.full_name == cls.DESCRIPTOR.full_name:
        return cls.FromString(message.SerializeToString())
    built = cls()
    if _fill_well_known(built, value, path):
        return built
    if not isinstance(value, Mapping):
        raise TypeError(
            f"{path}: cannot make a {cls.DESCRIPTOR.name} from {_kind(value)}; pass a {cls.DESCRIPTOR.name} or a dict"
        )
    for key, item in value.items():
        if item is not None:
            field = _field(built, key, path)
            if (group := field.containing_oneof) is not None and (other := built.WhichOneof(group.name)) is not None:
                raise ValueError(f"{path} has both {other!r} and {field.name!r}; it can hold one of them")
            _set(built, field, item, f"{path}.{field.name}")
    # A dict that says nothing still says that the message is there.
    built.SetInParent()
    return built


def field_of(cls: type[Message], key: object) -> str | None:
    """The name of the field that a dict's key means; None if there is no such field."""
    if not isinstance(key, str):
        return None
    fields = cls.DESCRIPTOR.fields_by_name
    found = fields.get(key) or fields.get(key.removesuffix("_")) or cls.DESCRIPTOR.fields_by_camelcase_name.get(key)
    return None if found is None else found.name


def _field(message: Message, key: object, path: str) -> Any:
    fields = message.DESCRIPTOR.fields_by_name
    name = field_of(type(message), key)
    if name is None:
        raise ValueError(f"{path} has no field {key!r}; its fields are {', '.join(sorted(fields.keys()))}")
    return fields[name]


@contextmanager
def _says(field: Any, path: str, *values: object) -> Iterator[None]:
    """Protobuf's own errors of scalars, with the field, what it takes and what came."""
    try:
        yield
    except TypeError:
        came = ", ".join(sorted(set(map(_kind, values))))
        raise TypeError(f"{path} takes {TAKES.get(field.type, 'an int')}; got {came}") from None
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _set(message: Message, field: Any, value: object, path: str) -> None:
    if _is_map(field):
        _set_map(message, field, value, path)
    elif _is_repeated(field):
        if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable):
            raise TypeError(f"{path} is repeated; pass a list, not {_kind(value)}")
        items = [_item(field, item, f"{path}[{n}]") for n, item in enumerate(value)]
        with _says(field, path, *items):
            getattr(message, field.name).extend(items)
    elif field.message_type is not None:
        getattr(message, field.name).CopyFrom(_item(field, value, path))
    else:
        item = _item(field, value, path)
        with _says(field, path, item):
            setattr(message, field.name, item)


def _set_map(message: Message, field: Any, value: object, path: str) -> None:
    if not isinstance(value, Mapping):
        raise TypeError(f"{path} is a map; pass a dict, not {_kind(value)}")
    entries = getattr(message, field.name)
    value_field = field.message_type.fields_by_name["value"]
    for key, item in value.items():
        made = _item(value_field, item, f"{path}[{key!r}]")
        with _says(field.message_type.fields_by_name["key"], f"a key of {path}", key):
            entries[key].CopyFrom(made)  # the values of every map of the API are messages


def _item(field: Any, value: object, path: str) -> Any:
    """One value of a field: a message, an enum number, or a scalar as it came."""
    if field.message_type is not None:
        return _to_message(_class(field), value, path)
    if field.enum_type is not None:
        return to_enum(field.enum_type, value, path)
    if field.type == FieldDescriptor.TYPE_BYTES and isinstance(value, str):
        return _decode(value, path)
    return value


def _decode(text: str, path: str) -> bytes:
    """The bytes of base64 in either alphabet, padded or not, as the JSON of messages has them (protobuf.dev/json)."""
    plain = "".join(text.splitlines()).rstrip("=").replace("-", "+").replace("_", "/")
    try:
        data = base64.b64decode(plain + "=" * (-len(plain) % 4))
    except ValueError:
        data = b""
    # A word of prose may be decodable, but seldom without characters or bits that are left over.
    if base64.b64encode(data).decode().rstrip("=") != plain:
        raise TypeError(f"{path} takes bytes; got str, which is not base64 either")
    return data


def to_enum(enum: Any, value: object, path: str) -> int:
    """The number of an enum value given as a number, or by name in any case, with or without what all names begin with.

    Raises:
        ValueError: The enum has no such name.
        TypeError: The value is neither a str nor an int.
    """
    if isinstance(value, str):
        names = enum.values_by_name
        # The zero's name says what all names of an enum may begin with: https://google.aip.dev/126
        prefix = enum.values[0].name.removesuffix("UNSPECIFIED")
        found = names.get(value) or names.get(value.upper()) or names.get(prefix + value.upper())
        if found is None:
            raise ValueError(f"{path}: {value!r} is no {enum.name}; it is one of {', '.join(names.keys())}")
        return int(found.number)
    if isinstance(value, int) and not isinstance(value, bool):
        return int(value)
    raise TypeError(f"{path}: a {enum.name} is given by name or number; got {_kind(value)}")


def _fill_well_known(message: Message, value: object, path: str) -> bool:
    """Fill a well-known type from its Python counterpart; False if `message` is none or `value` is no counterpart."""
    target: Any = message  # the well-known types carry methods of their own
    match message.DESCRIPTOR.full_name, value:
        case "google.protobuf.Struct" | "google.protobuf.Value" | "google.protobuf.ListValue", _:
            from google.protobuf import json_format

            try:
                json_format.ParseDict(_plain(value), message)
            except json_format.ParseError as error:
                raise TypeError(f"{path}: cannot make a {message.DESCRIPTOR.name} of it: {error}") from None
        case "google.protobuf.Duration", datetime.timedelta():
            target.FromTimedelta(value)
        case "google.protobuf.Duration", int() | float():
            target.FromNanoseconds(round(value * 1e9))
        case "google.protobuf.Timestamp", datetime.datetime():
            target.FromDatetime(value)
        case "google.protobuf.Timestamp", int():
            target.FromSeconds(value)
        case _:
            return False
    return True


def _plain(value: object) -> Any:
    """JSON as dicts and lists, whatever mappings and iterables it came in."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, (str, bytes)):
        return [_plain(item) for item in value]
    return value


def _is_repeated(field: Any) -> bool:
    # protobuf 6.31 brought `is_repeated` and deprecated `label`.
    return bool(field.is_repeated) if hasattr(field, "is_repeated") else field.label == FieldDescriptor.LABEL_REPEATED


def _is_map(field: Any) -> bool:
    return field.message_type is not None and bool(field.message_type.GetOptions().map_entry)


def _class(field: Any) -> type[Message]:
    from google.protobuf.message_factory import GetMessageClass

    return GetMessageClass(field.message_type)


def _kind(value: object) -> str:
    return "None" if value is None else type(value).__name__
