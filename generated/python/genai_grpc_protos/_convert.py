"""Messages from messages of any pool, and from dicts."""

from __future__ import annotations

import base64
import datetime
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from enum import Enum
from typing import Any, Final, TypeVar

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from genai_grpc_protos._by_name import TITLES, convert, corresponds, value_elsewhere, where_else
from genai_grpc_protos._pool import message_class

__all__ = [
    "as_message",
    "assign",
    "decode_base64",
    "field_of",
    "fill",
    "is_map",
    "is_repeated",
    "to_enum",
    "to_message",
]

M = TypeVar("M", bound=Message)

# Accepted values of scalar fields, for errors; the types that are not listed accept an int.
ACCEPTED_VALUES: Final = {
    FieldDescriptor.TYPE_BOOL: "a bool",
    FieldDescriptor.TYPE_BYTES: "bytes",
    FieldDescriptor.TYPE_DOUBLE: "a number",
    FieldDescriptor.TYPE_FLOAT: "a number",
    FieldDescriptor.TYPE_STRING: "a str",
}


_INTEGERS: Final = frozenset(
    getattr(FieldDescriptor, f"TYPE_{name}")
    for name in ("INT32", "INT64", "UINT32", "UINT64", "SINT32", "SINT64", "FIXED32", "FIXED64", "SFIXED32", "SFIXED64")
)


def to_message(cls: type[M], value: object) -> M:
    """Coerce to a message of `cls`.

    A message of `cls` is returned as it is. A message of the same full name from another pool or from proto-plus is
    converted, and so is its counterpart of the other API, by the names of fields and enum values. A dict may nest dicts
    and messages; it names enum values by str, and holds a Struct as a dict, a Duration as seconds or a timedelta, a
    Timestamp as a datetime, and bytes as bytes or a base64 str. Its keys are field names, also in camelCase or with
    proto-plus's trailing underscore; None leaves a field unset, except for a NullValue, which it sets.

    Raises:
        TypeError: `value`, or the value of a field, has an unsupported type.
        ValueError: A key is not a field; a str is not a value of its enum; a field of the counterpart is one that this
            API lacks.
    """
    return _to_message(cls, value, cls.DESCRIPTOR.name)


def as_message(value: Any) -> Message | None:
    """Return the protobuf message that `value` is, or that it wraps as a proto-plus object; None for other values."""
    if (proto_plus := sys.modules.get("proto")) is not None and isinstance(value, proto_plus.Message):
        value = type(value).pb(value)
    return value if isinstance(value, Message) else None


def field_of(cls: type[Message], key: object) -> str | None:
    """Return the name of the field that a dict's key refers to; None if there is no such field."""
    if not isinstance(key, str):
        return None
    fields = cls.DESCRIPTOR.fields_by_name
    field = fields.get(key) or fields.get(key.removesuffix("_")) or cls.DESCRIPTOR.fields_by_camelcase_name.get(key)
    return None if field is None else field.name


def to_enum(enum: Any, value: object, path: str) -> int:
    """Return the number of an enum value, given by number or by name, in any case, with or without the common prefix.

    Raises:
        ValueError: The enum has no such name.
        TypeError: The value is neither a str nor an int.
    """
    if isinstance(value, str):
        names = enum.values_by_name
        # The name of the zero value holds the prefix of all names: https://google.aip.dev/126
        prefix = enum.values[0].name.removesuffix("UNSPECIFIED")
        found = names.get(value) or names.get(value.upper()) or names.get(prefix + value.upper())
        if found is None:
            if elsewhere := value_elsewhere(enum, value):
                raise ValueError(f"{path}: {TITLES[enum.file.package]} has no {enum.name} {value!r}{elsewhere}")
            raise ValueError(f"{path}: unknown {enum.name} {value!r}; use one of {', '.join(names.keys())}")
        return int(found.number)
    if isinstance(value, int) and not isinstance(value, bool):
        return _member_number(enum, value, path) if isinstance(value, Enum) else int(value)
    raise TypeError(f"{path}: a {enum.name} is given by name or number; got {_type_name(value)}")


