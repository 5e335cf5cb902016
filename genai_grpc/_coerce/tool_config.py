"""The tool config of a request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from genai_grpc import protos as gemini
from genai_grpc._services.messages import GEMINI, Protos
from genai_grpc_protos._convert import field_of, to_message

__all__ = ["to_tool_config"]


def to_tool_config(value: Any, protos: Protos = GEMINI) -> gemini.ToolConfig | None:
    """Coerce the tool config; None stays None. A mode is a str in any case, a number, or in a dict.

    Raises:
        TypeError: It is neither a ToolConfig nor a dict.
        ValueError: A key or a mode is unknown.

    >>> to_tool_config({"function_calling_config": "any"}).function_calling_config.mode.name
    'ANY'
    """
    if isinstance(value, Mapping):
        value = {field_of(protos.ToolConfig, key) or key: item for key, item in value.items()}
        if (config := value.get("function_calling_config")) is not None:
            value["function_calling_config"] = _normalize_mode(config)
    return None if value is None else to_message(protos.ToolConfig, value)


def _normalize_mode(value: Any) -> Any:
    if isinstance(value, (str, int)):
        value = {"mode": value}
    if isinstance(value, Mapping) and isinstance(mode := value.get("mode"), str):
        # google.generativeai accepts names with a prefix too, such as "mode_any".
        value = {**value, "mode": mode.lower().removeprefix("mode_")}
    return value
