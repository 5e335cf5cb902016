"""The arguments of a function call that came in pieces, as Vertex AI streams them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise
from typing import Any, Final

__all__ = ["join_arguments"]

# A name after a dot or in quotes, or the index of an item (https://www.rfc-editor.org/rfc/rfc9535).
_SEGMENT: Final = re.compile(r"""\.([^.\[\]]+)|\[(\d+)\]|\['((?:[^'\\]|\\.)*)'\]|\["((?:[^"\\]|\\.)*)"\]""")


def join_arguments(pieces: Iterable[Any]) -> dict[str, Any]:
    """The arguments that the `PartialArg`s of a call make: strings of one path are joined, other values are set.

    >>> from genai_grpc_protos.aiplatform_v1 import PartialArg
    >>> pieces = ("$.place.names[0]", "New "), ("$.place.names[0]", "York")
    >>> join_arguments(PartialArg(json_path=path, string_value=text) for path, text in pieces)
    {'place': {'names': ['New York']}}
    """
    values: dict[str, Any] = {}
    for piece in pieces:
        kind = piece.WhichOneof("delta")
        value = None if kind in (None, "null_value") else getattr(piece, kind)
        before = values.get(piece.json_path)
        if isinstance(before, str) and isinstance(value, str):
            value = before + value
        values[piece.json_path] = value
    root: list[Any] = [{}]
    for path, value in values.items():
        _put(root, [0, *_keys(path)], value)
    arguments: dict[str, Any] = root[0]
    return arguments


def _keys(path: str) -> list[str | int]:
    keys: list[str | int] = []
    for found in _SEGMENT.finditer(path):
        name, index, *quoted = found.groups()
        if index is not None:
            keys.append(int(index))
        else:
            keys.append(name if name is not None else re.sub(r"\\(.)", r"\1", quoted[0] or quoted[1] or ""))
    return keys


def _put(container: Any, keys: list[str | int], value: Any) -> None:
    """Set a value at a path, with the objects and arrays on the way."""
    for key, following in pairwise(keys):
        empty: Any = [] if isinstance(following, int) else {}
        container = _item(container, key, empty)
    _item(container, keys[-1], value, replace=True)


def _item(container: Any, key: str | int, value: Any, *, replace: bool = False) -> Any:
    """The item at a key, which is set to the value if it is missing, or is to be replaced."""
    if isinstance(key, int):
        container += [None] * (key + 1 - len(container))
    present = container[key] is not None if isinstance(key, int) else key in container
    if replace or not present:
        container[key] = value
    return container[key]