def _member_number(enum: Any, member: Any, path: str) -> int:
    """The number of a member of a Python enum: that of the value of the same name, since other APIs have others."""
    if (found := enum.values_by_name.get(member.name)) is not None:
        return int(found.number)
    own = getattr(type(member), "DESCRIPTOR", None)
    if member and own is not None and own.full_name != enum.full_name and own.file.package in TITLES:
        here, there = TITLES.get(enum.file.package, enum.file.package), TITLES[own.file.package]
        raise ValueError(f"{path}: {here} has no {member.name}; {there} has it")
    return int(member)


def fill(message: Message, mapping: object, fields: Mapping[str, Any], *, ignore_unknown_fields: bool = False) -> None:
    """Set the fields of an empty message from a dict or a message, and from keyword arguments, which win.

    Raises:
        TypeError: A value has an unsupported type.
        ValueError: A key is not a field, unless unknown ones are ignored; a str is not a value of its enum.
    """
    cls, path = type(message), message.DESCRIPTOR.name
    if mapping is not None:
        if isinstance(mapping, Mapping) and ignore_unknown_fields:
            mapping = {key: value for key, value in mapping.items() if field_of(cls, key) is not None}
        message.CopyFrom(_to_message(cls, mapping, path))
    for key, value in fields.items():
        if ignore_unknown_fields and field_of(cls, key) is None:
            continue
        assign(message, _field(message, key, path).name, value)


def assign(message: Message, name: str, value: object, error: Exception | None = None) -> None:
    """Set a field to a value that protobuf does not take by itself; None clears it.

    Args:
        message: The message.
        name: The field.
        value: A dict, a message of another pool, a list, or the Python counterpart of a well-known type.
        error: What protobuf raised for the value, for a scalar that cannot be converted either.

    Raises:
        TypeError: The value has an unsupported type.
        ValueError: A str is not a value of the field's enum, or a nested key is not a field.
    """
    if value is None:
        message.ClearField(name)
        return
    field = message.DESCRIPTOR.fields_by_name[name]
    replacement = type(message)()
    try:
        _set(replacement, field, value, f"{message.DESCRIPTOR.name}.{name}")
    except TypeError as found:
        raise found from error
    # An empty list or dict clears the field; nothing is changed if the value cannot be converted.
    message.ClearField(name)
    message.MergeFrom(replacement)


def _to_message(cls: type[M], value: object, path: str) -> M:
    if isinstance(value, cls):
        return value
    message = as_message(value)
    if message is not None and message.DESCRIPTOR.full_name == cls.DESCRIPTOR.full_name:
        return cls.FromString(message.SerializeToString())
    if message is not None and corresponds(message, cls):
        return convert(message, cls)
    result = cls()
    if _set_well_known(result, value, path):
        return result
    if not isinstance(value, Mapping):
        name = cls.DESCRIPTOR.name
        raise TypeError(f"{path}: cannot make a {name} from {_type_name(value)}; pass a {name} or a dict")
    for key, item in value.items():
        if item is None and _is_null_value(cls, key):
            item = 0  # the number of its only value, which JSON writes as null
        if item is not None:
            field = _field(result, key, path)
            if (oneof := field.containing_oneof) is not None and (other := result.WhichOneof(oneof.name)) is not None:
                raise ValueError(f"{path} has both {other!r} and {field.name!r}; set only one of them")
            _set(result, field, item, f"{path}.{field.name}")
    # An empty dict sets the field that holds the message.
    result.SetInParent()
    return result


def _field(message: Message, key: object, path: str) -> Any:
    fields = message.DESCRIPTOR.fields_by_name
    name = field_of(type(message), key)
    if name is None:
        if elsewhere := where_else(message.DESCRIPTOR, str(key)):
            raise ValueError(f"{path}.{key}: {TITLES[message.DESCRIPTOR.file.package]} has no such field{elsewhere}")
        raise ValueError(f"{path} has no field {key!r}; its fields are {', '.join(sorted(fields.keys()))}")
    return fields[name]


def _is_null_value(cls: type[Message], key: object) -> bool:
    name = field_of(cls, key)
    enum = None if name is None else cls.DESCRIPTOR.fields_by_name[name].enum_type
    return enum is not None and enum.full_name == "google.protobuf.NullValue"


