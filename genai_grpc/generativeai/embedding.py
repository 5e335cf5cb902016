"""The names of `google.generativeai.embedding`."""

from typing import Final

from genai_grpc import protos
from genai_grpc._coerce.embeddings import MAX_BATCH_SIZE
from genai_grpc.embeddings import embed_content, embed_content_async
from genai_grpc.generativeai._conversions import to_task_type
from genai_grpc.generativeai._missing import module_getattr
from genai_grpc.generativeai.client import get_default_generative_async_client, get_default_generative_client
from genai_grpc.types._results import EmbeddingTaskTypeOptions

__all__ = [
    "DEFAULT_EMB_MODEL",
    "EMBEDDING_MAX_BATCH_SIZE",
    "EmbeddingTaskType",
    "EmbeddingTaskTypeOptions",
    "embed_content",
    "embed_content_async",
    "get_default_generative_async_client",
    "get_default_generative_client",
    "to_task_type",
]

DEFAULT_EMB_MODEL: Final = "models/embedding-001"
EMBEDDING_MAX_BATCH_SIZE: Final = MAX_BATCH_SIZE
EmbeddingTaskType = protos.TaskType

__getattr__ = module_getattr(__name__)
