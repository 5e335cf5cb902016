"""The interface between the local server and its engines."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol, runtime_checkable

from genai_grpc import protos

__all__ = ["Engine", "Verifiable"]


class Engine(Protocol):
    """A model that the local server can serve.

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
    def model(self) -> protos.Model:
        """The model that ListModels describes; `name` is its resource name, e.g. "models/smollm2"."""
        ...

    @property
    def supported_mime_types(self) -> frozenset[str]:
        """The media types that it reads besides text, patterns such as "image/*" included; empty for a text model."""
        ...

    async def start(self) -> None:
        """Prepare for requests, e.g. load the weights; called once, before any request."""

    async def aclose(self) -> None:
        """Release all resources; called once, after the last request has ended."""

    def generate(self, request: protos.GenerateContentRequest) -> AsyncIterator[protos.GenerateContentResponse]:
        """Generate the response to a valid request: an async generator of chunks, in order. Closing it stops the work.

        The prompt of a cached content is in the request already, before the request's own contents. A chunk belongs to
        the server once it is yielded, and must not change afterwards.
        """
        ...

    async def count_tokens(self, request: protos.GenerateContentRequest) -> protos.CountTokensResponse:
        """Count the prompt's tokens, including those of the system instruction and the tools.

        A prompt to be cached is counted too: it may have no contents, or end with a turn of the model.
        """
        ...


@runtime_checkable
class Verifiable(Protocol):
    """An engine that checks at the end whether it was used as intended, as `ScriptEngine` does."""

    def verify(self) -> None:
        """Raise AssertionError if not. Called when a `with serve(...)` block has ended without an exception."""
