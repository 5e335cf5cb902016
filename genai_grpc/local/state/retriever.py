"""Tables of the semantic retriever: corpora, their documents, and their chunks with vectors."""

from __future__ import annotations

import secrets
from array import array
from typing import Final

from genai_grpc import protos
from genai_grpc.local.state.database import Transaction
from genai_grpc.local.state.resource_table import ResourceTable

__all__ = ["CHUNKS", "CORPORA", "DOCUMENTS", "chunk_vectors", "new_id", "to_blob"]

CORPORA: Final = ResourceTable(
    "corpora", protos.Corpus, "corpus", listing="genai.list_corpora()", columns=("owner TEXT NOT NULL",)
)
DOCUMENTS: Final = ResourceTable("documents", protos.Document, "document")
CHUNKS: Final = ResourceTable("chunks", protos.Chunk, "chunk", columns=("vector BLOB NOT NULL",))


def to_blob(vector: list[float]) -> bytes:
    """A vector as it is stored."""
    return array("f", vector).tobytes()


def chunk_vectors(transaction: Transaction, parent: str) -> list[tuple[protos.Chunk, array[float]]]:
    """The chunks below a corpus or a document, with their vectors."""
    rows = transaction.page(CHUNKS.table, "name", "message", "vector", after=0, limit=-1, parent=parent)
    return [(CHUNKS.parse(transaction, name, message), _to_vector(vector)) for _, name, message, vector in rows]


def _to_vector(blob: bytes) -> array[float]:
    vector = array("f")
    vector.frombytes(blob)
    return vector


def new_id() -> str:
    """Twelve random characters."""
    return secrets.token_hex(6)
