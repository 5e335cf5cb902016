"""Messages to JSON and back, with the descriptor pool of this package's messages."""

from __future__ import annotations

from typing import Any, TypeVar

from google.protobuf import json_format
from google.protobuf.message import Message

from genai_grpc_protos._pool import POOL

__all__ = ["from_json_dict", "to_json_dict"]

M = TypeVar("M", bound=Message)


def to_json_dict(message: Message, **options: Any) -> dict[str, Any]:
    """A message as JSON-ready dicts (https://protobuf.dev/programming-guides/json/).

    Args:
        message: The message.
        **options: Those of `google.protobuf.json_format.MessageToDict`.
    """
    return json_format.MessageToDict(message, descriptor_pool=POOL, **options)


def from_json_dict(message_type: type[M], value: Any, *, ignore_unknown_fields: bool = False) -> M:
    """The message of JSON-ready dicts.

    Raises:
        ValueError: `value` is not the JSON of such a message.
    """
    try:
        return json_format.ParseDict(
            value, message_type(), ignore_unknown_fields=ignore_unknown_fields, descriptor_pool=POOL
        )
    except json_format.ParseError as error:
        raise ValueError(str(error)) from error
