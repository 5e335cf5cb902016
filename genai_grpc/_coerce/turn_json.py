"""Turns as JSON and back, without loss.

A turn is written as protobuf's JSON of its message (https://protobuf.dev/programming-guides/json/). That has no place
for fields that this version does not know, and none for NaN and infinity in a Struct. A turn with such values also has
its serialized message in base64, as the key "@serialized", and is read from that. No field can have this name.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any, Final

from google.protobuf import json_format
from google.protobuf.message import DecodeError

from genai_grpc import protos
from genai_grpc_protos._json import from_json_dict, to_json_dict

__all__ = ["turn_from_json", "turn_to_json"]

SERIALIZED: Final = "@serialized"


def turn_to_json(turn: protos.Content) -> dict[str, Any]:
    """The JSON-ready dict from which `turn_from_json` reads an equal turn."""
    try:
        value = to_json_dict(turn)
        if _serialize(from_json_dict(protos.Content, _over_json(value))) == _serialize(turn):
            return value
    except (json_format.Error, ValueError):
        value = {"role": turn.role}  # a value that JSON does not have
    return {**value, SERIALIZED: base64.b64encode(turn.SerializeToString()).decode()}


def turn_from_json(value: Any) -> protos.Content:
    """The turn that `turn_to_json` wrote, or that is protobuf's JSON.

    Raises:
        ValueError: `value` is neither.
    """
    serialized = value.get(SERIALIZED) if isinstance(value, Mapping) else None
    if serialized is None:
        return from_json_dict(protos.Content, value)
    try:
        return protos.Content.FromString(base64.b64decode(serialized, validate=True))
    except (DecodeError, TypeError, ValueError) as error:
        raise ValueError(f"{SERIALIZED} is not the base64 of a Content: {error}") from error


def _serialize(turn: protos.Content) -> bytes:
    # Not `==`, to which NaN differs from itself, and unknown fields do not count on every runtime.
    return turn.SerializeToString(deterministic=True)


def _over_json(value: Any) -> Any:
    return json.loads(json.dumps(value, allow_nan=False))