@contextmanager
def _error_context(field: Any, path: str, *values: object) -> Iterator[None]:
    """Replace protobuf's own errors about scalars by ones with the path, and what was expected and passed."""
    try:
        yield
    except TypeError:
        passed = ", ".join(sorted(set(map(_type_name, values))))
        raise TypeError(f"{path} takes {ACCEPTED_VALUES.get(field.type, 'an int')}; got {passed}") from None
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _set(message: Message, field: Any, value: object, path: str) -> None:
    if is_map(field):
        _set_map(message, field, value, path)
    elif is_repeated(field):
        if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable):
            raise TypeError(f"{path} is repeated; pass a list, not {_type_name(value)}")
        items = [_to_field_value(field, item, f"{path}[{n}]") for n, item in enumerate(value)]
        with _error_context(field, path, *items):
            getattr(message, field.name).extend(items)
    elif field.message_type is not None:
        getattr(message, field.name).CopyFrom(_to_field_value(field, value, path))
    else:
        item = _to_field_value(field, value, path)
        with _error_context(field, path, item):
            super(type(message), message).__setattr__(field.name, item)  # protobuf's own, without the conveniences


def _set_map(message: Message, field: Any, value: object, path: str) -> None:
    if not isinstance(value, Mapping):
        raise TypeError(f"{path} is a map; pass a dict, not {_type_name(value)}")
    entries = getattr(message, field.name)
    key_field, value_field = field.message_type.fields_by_name["key"], field.message_type.fields_by_name["value"]
    for key, item in value.items():
        item_path = f"{path}[{key!r}]"
        entry = _to_field_value(value_field, item, item_path)
        with _error_context(key_field, f"a key of {path}", key):
            if value_field.message_type is not None:
                entries[key].CopyFrom(entry)
                continue
            entries.get(key)  # refuses a key of another type
        with _error_context(value_field, item_path, entry):
            entries[key] = entry


def _to_field_value(field: Any, value: object, path: str) -> Any:
    """Coerce one value of a field to a message or an enum number; other scalars are returned as they are."""
    if field.message_type is not None:
        return _to_message(_message_class(field), value, path)
    if field.enum_type is not None:
        return to_enum(field.enum_type, value, path)
    if field.type == FieldDescriptor.TYPE_BYTES and isinstance(value, str):
        return decode_base64(value, path)
    if field.type in _INTEGERS and isinstance(value, str) and value.removeprefix("-").isdecimal():
        return int(value)  # as the JSON of messages has 64-bit integers
    return value


def decode_base64(text: str, path: str) -> bytes:
    """Decode base64 as in the JSON of messages (https://protobuf.dev/programming-guides/json).

    Either alphabet is accepted, with or without padding.
    """
    unpadded = "".join(text.splitlines()).rstrip("=").replace("-", "+").replace("_", "/")
    try:
        data = base64.b64decode(unpadded + "=" * (-len(unpadded) % 4))
    except ValueError:
        data = b""
    # Prose may be decodable too, but rarely without leftover characters or bits.
    if base64.b64encode(data).decode().rstrip("=") != unpadded:
        raise TypeError(f"{path} takes bytes; got str, which is not base64")
    return data


def _set_well_known(message: Message, value: object, path: str) -> bool:
    """Set a well-known type from its Python counterpart; False if either of them is something else."""
    target: Any = message  # the stubs of Message lack the methods of the well-known types
    match message.DESCRIPTOR.full_name, value:
        case "google.protobuf.Struct" | "google.protobuf.Value" | "google.protobuf.ListValue", _:
            from google.protobuf import json_format  # 12 ms, and only programs with function calls or schemas need it

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
        case (("google.protobuf.Duration" | "google.protobuf.Timestamp"), str()):
            try:
                target.FromJsonString(value)
            except ValueError as error:
                raise ValueError(f"{path}: {error}") from None
        case _:
            return False
    return True


def _plain(value: object) -> Any:
    """Convert any mappings and iterables of JSON to dicts and lists."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, (str, bytes)):
        return [_plain(item) for item in value]
    return value


def is_repeated(field: Any) -> bool:
    """Whether a field is repeated."""
    # protobuf 6.31 added `is_repeated` and deprecated `label`.
    return bool(field.is_repeated) if hasattr(field, "is_repeated") else field.label == FieldDescriptor.LABEL_REPEATED


def is_map(field: Any) -> bool:
    """Whether a field is a map."""
    return field.message_type is not None and bool(field.message_type.GetOptions().map_entry)


def _message_class(field: Any) -> type[Message]:
    return message_class(field.message_type.full_name)


def _type_name(value: object) -> str:
    return "None" if value is None else type(value).__name__
