"""Requests in HTTP, as messages: strict about names, and lenient about their spelling, as the service is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from genai_grpc.errors import InvalidArgument
from genai_grpc_protos._convert import is_map, is_repeated

__all__ = ["parse_request"]

_MAX_DEPTH: Final = 100
"""Objects in objects, as protobuf's parsers allow by default."""


def parse_request(
    message_type: type[Message],
    body_field: str,
    path_fields: Mapping[str, str],
    query: Iterable[tuple[str, str]],
    body: bytes,
) -> Message:
    """The message of a request.

    Args:
        message_type: The class of the message.
        body_field: The field that is the body; "*" for all of the message; "" if the body does not count.
        path_fields: The fields in the path, by their names with dots.
        query: Names and values of the query.
        body: The body as it was received.

    Raises:
        InvalidArgument: A field is unknown or has the wrong type; the message names it.
    """
    from genai_grpc_protos._json import from_json_dict, load_json  # json_format takes 50 ms

    descriptor = message_type.DESCRIPTOR
    value: dict[str, Any] = {}
    if body_field and body.strip():
        try:
            given = load_json(body)
        except ValueError as error:
            raise InvalidArgument(f"the body is not JSON: {error}") from None
        value = given if body_field == "*" else {body_field: given}
    value = _message(descriptor, value, "", 0)
    for name, text in query:
        _set(descriptor, value, name.split("."), _query_value, text, name)
    for name, text in path_fields.items():
        _set(descriptor, value, name.split("."), _path_value, text, name)
    try:
        return from_json_dict(message_type, value)
    except ValueError as error:
        raise InvalidArgument(str(error)) from None


def _message(descriptor: Any, value: Any, path: str, depth: int) -> Any:
    """The JSON of a message with the names of its fields and enums as protobuf's reader wants them."""
    if descriptor.file.package == "google.protobuf":
        return _mask(value) if descriptor.name == "FieldMask" else value
    if not isinstance(value, Mapping):
        place = f"{path} is" if path else "the body is"
        raise InvalidArgument(f"{place} a {descriptor.name}, an object in JSON; got {type(value).__name__}")
    if depth > _MAX_DEPTH:
        raise InvalidArgument(f"{path[:80]}… is nested too deeply; {_MAX_DEPTH} levels are allowed")
    fields: dict[str, Any] = {}
    for key, item in value.items():
        field = _field(descriptor, key)
        if field is None:
            raise InvalidArgument(f"unknown field {key!r}{f' in {path}' if path else ''} ({descriptor.name})")
        if field.name in fields:
            raise InvalidArgument(f"{_join(path, key)} is given twice")
        if item is not None:
            fields[field.name] = _field_value(field, item, _join(path, key), depth)
    return fields


def _field(descriptor: Any, key: str) -> Any:
    return descriptor.fields_by_name.get(key) or descriptor.fields_by_camelcase_name.get(key)


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _field_value(field: Any, value: Any, path: str, depth: int) -> Any:
    if is_map(field):
        item = field.message_type.fields_by_name["value"]
        if not isinstance(value, Mapping):
            raise InvalidArgument(f"{path} is an object in JSON; got {type(value).__name__}")
        return {key: _item(item, each, f"{path}[{key!r}]", depth) for key, each in value.items()}
    if is_repeated(field):
        if not isinstance(value, list):
            raise InvalidArgument(f"{path} is an array in JSON; got {type(value).__name__}")
        return [_item(field, each, f"{path}[{index}]", depth) for index, each in enumerate(value)]
    return _item(field, value, path, depth)


def _item(field: Any, value: Any, path: str, depth: int) -> Any:
    if field.message_type is not None:
        return _message(field.message_type, value, path, depth + 1)
    if field.enum_type is not None and isinstance(value, str):
        found = field.enum_type.values_by_name.get(value) or field.enum_type.values_by_name.get(value.upper())
        if found is None:
            names = ", ".join(each.name for each in field.enum_type.values)
            raise InvalidArgument(f"{path} is {value!r}; it is one of {names}")
        return found.name
    return value


def _mask(value: Any) -> Any:
    """A field mask in camelCase, which may come in snake_case, too."""
    if not isinstance(value, str):
        return value
    return ",".join(_camel(path.strip()) for path in value.split(","))


def _camel(path: str) -> str:
    first, *rest = path.split("_")
    return first + "".join(word[:1].upper() + word[1:] for word in rest)


def _set(descriptor: Any, value: dict[str, Any], names: list[str], convert: Any, text: str, path: str) -> None:
    """Set a field of a nested object from text."""
    *parents, last = names
    for name in parents:
        field = _field(descriptor, name)
        if field is None or field.message_type is None or is_repeated(field):
            raise InvalidArgument(f"unknown parameter {path!r}")
        value, descriptor = value.setdefault(field.name, {}), field.message_type
    field = _field(descriptor, last)
    if field is None:
        raise InvalidArgument(f"unknown parameter {path!r}")
    converted = convert(field, text, path)
    if is_repeated(field):
        value.setdefault(field.name, []).append(converted)
    else:
        value[field.name] = converted


def _path_value(_field: Any, text: str, _path: str) -> str:
    return text


def _query_value(field: Any, text: str, path: str) -> Any:
    """The JSON value of a parameter."""
    if field.message_type is not None:
        if field.message_type.file.package != "google.protobuf":
            raise InvalidArgument(
                f"the parameter {path!r} is a {field.message_type.name}, for which a query has no form"
            )
        return _mask(text) if field.message_type.name == "FieldMask" else text
    if field.type == FieldDescriptor.TYPE_BOOL:
        if text not in ("true", "false"):
            raise InvalidArgument(f"{path} is {text!r}; it is true or false")
        return text == "true"
    if field.enum_type is not None and text.isdecimal():
        return int(text)
    return _item(field, text, path, 0)
