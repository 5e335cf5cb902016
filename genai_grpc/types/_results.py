"""Results as dicts."""

from __future__ import annotations

from typing import TypeAlias

from genai_grpc import protos
from genai_grpc.types._runtime import TypedDict

__all__ = [
    "BatchEmbeddingDict",
    "CitationMetadataDict",
    "CitationSourceDict",
    "EmbeddingDict",
    "EmbeddingTaskTypeOptions",
]


class CitationSourceDict(TypedDict):
    """A CitationSource as a dict."""

    start_index: int | None
    end_index: int | None
    uri: str | None
    license: str | None


class CitationMetadataDict(TypedDict):
    """A CitationMetadata as a dict."""

    citation_sources: list[CitationSourceDict | None]


class EmbeddingDict(TypedDict):
    """The embedding of one content.

    >>> from genai_grpc import embed_content
    >>> result: EmbeddingDict = embed_content("embedding-001", "Hello")
    >>> len(result["embedding"])
    768
    """

    embedding: list[float]


class BatchEmbeddingDict(TypedDict):
    """The embeddings of several contents, in their order.

    >>> from genai_grpc import embed_content
    >>> result: BatchEmbeddingDict = embed_content("embedding-001", ["Hello", "world"])
    >>> len(result["embedding"])
    2
    """

    embedding: list[list[float]]


EmbeddingTaskTypeOptions: TypeAlias = int | str | protos.TaskType
