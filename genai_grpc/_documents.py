"""Documents: what the chunks of a source text belong to."""

from __future__ import annotations

import datetime
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from genai_grpc import _chunk_calls as calls
from genai_grpc import protos, types
from genai_grpc._chunks import Chunk
from genai_grpc._coerce.settings import to_options
from genai_grpc._coerce.update_mask import flatten
from genai_grpc._responses.times import to_datetime
from genai_grpc._rpc.call import Call
from genai_grpc._rpc.operation import Operation
from genai_grpc._rpc.pager import list_pages
from genai_grpc._self import Self
from genai_grpc._services.generative_language import method
from genai_grpc.client import Client, async_transport, default_client, sync_transport
from genai_grpc.types._metadata import CustomMetadata, to_custom_metadata, to_filters
from genai_grpc_protos.protobuf import FieldMask

__all__ = ["Document", "RelevantChunk"]


@dataclass
class RelevantChunk:
    """A chunk that was found.

    Attributes:
        chunk_relevance_score: How near it is to the query; more is nearer.
        chunk: The chunk.
        document: Its document.

    >>> RelevantChunk(0.9, Chunk("corpora/a/documents/b/chunks/c", "text")).chunk_relevance_score
    0.9
    """

    chunk_relevance_score: float
    chunk: Chunk
    document: Document | None = None

    @classmethod
    def from_proto(cls, proto: protos.RelevantChunk, *, client: Client | None = None) -> Self:
        """The find of a message."""
        document = Document.from_proto(proto.document, client=client) if proto.HasField("document") else None
        return cls(proto.chunk_relevance_score, Chunk.from_proto(proto.chunk, client=client), document)


