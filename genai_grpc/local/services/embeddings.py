"""Embeddings of the engines, once the requests are valid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from genai_grpc import protos
from genai_grpc.errors import InvalidArgument
from genai_grpc.local.engines.engine import EmbeddingEngine
from genai_grpc.local.services.errors import engine_errors

__all__ = ["check_batch", "check_single", "embed"]

_MAX_BATCH: Final = 100
"""The limit of Google's service."""


def check_single(request: protos.EmbedContentRequest, place: str = "") -> None:
    """Check the content and the options of a request.

    Args:
        request: The request.
        place: Where it is, with a dot, for the message.

    Raises:
        InvalidArgument: The first fault, with its place.
    """
    if not any(part.text for part in request.content.parts):
        raise InvalidArgument(f"{place}content has no text; send at least one part with text")
    for index, part in enumerate(request.content.parts):
        if (kind := part.WhichOneof("data")) != "text":
            raise InvalidArgument(
                f"{place}content.parts[{index}] is {_describe(part, kind)}; {request.model} embeds text only"
            )
    if request.task_type not in protos.TaskType.values():
        raise InvalidArgument(f"{place}task_type is {int(request.task_type)}; it must be a value of TaskType")
    if request.title and request.task_type != protos.TaskType.RETRIEVAL_DOCUMENT:
        raise InvalidArgument(f"{place}title is for the task_type RETRIEVAL_DOCUMENT only; leave it out, or set that")
    if request.HasField("output_dimensionality") and request.output_dimensionality < 1:
        raise InvalidArgument(f"{place}output_dimensionality is {request.output_dimensionality}; it must be at least 1")


def check_batch(request: protos.BatchEmbedContentsRequest) -> None:
    """Check the size of a batch, and each of its requests.

    Raises:
        InvalidArgument: The first fault, with its place.
    """
    if not 1 <= len(request.requests) <= _MAX_BATCH:
        raise InvalidArgument(f"requests has {len(request.requests)} items; a batch has 1 to {_MAX_BATCH}")
    for index, single in enumerate(request.requests):
        if single.model != request.model:
            raise InvalidArgument(
                f"requests[{index}].model is {single.model!r}; it must be that of the batch, {request.model!r}"
            )
        check_single(single, f"requests[{index}].")


async def embed(
    engine: EmbeddingEngine, requests: Sequence[protos.EmbedContentRequest]
) -> list[protos.ContentEmbedding]:
    """Return the embedding of each request, in order.

    Raises:
        InternalServerError: The engine failed, or did not return a vector for each request.
    """
    with engine_errors(engine):
        vectors = await engine.embed(requests)
        if len(vectors) != len(requests):
            raise ValueError(f"`embed` returned {len(vectors)} vectors for {len(requests)} requests")
        return [protos.ContentEmbedding(values=vector) for vector in vectors]


def _describe(part: protos.Part, kind: str | None) -> str:
    match kind:
        case None:
            return "empty"
        case "inline_data":
            return part.inline_data.mime_type or "media without a MIME type"
        case "file_data":
            return part.file_data.mime_type or "a file without a MIME type"
        case _:
            return f"a {kind}"
