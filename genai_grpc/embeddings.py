"""Embeddings: vectors that are the closer, the more similar the contents are in meaning."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from importlib import import_module
from typing import Any, Final, Literal, NamedTuple, overload

from genai_grpc import protos, types
from genai_grpc._coerce.embeddings import EmbedRequests, contents_of
from genai_grpc._coerce.settings import to_options
from genai_grpc._floats import to_shortest
from genai_grpc._rpc.call import Call
from genai_grpc._rpc.operation import CallEach, Operation
from genai_grpc._services.dialects import Dialect
from genai_grpc.client import Client, async_transport, default_client, dialect_of, sync_transport
from genai_grpc.errors import DataLoss

__all__ = ["embed_content", "embed_content_async"]

_CONCURRENCY: Final = 8
"""Batches of one async call in flight at once: enough that the service computes all the time."""


@overload
def embed_content(  # type: ignore[overload-overlap]  # a str and a dict are one content, and iterables too
    model: types.AnyModelNameOptions,
    content: types.StrictContentType | types.PartType,
    task_type: types.EmbeddingTaskTypeOptions | None = None,
    title: str | None = None,
    output_dimensionality: int | None = None,
    client: Client | None = None,
    request_options: types.RequestOptionsType | None = None,
    *,
    as_numpy: Literal[False] = False,
) -> types.EmbeddingDict: ...


@overload
def embed_content(
    model: types.AnyModelNameOptions,
    content: Iterable[types.ContentType],
    task_type: types.EmbeddingTaskTypeOptions | None = None,
    title: str | None = None,
    output_dimensionality: int | None = None,
    client: Client | None = None,
    request_options: types.RequestOptionsType | None = None,
    *,
    as_numpy: Literal[False] = False,
) -> types.BatchEmbeddingDict: ...


@overload
def embed_content(
    model: types.AnyModelNameOptions,
    content: types.ContentType | Iterable[types.ContentType],
    task_type: types.EmbeddingTaskTypeOptions | None = None,
    title: str | None = None,
    output_dimensionality: int | None = None,
    client: Client | None = None,
    request_options: types.RequestOptionsType | None = None,
    *,
    as_numpy: Literal[True],
) -> dict[str, Any]: ...


def embed_content(
    model: types.AnyModelNameOptions,
    content: types.ContentType | Iterable[types.ContentType],
    task_type: types.EmbeddingTaskTypeOptions | None = None,
    title: str | None = None,
    output_dimensionality: int | None = None,
    client: Client | None = None,
    request_options: types.RequestOptionsType | None = None,
    *,
    as_numpy: bool = False,
) -> Any:
    """Embed one content, or each of several.

    Several are sent in batches of 100, each as one call, and taken from the iterable batch by batch. Vertex AI has no
    batches: there each content is a call.

    Args:
        model: The resource name, or a Model; `models/` is put before a bare name.
        content: One content: a str, a part, a Content or a dict of one. Any other iterable holds several contents, each
            of which may also be a list of parts.
        task_type: The use of the vectors: a `protos.TaskType`, its number or its name in any case, or "query",
            "document", "similarity", "qa" or "verification" for short.
        title: The title of a document, for the task "retrieval_document".
        output_dimensionality: The length of a vector, if it is to be shorter than the model's.
        client: By default the one that `configure` sets.
        request_options: Timeouts, retry policy and metadata of each call.
        as_numpy: Return arrays of numpy, of float32, which takes less time than the lists.

    Returns:
        `{"embedding": ...}`: a list of floats, or an array of shape (length,), for one content; for several, a list of
        such lists in their order, or an array of shape (contents, length).

    Raises:
        TypeError: A content is empty, or an argument is of a type that cannot be converted.
        ValueError: The task is unknown, a title is given for another task, or the length is negative.
        ImportError: numpy is asked for and not installed.
        APIError: A call failed.

    >>> result = embed_content("embedding-001", "What is the meaning of life?")
    >>> len(result["embedding"])
    768
    >>> documents = ("page one", "page two"), ("page three",)
    >>> result = embed_content("embedding-001", documents, task_type="retrieval_document", title="A book")
    >>> len(result["embedding"])
    2
    """
    dialect = dialect_of(client)
    operation = _embed(dialect, model, content, task_type, title, output_dimensionality, request_options, as_numpy)
    del content  # so that a traceback of the call with local variables does not show it
    return sync_transport(client or default_client()).run(operation)


@overload
async def embed_content_async(  # type: ignore[overload-overlap]  # a str and a dict are one content, and iterables too
    model: types.AnyModelNameOptions,
    content: types.StrictContentType | types.PartType,
    task_type: types.EmbeddingTaskTypeOptions | None = None,
    title: str | None = None,
    output_dimensionality: int | None = None,
    client: Client | None = None,
    request_options: types.RequestOptionsType | None = None,
    *,
    as_numpy: Literal[False] = False,
) -> types.EmbeddingDict: ...


@overload
async def embed_content_async(
    model: types.AnyModelNameOptions,
    content: Iterable[types.ContentType],
    task_type: types.EmbeddingTaskTypeOptions | None = None,
    title: str | None = None,
    output_dimensionality: int | None = None,
    client: Client | None = None,
    request_options: types.RequestOptionsType | None = None,
    *,
    as_numpy: Literal[False] = False,
) -> types.BatchEmbeddingDict: ...


@overload
async def embed_content_async(
    model: types.AnyModelNameOptions,
    content: types.ContentType | Iterable[types.ContentType],
    task_type: types.EmbeddingTaskTypeOptions | None = None,
    title: str | None = None,
    output_dimensionality: int | None = None,
    client: Client | None = None,
    request_options: types.RequestOptionsType | None = None,
    *,
    as_numpy: Literal[True],
) -> dict[str, Any]: ...


async def embed_content_async(
    model: types.AnyModelNameOptions,
    content: types.ContentType | Iterable[types.ContentType],
    task_type: types.EmbeddingTaskTypeOptions | None = None,
    title: str | None = None,
    output_dimensionality: int | None = None,
    client: Client | None = None,
    request_options: types.RequestOptionsType | None = None,
    *,
    as_numpy: bool = False,
) -> Any:
    """The async twin of `embed_content`. Up to 8 batches are in flight at once."""
    dialect = dialect_of(client)
    operation = _embed(dialect, model, content, task_type, title, output_dimensionality, request_options, as_numpy)
    del content  # as above
    return await async_transport(client or default_client()).run(operation)


def _embed(
    dialect: Dialect,
    model: object,
    content: object,
    task_type: object,
    title: str | None,
    output_dimensionality: object,
    request_options: object,
    as_numpy: bool,
) -> Operation[Any]:
    output = _numpy_output() if as_numpy else _LISTS
    requests = EmbedRequests(dialect, model, task_type, title, output_dimensionality)
    options, embed_one = to_options(request_options), dialect.method("EmbedContent")
    contents = contents_of(content)
    if contents is None:
        call = Call(embed_one, requests.single(content), partial(_parse_single, output.vector), options)
        del content  # as above
        return {"embedding": (yield call)}
    calls: Iterable[Call[Any, Any, list[Any]]]
    if dialect.has("BatchEmbedContents"):
        embed_many = dialect.method("BatchEmbedContents")
        calls = (
            Call(embed_many, request, partial(_parse_batch, output.vector, len(request.requests)), options)
            for request in requests.batches(contents)
        )
    else:
        parse = partial(_parse_only, output.vector)
        calls = (Call(embed_one, request, parse, options) for request in requests.singles(contents))
    del content, contents  # as above
    batches = yield CallEach(calls, _CONCURRENCY)
    return {"embedding": output.vectors([vector for batch in batches for vector in batch])}


class _Output(NamedTuple):
    """What becomes of one embedding, and of the results for several."""

    vector: Callable[[protos.ContentEmbedding], Any]
    vectors: Callable[[list[Any]], Any]


def _to_list(embedding: protos.ContentEmbedding) -> list[float]:
    return to_shortest(embedding.values)


_LISTS: Final = _Output(_to_list, list)


def _numpy_output() -> _Output:
    try:
        numpy: Any = import_module("numpy")  # optional
    except ImportError as error:
        raise ImportError("as_numpy needs numpy, which is not installed; pip install numpy", name="numpy") from error
    return _Output(
        lambda embedding: numpy.array(embedding.values, dtype=numpy.float32),
        lambda vectors: numpy.stack(vectors) if vectors else numpy.empty((0, 0), dtype=numpy.float32),
    )


def _parse_single(
    vector: Callable[[protos.ContentEmbedding], Any], reply: tuple[protos.EmbedContentResponse, object]
) -> Any:
    return vector(reply[0].embedding)


def _parse_only(
    vector: Callable[[protos.ContentEmbedding], Any], reply: tuple[protos.EmbedContentResponse, object]
) -> list[Any]:
    """The vector of a request of its own, as those of a batch."""
    return [vector(reply[0].embedding)]


def _parse_batch(
    vector: Callable[[protos.ContentEmbedding], Any],
    contents: int,
    reply: tuple[protos.BatchEmbedContentsResponse, object],
) -> list[Any]:
    embeddings = reply[0].embeddings
    # A vector that is missing would shift those of all contents after it.
    if len(embeddings) != contents:
        raise DataLoss(f"the service returned {len(embeddings)} embeddings for a batch of {contents} contents")
    return list(map(vector, embeddings))
