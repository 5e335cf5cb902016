"""The names of `google.generativeai.answer`."""

from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeAlias

from genai_grpc import protos
from genai_grpc.answer import generate_answer, generate_answer_async
from genai_grpc.generativeai._conversions import to_answer_style
from genai_grpc.generativeai._missing import module_getattr
from genai_grpc.generativeai.client import get_default_generative_async_client, get_default_generative_client
from genai_grpc.retriever import Corpus, Document, MetadataFilter

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
GroundingPassageOptions: TypeAlias = protos.GroundingPassage | tuple[str, Any] | Any
GroundingPassagesOptions: TypeAlias = protos.GroundingPassages | Iterable[GroundingPassageOptions] | Mapping[str, Any]
SourceNameType: TypeAlias = str | Corpus | protos.Corpus | Document | protos.Document
SemanticRetrieverConfigDict: TypeAlias = dict[str, Any]
SemanticRetrieverConfigOptions: TypeAlias = (
    SourceNameType | SemanticRetrieverConfigDict | protos.SemanticRetrieverConfig
)

__getattr__ = module_getattr(__name__)
