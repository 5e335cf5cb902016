"""The semantic retriever: corpora of documents, whose chunks are found by their meaning.

>>> import genai_grpc as genai
>>> corpus = genai.retriever.create_corpus("tales")
>>> document = corpus.create_document("alice")
>>> chunks = document.batch_create_chunks(["Alice fell down a rabbit-hole.", "The queen likes tarts."])
>>> corpus.query("rabbit-hole", results_count=1)[0].chunk.data.string_value
'Alice fell down a rabbit-hole.'
>>> genai.retriever.delete_corpus("tales", force=True)
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

from genai_grpc import protos, types
from genai_grpc._chunks import Chunk
from genai_grpc._coerce.settings import to_options
from genai_grpc._corpora import Corpus
from genai_grpc._documents import Document, RelevantChunk
from genai_grpc._rpc.call import Call
from genai_grpc._rpc.operation import Operation
from genai_grpc._rpc.pager import list_pages
from genai_grpc._services.generative_language import method
from genai_grpc.client import Client, async_transport, default_client, sync_transport
from genai_grpc.types._metadata import ChunkData, Condition, CustomMetadata, MetadataFilter

__all__ = [
    "Chunk",
    "ChunkData",
    "Condition",
    "Corpus",
    "CustomMetadata",
    "Document",
    "MetadataFilter",
    "RelevantChunk",
    "create_corpus",
    "create_corpus_async",
    "delete_corpus",
    "delete_corpus_async",
    "get_corpus",
    "get_corpus_async",
    "list_corpora",
    "list_corpora_async",
]


def create_corpus(
    name: str | None = None,
    display_name: str | None = None,
    client: Client | None = None,
    request_options: types.RequestOptionsType | None = None,
) -> Corpus:
    """Create a corpus.

    Args:
        name: The last part of its name: up to 40 lower-case letters, digits and inner dashes; by default the service
            makes one.
        display_name: A name for people, at most 512 characters.
        client: By default the one that `configure` sets.
        request_options: Timeouts, retry policy and metadata of the call.

    Raises:
        ValueError: The name has other characters.
        AlreadyExists: There is a corpus of that name.
        APIError: The call failed otherwise.

    >>> create_corpus("tales", "Tales of old").display_name
    'Tales of old'
    >>> delete_corpus("tales")
    """
    return sync_transport(client or default_client()).call(_create_call(name, display_name, client, request_options))


async def create_corpus_async(
    name: str | None = None,
    display_name: str | None = None,
    client: Client | None = None,
    request_options: types.RequestOptionsType | None = None,
) -> Corpus:
    """The async twin of `create_corpus`."""
    return await async_transport(client or default_client()).call(
        _create_call(name, display_name, client, request_options)
    )


def get_corpus(
    name: str,
    client: Client | None = None,
    request_options: types.RequestOptionsType | None = None,
) -> Corpus:
    """Get a corpus.

    Args:
        name: Its name; `corpora/` is put before a bare one.
        client: By default the one that `configure` sets.
        request_options: Timeouts, retry policy and metadata of the call.

    Raises:
        NotFound: There is none of that name.
        APIError: The call failed otherwise.

    >>> get_corpus("none")
    Traceback (most recent call last):
    genai_grpc.errors.NotFound: 404 there is no corpus 'corpora/none', ...
    """
    return sync_transport(client or default_client()).call(_get_call(name, client, request_options))


async def get_corpus_async(
    name: str,
    client: Client | None = None,
    request_options: types.RequestOptionsType | None = None,
) -> Corpus:
    """The async twin of `get_corpus`."""
    return await async_transport(client or default_client()).call(_get_call(name, client, request_options))


def delete_corpus(
    name: str,
    force: bool = False,
    client: Client | None = None,
    request_options: types.RequestOptionsType | None = None,
) -> None:
    """Delete a corpus.

    Args:
        name: Its name; `corpora/` is put before a bare one.
        force: Delete its documents, too.
        client: By default the one that `configure` sets.
        request_options: Timeouts, retry policy and metadata of the call.

    Raises:
        FailedPrecondition: It has documents, and `force` is False.
        NotFound: There is none of that name.
        APIError: The call failed otherwise.

    >>> corpus = create_corpus("tales")
    >>> delete_corpus("tales")
    """
    sync_transport(client or default_client()).call(_delete_call(name, force, request_options))


async def delete_corpus_async(
    name: str,
    force: bool = False,
    client: Client | None = None,
    request_options: types.RequestOptionsType | None = None,
) -> None:
    """The async twin of `delete_corpus`."""
    await async_transport(client or default_client()).call(_delete_call(name, force, request_options))


def list_corpora(
    *,
    page_size: int | None = None,
    client: Client | None = None,
    request_options: types.RequestOptionsType | None = None,
) -> Iterator[Corpus]:
    """List the corpora that the caller may read; a page is fetched when its corpora are needed.

    Args:
        page_size: Corpora per page, 1 to 20; None leaves it to the service.
        client: By default the one that `configure` sets.
        request_options: Timeouts, retry policy and metadata of each page's call.

    Raises:
        APIError: A call failed, when its page is needed.

    >>> list(list_corpora())
    []
    """
    return sync_transport(client or default_client()).iterate(_list(page_size, client, request_options))


def list_corpora_async(
    *,
    page_size: int | None = None,
    client: Client | None = None,
    request_options: types.RequestOptionsType | None = None,
) -> AsyncIterator[Corpus]:
    """The async twin of `list_corpora`; read it with `async for`."""
    return async_transport(client or default_client()).iterate(_list(page_size, client, request_options))


def _full(name: str) -> str:
    return name if "/" in name else f"corpora/{name}"


def _create_call(
    name: str | None, display_name: str | None, client: Client | None, request_options: Any
) -> Call[Any, Any, Corpus]:
    if name is not None and not re.fullmatch(r"(corpora/)?[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?", name):
        raise ValueError(f"the name of a corpus has up to 40 lower-case letters, digits and inner dashes; got {name!r}")
    corpus = protos.Corpus(name="" if name is None else _full(name), display_name=display_name or "")
    return _corpus_call("CreateCorpus", protos.CreateCorpusRequest(corpus=corpus), client, request_options)


def _get_call(name: str, client: Client | None, request_options: Any) -> Call[Any, Any, Corpus]:
    return _corpus_call("GetCorpus", protos.GetCorpusRequest(name=_full(name)), client, request_options)


def _corpus_call(name: str, request: Any, client: Client | None, request_options: Any) -> Call[Any, Any, Corpus]:
    return Call(
        method(f"RetrieverService.{name}"),
        request,
        lambda reply: Corpus.from_proto(reply[0], client=client),
        to_options(request_options),
    )


def _delete_call(name: str, force: bool, request_options: Any) -> Call[Any, Any, None]:
    request = protos.DeleteCorpusRequest(name=_full(name), force=force)
    return Call(method("RetrieverService.DeleteCorpus"), request, lambda _: None, to_options(request_options))


def _list(page_size: int | None, client: Client | None, request_options: Any) -> Operation[None]:
    def corpora_of(page: protos.ListCorporaResponse) -> Iterator[Corpus]:
        return (Corpus.from_proto(each, client=client) for each in page.corpora)

    return list_pages(method("RetrieverService.ListCorpora"), page_size, corpora_of, to_options(request_options))
