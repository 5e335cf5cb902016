"""Metadata of documents and chunks, and the filters of queries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from genai_grpc import protos
from genai_grpc._coerce.enums import to_operator
from genai_grpc._floats import to_shortest
from genai_grpc._self import Self
from genai_grpc_protos._convert import to_message

__all__ = ["ChunkData", "Condition", "CustomMetadata", "MetadataFilter", "to_custom_metadata", "to_filters"]


@dataclass
class ChunkData:
    """The content of a chunk.

    Attributes:
        string_value: Its text.

    >>> ChunkData("Once upon a time").string_value
    'Once upon a time'
    """

    string_value: str


@dataclass
class CustomMetadata:
    """One key with its value, of a document or a chunk.

    Attributes:
        key: The key.
        value: A str, a number, or several str.

    >>> CustomMetadata("year", 1865).to_proto().numeric_value
    1865.0
    """

    key: str
    value: str | float | Iterable[str]

    def to_proto(self) -> protos.CustomMetadata:
        """The message.

        Raises:
            TypeError: The value is of another type.
        """
        value = self.value
        if isinstance(value, str):
            return protos.CustomMetadata(key=self.key, string_value=value)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return protos.CustomMetadata(key=self.key, numeric_value=value)
        if isinstance(value, Iterable):
            return protos.CustomMetadata(key=self.key, string_list_value=protos.StringList(values=list(value)))
        raise TypeError(f"the metadata {self.key!r} is a str, a number or several str; got {type(value).__name__}")

    @classmethod
    def from_proto(cls, proto: protos.CustomMetadata) -> Self:
        """The metadata of a message."""
        match proto.WhichOneof("value"):
            case "numeric_value":
                return cls(proto.key, to_shortest([proto.numeric_value])[0])
            case "string_list_value":
                return cls(proto.key, list(proto.string_list_value.values))
        return cls(proto.key, proto.string_value)


@dataclass
class Condition:
    """A comparison of stored metadata with a value.

    Attributes:
        value: A str or a number.
        operation: A member of `protos.Condition.Operator`, its name or number, or one of `<`, `<=`, `==`, `>=`, `>`,
            `!=`, `in`, `not in`.

    >>> Condition(1900, ">=").operation.name
    'GREATER_EQUAL'
    """

    value: str | float
    operation: Any

    def __post_init__(self) -> None:
        self.operation = to_operator(self.operation)

    def to_proto(self) -> protos.Condition:
        """The message."""
        if isinstance(self.value, str):
            return protos.Condition(operation=self.operation, string_value=self.value)
        return protos.Condition(operation=self.operation, numeric_value=self.value)


@dataclass
class MetadataFilter:
    """A filter of a query: what a key must be. Passing one of the conditions is enough.

    Attributes:
        key: `document.custom_metadata.KEY` or `chunk.custom_metadata.KEY`.
        conditions: The conditions, or a single one.

    >>> MetadataFilter("chunk.custom_metadata.year", [Condition(1900, "<")]).to_proto().key
    'chunk.custom_metadata.year'
    """

    key: str
    conditions: Iterable[Condition] | Condition

    def to_proto(self) -> protos.MetadataFilter:
        """The message."""
        conditions = [self.conditions] if isinstance(self.conditions, Condition) else self.conditions
        return protos.MetadataFilter(key=self.key, conditions=[each.to_proto() for each in conditions])


def to_custom_metadata(values: Any) -> list[protos.CustomMetadata]:
    """The messages of metadata, each a CustomMetadata, a message, a dict of one, or a dict of `key` and `value`.

    Raises:
        TypeError: One is of another type.
    """
    return [_to_custom_metadata(each) for each in values or ()]


def _to_custom_metadata(value: Any) -> protos.CustomMetadata:
    if isinstance(value, CustomMetadata):
        return value.to_proto()
    if isinstance(value, Mapping) and set(value) == {"key", "value"}:
        return CustomMetadata(value["key"], value["value"]).to_proto()
    return to_message(protos.CustomMetadata, value)


def to_filters(filters: Any) -> list[protos.MetadataFilter]:
    """The messages of filters, each a MetadataFilter, a message or a dict of one.

    Raises:
        TypeError: One is of another type.
    """
    return [
        each.to_proto() if isinstance(each, MetadataFilter) else to_message(protos.MetadataFilter, each)
        for each in filters or ()
    ]
