"""The names of `google.generativeai.answer`.

The aliases of arguments are Any until the service is supported.
"""

from typing import Any, Final, TypeAlias

from genai_grpc import protos
from genai_grpc._not_yet import MetadataFilter, generate_answer, generate_answer_async
from genai_grpc.generativeai._conversions import to_answer_style
from genai_grpc.generativeai._missing import module_getattr
from genai_grpc.generativeai.client import get_default_generative_async_client, get_default_generative_client

__all__ = [
    "DEFAULT_ANSWER_MODEL",
    "AnswerStyle",
    "AnswerStyleOptions",
    "GroundingPassageOptions",
    "GroundingPassagesOptions",
    "MetadataFilter",
    "SemanticRetrieverConfigDict",
    "SemanticRetrieverConfigOptions",
    "SourceNameType",
    "generate_answer",
    "generate_answer_async",
    "get_default_generative_async_client",
    "get_default_generative_client",
    "to_answer_style",
]

AnswerStyle = protos.GenerateAnswerRequest.AnswerStyle
AnswerStyleOptions: TypeAlias = int | str
DEFAULT_ANSWER_MODEL: Final = "models/aqa"
GroundingPassageOptions: TypeAlias = Any
GroundingPassagesOptions: TypeAlias = Any
SemanticRetrieverConfigDict: TypeAlias = Any
SemanticRetrieverConfigOptions: TypeAlias = Any
SourceNameType: TypeAlias = Any

__getattr__ = module_getattr(__name__)
