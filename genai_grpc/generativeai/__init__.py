"""The names and modules of google.generativeai 0.8.6, for imports that name its modules.

>>> from genai_grpc.generativeai.types import content_types
>>> content_types.to_content("Hi").parts[0].text
'Hi'

Each module imports the names of this package under the old ones; `genai_grpc` itself has all that programs need.
`import genai_grpc.as_google_generativeai` makes this folder importable as `google.generativeai`.
"""

from typing import TYPE_CHECKING, Any

from genai_grpc._lazy import attach
from genai_grpc.generativeai._missing import module_getattr
from genai_grpc.generativeai.version import __version__

if TYPE_CHECKING:
    from genai_grpc import (
        ChatSession,
        GenerationConfig,
        GenerativeModel,
        configure,
        create_tuned_model,
        delete_file,
        delete_tuned_model,
        embed_content,
        embed_content_async,
        get_base_model,
        get_file,
        get_model,
        get_operation,
        get_tuned_model,
        list_files,
        list_models,
        list_operations,
        list_tuned_models,
        update_tuned_model,
        upload_file,
    )
    from genai_grpc.generativeai import caching, protos, types

__all__ = [
    "ChatSession",
    "GenerationConfig",
    "GenerativeModel",
    "__version__",
    "caching",
    "configure",
    "create_tuned_model",
    "delete_file",
    "delete_tuned_model",
    "embed_content",
    "embed_content_async",
    "get_base_model",
    "get_file",
    "get_model",
    "get_operation",
    "get_tuned_model",
    "list_files",
    "list_models",
    "list_operations",
    "list_tuned_models",
    "protos",
    "types",
    "update_tuned_model",
    "upload_file",
]

_HOMES = {name: f".{name}" if name in ("caching", "protos", "types") else "genai_grpc" for name in __all__}
_getattr, __dir__ = attach(__name__, _HOMES)
_module_getattr = module_getattr(__name__)


def __getattr__(name: str) -> Any:
    return _getattr(name) if name in _HOMES else _module_getattr(name)
