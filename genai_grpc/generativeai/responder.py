"""The names of `google.generativeai.responder`."""

from typing import Any, TypeAlias

from genai_grpc import protos
from genai_grpc._coerce.tool_config import to_tool_config
from genai_grpc._coerce.tools import (
    CallableFunctionDeclaration,
    FunctionDeclaration,
    FunctionLibrary,
    Tool,
    to_function_library,
)
from genai_grpc.generativeai._conversions import to_function_calling_config, to_function_calling_mode, to_type
from genai_grpc.generativeai._missing import module_getattr
from genai_grpc.types._tools import (
    FunctionCallingConfigDict,
    FunctionCallingConfigType,
    FunctionCallingModeType,
    FunctionDeclarationType,
    FunctionLibraryType,
    ToolConfigDict,
    ToolConfigType,
    ToolDict,
    ToolsType,
    ToolType,
)

__all__ = [
    "CallableFunctionDeclaration",
    "FunctionCallingConfigDict",
    "FunctionCallingConfigType",
    "FunctionCallingMode",
    "FunctionCallingModeType",
    "FunctionDeclaration",
    "FunctionDeclarationType",
    "FunctionLibrary",
    "FunctionLibraryType",
    "StructType",
    "Tool",
    "ToolConfigDict",
    "ToolConfigType",
    "ToolDict",
    "ToolType",
    "ToolsType",
    "Type",
    "TypeOptions",
    "ValueType",
    "to_function_calling_config",
    "to_function_calling_mode",
    "to_function_library",
    "to_tool_config",
    "to_type",
]

FunctionCallingMode = protos.FunctionCallingConfig.Mode
StructType: TypeAlias = dict[str, Any]
Type = protos.Type
TypeOptions: TypeAlias = int | str
ValueType: TypeAlias = Any

__getattr__ = module_getattr(__name__)
