"""What a program may pass as tools, and as the tool config."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from genai_grpc import protos
from genai_grpc._coerce.tools import FunctionDeclaration, FunctionLibrary, Tool
from genai_grpc.types._runtime import Items, TypedDict

__all__ = [
    "FunctionCallingConfigDict",
    "FunctionCallingConfigType",
    "FunctionCallingModeType",
    "FunctionDeclarationType",
    "FunctionLibraryType",
    "ToolConfigDict",
    "ToolConfigType",
    "ToolDict",
    "ToolType",
    "ToolsType",
]

FunctionDeclarationType: TypeAlias = (
    FunctionDeclaration | protos.FunctionDeclaration | Mapping[str, Any] | Callable[..., Any]
)


class ToolDict(TypedDict, total=False):
    """A Tool as a dict; a dict may have the other fields of `protos.Tool`, too.

    >>> from genai_grpc import GenerativeModel
    >>> clock: ToolDict = {"function_declarations": [{"name": "now"}]}
    >>> GenerativeModel(tools=clock).build_request("Hi").tools[0].function_declarations[0].name
    'now'
    """

    function_declarations: list[FunctionDeclarationType]
    code_execution: protos.CodeExecution | Mapping[str, Any]
    google_search_retrieval: protos.GoogleSearchRetrieval | Mapping[str, Any]


ToolType: TypeAlias = str | Tool | protos.Tool | FunctionDeclarationType
ToolsType: TypeAlias = FunctionLibrary | ToolType | Items[ToolType | Items[FunctionDeclarationType]]
FunctionLibraryType: TypeAlias = ToolsType

FunctionCallingModeType: TypeAlias = str | int


class FunctionCallingConfigDict(TypedDict, total=False):
    """A FunctionCallingConfig as a dict.

    >>> from genai_grpc import GenerativeModel
    >>> config: FunctionCallingConfigDict = {"mode": "any", "allowed_function_names": ["now"]}
    >>> model = GenerativeModel(tool_config={"function_calling_config": config})
    >>> list(model.build_request("Hi").tool_config.function_calling_config.allowed_function_names)
    ['now']
    """

    mode: FunctionCallingModeType
    allowed_function_names: list[str]


FunctionCallingConfigType: TypeAlias = FunctionCallingModeType | protos.FunctionCallingConfig | Mapping[str, Any]


class ToolConfigDict(TypedDict, total=False):
    """A ToolConfig as a dict.

    >>> from genai_grpc import GenerativeModel, protos
    >>> config: ToolConfigDict = {"function_calling_config": "none"}
    >>> request = GenerativeModel(tool_config=config).build_request("Hi")
    >>> request.tool_config.function_calling_config.mode == protos.FunctionCallingConfig.NONE
    True
    """

    function_calling_config: FunctionCallingConfigType


ToolConfigType: TypeAlias = protos.ToolConfig | Mapping[str, Any]
