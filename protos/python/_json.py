"""Messages to JSON and back, with the descriptor pool of this package's messages.

Protobuf's JSON (https://protobuf.dev/programming-guides/json/) has no place for some values that the wire carries: NaN
and infinity in a Struct, a Timestamp or Duration out of range, an Any of an unknown type, and fields that this version
does not know. The writers here never raise: they write such a value as a str or an object that resembles it. The
lossless JSON of a message with such values also has the serialized message in base64, as the key "@serialized", and is
read from that. No field can have this name.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping
from typing import Any, Final, TypeVar

from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from genai_grpc_protos._convert import decode_base64, is_map, is_repeated
from genai_grpc_protos._pool import POOL, message_class

__all__ = [
    "from_json_dict",
    "load_json",
    "print_fields",
    "to_json_dict",
    "to_lossless_dict",
    "with_serialized",
]

M = TypeVar("M", bound=Message)

SERIALIZED: Final = "@serialized"


def to_json_dict(message: Message, **options: Any) -> dict[str, Any]:
    """A message as JSON-ready dicts. Never raises for a message that was parsed.

    Args:
        message: The message.
        **options: Those of `google.protobuf.json_format.MessageToDict`.
    """
    return print_fields(message, **options)[0]


def to_lossless_dict(message: Message) -> dict[str, Any]:
    """A message as JSON-ready dicts, from which `from_json_dict` reads an equal one. Never raises, as above."""
    value, exact = print_fields(message)
    if exact:
        try:
            if _serialize(from_json_dict(type(message), value)) == _serialize(message):
                return value
        except ValueError:
            pass  # the writer writes more than the reader reads
    return with_serialized(value, message)


def with_serialized(fields: dict[str, Any], message: Message) -> dict[str, Any]:
    """The JSON of a message with the serialized message in addition, from which `from_json_dict` reads it."""
    return {**fields, SERIALIZED: base64.b64encode(message.SerializeToString()).decode()}


def print_fields(message: Message, **options: Any) -> tuple[dict[str, Any], bool]:
    """`to_json_dict` of a message, and whether protobuf's JSON has all of its values."""
    try:
        return json_format.MessageToDict(message, descriptor_pool=POOL, **options), True
    except Exception:  # json_format has no closed list of what it raises
        return _resemble(message, options), False


def load_json(text: str | bytes) -> Any:
    """The value of a JSON text.

    Raises:
        ValueError: It is not JSON, or nested too deeply.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("the JSON is nested too deeply") from None


def from_json_dict(message_type: type[M], value: Any, *, ignore_unknown_fields: bool = False) -> M:
    """The message of JSON-ready dicts.

    Raises:
        ValueError: `value` is not the JSON of such a message.
    """
    name = message_type.DESCRIPTOR.name
    serialized = value.get(SERIALIZED) if isinstance(value, Mapping) else None
    try:
        if serialized is not None:
            return message_type.FromString(base64.b64decode(serialized, validate=True))
        checked = _checked(message_type.DESCRIPTOR, value, name)
        return json_format.ParseDict(
            checked, message_type(), ignore_unknown_fields=ignore_unknown_fields, descriptor_pool=POOL
        )
    except json_format.ParseError as error:
        raise ValueError(str(error)) from error
    except RecursionError:
        raise ValueError(f"the JSON of a {name} is nested too deeply") from None
    except Exception as error:  # as above
        if serialized is not None:
            raise ValueError(f"{SERIALIZED} is not the base64 of a {name}: {error}") from error
        if isinstance(error, ValueError) and not isinstance(error, UnicodeError):
            raise
        raise ValueError(f"this is not the JSON of a {name}: {type(error).__name__}: {error}") from error


def _serialize(message: Message) -> bytes:
    # Not `==`, to which NaN differs from itself, and unknown fields do not count on every runtime.
    return message.SerializeToString(deterministic=True)


def _resemble(message: Any, options: Mapping[str, Any]) -> Any:
    """The JSON of a message, in which values that JSON does not have resemble themselves."""
    match message.DESCRIPTOR.full_name:
        case "google.protobuf.Struct":
            return {key: _resemble(value, options) for key, value in message.fields.items()}
        case "google.protobuf.ListValue":
            return [_resemble(value, options) for value in message.values]
        case "google.protobuf.Value":
            return _resemble_value(message, options)
        case "google.protobuf.Any":
            return {"@type": message.type_url, "value": base64.b64encode(message.value).decode()}
        case "google.protobuf.Timestamp" | "google.protobuf.Duration":
            try:
                return message.ToJsonString()
            except (ValueError, OverflowError):
                return {"seconds": str(message.seconds), "nanos": message.nanos}
        case "google.protobuf.FieldMask":
            return ",".join(message.paths)
        case _:
            return _resemble_fields(message, options)


def _resemble_value(value: Any, options: Mapping[str, Any]) -> Any:
    match value.WhichOneof("kind"):
        case "struct_value" | "list_value" as kind:
            return _resemble(getattr(value, kind), options)
        case "number_value" if not math.isfinite(value.number_value):
            # As protobuf writes them in fields of type double.
            return "NaN" if math.isnan(value.number_value) else "Infinity" if value.number_value > 0 else "-Infinity"
        case "null_value" | None:
            return None
        case kind:
            return getattr(value, kind)


def _resemble_fields(message: Any, options: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a message: protobuf writes the scalars, and the defaults if they are asked for."""
    scalars, messages = type(message)(), dict[str, Any]()
    for field, value in message.ListFields():
        if field.message_type is None:
            getattr(scalars, field.name).extend(value) if is_repeated(field) else setattr(scalars, field.name, value)
            continue
        name = field.name if options.get("preserving_proto_field_name") else field.json_name
        if is_map(field):
            is_message = field.message_type.fields_by_name["value"].message_type is not None
            messages[name] = {str(key): _resemble(value[key], options) if is_message else value[key] for key in value}
        elif is_repeated(field):
            messages[name] = [_resemble(item, options) for item in value]
        else:
            messages[name] = _resemble(value, options)
    return {**json_format.MessageToDict(scalars, descriptor_pool=POOL, **options), **messages}


