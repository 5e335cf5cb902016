"""Corpora: what documents belong to, and what a query searches."""

from __future__ import annotations

import datetime
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from genai_grpc import protos, types
from genai_grpc._chunks import to_child
from genai_grpc._coerce.settings import to_options
from genai_grpc._coerce.update_mask import to_update
from genai_grpc._documents import Document, RelevantChunk
from genai_grpc._responses.times import to_datetime
from genai_grpc._rpc.call import Call
from genai_grpc._rpc.operation import Operation
from genai_grpc._rpc.pager import list_pages
from genai_grpc._self import Self
from genai_grpc._services.generative_language import method
from genai_grpc.client import Client, async_transport, default_client, sync_transport
from genai_grpc.types._metadata import to_custom_metadata, to_filters
from genai_grpc.types._permissions import Permissions

__all__ = ["Corpus"]


@dataclass
class Corpus:
    """A corpus, which has documents.

    Attributes:
        name: The resource name, `corpora/…`.
        display_name: A name for people.
        create_time: When it was created, in UTC.
        update_time: When it was last changed, in UTC.

    >>> import genai_grpc as genai
    >>> corpus = genai.retriever.create_corpus("tales", "Tales of old")
    >>> document = corpus.create_document("alice", custom_metadata=[{"key": "year", "value": 1865}])
    >>> chunk = document.create_chunk("Alice fell down a rabbit-hole.")
    >>> [found.document.name for found in corpus.query("Who fell down a hole?")]
    ['corpora/tales/documents/alice']
    >>> genai.retriever.delete_corpus("tales", force=True)
    """

    name: str
    display_name: str = ""
    create_time: datetime.datetime | None = None
    update_time: datetime.datetime | None = None
    _client: Client | None = field(default=None, repr=False, compare=False)

    @classmethod
    def from_proto(cls, proto: protos.Corpus, *, client: Client | None = None) -> Self:
        """The corpus of a message."""
        create_time, update_time = to_datetime(proto.create_time), to_datetime(proto.update_time)
        return cls(proto.name, proto.display_name, create_time, update_time, client)

    def to_dict(self) -> dict[str, Any]:
        """The name and the display name."""
        return {"name": self.name, "display_name": self.display_name}

    @property
    def permissions(self) -> Permissions:
        """Who may read and change it."""
        return Permissions(self.name, client=self._client)

    def create_document(
        self,
        name: str | None = None,
        display_name: str | None = None,
        custom_metadata: Iterable[Any] | None = None,
        client: Client | None = None,
        request_options: types.RequestOptionsType | None = None,
    ) -> Document:
        """Create an empty document.

        Args:
            name: The last part of its name, or the whole name; by default the service makes one.
            display_name: A name for people, at most 512 characters.
            custom_metadata: Its metadata, up to 20 CustomMetadata.
            client: By default the one that the corpus came from.
            request_options: Timeouts, retry policy and metadata of the call.

        Raises:
            AlreadyExists: There is a document of that name.
            APIError: The call failed otherwise.
        """
        return sync_transport(self._owner(client)).call(
            self._create_call(name, display_name, custom_metadata, client, request_options)
        )

    async def create_document_async(
        self,
        name: str | None = None,
        display_name: str | None = None,
        custom_metadata: Iterable[Any] | None = None,
        client: Client | None = None,
        request_options: types.RequestOptionsType | None = None,
    ) -> Document:
        """The async twin of `create_document`."""
        return await async_transport(self._owner(client)).call(
            self._create_call(name, display_name, custom_metadata, client, request_options)
        )

    def get_document(
        self,
        name: str,
        client: Client | None = None,
        request_options: types.RequestOptionsType | None = None,
    ) -> Document:
        """Get a document by its name, or the last part of it.

        Raises:
            NotFound: There is none of that name.
            APIError: The call failed otherwise.
        """
        return sync_transport(self._owner(client)).call(self._get_call(name, client, request_options))

    async def get_document_async(
        self,
        name: str,
        client: Client | None = None,
        request_options: types.RequestOptionsType | None = None,
    ) -> Document:
        """The async twin of `get_document`."""
        return await async_transport(self._owner(client)).call(self._get_call(name, client, request_options))

    def list_documents(
        self,
        page_size: int | None = None,
        client: Client | None = None,
        request_options: types.RequestOptionsType | None = None,
    ) -> Iterator[Document]:
        """List the documents, in the order of their creation; a page is fetched when its documents are needed.

        Raises:
            APIError: A call failed, when its page is needed.
        """
        return sync_transport(self._owner(client)).iterate(self._list(page_size, client, request_options))

    def list_documents_async(
        self,
        page_size: int | None = None,
        client: Client | None = None,
        request_options: types.RequestOptionsType | None = None,
    ) -> AsyncIterator[Document]:
        """The async twin of `list_documents`; read it with `async for`."""
        return async_transport(self._owner(client)).iterate(self._list(page_size, client, request_options))

    def delete_document(
        self,
        name: str,
        force: bool = False,
        client: Client | None = None,
        request_options: types.RequestOptionsType | None = None,
    ) -> None:
        """Delete a document.

        Args:
            name: Its name, or the last part of it.
            force: Delete its chunks, too.
            client: By default the one that the corpus came from.
            request_options: Timeouts, retry policy and metadata of the call.

        Raises:
            FailedPrecondition: It has chunks, and `force` is False.
            NotFound: There is none of that name.
            APIError: The call failed otherwise.
        """
        sync_transport(self._owner(client)).call(self._delete_call(name, force, request_options))

    async def delete_document_async(
        self,
        name: str,
        force: bool = False,
        client: Client | None = None,
        request_options: types.RequestOptionsType | None = None,
    ) -> None:
        """The async twin of `delete_document`."""
        await async_transport(self._owner(client)).call(self._delete_call(name, force, request_options))

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
            metadata_filters: MetadataFilters that a chunk must pass, on `document.custom_metadata.…` or
                `chunk.custom_metadata.…`.
            results_count: How many chunks at most, 1 to 100; 10 by default.
            client: By default the one that the corpus came from.
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
    ) -> Corpus:
        """Change the display name; the object has the new one then.

        Args:
            updates: `{"display_name": ...}`.
            client: By default the one that the corpus came from.
            request_options: Timeouts, retry policy and metadata of the call.

        Raises:
            ValueError: Another field is to be changed.
            APIError: The call failed.
        """
        return sync_transport(self._owner(client)).call(self._update_call(updates, request_options))

    async def update_async(
        self,
        updates: Mapping[str, Any],
        client: Client | None = None,
        request_options: types.RequestOptionsType | None = None,
    ) -> Corpus:
        """The async twin of `update`."""
        return await async_transport(self._owner(client)).call(self._update_call(updates, request_options))

    def _owner(self, client: Client | None) -> Client:
        return client or self._client or default_client()

    def _create_call(
        self, name: str | None, display_name: str | None, metadata: Any, client: Client | None, request_options: Any
    ) -> Call[Any, Any, Document]:
        document = protos.Document(
            name=to_child(self.name, "documents", name) if name else "",
            display_name=display_name or "",
            custom_metadata=to_custom_metadata(metadata),
        )
        return Call(
            method("RetrieverService.CreateDocument"),
            protos.CreateDocumentRequest(parent=self.name, document=document),
            lambda reply: Document.from_proto(reply[0], client=self._owner(client)),
            to_options(request_options),
        )

    def _get_call(self, name: str, client: Client | None, request_options: Any) -> Call[Any, Any, Document]:
        return Call(
            method("RetrieverService.GetDocument"),
            protos.GetDocumentRequest(name=to_child(self.name, "documents", name)),
            lambda reply: Document.from_proto(reply[0], client=self._owner(client)),
            to_options(request_options),
        )

    def _list(self, page_size: int | None, client: Client | None, request_options: Any) -> Operation[None]:
        def documents_of(page: protos.ListDocumentsResponse) -> Iterator[Document]:
            return (Document.from_proto(each, client=self._owner(client)) for each in page.documents)

        options = to_options(request_options)
        return list_pages(method("RetrieverService.ListDocuments"), page_size, documents_of, options, parent=self.name)

    def _delete_call(self, name: str, force: bool, request_options: Any) -> Call[Any, Any, None]:
        request = protos.DeleteDocumentRequest(name=to_child(self.name, "documents", name), force=force)
        return Call(method("RetrieverService.DeleteDocument"), request, lambda _: None, to_options(request_options))

    def _query_call(
        self, query: str, filters: Any, results_count: int | None, client: Client | None, request_options: Any
    ) -> Call[Any, Any, list[RelevantChunk]]:
        request = protos.QueryCorpusRequest(
            name=self.name, query=query, metadata_filters=to_filters(filters), results_count=results_count or 0
        )
        return Call(
            method("RetrieverService.QueryCorpus"),
            request,
            lambda reply: [
                RelevantChunk.from_proto(each, client=self._owner(client)) for each in reply[0].relevant_chunks
            ],
            to_options(request_options),
        )

    def _update_call(self, updates: Mapping[str, Any], request_options: Any) -> Call[Any, Any, Corpus]:
        if set(updates) != {"display_name"}:
            raise ValueError(f"only the display_name of a corpus can be changed; got {sorted(updates)}")
        message, mask = to_update(protos.Corpus, self.name, updates)

        def parse(reply: Any) -> Corpus:
            vars(self).update(vars(type(self).from_proto(reply[0], client=self._client)))
            return self

        request = protos.UpdateCorpusRequest(corpus=message, update_mask=mask)
        return Call(method("RetrieverService.UpdateCorpus"), request, parse, to_options(request_options))
