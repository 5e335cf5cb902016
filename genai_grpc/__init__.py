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
    from genai_grpc import (
        answer,
        caching,
        errors,
        files,
        live,
        mcp,
        operations,
        permissions,
        prediction,
        protos,
        retriever,
        tuning,
        types,
    )
    from genai_grpc._services.vertex import Vertex
    from genai_grpc.chat import ChatSession
    from genai_grpc.client import Client, configure
    from genai_grpc.embeddings import embed_content, embed_content_async
    from genai_grpc.files import (
        delete_file,
        delete_file_async,
        download_file,
        download_file_async,
        get_file,
        get_file_async,
        list_files,
        list_files_async,
        upload_file,
        upload_file_async,
        wait_until_active,
        wait_until_active_async,
    )
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
    from genai_grpc.operations import (
        delete_operation,
        delete_operation_async,
        get_operation,
        get_operation_async,
        list_operations,
        list_operations_async,
    )
    from genai_grpc.tuning import (
        create_tuned_model,
        create_tuned_model_async,
        delete_tuned_model,
        delete_tuned_model_async,
        list_tuned_models,
        list_tuned_models_async,
        update_tuned_model,
        update_tuned_model_async,
    )
    from genai_grpc.types import GenerationConfig

__all__ = [
    "ChatSession",
    "Client",
    "GenerationConfig",
    "GenerativeModel",
    "Vertex",
    "__version__",
    "answer",
    "caching",
    "configure",
    "create_tuned_model",
    "create_tuned_model_async",
    "delete_file",
    "delete_file_async",
    "delete_operation",
    "delete_operation_async",
    "delete_tuned_model",
    "delete_tuned_model_async",
    "download_file",
    "download_file_async",
    "embed_content",
    "embed_content_async",
    "errors",
    "files",
    "get_base_model",
    "get_base_model_async",
    "get_file",
    "get_file_async",
    "get_model",
    "get_model_async",
    "get_operation",
    "get_operation_async",
    "get_tuned_model",
    "get_tuned_model_async",
    "list_files",
    "list_files_async",
    "list_models",
    "list_models_async",
    "list_operations",
    "list_operations_async",
    "list_tuned_models",
    "list_tuned_models_async",
    "live",
    "mcp",
    "operations",
    "permissions",
    "prediction",
    "protos",
    "retriever",
    "tuning",
    "types",
    "update_tuned_model",
    "update_tuned_model_async",
    "upload_file",
    "upload_file_async",
    "wait_until_active",
    "wait_until_active_async",
]

_HOMES = {
    ".caching": "caching",
    ".retriever": "retriever",
    ".prediction": "prediction",
    ".permissions": "permissions",
    ".answer": "answer",
    ".chat": "ChatSession",
    "._services.vertex": "Vertex",
    ".client": "Client configure",
    ".embeddings": "embed_content embed_content_async",
    ".errors": "errors",
    ".files": (
        "files delete_file delete_file_async download_file download_file_async get_file get_file_async list_files "
        "list_files_async upload_file upload_file_async wait_until_active wait_until_active_async"
    ),
    ".generative_model": "GenerativeModel",
    ".live": "live",
    ".mcp": "mcp",
    ".models": (
        "get_base_model get_base_model_async get_model get_model_async get_tuned_model get_tuned_model_async "
        "list_models list_models_async"
    ),
    ".operations": (
        "operations delete_operation delete_operation_async get_operation get_operation_async list_operations "
        "list_operations_async"
    ),
    ".protos": "protos",
    ".tuning": (
        "tuning create_tuned_model create_tuned_model_async delete_tuned_model delete_tuned_model_async "
        "list_tuned_models list_tuned_models_async update_tuned_model update_tuned_model_async"
    ),
    ".types": "GenerationConfig types",
}
# The modules of google.generativeai whose names are not those of a module of this package.
_OLD_MODULES = "embedding generative_models permission responder string_utils utils"

# A program pays for the import of what it uses.
_getattr, __dir__ = attach(__name__, {name: home for home, names in _HOMES.items() for name in names.split()})


def __getattr__(name: str) -> Any:
    if name in _OLD_MODULES.split():
        raise AttributeError(
            f"module {__name__!r} has no attribute {name!r}; "
            "the modules of google.generativeai are in genai_grpc.generativeai"
        )
    return _getattr(name)
