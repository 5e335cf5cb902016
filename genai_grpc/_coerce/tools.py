"""Tools and how they are to be called."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from genai_grpc import protos
from genai_grpc._coerce.messages import foreign, to_message

__all__ = ["to_tool_config", "to_tools"]


def to_tools(value: object) -> list[protos.Tool]:
    """Tools from a Tool, a FunctionDeclaration, a dict of one, or an iterable of them.

    Raises:
        TypeError: It is none of these.
        ValueError: A dict has unknown keys.
    """
    if value is None:
        return []
    if isinstance(value, Iterable) and not isinstance(value, (str, Mapping)) and foreign(value) is None:
        return [_to_tool(item) for item in value]
    return [_to_tool(value)]


def to_tool_config(value: object) -> protos.ToolConfig | None:
    """The tool config, or None.

    Raises:
        TypeError: It is no ToolConfig and no dict.
        ValueError: A key or a mode is not known.
    """
    return None if value is None else to_message(protos.ToolConfig, value)


def _to_tool(value: object) -> protos.Tool:
    message = foreign(value)
    if message is not None and message.DESCRIPTOR.name == "FunctionDeclaration":
        return protos.Tool(function_declarations=[to_message(protos.FunctionDeclaration, message)])
    if isinstance(value, Mapping) and "name" in value:
        return protos.Tool(function_declarations=[to_message(protos.FunctionDeclaration, value)])
    return to_message(protos.Tool, value)