@dataclass
class Document:
    """A document of a corpus, which has the chunks of one source text.

    Attributes:
        name: The resource name, `corpora/…/documents/…`.
        display_name: A name for people.
        custom_metadata: Its metadata.
        create_time: When it was created, in UTC.
        update_time: When it was last changed, in UTC.

    >>> import genai_grpc as genai
    >>> corpus = genai.retriever.create_corpus("tales")
    >>> document = corpus.create_document("alice")
    >>> chunks = document.batch_create_chunks(["Alice fell down a hole.", "The queen likes tarts."])
    >>> document.query("tarts", results_count=1)[0].chunk.data.string_value
    'The queen likes tarts.'
    >>> genai.retriever.delete_corpus("tales", force=True)
    """

    name: str
    display_name: str = ""
    custom_metadata: list[CustomMetadata] = field(default_factory=list)
    create_time: datetime.datetime | None = None
    update_time: datetime.datetime | None = None
    _client: Client | None = field(default=None, repr=False, compare=False)

    @classmethod
    def from_proto(cls, proto: protos.Document, *, client: Client | None = None) -> Self:
        """The document of a message."""
        return cls(
            proto.name,
            proto.display_name,
            [CustomMetadata.from_proto(each) for each in proto.custom_metadata],
            to_datetime(proto.create_time),
            to_datetime(proto.update_time),
            client,
        )

    def to_dict(self) -> dict[str, Any]:
        """The name, the display name and the metadata."""
        metadata = [{"key": each.key, "value": each.value} for each in self.custom_metadata]
        return {"name": self.name, "display_name": self.display_name, "custom_metadata": metadata}

    def create_chunk(
        self,
        data: Any,
        name: str | None = None,
        custom_metadata: Iterable[Any] | None = None,
        client: Client | None = None,
        request_options: types.RequestOptionsType | None = None,
    ) -> Chunk:
        """Add a chunk.

        Args:
            data: Its text, or a ChunkData.
            name: The last part of its name, or the whole name; by default the service makes one.
            custom_metadata: Its metadata, up to 20 CustomMetadata.
            client: By default the one that the document came from.
            request_options: Timeouts, retry policy and metadata of the call.

        Raises:
            AlreadyExists: There is a chunk of that name.
            APIError: The call failed otherwise.
        """
        return sync_transport(self._owner(client)).call(
            calls.create(self.name, data, name, custom_metadata, self._owner(client), request_options)
        )

    async def create_chunk_async(
        self,
        data: Any,
        name: str | None = None,
        custom_metadata: Iterable[Any] | None = None,
        client: Client | None = None,
        request_options: types.RequestOptionsType | None = None,
    ) -> Chunk:
        """The async twin of `create_chunk`."""
        return await async_transport(self._owner(client)).call(
            calls.create(self.name, data, name, custom_metadata, self._owner(client), request_options)
        )

    def batch_create_chunks(
        self,
        chunks: Iterable[Any],
        client: Client | None = None,
        request_options: types.RequestOptionsType | None = None,
    ) -> list[Chunk]:
        """Add chunks, in batches of 100, each of which is stored whole or not at all.

        Args:
            chunks: Texts, Chunks, messages, or dicts of `data` and perhaps `name` and `custom_metadata`.
            client: By default the one that the document came from.
            request_options: Timeouts, retry policy and metadata of each call.

        Raises:
            TypeError: One is of another type.
            APIError: A call failed; the batches before it are stored.
        """
        return sync_transport(self._owner(client)).run(
            calls.create_many(self.name, chunks, self._owner(client), request_options)
        )

    async def batch_create_chunks_async(
        self,
        chunks: Iterable[Any],
        client: Client | None = None,
        request_options: types.RequestOptionsType | None = None,
    ) -> list[Chunk]:
        """The async twin of `batch_create_chunks`."""
        return await async_transport(self._owner(client)).run(
            calls.create_many(self.name, chunks, self._owner(client), request_options)
        )

    def get_chunk(
        self,
        name: str,
        client: Client | None = None,
        request_options: types.RequestOptionsType | None = None,
    ) -> Chunk:
        """Get a chunk by its name, or the last part of it.

        Raises:
            NotFound: There is none of that name.
            APIError: The call failed otherwise.
        """
        return sync_transport(self._owner(client)).call(
            calls.get(self.name, name, self._owner(client), request_options)
        )

    async def get_chunk_async(
        self,
        name: str,
        client: Client | None = None,
        request_options: types.RequestOptionsType | None = None,
    ) -> Chunk:
        """The async twin of `get_chunk`."""
        return await async_transport(self._owner(client)).call(
            calls.get(self.name, name, self._owner(client), request_options)
        )

    def list_chunks(
        self,
        page_size: int | None = None,
        client: Client | None = None,
        request_options: types.RequestOptionsType | None = None,
    ) -> Iterator[Chunk]:
        """List the chunks, in the order of their creation; a page is fetched when its chunks are needed.

        Raises:
            APIError: A call failed, when its page is needed.
        """
        return sync_transport(self._owner(client)).iterate(self._list(page_size, client, request_options))

    def list_chunks_async(
        self,
        page_size: int | None = None,
        client: Client | None = None,
        request_options: types.RequestOptionsType | None = None,
    ) -> AsyncIterator[Chunk]:
        """The async twin of `list_chunks`; read it with `async for`."""
        return async_transport(self._owner(client)).iterate(self._list(page_size, client, request_options))

    def query(
        self,
        query: str,
        metadata_filters: Iterable[Any] | None = None,
        results_count: int | None = None,
        client: Client | None = None,
        request_options: types.RequestOptionsType | None = None,
    ) -> list[RelevantChunk]:
        """Find the chunks whose meaning is nearest to a query, the nearest first.

        Args:
            query: The query, in plain language.
            metadata_filters: MetadataFilters that a chunk must pass, on `chunk.custom_metadata.…`.
            results_count: How many chunks at most, 1 to 100; 10 by default.
            client: By default the one that the document came from.
            request_options: Timeouts, retry policy and metadata of the call.

        Raises:
            APIError: The call failed.
        """
        return sync_transport(self._owner(client)).call(
            self._query_call(query, metadata_filters, results_count, client, request_options)
        )

    async def query_async(
        self,
        query: str,
        metadata_filters: Iterable[Any] | None = None,
        results_count: int | None = None,
        client: Client | None = None,
        request_options: types.RequestOptionsType | None = None,
    ) -> list[RelevantChunk]:
        """The async twin of `query`."""
        return await async_transport(self._owner(client)).call(
            self._query_call(query, metadata_filters, results_count, client, request_options)
        )

    def update(
        self,
        updates: Mapping[str, Any],
        client: Client | None = None,
        request_options: types.RequestOptionsType | None = None,
    ) -> Document:
        """Change the display name or the metadata; the object has the new values then.

        Args:
            updates: New values of `display_name` or `custom_metadata`.
            client: By default the one that the document came from.
            request_options: Timeouts, retry policy and metadata of the call.

        Raises:
            ValueError: Nothing, or another field, is to be changed.
            APIError: The call failed.
        """
        return sync_transport(self._owner(client)).call(self._update_call(updates, request_options))

    async def update_async(
        self,
        updates: Mapping[str, Any],
        client: Client | None = None,
        request_options: types.RequestOptionsType | None = None,
    ) -> Document:
        """The async twin of `update`."""
        return await async_transport(self._owner(client)).call(self._update_call(updates, request_options))

    def batch_update_chunks(
        self,
        chunks: Any,
        client: Client | None = None,
        request_options: types.RequestOptionsType | None = None,
    ) -> list[Chunk]:
        """Change chunks, in batches of 100.

        Args:
            chunks: A dict of updates by name, pairs of name and updates, or `protos.UpdateChunkRequest`s.
            client: By default the one that the document came from.
            request_options: Timeouts, retry policy and metadata of each call.

        Raises:
            ValueError: Another field than `data` or `custom_metadata` is to be changed.
            APIError: A call failed; the batches before it are changed.
        """
        return sync_transport(self._owner(client)).run(
            calls.update_many(self.name, chunks, self._owner(client), request_options)
        )

    async def batch_update_chunks_async(
        self,
        chunks: Any,
        client: Client | None = None,
        request_options: types.RequestOptionsType | None = None,
    ) -> list[Chunk]:
        """The async twin of `batch_update_chunks`."""
        return await async_transport(self._owner(client)).run(
            calls.update_many(self.name, chunks, self._owner(client), request_options)
        )

    def delete_chunk(
        self,
        name: str,
        client: Client | None = None,
        request_options: types.RequestOptionsType | None = None,
    ) -> None:
        """Delete a chunk by its name, or the last part of it.

        Raises:
            NotFound: There is none of that name.
            APIError: The call failed otherwise.
        """
        sync_transport(self._owner(client)).call(calls.delete(self.name, name, request_options))

    async def delete_chunk_async(
        self,
        name: str,
        client: Client | None = None,
        request_options: types.RequestOptionsType | None = None,
    ) -> None:
        """The async twin of `delete_chunk`."""
        await async_transport(self._owner(client)).call(calls.delete(self.name, name, request_options))

    def batch_delete_chunks(
        self,
        chunks: Iterable[Any],
        client: Client | None = None,
        request_options: types.RequestOptionsType | None = None,
    ) -> None:
        """Delete chunks, in batches of 100.

        Args:
            chunks: Names, Chunks or `protos.DeleteChunkRequest`s.
            client: By default the one that the document came from.
            request_options: Timeouts, retry policy and metadata of each call.

        Raises:
            APIError: A call failed; the batches before it are deleted.
        """
        sync_transport(self._owner(client)).run(calls.delete_many(self.name, chunks, request_options))

    async def batch_delete_chunks_async(
        self,
        chunks: Iterable[Any],
        client: Client | None = None,
        request_options: types.RequestOptionsType | None = None,
    ) -> None:
        """The async twin of `batch_delete_chunks`."""
        await async_transport(self._owner(client)).run(calls.delete_many(self.name, chunks, request_options))

    def _owner(self, client: Client | None) -> Client:
        return client or self._client or default_client()

    def _list(self, page_size: int | None, client: Client | None, request_options: Any) -> Operation[None]:
        def chunks_of(page: protos.ListChunksResponse) -> Iterator[Chunk]:
            return (Chunk.from_proto(each, client=self._owner(client)) for each in page.chunks)

        options = to_options(request_options)
        return list_pages(method("RetrieverService.ListChunks"), page_size, chunks_of, options, parent=self.name)

    def _query_call(
        self, query: str, filters: Any, results_count: int | None, client: Client | None, request_options: Any
    ) -> Call[Any, Any, list[RelevantChunk]]:
        request = protos.QueryDocumentRequest(
            name=self.name, query=query, metadata_filters=to_filters(filters), results_count=results_count or 0
        )
        return Call(
            method("RetrieverService.QueryDocument"),
            request,
            lambda reply: [
                RelevantChunk.from_proto(each, client=self._owner(client)) for each in reply[0].relevant_chunks
            ],
            to_options(request_options),
        )

    def _update_call(self, updates: Mapping[str, Any], request_options: Any) -> Call[Any, Any, Document]:
        paths = set(flatten(updates))
        if not paths or not paths <= {"display_name", "custom_metadata"}:
            raise ValueError(f"the display_name and custom_metadata of a document can be changed; got {sorted(paths)}")
        document = protos.Document(
            name=self.name,
            display_name=updates.get("display_name", ""),
            custom_metadata=to_custom_metadata(updates.get("custom_metadata")),
        )
        request = protos.UpdateDocumentRequest(document=document, update_mask=FieldMask(paths=sorted(paths)))

        def parse(reply: Any) -> Document:
            vars(self).update(vars(type(self).from_proto(reply[0], client=self._client)))
            return self

        return Call(method("RetrieverService.UpdateDocument"), request, parse, to_options(request_options))
