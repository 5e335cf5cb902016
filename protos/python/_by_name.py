"""Messages of one API as those of the other: by the names of fields and enum values, since their numbers differ.

What corresponds is found in the descriptors, once for each pair of messages.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import cache
from importlib import import_module
from typing import Any, Final, TypeVar

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from genai_grpc_protos._pool import POOL

__all__ = ["TITLES", "convert", "corresponds", "value_elsewhere", "where_else"]

M = TypeVar("M", bound=Message)

TITLES: Final = {
    "google.ai.generativelanguage.v1beta": "the Gemini API",
    "google.cloud.aiplatform.v1": "Vertex AI",
}
"""The proto packages, and the names of their APIs."""

MODULES: Final = {
    "google.ai.generativelanguage.v1beta": "genai_grpc_protos.v1beta",
    "google.cloud.aiplatform.v1": "genai_grpc_protos.aiplatform_v1",
}
"""The Python packages with their messages."""

# Fields whose names differ: the message, and its field on either side.
_RENAMED: Final = {
    ("CitationMetadata", "citation_sources"): "citations",
    ("CitationMetadata", "citations"): "citation_sources",
}
# Fields that only refer to other parts of the same conversation, and that one API does without: it goes by the order.
_DROPPED: Final = frozenset({("FunctionCall", "id"), ("FunctionResponse", "id")})


def corresponds(message: Message, cls: type[Message]) -> bool:
    """Whether a message is the counterpart of those of `cls`: of the other API, with the same name."""
    source, target = message.DESCRIPTOR, cls.DESCRIPTOR
    packages = source.file.package, target.file.package
    return source.name == target.name and packages[0] != packages[1] and all(each in TITLES for each in packages)


def convert(message: Message, cls: type[M], *, lenient: bool = False) -> M:
    """The message of the other API with the same fields and enum values, by name.

    Args:
        message: The message; it is not changed.
        cls: The class of its counterpart.
        lenient: Leave out what the other API lacks; an enum value that it lacks becomes OTHER, if it has that.

    Raises:
        ValueError: A field that is set, or an enum value, is one that the other API lacks.
    """
    result = cls()
    _fill(message, result, lenient)
    return result


def where_else(descriptor: Any, name: str) -> str:
    """The API that has a field which a message lacks, as the end of an error; "" if none has it."""
    for package, title in TITLES.items():
        if package != descriptor.file.package and descriptor.file.package in TITLES:
            other = _counterpart(descriptor, package)
            if other is not None and (name in other.fields_by_name or name in other.fields_by_camelcase_name):
                return f"; {title} has it"
    return ""


def value_elsewhere(enum: Any, name: str) -> str:
    """The API that has a value which an enum lacks, as the end of an error; "" if none has it."""
    package = enum.file.package
    for other, title in TITLES.items():
        if other == package or package not in TITLES:
            continue
        import_module(MODULES[other])  # its files join the pool
        with suppress(KeyError):
            found = POOL.FindEnumTypeByName(enum.full_name.replace(package, other, 1))
            prefix = found.values[0].name.removesuffix("UNSPECIFIED")
            if {name, name.upper(), prefix + name.upper()} & set(found.values_by_name):
                return f"; {title} has it"
    return ""


def _counterpart(descriptor: Any, package: str) -> Any:
    """The message of the same name in the other API; None if there is none."""
    import_module(MODULES[package])  # its files join the pool
    inner = descriptor.full_name.removeprefix(f"{descriptor.file.package}.")
    # One API nests some messages that the other does not, such as `GenerationConfig.ThinkingConfig`.
    for path in (inner, descriptor.name, f"GenerationConfig.{inner}", f"Tool.{inner}"):
        try:
            return POOL.FindMessageTypeByName(f"{package}.{path}")
        except KeyError:
            continue
    return None


class _Rule:
    """What becomes of one field.

    Attributes:
        target: The name of the field on the other side; None if it has none, or one that this cannot become.
        write: Writes a value that is set into the other message.
        dropped: Whether a field without a counterpart is left out.
    """

    __slots__ = ("dropped", "target", "write")

    def __init__(self, target: str | None, write: Callable[[Any, str, Any, bool], None] | None, dropped: bool) -> None:
        self.target, self.write, self.dropped = target, write, dropped


def _fill(message: Any, result: Any, lenient: bool) -> None:
    rules = _rules(message.DESCRIPTOR, result.DESCRIPTOR)
    for field, value in message.ListFields():
        rule = rules[field.name]
        if rule.write is not None and rule.target is not None:
            rule.write(result, rule.target, value, lenient)
        elif not (lenient or rule.dropped):
            path = f"{message.DESCRIPTOR.name}.{field.name}"
            source = TITLES.get(message.DESCRIPTOR.file.package, "the other API")
            raise ValueError(f"{path}: {TITLES[result.DESCRIPTOR.file.package]} has no such field; {source} has it")
    result.SetInParent()


@cache
def _rules(source: Any, target: Any) -> dict[str, _Rule]:
    return {field.name: _rule(field, target) for field in source.fields}


def _rule(field: Any, target: Any) -> _Rule:
    owner = field.containing_type.name
    found = target.fields_by_name.get(field.name) or target.fields_by_name.get(_RENAMED.get((owner, field.name), ""))
    write = None if found is None else _writer(field, found)
    return _Rule(None if write is None else found.name, write, (owner, field.name) in _DROPPED)


def _writer(field: Any, target: Any) -> Callable[[Any, str, Any, bool], None] | None:
    """The function that writes a field's value into its counterpart; None if their types do not correspond."""
    if _is_repeated(field) != _is_repeated(target) or (field.message_type is None) != (target.message_type is None):
        return None
    if field.message_type is None:
        return _scalar_writer(field, target)
    if field.message_type.GetOptions().map_entry:
        entry = field.message_type.fields_by_name["value"], target.message_type.fields_by_name["value"]
        if entry[0].message_type is None:
            return _update
        return _write_messages_of_map
    if _is_repeated(field):
        return _copy_all if field.message_type.full_name == target.message_type.full_name else _add_all
    return _copy if field.message_type.full_name == target.message_type.full_name else _write_message


