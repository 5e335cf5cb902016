"""Results as dicts."""

from __future__ import annotations

from genai_grpc.types._runtime import TypedDict

__all__ = ["BatchEmbeddingDict", "CitationMetadataDict", "CitationSourceDict", "EmbeddingDict"]


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
    """The embedding of one content."""

    embedding: list[float]


class BatchEmbeddingDict(TypedDict):
    """The embeddings of several contents."""

    embedding: list[list[float]]
