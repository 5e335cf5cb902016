"""Tools that the service runs, and tools of either API before it is known which one is called."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from typing import Any

from genai_grpc._services.messages import GEMINI, VERTEX, Protos, protos_of
from genai_grpc_protos._convert import field_of, to_message

__all__ = ["api_of_tool", "in_either", "service_tool_field", "service_tools"]


@cache
def service_tools(protos: Protos) -> Mapping[str, str]:
    """Tools that the service runs: the field of Tool, and the name of its message."""
    return {
        field.name: field.message_type.name
        for field in protos.Tool.DESCRIPTOR.fields
        if field.message_type is not None and field.name != "function_declarations"
    }


def in_either(name: str, values: Mapping[str, Any]) -> Any:
    """A message of the first API that has all of these fields: a tool is often made before its model.

    Raises:
        TypeError: A value has an unsupported type.
        ValueError: Neither has them; the error is that of the first one.
    """
    try:
        return to_message(getattr(GEMINI, name), values)
    except ValueError:
        with suppress(ValueError):
            return to_message(getattr(VERTEX, name), values)
        raise


def service_tool_field(message: Any) -> str | None:
    """The field of Tool for the message of a tool that the service runs."""
    fields = service_tools(protos_of(message)).items()
    return next((field for field, name in fields if name == message.DESCRIPTOR.name), None)


def api_of_tool(value: Mapping[str, Any]) -> Protos | None:
    """The API whose Tool has a field of this name; None if the dict is of something else."""
    if any(field_of(GEMINI.Tool, key) for key in value):
        return GEMINI
    # The first key alone would name a function; Vertex AI's messages are imported only where Gemini's do not have it.
    if "name" not in value and any(field_of(VERTEX.Tool, key) for key in value):
        return VERTEX
    return None
