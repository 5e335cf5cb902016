"""The names of `google.generativeai.types.generation_types`."""

from genai_grpc.errors import (
    BlockedPromptException,
    BrokenResponseError,
    IncompleteIterationError,
    StopCandidateException,
)
from genai_grpc.generativeai._conversions import to_generation_config_dict
from genai_grpc.generativeai._missing import module_getattr
from genai_grpc.responses import AsyncGenerateContentResponse, GenerateContentResponse
from genai_grpc.responses import BaseResponse as BaseGenerateContentResponse
from genai_grpc.types._generation import GenerationConfig, GenerationConfigDict, GenerationConfigType

__all__ = [
    "AsyncGenerateContentResponse",
    "BaseGenerateContentResponse",
    "BlockedPromptException",
    "BrokenResponseError",
    "GenerateContentResponse",
    "GenerationConfig",
    "GenerationConfigDict",
    "GenerationConfigType",
    "IncompleteIterationError",
    "StopCandidateException",
    "to_generation_config_dict",
]

__getattr__ = module_getattr(__name__)
