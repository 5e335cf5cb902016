"""The protobuf-native client for the Gemini API, over gRPC.

>>> import genai_grpc as genai
>>> genai.configure(api_key="YOUR_API_KEY")
>>> model = genai.GenerativeModel("gemini-pro")
>>> response = model.generate_content("Tell me a story about a magic backpack")
>>> response.text
'In the quaint little town of Lakeside…'
"""

from typing import TYPE_CHECKING

from genai_grpc._lazy import attach
from genai_grpc._version import __version__

if TYPE_CHECKING:
    from genai_grpc import caching, errors, protos, types
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
    "errors",
    "get_base_model",
    "get_base_model_async",
    "get_model",
    "get_model_async",
    "get_tuned_model",
    "get_tuned_model_async",
    "list_models",
    "list_models_async",
    "protos",
    "types",
]

# A program pays for the import of what it uses.
__getattr__, __dir__ = attach(
    __name__,
    {
        "ChatSession": ".chat",
        "Client": ".client",
        "GenerationConfig": ".types",
        "GenerativeModel": ".generative_model",
        "caching": ".caching",
        "configure": ".client",
        "errors": ".errors",
        "get_base_model": ".models",
        "get_base_model_async": ".models",
        "get_model": ".models",
        "get_model_async": ".models",
        "get_tuned_model": ".models",
        "get_tuned_model_async": ".models",
        "list_models": ".models",
        "list_models_async": ".models",
        "protos": ".protos",
        "types": ".types",
    },
)
