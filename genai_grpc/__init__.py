"""The protobuf-native client for the Gemini API, over gRPC.

>>> import genai_grpc as genai
>>> genai.configure(api_key="YOUR_API_KEY")
>>> model = genai.GenerativeModel("gemini-pro")
>>> response = model.generate_content("Tell me a story about a magic backpack")
>>> response.text
'In the quaint little town of Lakeside…'
"""

from typing import TYPE_CHECKING, Any

from genai_grpc._lazy import attach
from genai_grpc._version import __version__

if TYPE_CHECKING:
    from genai_grpc import caching, errors, protos, types
    from genai_grpc._not_yet import (
        create_tuned_model,
        delete_file,
        delete_tuned_model,
        embed_content,
        embed_content_async,
        get_file,
        get_operation,
        list_files,
        list_operations,
        list_tuned_models,
        update_tuned_model,
        upload_file,
    )
    from genai_grpc.chat import ChatSession
    from genai_grpc.client import Client, configure
    from genai_grpc.generative_model import GenerativeModel
    from genai_grpc.models import (
        get_base_model,
        get_base_model_async,
        get_model,
        get_model_async,
        get_tuned_model,
        get_tuned_model_async,
        list_models,
        list_models_async,
    )
    from genai_grpc.types import GenerationConfig

__all__ = [
    "ChatSession",
    "Client",
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
    "errors",
    "get_base_model",
    "get_base_model_async",
    "get_file",
    "get_model",
    "get_model_async",
    "get_operation",
    "get_tuned_model",
    "get_tuned_model_async",
    "list_files",
    "list_models",
    "list_models_async",
    "list_operations",
    "list_tuned_models",
    "protos",
    "types",
    "update_tuned_model",
    "upload_file",
]

_HOMES = {
    "._not_yet": (
        "create_tuned_model delete_file delete_tuned_model embed_content embed_content_async get_file get_operation "
        "list_files list_operations list_tuned_models update_tuned_model upload_file"
    ),
    ".caching": "caching",
    ".chat": "ChatSession",
    ".client": "Client configure",
    ".errors": "errors",
    ".generative_model": "GenerativeModel",
    ".models": (
        "get_base_model get_base_model_async get_model get_model_async get_tuned_model get_tuned_model_async "
        "list_models list_models_async"
    ),
    ".protos": "protos",
    ".types": "GenerationConfig types",
}
# The modules of google.generativeai whose names are not those of a module of this package.
_OLD_MODULES = "answer embedding files generative_models operations permission responder retriever string_utils utils"

# A program pays for the import of what it uses.
_getattr, __dir__ = attach(__name__, {name: home for home, names in _HOMES.items() for name in names.split()})


def __getattr__(name: str) -> Any:
    if name in _OLD_MODULES.split():
        raise AttributeError(
            f"module {__name__!r} has no attribute {name!r}; "
            "the modules of google.generativeai are in genai_grpc.generativeai"
        )
    return _getattr(name)
