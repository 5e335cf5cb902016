"""Placeholder until the module is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from genai_grpc import protos

__all__ = ["bind_arguments", "to_declaration"]


def to_declaration(function: Callable[..., Any], descriptions: Mapping[str, str]) -> protos.FunctionDeclaration:
    """The declaration of a function."""
    return protos.FunctionDeclaration(name=function.__name__, description=function.__doc__ or "")


def bind_arguments(function: Callable[..., Any], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The keyword arguments for a call."""
    return dict(arguments)
