"""The names of `google.generativeai.types.content_types`."""

from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from genai_grpc import protos
from genai_grpc._coerce.tool_config import to_tool_config
from genai_grpc._coerce.tools import (
    CallableFunctionDeclaration,
    FunctionDeclaration,
    FunctionLibrary,
    Tool,
    to_function_declaration,
    to_function_library,
    to_tool,
)
from genai_grpc.generativeai._conversions import (
    image_to_blob,
    is_blob_dict,
    is_content_dict,
    is_part_dict,
    schema_for_class,
    strict_to_content,
    to_blob,
    to_content,
    to_contents,
    to_function_calling_config,
    to_function_calling_mode,
    to_mode,
    to_part,
)
from genai_grpc.generativeai._missing import module_getattr
from genai_grpc.types._contents import (
    BlobDict,
    BlobType,
    ContentDict,
    ContentsType,
    ContentType,
    PartDict,
    PartType,
    StrictContentType,
)
from genai_grpc.types._runtime import Image
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
    "IMAGE_TYPES",
    "BlobDict",
    "BlobType",
    "CallableFunctionDeclaration",
    "ContentDict",
    "ContentType",
    "ContentsType",
    "DynamicRetrievalConfig",
    "DynamicRetrievalConfigDict",
    "FunctionCallingConfigDict",
    "FunctionCallingConfigType",
    "FunctionCallingMode",
    "FunctionCallingModeType",
    "FunctionDeclaration",
    "FunctionDeclarationType",
    "FunctionLibrary",
    "FunctionLibraryType",
    "GoogleSearchRetrievalDict",
    "GoogleSearchRetrievalType",
    "Mode",
    "ModeOptions",
    "PartDict",
    "PartType",
    "StrictContentType",
    "StructType",
    "Tool",
    "ToolConfigDict",
    "ToolConfigType",
    "ToolDict",
    "ToolType",
    "ToolsType",
    "ValueType",
    "image_to_blob",
    "is_blob_dict",
    "is_content_dict",
    "is_part_dict",
    "strict_to_content",
    "to_blob",
    "to_content",
    "to_contents",
    "to_function_calling_config",
    "to_function_calling_mode",
    "to_function_library",
    "to_mode",
    "to_part",
    "to_tool_config",
]

FunctionCallingMode = protos.FunctionCallingConfig.Mode
Mode = protos.DynamicRetrievalConfig.Mode
ModeOptions: TypeAlias = int | str
DynamicRetrievalConfigDict: TypeAlias = Mapping[str, Any]
DynamicRetrievalConfig: TypeAlias = protos.DynamicRetrievalConfig | DynamicRetrievalConfigDict
GoogleSearchRetrievalDict: TypeAlias = Mapping[str, Any]
GoogleSearchRetrievalType: TypeAlias = protos.GoogleSearchRetrieval | GoogleSearchRetrievalDict
IMAGE_TYPES: Final = (Image,)
StructType: TypeAlias = dict[str, Any]
ValueType: TypeAlias = Any

# Not public, but in use.
_make_function_declaration = to_function_declaration
_make_tool = to_tool
_schema_for_class = schema_for_class

__getattr__ = module_getattr(__name__)
