"""Filters of chunks by their metadata, and by that of their documents."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from typing import Any, Final

from genai_grpc import protos
from genai_grpc.errors import InvalidArgument

__all__ = ["check_filters", "matches"]

Operator: Any = protos.Condition.Operator
_CHUNK: Final = "chunk.custom_metadata."
_DOCUMENT: Final = "document.custom_metadata."
_COMPARE: Final[dict[int, Callable[[Any, Any], bool]]] = {
    Operator.LESS: operator.lt,
    Operator.LESS_EQUAL: operator.le,
    Operator.EQUAL: operator.eq,
    Operator.GREATER_EQUAL: operator.ge,
    Operator.GREATER: operator.gt,
    Operator.NOT_EQUAL: operator.ne,
}
_OF_TEXT: Final = {Operator.EQUAL, Operator.NOT_EQUAL, Operator.INCLUDES, Operator.EXCLUDES}


def check_filters(filters: Iterable[protos.MetadataFilter], *, of_documents: bool) -> None:
    """Check filters before a query.

    Args:
        filters: The filters.
        of_documents: Whether they may test the metadata of documents.

    Raises:
        InvalidArgument: A key or an operator cannot be used.
    """
    prefixes = (_CHUNK, _DOCUMENT) if of_documents else (_CHUNK,)
    for index, each in enumerate(filters):
        if not each.key.startswith(prefixes):
            raise InvalidArgument(
                f"metadata_filters[{index}].key is {each.key!r}; it begins with {' or '.join(prefixes)}"
            )
        if not each.conditions:
            raise InvalidArgument(f"metadata_filters[{index}] has no conditions")
        for condition in each.conditions:
            kind = condition.WhichOneof("value")
            allowed = _OF_TEXT if kind == "string_value" else _COMPARE if kind == "numeric_value" else ()
            if condition.operation not in allowed:
                raise InvalidArgument(
                    f"metadata_filters[{index}] compares a {kind or 'condition without a value'} by "
                    f"{Operator.Name(condition.operation)}; strings take EQUAL, NOT_EQUAL, INCLUDES and EXCLUDES, "
                    "numbers the comparisons"
                )


def matches(filters: Iterable[protos.MetadataFilter], document: protos.Document, chunk: protos.Chunk) -> bool:
    """Whether a chunk passes every filter, that is one of the conditions of each."""
    return all(_passes(each, document, chunk) for each in filters)


def _passes(metadata_filter: protos.MetadataFilter, document: protos.Document, chunk: protos.Chunk) -> bool:
    of_chunk = metadata_filter.key.startswith(_CHUNK)
    key = metadata_filter.key.removeprefix(_CHUNK if of_chunk else _DOCUMENT)
    stored = (chunk if of_chunk else document).custom_metadata
    found = next((each for each in stored if each.key == key), None)
    return any(_holds(condition, found) for condition in metadata_filter.conditions)


def _holds(condition: protos.Condition, stored: protos.CustomMetadata | None) -> bool:
    kind = None if stored is None else stored.WhichOneof("value")
    if condition.WhichOneof("value") == "numeric_value":
        if stored is None or kind != "numeric_value":
            return False
        return _COMPARE[condition.operation](stored.numeric_value, condition.numeric_value)
    text = condition.string_value
    match condition.operation:
        case Operator.EQUAL:
            return stored is not None and kind == "string_value" and stored.string_value == text
        case Operator.NOT_EQUAL:
            return stored is not None and kind == "string_value" and stored.string_value != text
        case Operator.INCLUDES:
            return stored is not None and kind == "string_list_value" and text in stored.string_list_value.values
        case _:
            return stored is not None and kind == "string_list_value" and text not in stored.string_list_value.values