def _checked(descriptor: Any, value: Any, path: str) -> Any:
    """The JSON of a message, with its bytes in URL-safe base64, of which alone later releases of Python read all.

    Checks what protobuf's reader does not: that each message is an object, and that bytes are valid base64.

    Raises:
        ValueError: It is not so.
    """
    if descriptor.file.package == "google.protobuf":
        if descriptor.name != "Any" or not isinstance(value, dict):
            return value  # the reader checks them
        try:
            descriptor = message_class(str(value.get("@type")).rpartition("/")[2]).DESCRIPTOR
        except KeyError:
            return value
        if descriptor.file.package == "google.protobuf":
            return value
    if not isinstance(value, Mapping):
        place = f"a {path} is" if path == descriptor.name else f"{path} is a {descriptor.name},"
        raise ValueError(f"{place} an object in JSON; got {type(value).__name__}")  # noqa: TRY004 -- data
    changed = {}
    for key, item in value.items():
        field = descriptor.fields_by_camelcase_name.get(key) or descriptor.fields_by_name.get(key)
        if field is not None and item is not None and (field.message_type or field.type == FieldDescriptor.TYPE_BYTES):
            checked = _checked_field(field, item, f"{path}.{key}")
            if checked is not item:
                changed[key] = checked
    return {**value, **changed} if changed else value


def _checked_field(field: Any, value: Any, path: str) -> Any:
    if is_map(field):
        if not isinstance(value, Mapping):
            return value
        item_field = field.message_type.fields_by_name["value"]
        items = {key: _checked_item(item_field, item, f"{path}[{key!r}]") for key, item in value.items()}
        return items if any(items[key] is not item for key, item in value.items()) else value
    if is_repeated(field):
        if not isinstance(value, list):
            return value
        listed = [_checked_item(field, item, f"{path}[{index!r}]") for index, item in enumerate(value)]
        return listed if any(one is not other for one, other in zip(listed, value, strict=True)) else value
    return _checked_item(field, value, path)


def _checked_item(field: Any, value: Any, path: str) -> Any:
    if field.message_type is not None:
        return _checked(field.message_type, value, path)
    if field.type == FieldDescriptor.TYPE_BYTES and isinstance(value, str):
        try:
            decode_base64(value, path)
        except TypeError as error:
            raise ValueError(str(error)) from None
        if "+" in value or "/" in value:
            return value.replace("+", "-").replace("/", "_")
    return value
