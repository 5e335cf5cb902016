"""The names of `google.generativeai.types.retriever_types`."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from genai_grpc import protos
from genai_grpc._coerce.update_mask import flatten as flatten_update_paths
from genai_grpc.generativeai._conversions import to_operator, to_state
from genai_grpc.generativeai._missing import module_getattr
from genai_grpc.generativeai.client import get_default_retriever_async_client, get_default_retriever_client
from genai_grpc.retriever import (
    Chunk,
    ChunkData,
    Condition,
    Corpus,
    CustomMetadata,
    Document,
    MetadataFilter,
    RelevantChunk,
)
from genai_grpc.types._metadata import to_custom_metadata

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
ChunkOptions: TypeAlias = protos.Chunk | Chunk | str | Mapping[str, Any]
BatchCreateChunkOptions: TypeAlias = Iterable[ChunkOptions]
UpdateChunkOptions: TypeAlias = protos.UpdateChunkRequest | tuple[str, Mapping[str, Any]]
BatchUpdateChunksOptions: TypeAlias = Iterable[UpdateChunkOptions] | Mapping[str, Mapping[str, Any]]
BatchDeleteChunkOptions: TypeAlias = Iterable[str | Chunk]
CustomMetadataOptions: TypeAlias = CustomMetadata | protos.CustomMetadata | Mapping[str, Any]

__getattr__ = module_getattr(__name__)


def make_custom_metadata(cm: Any) -> CustomMetadata:
    """The metadata of an object, a message or a dict.

    >>> make_custom_metadata({"key": "year", "value": 1865}).value
    1865.0
    """
    [message] = to_custom_metadata([cm])
    return CustomMetadata.from_proto(message)


def decode_document(document: protos.Document) -> Document:
    """The document of a message.

    >>> decode_document(protos.Document(name="corpora/a/documents/b")).name
    'corpora/a/documents/b'
    """
    return Document.from_proto(document)


def decode_chunk(chunk: protos.Chunk) -> Chunk:
    """The chunk of a message.

    >>> decode_chunk(protos.Chunk(name="corpora/a/documents/b/chunks/c")).name
    'corpora/a/documents/b/chunks/c'
    """
    return Chunk.from_proto(chunk)


def valid_name(name: str) -> bool:
    """Whether this can be the last part of the name of a corpus, document or chunk.

    >>> valid_name("my-tales"), valid_name("My tales")
    (True, False)
    """
    return re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?", name) is not None
