"""Messages to JSON and back by tables, one for each message type, made at its first use.

Protobuf's own writer and reader do everything, and take ten times as long. These here do what requests and replies
have, and say `Unusual` to all else (NaN, an enum number without a name, a field given twice, a wrong type), so that
protobuf's decide: what these return is what those would.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from genai_grpc._floats import to_shortest
from genai_grpc_protos._convert import decode_base64, is_repeated
from genai_grpc_protos._pool import message_class

__all__ = ["Unusual", "read_fields", "write_fields"]

_WRAPPED: Final = frozenset({"Timestamp", "Duration", "FieldMask"})
"""The types of `google.protobuf` that are a text in JSON."""


class Unusual(Exception):
    """A message or its JSON is not for these tables."""


def write_fields(message: Message) -> dict[str, Any]:
    """The JSON of a message that is none of `google.protobuf`.

    Raises:
        Unusual: It has a value that they leave to protobuf.
    """
    table = _writers(message.DESCRIPTOR)
    fields: dict[str, Any] = {}
    for field, value in message.ListFields():
        name, write = table[field.number]
        fields[name] = value if write is None else write(value)
    return fields


def read_fields(message_type: type[Message], value: Any) -> dict[str, Any]:
    """The fields of a message from its JSON, as its constructor takes them; fields that it does not have are left out.

    Raises:
        Unusual: It has a value that they leave to protobuf.
    """
    return _read(message_type.DESCRIPTOR, value)


@cache
def _writers(descriptor: Any) -> dict[int, tuple[str, Callable[[Any], Any] | None]]:
    """The names of fields, and what writes their values; None where it is the value itself."""
    return {field.number: (field.json_name, _field_writer(field)) for field in descriptor.fields}


def _field_writer(field: Any) -> Callable[[Any], Any] | None:
    if _is_map(field):
        key, value = (field.message_type.fields_by_name[name] for name in ("key", "value"))
        return _unusual if key.type != FieldDescriptor.TYPE_STRING else _map_writer(_item_writer(value))
    if not is_repeated(field):
        return _item_writer(field)
    return _write_floats if field.type == FieldDescriptor.TYPE_FLOAT else _list_writer(_item_writer(field))


def _map_writer(write: Callable[[Any], Any] | None) -> Callable[[Any], Any]:
    return dict if write is None else lambda items: {name: write(item) for name, item in items.items()}


def _list_writer(write: Callable[[Any], Any] | None) -> Callable[[Any], Any]:
    return list if write is None else lambda items: [write(item) for item in items]


def _item_writer(field: Any) -> Callable[[Any], Any] | None:
    if field.message_type is not None:
        return _message_writer(field.message_type)
    if field.enum_type is not None:
        if field.enum_type.file.package == "google.protobuf":
            return _unusual
        names = {number: value.name for number, value in field.enum_type.values_by_number.items()}
        return lambda number: _known(names.get(number))
    return _SCALAR_WRITERS.get(field.type)


def _message_writer(descriptor: Any) -> Callable[[Any], Any]:
    if descriptor.file.package != "google.protobuf":
        return write_fields
    if descriptor.name in _WRAPPED:
        return _write_text
    return {"Struct": _write_struct, "ListValue": _write_list, "Value": _write_value}.get(descriptor.name, _unusual)


def _write_struct(struct: Any) -> dict[str, Any]:
    return {name: _write_value(value) for name, value in struct.fields.items()}


def _write_list(values: Any) -> list[Any]:
    return [_write_value(value) for value in values.values]


def _write_value(value: Any) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        return _write_struct(value.struct_value)
    if kind == "list_value":
        return _write_list(value.list_value)
    if kind == "number_value":
        number = _finite(value.number_value)
        return int(number) if number.is_integer() else number
    if kind is None:
        raise Unusual
    return None if kind == "null_value" else getattr(value, kind)


def _write_text(message: Any) -> str:
    try:
        text: str = message.ToJsonString()
    except (ValueError, OverflowError) as error:
        raise Unusual from error
    return text


def _write_floats(values: Any) -> list[float]:
    if not all(map(math.isfinite, values)):
        raise Unusual
    return to_shortest(values)


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise Unusual
    return value


def _known(name: str | None) -> str:
    if name is None:
        raise Unusual
    return name


def _unusual(_: object) -> Any:
    raise Unusual


_INT64: Final = (
    FieldDescriptor.TYPE_INT64,
    FieldDescriptor.TYPE_UINT64,
    FieldDescriptor.TYPE_SINT64,
    FieldDescriptor.TYPE_FIXED64,
    FieldDescriptor.TYPE_SFIXED64,
)
_SCALAR_WRITERS: Final[Mapping[int, Callable[[Any], Any]]] = {
    **dict.fromkeys(_INT64, str),
    FieldDescriptor.TYPE_BYTES: lambda data: base64.b64encode(data).decode(),
    FieldDescriptor.TYPE_DOUBLE: _finite,
    FieldDescriptor.TYPE_FLOAT: lambda value: to_shortest([_finite(value)])[0],
}


def _read(descriptor: Any, value: Any) -> dict[str, Any]:
    if type(value) is not dict:
        raise Unusual
    table = _readers(descriptor)
    fields: dict[str, Any] = {}
    used: set[str] = set()
    for key, item in value.items():
        reader = table.get(key)
        if reader is None:
            continue
        if reader.slot in used:
            raise Unusual  # twice, or another one of a oneof
        if item is not None:
            used.add(reader.slot)
            fields[reader.name] = reader.read(item)
        elif reader.takes_null:
            raise Unusual
    return fields


class _Reader:
    """What reads a field.

    Attributes:
        name: The field.
        slot: Its oneof, or the field itself.
        takes_null: Whether null is a value of it.
        read: Makes what the constructor takes from a value that is not null.
    """

    __slots__ = ("name", "read", "slot", "takes_null")

    def __init__(self, field: Any) -> None:
        oneof = field.containing_oneof
        self.name: str = field.name
        self.slot: str = field.name if oneof is None else f"{oneof.name} (oneof)"
        self.takes_null = field.message_type is not None and field.message_type.full_name == "google.protobuf.Value"
        self.read = _field_reader(field)


@cache
def _readers(descriptor: Any) -> dict[str, _Reader]:
    """What reads each field, by its names."""
    readers = [(field, _Reader(field)) for field in descriptor.fields]
    return {name: reader for field, reader in readers for name in (field.name, field.json_name)}


def _field_reader(field: Any) -> Callable[[Any], Any]:
    if _is_map(field):
        key, value = (field.message_type.fields_by_name[name] for name in ("key", "value"))
        # The constructor takes no dicts for the messages in a map.
        if key.type != FieldDescriptor.TYPE_STRING or value.message_type is not None:
            return _unusual
        read = _item_reader(value)
        return lambda items: {name: read(item) for name, item in _of_type(dict, items).items()}
    read = _item_reader(field)
    return (lambda items: [read(item) for item in _of_type(list, items)]) if is_repeated(field) else read


def _item_reader(field: Any) -> Callable[[Any], Any]:
    if field.message_type is not None:
        return _message_reader(field.message_type)
    if field.enum_type is not None:
        if field.enum_type.file.package == "google.protobuf":
            return _unusual
        numbers = {value.name: value.number for value in field.enum_type.values}
        return lambda name: _known_number(numbers.get(name) if type(name) is str else None)
    return _SCALAR_READERS.get(field.type, _unusual)


def _message_reader(descriptor: Any) -> Callable[[Any], Any]:
    if descriptor.file.package != "google.protobuf":
        return lambda value: _read(descriptor, value)
    message_type: Any = message_class(descriptor.full_name)
    if descriptor.name == "Struct":
        return lambda value: _read_struct(message_type, value)
    return (lambda text: _read_text(message_type, text)) if descriptor.name in _WRAPPED else _unusual


def _read_struct(message_type: Any, value: Any) -> Any:
    struct = message_type()
    try:
        struct.update(_of_type(dict, value))
    except (TypeError, ValueError) as error:
        raise Unusual from error
    return struct


def _read_text(message_type: Any, text: Any) -> Any:
    message = message_type()
    try:
        message.FromJsonString(_of_type(str, text))
    except (TypeError, ValueError) as error:
        raise Unusual from error
    return message


def _of_type(expected: type, value: Any) -> Any:
    if type(value) is not expected:
        raise Unusual
    return value


def _known_number(number: int | None) -> int:
    if number is None:
        raise Unusual
    return number


def _read_int64(value: Any) -> int:
    if type(value) is str and value.isascii() and value.isdecimal():
        return int(value)
    number: int = _of_type(int, value)
    return number


def _read_float(value: Any) -> float:
    if type(value) is not float and type(value) is not int:
        raise Unusual
    return value


def _read_bytes(value: Any) -> bytes:
    try:
        return decode_base64(_of_type(str, value), "")
    except TypeError as error:
        raise Unusual from error


_SCALAR_READERS: Final[Mapping[int, Callable[[Any], Any]]] = {
    **dict.fromkeys(_INT64, _read_int64),
    FieldDescriptor.TYPE_STRING: lambda value: _of_type(str, value),
    FieldDescriptor.TYPE_BOOL: lambda value: _of_type(bool, value),
    FieldDescriptor.TYPE_INT32: lambda value: _of_type(int, value),
    FieldDescriptor.TYPE_UINT32: lambda value: _of_type(int, value),
    FieldDescriptor.TYPE_DOUBLE: _read_float,
    FieldDescriptor.TYPE_FLOAT: _read_float,
    FieldDescriptor.TYPE_BYTES: _read_bytes,
}


def _is_map(field: Any) -> bool:
    # Without `GetOptions`, which imports descriptor_pb2, 15 ms.
    entry = field.message_type
    return (
        entry is not None
        and entry.has_options
        and entry.name.endswith("Entry")
        and set(entry.fields_by_name) == {"key", "value"}
    )
