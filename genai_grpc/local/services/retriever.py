"""The service of corpora and documents, and their search."""

from __future__ import annotations

import re
from typing import Any, Final

from genai_grpc import protos
from genai_grpc.errors import FailedPrecondition, InvalidArgument, NotFound
from genai_grpc.local._received_request import current_caller
from genai_grpc.local.engines.vectors import dot
from genai_grpc.local.services.chunks import ChunkMethods
from genai_grpc.local.services.errors import Context, abort_on_error
from genai_grpc.local.services.metadata_filters import check_filters, matches
from genai_grpc.local.services.models import ModelRegistry
from genai_grpc.local.services.paging import parse_page
from genai_grpc.local.services.tuner import embed_text
from genai_grpc.local.services.update_mask import apply_update
from genai_grpc.local.state.access import PERMISSIONS, Role, Users, check_access, grant_ownership, has_access
from genai_grpc.local.state.database import Database, Transaction
from genai_grpc.local.state.retriever import CHUNKS, CORPORA, DOCUMENTS, chunk_vectors, new_id
from genai_grpc_protos.protobuf import Empty

__all__ = ["RetrieverService"]

_ID: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")
_MAX_CORPORA: Final = 5
_MAX_DOCUMENTS: Final = 10_000
_MAX_DISPLAY_NAME: Final = 512
_MAX_PAGE: Final = 20
_RESULTS: Final = 10
_MAX_RESULTS: Final = 100


