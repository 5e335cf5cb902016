"""The calls of a document for its chunks, of one or of many in batches."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any, Final

from genai_grpc import protos
from genai_grpc._chunks import Chunk, to_child, to_chunk, to_update_request
from genai_grpc._coerce.settings import to_options
from genai_grpc._rpc.call import Call
from genai_grpc._rpc.operation import Operation
from genai_grpc._services.generative_language import method
from genai_grpc.client import Client

__all__ = ["create", "create_many", "delete", "delete_many", "get", "update_many"]

_BATCH: Final = 100
"""The limit of the API."""


def create(
    document: str, data: Any, name: str | None, custom_metadata: Any, client: Client, request_options: Any
) -> Call[Any, Any, Chunk]:
    """Add a chunk to a document."""
    chunk = to_chunk({"data": data, "name": name, "custom_metadata": custom_metadata}, document)
    return _chunk_call("CreateChunk", protos.CreateChunkRequest(parent=document, chunk=chunk), client, request_options)


def get(document: str, name: str, client: Client, request_options: Any) -> Call[Any, Any, Chunk]:
    """Get a chunk of a document."""
    request = protos.GetChunkRequest(name=to_child(document, "chunks", name))
    return _chunk_call("GetChunk", request, client, request_options)


def delete(document: str, name: str, request_options: Any) -> Call[Any, Any, None]:
    """Delete a chunk of a document."""
    request = protos.DeleteChunkRequest(name=to_child(document, "chunks", name))
    return Call(method("RetrieverService.DeleteChunk"), request, lambda _: None, to_options(request_options))


def create_many(document: str, chunks: Iterable[Any], client: Client, request_options: Any) -> Operation[list[Chunk]]:
    """Add chunks to a document, and return them."""
    created: list[Chunk] = []
    messages = (to_chunk(each, document) for each in chunks)
    while batch := [protos.CreateChunkRequest(parent=document, chunk=each) for each in islice(messages, _BATCH)]:
        request = protos.BatchCreateChunksRequest(parent=document, requests=batch)
        created += yield _chunks_call("BatchCreateChunks", request, client, request_options)
    return created


def update_many(document: str, chunks: Any, client: Client, request_options: Any) -> Operation[list[Chunk]]:
    """Change chunks of a document, and return them."""
    changed: list[Chunk] = []
    given = iter(chunks.items() if isinstance(chunks, Mapping) else chunks)
    while batch := [_to_update(document, each) for each in islice(given, _BATCH)]:
        request = protos.BatchUpdateChunksRequest(parent=document, requests=batch)
        changed += yield _chunks_call("BatchUpdateChunks", request, client, request_options)
    return changed


def delete_many(document: str, chunks: Iterable[Any], request_options: Any) -> Operation[None]:
    """Delete chunks of a document."""
    names = (to_child(document, "chunks", getattr(each, "name", each)) for each in chunks)
    while batch := [protos.DeleteChunkRequest(name=name) for name in islice(names, _BATCH)]:
        request = protos.BatchDeleteChunksRequest(parent=document, requests=batch)
        options = to_options(request_options)
        yield Call(method("RetrieverService.BatchDeleteChunks"), request, lambda _: None, options)


def _to_update(document: str, given: Any) -> protos.UpdateChunkRequest:
    if isinstance(given, protos.UpdateChunkRequest):
        return given
    name, updates = given
    return to_update_request(to_child(document, "chunks", name), updates)


def _chunk_call(name: str, request: Any, client: Client, request_options: Any) -> Call[Any, Any, Chunk]:
    return Call(
        method(f"RetrieverService.{name}"),
        request,
        lambda reply: Chunk.from_proto(reply[0], client=client),
        to_options(request_options),
    )


def _chunks_call(name: str, request: Any, client: Client, request_options: Any) -> Call[Any, Any, list[Chunk]]:
    return Call(
        method(f"RetrieverService.{name}"),
        request,
        lambda reply: [Chunk.from_proto(each, client=client) for each in reply[0].chunks],
        to_options(request_options),
    )
