"""The methods of the retriever for chunks."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from genai_grpc import protos
from genai_grpc.errors import InvalidArgument
from genai_grpc.local._received_request import current_caller
from genai_grpc.local.services.errors import Context, abort_on_error
from genai_grpc.local.services.models import ModelRegistry
from genai_grpc.local.services.paging import parse_page
from genai_grpc.local.services.tuner import embed_text
from genai_grpc.local.services.update_mask import apply_update
from genai_grpc.local.state.access import Role
from genai_grpc.local.state.database import Database, Transaction
from genai_grpc.local.state.retriever import CHUNKS, DOCUMENTS, new_id, to_blob
from genai_grpc_protos.protobuf import Empty
from genai_grpc_protos.v1beta.retriever_service_pb2_grpc import RetrieverServiceServicer

__all__ = ["ChunkMethods"]

Out = TypeVar("Out")
_ID: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")
_MAX_BATCH: Final = 100
_MAX_METADATA: Final = 20
_MAX_CHARACTERS: Final = 2043 * 4
"""The limit of the API is 2,043 tokens, of about four characters."""


class ChunkMethods(RetrieverServiceServicer):
    """Creates, describes, lists, changes and deletes chunks. Their vectors are made when they are stored.

    Args:
        database: The state.
        registry: The engines, one of which embeds.
    """

    def __init__(self, database: Database, registry: ModelRegistry) -> None:
        self._database = database
        self._registry = registry

    @abstractmethod
    def check(self, rows: Transaction, name: str, caller: str, role: int) -> None:
        """Check the access of a caller to the corpus of a resource."""

    async def CreateChunk(self, request: protos.CreateChunkRequest, context: Context) -> protos.Chunk:  # noqa: N802 -- gRPC's
        """Add a chunk to a document."""
        async with abort_on_error(context):
            [chunk] = await self._create(request.parent, [request])
            return chunk

    async def BatchCreateChunks(  # noqa: N802 -- gRPC's
        self, request: protos.BatchCreateChunksRequest, context: Context
    ) -> protos.BatchCreateChunksResponse:
        """Add up to 100 chunks to a document: all of them or none."""
        async with abort_on_error(context):
            parent = request.parent or (request.requests[0].parent if request.requests else "")
            _check_batch(request.requests, lambda each: each.parent in ("", parent), parent)
            return protos.BatchCreateChunksResponse(chunks=await self._create(parent, request.requests))

    async def GetChunk(self, request: protos.GetChunkRequest, context: Context) -> protos.Chunk:  # noqa: N802 -- gRPC's
        """Describe one chunk."""
        return await self._in(context, request.name, Role.READER, lambda rows: CHUNKS.get(rows, request.name))

    async def UpdateChunk(self, request: protos.UpdateChunkRequest, context: Context) -> protos.Chunk:  # noqa: N802 -- gRPC's
        """Change the text and the metadata of a chunk."""
        async with abort_on_error(context):
            [chunk] = await self._update([request])
            return chunk

    async def BatchUpdateChunks(  # noqa: N802 -- gRPC's
        self, request: protos.BatchUpdateChunksRequest, context: Context
    ) -> protos.BatchUpdateChunksResponse:
        """Change up to 100 chunks of a document: all of them or none."""
        async with abort_on_error(context):
            parent = request.parent or _document_of(request.requests[0].chunk.name if request.requests else "")
            _check_batch(request.requests, lambda each: _document_of(each.chunk.name) == parent, parent)
            return protos.BatchUpdateChunksResponse(chunks=await self._update(request.requests))

    async def DeleteChunk(self, request: protos.DeleteChunkRequest, context: Context) -> Empty:  # noqa: N802 -- gRPC's
        """Delete a chunk."""

        def delete(rows: Transaction) -> Empty:
            CHUNKS.delete(rows, request.name)
            return Empty()

        return await self._in(context, request.name, Role.WRITER, delete)

    async def BatchDeleteChunks(  # noqa: N802 -- gRPC's
        self, request: protos.BatchDeleteChunksRequest, context: Context
    ) -> Empty:
        """Delete chunks of a document: all of them or none."""
        async with abort_on_error(context):
            parent = request.parent or _document_of(request.requests[0].name if request.requests else "")
            _check_batch(request.requests, lambda each: _document_of(each.name) == parent, parent)
            caller = current_caller()

            def delete(rows: Transaction) -> None:
                self.check(rows, parent, caller, Role.WRITER)
                for each in request.requests:
                    CHUNKS.delete(rows, each.name)

            await self._database.transact(delete)
            return Empty()

    async def ListChunks(  # noqa: N802 -- gRPC's
        self, request: protos.ListChunksRequest, context: Context
    ) -> protos.ListChunksResponse:
        """Describe a page of the chunks of a document."""
        async with abort_on_error(context):
            page, caller = parse_page(request, default_size=10, max_size=_MAX_BATCH), current_caller()

            def list_page(rows: Transaction) -> list[tuple[int, protos.Chunk]]:
                self.check(rows, request.parent, caller, Role.READER)
                DOCUMENTS.get(rows, request.parent)
                return CHUNKS.page(rows, page.after, page.limit, parent=request.parent)

            chunks, next_page_token = page.split(await self._database.transact(list_page))
            return protos.ListChunksResponse(chunks=chunks, next_page_token=next_page_token)

    def check_metadata(self, resource: Any) -> None:
        """Raise InvalidArgument if a document or a chunk has metadata that cannot be stored."""
        if len(resource.custom_metadata) > _MAX_METADATA:
            raise InvalidArgument(
                f"custom_metadata has {len(resource.custom_metadata)} items; give at most {_MAX_METADATA}"
            )
        for index, each in enumerate(resource.custom_metadata):
            if not each.key or each.WhichOneof("value") is None:
                raise InvalidArgument(f"custom_metadata[{index}] has no {'value' if each.key else 'key'}")

    async def _in(self, context: Context, name: str, role: int, work: Callable[[Transaction], Out]) -> Out:
        """Run a transaction in a corpus to which the caller has access."""
        async with abort_on_error(context):
            caller = current_caller()

            def run(rows: Transaction) -> Out:
                self.check(rows, name, caller, role)
                return work(rows)

            return await self._database.transact(run)
        raise AssertionError("the call was aborted")

    async def _create(self, parent: str, requests: Sequence[protos.CreateChunkRequest]) -> list[protos.Chunk]:
        caller = current_caller()
        await self._database.transact(lambda rows: self._check_document(rows, parent, caller))
        for each in requests:
            self._check_chunk(each.chunk)
        vectors = [await self._embed(each.chunk) for each in requests]

        def create(rows: Transaction) -> list[protos.Chunk]:
            self._check_document(rows, parent, caller)
            chunks = []
            for each, vector in zip(requests, vectors, strict=True):
                chunk = protos.Chunk(data=each.chunk.data, name=_to_name(parent, each.chunk.name))
                chunk.custom_metadata.extend(each.chunk.custom_metadata)
                chunk.state = protos.Chunk.State.STATE_ACTIVE
                chunk.create_time.FromMicroseconds(rows.now)
                chunk.update_time.FromMicroseconds(rows.now)
                CHUNKS.insert(rows, chunk, vector=vector)
                chunks.append(chunk)
            return chunks

        return await self._database.transact(create)

    async def _update(self, requests: Sequence[protos.UpdateChunkRequest]) -> list[protos.Chunk]:
        caller = current_caller()

        def read(rows: Transaction) -> list[protos.Chunk]:
            chunks = []
            for each in requests:
                self.check(rows, each.chunk.name, caller, Role.WRITER)
                chunk = CHUNKS.get(rows, each.chunk.name)
                apply_update(chunk, each.chunk, each.update_mask, ("data", "custom_metadata"))
                self._check_chunk(chunk)
                chunk.update_time.FromMicroseconds(rows.now)
                chunks.append(chunk)
            return chunks

        chunks = await self._database.transact(read)
        vectors = [await self._embed(chunk) for chunk in chunks]

        def write(rows: Transaction) -> None:
            for chunk, vector in zip(chunks, vectors, strict=True):
                CHUNKS.get(rows, chunk.name)  # it may have been deleted meanwhile
                CHUNKS.replace(rows, chunk, vector=vector)

        await self._database.transact(write)
        return chunks

    def _check_document(self, rows: Transaction, parent: str, caller: str) -> None:
        self.check(rows, parent, caller, Role.WRITER)
        DOCUMENTS.get(rows, parent)

    def _check_chunk(self, chunk: protos.Chunk) -> None:
        text = chunk.data.string_value
        if not text:
            raise InvalidArgument("chunk.data.string_value is empty; a chunk has text")
        if len(text) > _MAX_CHARACTERS:
            raise InvalidArgument(f"the chunk has {len(text):,} characters; give at most {_MAX_CHARACTERS:,}")
        self.check_metadata(chunk)

    async def _embed(self, chunk: protos.Chunk) -> bytes:
        return to_blob(await embed_text(self._registry, chunk.data.string_value, is_document=True))


def _check_batch(requests: Sequence[Any], belongs: Callable[[Any], bool], parent: str) -> None:
    if not 1 <= len(requests) <= _MAX_BATCH:
        raise InvalidArgument(f"requests has {len(requests)} items; a batch has 1 to {_MAX_BATCH}")
    for index, each in enumerate(requests):
        if not belongs(each):
            raise InvalidArgument(f"requests[{index}] is not for {parent!r}; a batch is for one document")


def _document_of(name: str) -> str:
    return name.rpartition("/chunks/")[0]


def _to_name(parent: str, given: str) -> str:
    if not given:
        return f"{parent}/chunks/{new_id()}"
    identifier = given.removeprefix(f"{parent}/chunks/")
    if not _ID.fullmatch(identifier):
        raise InvalidArgument(
            f"name is {given!r}; it is '{parent}/chunks/' and up to 40 lower-case letters, digits and inner dashes"
        )
    return f"{parent}/chunks/{identifier}"
