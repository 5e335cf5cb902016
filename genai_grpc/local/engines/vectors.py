"""Vectors of embeddings: their length, and vectors without a model."""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Iterable, Sequence
from operator import mul

from genai_grpc import protos
from genai_grpc.errors import InvalidArgument

__all__ = ["dot", "normalized", "output_size", "text_of", "word_vector"]


def text_of(request: protos.EmbedContentRequest) -> str:
    """The text to embed: the title, if any, and the parts, a line each."""
    return "\n".join(filter(None, [request.title, *(part.text for part in request.content.parts)]))


def output_size(request: protos.EmbedContentRequest, size: int) -> int:
    """The length of the vector that a request wants from a model whose vectors have `size` numbers.

    Raises:
        InvalidArgument: It is more than the model has.
    """
    if not request.HasField("output_dimensionality"):
        return size
    if request.output_dimensionality > size:
        raise InvalidArgument(
            f"output_dimensionality is {request.output_dimensionality}; {request.model} has vectors of {size} numbers"
        )
    return request.output_dimensionality


def dot(one: Iterable[float], other: Iterable[float]) -> float:
    """The dot product of two vectors of one length; of vectors of length 1, their cosine similarity.

    >>> dot([1.0, 2.0], [3.0, 4.0])
    11.0
    """
    return float(sum(map(mul, one, other)))


def normalized(vector: Sequence[float]) -> list[float]:
    """The vector of length 1 in the same direction.

    >>> normalized([3.0, 4.0])
    [0.6, 0.8]
    """
    length = math.hypot(*vector) or 1.0
    return [value / length for value in vector]


def word_vector(text: str, size: int) -> list[float]:
    """A vector of length 1 without a model: the words of a text, each counted at a position that its letters determine.

    Equal words give equal vectors on every machine, and texts that share more words are closer.

    >>> word_vector("Hello, hello world", 8) == word_vector("hello hello WORLD", 8)
    True
    """
    counts = [0.0] * size
    for word in re.findall(r"\w+", text.lower()) or [text]:
        counts[zlib.crc32(word.encode()) % size] += 1.0
    return normalized(counts)
