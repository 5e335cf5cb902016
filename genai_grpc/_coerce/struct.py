"""Structs, in which the API has JSON, to plain JSON."""

from __future__ import annotations

from typing import Any

__all__ = ["to_plain"]


def to_plain(value: Any) -> Any:
    """Convert a Struct, ListValue or Value to dicts, lists, str, numbers, bool and None. A whole number becomes int."""
    if value.DESCRIPTOR.name == "Struct":
        return {name: to_plain(item) for name, item in value.fields.items()}
    if value.DESCRIPTOR.name == "ListValue":
        return [to_plain(item) for item in value.values]
    kind = value.WhichOneof("kind")
    if kind == "number_value":
        number = value.number_value
        return int(number) if number.is_integer() else number
    if kind is None or kind == "null_value":
        return None
    item = getattr(value, kind)
    return to_plain(item) if kind in ("struct_value", "list_value") else item
