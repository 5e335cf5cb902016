"""The names of `google.generativeai.types.text_types`."""

from genai_grpc.generativeai._missing import module_getattr
from genai_grpc.types._results import BatchEmbeddingDict, EmbeddingDict

__all__ = ["BatchEmbeddingDict", "EmbeddingDict"]

__getattr__ = module_getattr(__name__)
