"""Requests to embed contents."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, Final

from genai_grpc import protos as gemini
from genai_grpc._coerce.content import to_content
from genai_grpc._coerce.part_source import classify
from genai_grpc._coerce.resource_names import to_any_model_name
from genai_grpc._services.dialects import Dialect
from genai_grpc._services.messages import GEMINI, Protos
from genai_grpc_protos._convert import to_enum

__all__ = ["MAX_BATCH_SIZE", "EmbedRequests", "contents_of", "to_task_type"]

MAX_BATCH_SIZE: Final = 100
"""The most contents of one BatchEmbedContents request."""

_TASK_ALIASES: Final = {
    "query": "RETRIEVAL_QUERY",
    "document": "RETRIEVAL_DOCUMENT",
    "similarity": "SEMANTIC_SIMILARITY",
    "qa": "QUESTION_ANSWERING",
    "verification": "FACT_VERIFICATION",
}


def to_task_type(value: object, protos: Protos = GEMINI) -> int:
    """Return the number of a TaskType, given by number, by name in any case, or by its short name.

    Raises:
        TypeError: It is neither a str nor an int.
        ValueError: The name is unknown.

    >>> to_task_type("document"), to_task_type("RETRIEVAL_DOCUMENT"), to_task_type(2)
    (2, 2, 2)
    """
    if isinstance(value, str):
        value = _TASK_ALIASES.get(value.lower(), value)
    field = protos.EmbedContentRequest.DESCRIPTOR.fields_by_name["task_type"]
    return to_enum(field.enum_type, value, "task_type")


def contents_of(value: object) -> Iterable[object] | None:
    """Return the contents of an iterable of several; None if the value is one content, such as a str or a dict."""
    kind, contents = classify(value)
    return contents if kind == "sequence" else None


class EmbedRequests:
    """Builds the requests of one `embed_content`, which share everything but the content.

    Args:
        dialect: The API.
        model: A name, Model or TunedModel.
        task_type: See `to_task_type`; None for none.
        title: The title of a document; None for none.
        output_dimensionality: The length of a vector; None for the model's.

    Raises:
        TypeError: An argument is of the wrong type.
        ValueError: The model or the task is unknown, a title is given for another task than a document's, or the
            dimensionality is negative.
    """

    def __init__(
        self, dialect: Dialect, model: object, task_type: object, title: str | None, output_dimensionality: object
    ) -> None:
        self._protos = dialect.protos
        self._model = to_any_model_name(model, dialect)
        task = None if task_type is None else to_task_type(task_type, self._protos)
        if title and task != to_task_type("RETRIEVAL_DOCUMENT", self._protos):
            raise ValueError(f"a title is for task_type='retrieval_document' only; got task_type={task_type!r}")
        fields = {
            "model": self._model,
            "task_type": task,
            "title": title,
            "output_dimensionality": _to_dimensionality(output_dimensionality),
        }
        self._fields: dict[str, Any] = {name: value for name, value in fields.items() if value is not None}

    def single(self, content: object) -> gemini.EmbedContentRequest:
        """The request of one content.

        Raises:
            TypeError: The content is empty, or not supported.
            ValueError: A dict has unknown keys; an image or file cannot be read.
        """
        return self._protos.EmbedContentRequest(content=to_content(content, self._protos), **self._fields)

    def singles(self, contents: Iterable[object]) -> Iterator[gemini.EmbedContentRequest]:
        """The requests of several contents, one for each, for an API without batches.

        Raises:
            TypeError: As `single`, with the position of the content.
            ValueError: Likewise.
        """
        protos = self._protos
        for index, content in enumerate(contents):
            yield protos.EmbedContentRequest(content=_to_numbered_content(content, index, protos), **self._fields)

    def batches(self, contents: Iterable[object]) -> Iterator[gemini.BatchEmbedContentsRequest]:
        """The requests of several contents; those of a batch are taken from the iterable when it is needed.

        Raises:
            TypeError: As `single`, with the position of the content.
            ValueError: Likewise.
        """
        numbered = enumerate(contents)
        while batch := list(islice(numbered, MAX_BATCH_SIZE)):
            request = self._protos.BatchEmbedContentsRequest(model=self._model)
            for index, content in batch:
                request.requests.add(content=_to_numbered_content(content, index, self._protos), **self._fields)
            yield request


def _to_numbered_content(value: object, index: int, protos: Protos) -> gemini.Content:
    try:
        return to_content(value, protos)
    except (TypeError, ValueError) as error:
        if type(error) not in (TypeError, ValueError):  # such as a UnicodeDecodeError, which takes other arguments
            raise
        raise type(error)(f"content[{index}]: {error}") from error


def _to_dimensionality(value: Any) -> int | None:
    if value is None:
        return None
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"output_dimensionality is an int; got {type(value).__name__}") from None
    if number < 0:
        raise ValueError(f"output_dimensionality is the length of a vector, 0 or more; got {number}")
    return number
