"""The interface between the local server and its engines."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Protocol, TypeAlias, runtime_checkable

from genai_grpc import protos

__all__ = ["AnyEngine", "EmbeddingEngine", "Engine", "PredictionEngine", "TokenizingEngine", "Verifiable"]


class BaseEngine(Protocol):
    """What every model has that the local server can serve."""

    @property
    def model(self) -> protos.Model:
        """The model that ListModels describes; `name` is its resource name, e.g. "models/smollm2"."""
        ...

    async def start(self) -> None:
        """Prepare for requests, e.g. load the weights; called once, before any request."""

    async def aclose(self) -> None:
        """Release all resources; called once, after the last request has ended."""


class Engine(BaseEngine, Protocol):
    """A model that generates content, for the local server. It may be an `EmbeddingEngine`, too.

    Every method is called on the server's event loop, so none may block it. An `APIError` that a method raises reaches
    the client with its code, message and details; any other exception is a defect of the engine, and is INTERNAL.

    >>> from genai_grpc import Client, GenerativeModel, local, protos
    >>> class Echo:
    ...     model = protos.Model(name="models/echo", supported_generation_methods=["generateContent", "countTokens"])
    ...     supported_mime_types = frozenset()
    ...     async def start(self): ...
    ...     async def aclose(self): ...
    ...     async def generate(self, request):
    ...         yield protos.GenerateContentResponse(candidates=[protos.Candidate(content=request.contents[-1])])
    ...     async def count_tokens(self, request):
    ...         return protos.CountTokensResponse(total_tokens=len(request.contents))
    >>> with local.serve(Echo()) as server, Client(endpoint=server.endpoint) as client:
    ...     GenerativeModel("echo", client=client).generate_content("Anybody here?").text
    'Anybody here?'
    """

    @property
    def supported_mime_types(self) -> frozenset[str]:
        """The media types that it reads besides text, patterns such as "image/*" included; empty for a text model."""
        ...

    def generate(self, request: protos.GenerateContentRequest) -> AsyncIterator[protos.GenerateContentResponse]:
        """Generate the response to a valid request: an async generator of chunks, in order. Closing it stops the work.

        The prompt of a cached content is in the request already, before the request's own contents. A chunk belongs to
        the server once it is yielded, and must not change afterwards. `local.received_metadata()` returns the metadata
        of the call.
        """
        ...

    async def count_tokens(self, request: protos.GenerateContentRequest) -> protos.CountTokensResponse:
        """Count the prompt's tokens, including those of the system instruction and the tools.

        A prompt to be cached is counted too: it may have no contents, or end with a turn of the model.
        """
        ...


class EmbeddingEngine(BaseEngine, Protocol):
    """A model that embeds content, for the local server: its `supported_generation_methods` name embedContent.

    >>> from genai_grpc import Client, embed_content, local, protos
    >>> class Lengths:
    ...     model = protos.Model(name="models/lengths", supported_generation_methods=["embedContent"])
    ...     async def start(self): ...
    ...     async def aclose(self): ...
    ...     async def embed(self, requests):
    ...         return [[len(request.content.parts[0].text)] for request in requests]
    >>> with local.serve(Lengths()) as server, Client(endpoint=server.endpoint) as client:
    ...     embed_content("lengths", ["one", "three"], client=client)
    {'embedding': [[3.0], [5.0]]}
    """

    async def embed(self, requests: Sequence[protos.EmbedContentRequest]) -> Sequence[Iterable[float]]:
        """Embed the content of each request, and return the vectors in the same order.

        The requests are valid: they have text only, a title only with the task RETRIEVAL_DOCUMENT, and an
        `output_dimensionality` of 1 or more if any, which the engine applies. It must let CancelledError pass.
        """
        ...


@runtime_checkable
class PredictionEngine(Engine, Protocol):
    """A model that also predicts, for the local server: as Google's models of images and videos."""

    async def predict(self, request: protos.PredictRequest) -> protos.PredictResponse:
        """Predict for each instance."""
        ...

    async def predict_long_running(
        self, request: protos.PredictLongRunningRequest
    ) -> protos.PredictLongRunningResponse:
        """Predict what takes minutes, such as a video."""
        ...


@runtime_checkable
class TokenizingEngine(Engine, Protocol):
    """A model that also shows its tokens, for the local server: ComputeTokens of Vertex AI."""

    async def tokenize(self, text: str) -> Sequence[tuple[int, bytes]]:
        """The tokens of a text: the number and the bytes of each."""
        ...


AnyEngine: TypeAlias = Engine | EmbeddingEngine


@runtime_checkable
class Verifiable(Protocol):
    """An engine that checks at the end whether it was used as intended, as `ScriptEngine` does."""

    def verify(self) -> None:
        """Raise AssertionError if not. Called when a `with serve(...)` block has ended without an exception."""