def _scalar_writer(field: Any, target: Any) -> Callable[[Any, str, Any, bool], None] | None:
    if field.enum_type is not None and target.enum_type is not None:
        return _enum_writer(field, target)
    if field.enum_type is not None or target.enum_type is not None:
        return None
    if _is_repeated(field):
        return _copy_all
    if field.type != target.type and target.type == FieldDescriptor.TYPE_INT32:
        return _write_integer
    return _write


def _enum_writer(field: Any, target: Any) -> Callable[[Any, str, Any, bool], None]:
    numbers = _enum_table(field.enum_type, target.enum_type)
    path = f"{field.containing_type.name}.{field.name}"
    title, source = TITLES[target.file.package], TITLES.get(field.file.package, "the other API")
    other = target.enum_type.values_by_name.get("OTHER")
    default = 0 if other is None else other.number

    def number_of(value: int, lenient: bool) -> int:
        number = numbers.get(int(value))
        if number is None and not lenient:
            known = field.enum_type.values_by_number.get(int(value))
            name = int(value) if known is None else known.name
            raise ValueError(f"{path}: {title} has no {name}" + ("" if known is None else f"; {source} has it"))
        return default if number is None else number

    def write(result: Any, name: str, value: Any, lenient: bool) -> None:
        setattr(result, name, number_of(value, lenient))

    def extend(result: Any, name: str, values: Any, lenient: bool) -> None:
        getattr(result, name).extend(number_of(value, lenient) for value in values)

    return extend if _is_repeated(field) else write


@cache
def _enum_table(source: Any, target: Any) -> dict[int, int]:
    """The numbers of the values that both enums have, by name. Zero stands for none, whatever its name."""
    names = target.values_by_name
    return {0: 0} | {value.number: names[value.name].number for value in source.values if value.name in names}


def _write(result: Any, name: str, value: Any, _: bool) -> None:
    setattr(result, name, value)


def _write_integer(result: Any, name: str, value: float, _: bool) -> None:
    if not float(value).is_integer():
        raise ValueError(f"{result.DESCRIPTOR.name}.{name} is an int; got {value}")
    setattr(result, name, int(value))


def _write_message(result: Any, name: str, value: Any, lenient: bool) -> None:
    _fill(value, getattr(result, name), lenient)


def _copy(result: Any, name: str, value: Any, _: bool) -> None:
    # Parsed, since the message may be of another pool.
    getattr(result, name).ParseFromString(value.SerializeToString())
    getattr(result, name).SetInParent()


def _copy_all(result: Any, name: str, values: Any, _: bool) -> None:
    repeated = getattr(result, name)
    if hasattr(repeated, "add"):
        for value in values:
            repeated.add().ParseFromString(value.SerializeToString())
    else:
        repeated.extend(values)


def _add_all(result: Any, name: str, values: Any, lenient: bool) -> None:
    repeated = getattr(result, name)
    for value in values:
        _fill(value, repeated.add(), lenient)


def _update(result: Any, name: str, values: Any, _: bool) -> None:
    getattr(result, name).update(values)


def _write_messages_of_map(result: Any, name: str, values: Any, lenient: bool) -> None:
    entries = getattr(result, name)
    for key, value in values.items():
        _fill(value, entries[key], lenient)


def _is_repeated(field: Any) -> bool:
    return bool(field.is_repeated) if hasattr(field, "is_repeated") else field.label == FieldDescriptor.LABEL_REPEATED
