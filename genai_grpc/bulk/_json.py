"""The JSON of a result: one line that every parser reads."""

from __future__ import annotations

import json
from decimal import Decimal
from math import isfinite
from pathlib import PurePath
from typing import Any, Final
from uuid import UUID

__all__ = ["encode", "is_plain", "replace_surrogates"]


def _plain(value: Any) -> Any:
    """The form in JSON of a value that is not of JSON."""
    if hasattr(value, "tolist"):  # numpy
        return value.tolist()
    if hasattr(value, "isoformat") or isinstance(value, (Decimal, UUID, PurePath)):
        return str(value)
    raise TypeError(f"no form in JSON: {type(value).__name__}")


_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=_plain, allow_nan=False)
_ASCII_ENCODER: Final = json.JSONEncoder(separators=(",", ":"), default=_plain)


def encode(result: dict[str, Any]) -> bytes:
    """The JSON of a result, and a newline. What JSON lacks, NaN and infinity, is null; lone surrogates are escapes."""
    try:
        return _ENCODER.encode(result).encode() + b"\n"
    except ValueError:  # as from UnicodeEncodeError, too
        return _ASCII_ENCODER.encode(_finite(json.loads(_ASCII_ENCODER.encode(result)))).encode() + b"\n"


def is_plain(value: Any) -> bool:
    """Whether a value has a form in JSON: bytes, images and the like have none."""
    if value is None or type(value) in (str, int, float, bool):
        return True
    try:
        _ASCII_ENCODER.encode(value)
    except (TypeError, ValueError, RecursionError):
        return False
    return True


def replace_surrogates(value: Any) -> Any:
    """A value of JSON with "?" for each lone surrogate, which UTF-8 lacks."""
    return json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))


def _finite(value: Any) -> Any:
    match value:
        case float():
            return value if isfinite(value) else None
        case dict():
            return {name: _finite(item) for name, item in value.items()}
        case list():
            return [_finite(item) for item in value]
        case _:
            return value
