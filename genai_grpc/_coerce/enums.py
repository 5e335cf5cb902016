"""Enums by their names and numbers, as programs write them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from genai_grpc import protos
from genai_grpc_protos._convert import to_enum

__all__ = [
    "enum_of",
    "to_answer_style",
    "to_grantee_type",
    "to_operator",
    "to_role",
    "to_state",
]


def enum_of(enum: Any, **aliases: str) -> Callable[[Any], Any]:
    """The conversion of a number or a name to the member of an enum; the names' common prefix may be left out."""
    descriptor = enum.DESCRIPTOR
    prefix = descriptor.values[0].name.removesuffix("UNSPECIFIED").lower()

    def convert(value: Any) -> Any:
        if isinstance(value, str):
            value = value.lower().removeprefix(prefix)
            value = aliases.get(value, value)
        return enum(to_enum(descriptor, value, descriptor.name))

    convert.__doc__ = f"The `{enum.__qualname__}` of a name or number."
    return convert


_OPERATORS: Final = {
    "<": "LESS",
    "<=": "LESS_EQUAL",
    "==": "EQUAL",
    ">=": "GREATER_EQUAL",
    ">": "GREATER",
    "!=": "NOT_EQUAL",
    "in": "INCLUDES",
    "not in": "EXCLUDES",
}

to_answer_style = enum_of(protos.GenerateAnswerRequest.AnswerStyle)
to_grantee_type = enum_of(protos.Permission.GranteeType)
to_operator = enum_of(protos.Condition.Operator, **_OPERATORS)
to_role = enum_of(protos.Permission.Role)
to_state = enum_of(protos.Chunk.State, pending="PENDING_PROCESSING")
