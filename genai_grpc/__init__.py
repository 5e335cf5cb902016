"""The protobuf-native client for the Gemini API, over gRPC.

>>> import genai_grpc as genai
>>> genai.configure(api_key="YOUR_API_KEY")
>>> model = genai.GenerativeModel("gemini-pro")
>>> response = model.generate_content("Tell me a story about a magic backpack")
>>> response.text
'In the quaint little town of Lakeside…'
"""

from genai_grpc import caching, errors, protos, types
from genai_grpc._version import __version__
from genai_grpc.chat import ChatSession
from genai_grpc.client import Client, configure
from genai_grpc.generative_model import GenerativeModel
from genai_grpc.models import get_model, get_model_async, list_models, list_models_async
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
    "get_model",
    "get_model_async",
    "list_models",
    "list_models_async",
    "protos",
    "types",
]
