"""The names of `google.generativeai.embedding`."""

from typing import Final, TypeAlias

from genai_grpc import protos
from genai_grpc._not_yet import embed_content, embed_content_async
from genai_grpc.generativeai._conversions import to_task_type
from genai_grpc.generativeai._missing import module_getattr
from genai_grpc.generativeai.client import get_default_generative_async_client, get_default_generative_client

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
EMBEDDING_MAX_BATCH_SIZE: Final = 100
EmbeddingTaskType = protos.TaskType
EmbeddingTaskTypeOptions: TypeAlias = int | str

__getattr__ = module_getattr(__name__)
