"""The names of `google.generativeai.types.retriever_types`.

The aliases of arguments are Any until the service is supported.
"""

from typing import Any, TypeAlias

from genai_grpc import protos
from genai_grpc._not_yet import (
    Chunk,
    ChunkData,
    Condition,
    Corpus,
    CustomMetadata,
    Document,
    MetadataFilter,
    RelevantChunk,
    decode_chunk,
    decode_document,
    make_custom_metadata,
    valid_name,
)
from genai_grpc.generativeai._conversions import flatten_update_paths, to_operator, to_state
from genai_grpc.generativeai._missing import module_getattr
from genai_grpc.generativeai.client import get_default_retriever_async_client, get_default_retriever_client

__all__ = [
    "BatchCreateChunkOptions",
    "BatchDeleteChunkOptions",
    "BatchUpdateChunksOptions",
    "Chunk",
    "ChunkData",
    "ChunkOptions",
    "Condition",
    "Corpus",
    "CustomMetadata",
    "CustomMetadataOptions",
    "Document",
    "MetadataFilter",
    "Operator",
    "OperatorOptions",
    "RelevantChunk",
    "State",
    "StateOptions",
    "UpdateChunkOptions",
    "decode_chunk",
    "decode_document",
    "flatten_update_paths",
    "get_default_retriever_async_client",
    "get_default_retriever_client",
    "make_custom_metadata",
    "to_operator",
    "to_state",
    "valid_name",
]

Operator = protos.Condition.Operator
OperatorOptions: TypeAlias = int | str
State = protos.Chunk.State
StateOptions: TypeAlias = int | str
BatchCreateChunkOptions: TypeAlias = Any
BatchDeleteChunkOptions: TypeAlias = Any
BatchUpdateChunksOptions: TypeAlias = Any
ChunkOptions: TypeAlias = Any
CustomMetadataOptions: TypeAlias = Any
UpdateChunkOptions: TypeAlias = Any

__getattr__ = module_getattr(__name__)