class RetrieverService(ChunkMethods):
    """Stores corpora, documents and chunks, and searches chunks by their meaning.

    Args:
        database: The state.
        registry: The engines, one of which embeds; without one, texts are compared by their words.
        users: The known callers.

    Attributes:
        users: The known callers.
    """

    def __init__(self, database: Database, registry: ModelRegistry, users: Users) -> None:
        super().__init__(database, registry)
        self.users = users

    async def CreateCorpus(  # noqa: N802 -- gRPC's
        self, request: protos.CreateCorpusRequest, context: Context
    ) -> protos.Corpus:
        """Create a corpus, which the caller owns."""
        async with abort_on_error(context):
            caller = current_caller()

            def create(rows: Transaction) -> protos.Corpus:
                if len(CORPORA.page(rows, 0, -1, owner=caller)) >= _MAX_CORPORA:
                    raise FailedPrecondition(f"a caller has {_MAX_CORPORA} corpora at most; delete one")
                corpus = protos.Corpus(display_name=request.corpus.display_name)
                corpus.name = _to_name("corpora", request.corpus)
                _set_times(corpus, rows.now)
                CORPORA.insert(rows, corpus, owner=caller)
                grant_ownership(rows, corpus.name, self.users.email(caller))
                return corpus

            return await self._database.transact(create)

    async def GetCorpus(self, request: protos.GetCorpusRequest, context: Context) -> protos.Corpus:  # noqa: N802 -- gRPC's
        """Describe one corpus."""
        return await self._in(context, request.name, Role.READER, lambda rows: CORPORA.get(rows, request.name))

    async def UpdateCorpus(  # noqa: N802 -- gRPC's
        self, request: protos.UpdateCorpusRequest, context: Context
    ) -> protos.Corpus:
        """Change the display name of a corpus."""

        def update(rows: Transaction) -> protos.Corpus:
            corpus = CORPORA.get(rows, request.corpus.name)
            apply_update(corpus, request.corpus, request.update_mask, ("display_name",))
            _check_display_name(corpus)
            corpus.update_time.FromMicroseconds(rows.now)
            CORPORA.replace(rows, corpus)
            return corpus

        return await self._in(context, request.corpus.name, Role.WRITER, update)

    async def DeleteCorpus(self, request: protos.DeleteCorpusRequest, context: Context) -> Empty:  # noqa: N802 -- gRPC's
        """Delete a corpus, with its documents if that is wanted."""

        def delete(rows: Transaction) -> Empty:
            if not request.force and DOCUMENTS.page(rows, 0, 1, parent=request.name):
                raise FailedPrecondition(f"{request.name} has documents; delete them, or set force")
            for table in (CHUNKS, DOCUMENTS, PERMISSIONS):
                table.delete_children(rows, request.name)
            CORPORA.delete(rows, request.name)
            return Empty()

        return await self._in(context, request.name, Role.OWNER, delete)

    async def ListCorpora(  # noqa: N802 -- gRPC's
        self, request: protos.ListCorporaRequest, context: Context
    ) -> protos.ListCorporaResponse:
        """Describe a page of the corpora that the caller may read."""
        async with abort_on_error(context):
            page, caller = parse_page(request, default_size=10, max_size=_MAX_PAGE), current_caller()

            def readable(rows: Transaction) -> list[tuple[int, protos.Corpus]]:
                found = CORPORA.page(rows, page.after, -1)
                users = self.users
                return [pair for pair in found if has_access(rows, CORPORA, pair[1].name, caller, users, Role.READER)]

            found = await self._database.transact(readable)
            corpora, next_page_token = page.split(found[: page.limit])
            return protos.ListCorporaResponse(corpora=corpora, next_page_token=next_page_token)

    async def QueryCorpus(  # noqa: N802 -- gRPC's
        self, request: protos.QueryCorpusRequest, context: Context
    ) -> protos.QueryCorpusResponse:
        """Find the chunks of a corpus that are nearest to a query."""
        chunks = await self._query(context, request, of_documents=True)
        return protos.QueryCorpusResponse(relevant_chunks=chunks)

    async def CreateDocument(  # noqa: N802 -- gRPC's
        self, request: protos.CreateDocumentRequest, context: Context
    ) -> protos.Document:
        """Create an empty document."""

        def create(rows: Transaction) -> protos.Document:
            CORPORA.get(rows, request.parent)
            if len(DOCUMENTS.page(rows, 0, _MAX_DOCUMENTS, parent=request.parent)) >= _MAX_DOCUMENTS:
                raise FailedPrecondition(f"a corpus has {_MAX_DOCUMENTS:,} documents at most; delete some")
            document = protos.Document(display_name=request.document.display_name)
            document.custom_metadata.extend(request.document.custom_metadata)
            self.check_metadata(document)
            document.name = _to_name(f"{request.parent}/documents", request.document)
            _set_times(document, rows.now)
            DOCUMENTS.insert(rows, document)
            return document

        return await self._in(context, request.parent, Role.WRITER, create)

    async def GetDocument(  # noqa: N802 -- gRPC's
        self, request: protos.GetDocumentRequest, context: Context
    ) -> protos.Document:
        """Describe one document."""
        return await self._in(context, request.name, Role.READER, lambda rows: DOCUMENTS.get(rows, request.name))

    async def UpdateDocument(  # noqa: N802 -- gRPC's
        self, request: protos.UpdateDocumentRequest, context: Context
    ) -> protos.Document:
        """Change the display name and the metadata of a document."""

        def update(rows: Transaction) -> protos.Document:
            document = DOCUMENTS.get(rows, request.document.name)
            apply_update(document, request.document, request.update_mask, ("display_name", "custom_metadata"))
            _check_display_name(document)
            self.check_metadata(document)
            document.update_time.FromMicroseconds(rows.now)
            DOCUMENTS.replace(rows, document)
            return document

        return await self._in(context, request.document.name, Role.WRITER, update)

    async def DeleteDocument(  # noqa: N802 -- gRPC's
        self, request: protos.DeleteDocumentRequest, context: Context
    ) -> Empty:
        """Delete a document, with its chunks if that is wanted."""

        def delete(rows: Transaction) -> Empty:
            if not request.force and CHUNKS.page(rows, 0, 1, parent=request.name):
                raise FailedPrecondition(f"{request.name} has chunks; delete them, or set force")
            CHUNKS.delete_children(rows, request.name)
            DOCUMENTS.delete(rows, request.name)
            return Empty()

        return await self._in(context, request.name, Role.WRITER, delete)

    async def ListDocuments(  # noqa: N802 -- gRPC's
        self, request: protos.ListDocumentsRequest, context: Context
    ) -> protos.ListDocumentsResponse:
        """Describe a page of the documents of a corpus."""
        async with abort_on_error(context):
            page = parse_page(request, default_size=10, max_size=_MAX_PAGE)
            found = await self._in(
                context,
                request.parent,
                Role.READER,
                lambda rows: DOCUMENTS.page(rows, page.after, page.limit, parent=request.parent),
            )
            documents, next_page_token = page.split(found)
            return protos.ListDocumentsResponse(documents=documents, next_page_token=next_page_token)

    async def QueryDocument(  # noqa: N802 -- gRPC's
        self, request: protos.QueryDocumentRequest, context: Context
    ) -> protos.QueryDocumentResponse:
        """Find the chunks of a document that are nearest to a query."""
        chunks = await self._query(context, request, of_documents=False)
        return protos.QueryDocumentResponse(relevant_chunks=chunks)

    async def search(self, request: Any, caller: str, *, of_documents: bool) -> list[protos.RelevantChunk]:
        """The chunks that are nearest to a query, the nearest first.

        Args:
            request: A QueryCorpusRequest or a QueryDocumentRequest.
            caller: The caller, who may read the corpus.
            of_documents: Whether filters may test the metadata of documents.

        Raises:
            APIError: The request is not valid, the caller may not read, or the engine failed.
        """
        if not request.query:
            raise InvalidArgument("query is empty; ask something")
        if not 0 <= request.results_count <= _MAX_RESULTS:
            raise InvalidArgument(f"results_count is {request.results_count}; it is 1 to {_MAX_RESULTS}, or 0 for 10")
        check_filters(request.metadata_filters, of_documents=of_documents)
        vector = await embed_text(self._registry, request.query, is_document=False)

        def find(rows: Transaction) -> list[protos.RelevantChunk]:
            self.check(rows, request.name, caller, Role.READER)
            (CORPORA if of_documents else DOCUMENTS).get(rows, request.name)
            parents = {each.name: each for _, each in DOCUMENTS.page(rows, 0, -1, parent=_corpus_of(request.name))}
            found = [
                protos.RelevantChunk(
                    chunk_relevance_score=dot(vector, stored),
                    chunk=chunk,
                    document=parents[_document_of(chunk.name)],
                )
                for chunk, stored in chunk_vectors(rows, request.name)
                if len(stored) == len(vector)
                and matches(request.metadata_filters, parents[_document_of(chunk.name)], chunk)
            ]
            found.sort(key=lambda each: each.chunk_relevance_score, reverse=True)
            return found[: request.results_count or _RESULTS]

        return await self._database.transact(find)

    async def _query(self, context: Context, request: Any, *, of_documents: bool) -> list[protos.RelevantChunk]:
        async with abort_on_error(context):
            return await self.search(request, current_caller(), of_documents=of_documents)
        raise AssertionError("the call was aborted")

    def check(self, rows: Transaction, name: str, caller: str, role: int) -> None:
        """Check the access of a caller to the corpus of a resource; raises NotFound or PermissionDenied."""
        if not name.startswith("corpora/"):
            raise NotFound(f"{name!r} is no resource of a corpus; its name begins with 'corpora/'")
        check_access(rows, CORPORA, _corpus_of(name), caller, self.users, role)


def _corpus_of(name: str) -> str:
    return "/".join(name.split("/")[:2])


def _document_of(name: str) -> str:
    return "/".join(name.split("/")[:4])


def _to_name(collection: str, given: Any) -> str:
    """The name of a new corpus or document: the given one, or one made of the display name."""
    _check_display_name(given)
    if given.name:
        identifier = given.name.removeprefix(f"{collection}/")
        if not _ID.fullmatch(identifier):
            raise InvalidArgument(
                f"name is {given.name!r}; it is '{collection}/' and up to 40 lower-case letters, digits, inner dashes"
            )
        return f"{collection}/{identifier}"
    words = re.sub(r"[^a-z0-9]+", "-", given.display_name.lower()).strip("-")[:27].strip("-")
    return f"{collection}/{f'{words}-' if words else ''}{new_id()}"


def _check_display_name(resource: Any) -> None:
    if len(resource.display_name) > _MAX_DISPLAY_NAME:
        raise InvalidArgument(
            f"display_name has {len(resource.display_name)} characters; give at most {_MAX_DISPLAY_NAME}"
        )


def _set_times(resource: Any, now: int) -> None:
    resource.create_time.FromMicroseconds(now)
    resource.update_time.FromMicroseconds(now)
