"""The seam between the local server and what answers behind it."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from genai_grpc.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from genai_grpc import protos

__all__ = ["Engine", "Verifiable", "refuse_media"]


class Engine(Protocol):
    """A model that the local server can serve.

    Every method is called on the server's event loop, so none may block it. An `APIError` that a method raises reaches
    the client with its code, message and details; any other exception is the engine's defect, and is INTERNAL.

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
        """What ListModels says of it; `name` is the resource name it is served under, e.g. "models/smollm2"."""
        ...

    @property
    def supported_mime_types(self) -> frozenset[str]:
        """The media types that it reads beside text, patterns such as "image/*" included; empty for a text model."""
        ...

    async def start(self) -> None:
        """Get ready to answer, e.g. load the weights; called once, before any request."""

    async def aclose(self) -> None:
        """Let go of everything; called once, after the last request has ended."""

    def generate(self, request: protos.GenerateContentRequest) -> AsyncIterator[protos.GenerateContentResponse]:
        """Answer a checked request: an async generator of chunks, in order. Closing it stops the work.

        Where the request names a cached content, what that holds is in the request already, before its own contents.
        A chunk belongs to the server once it is yielded, and must not change afterwards.
        """
        ...

    async def count_tokens(self, request: protos.GenerateContentRequest) -> protos.CountTokensResponse:
        """Count the prompt's tokens, those of the system instruction and the tools included.

        A prompt to be cached is counted too: it may have no contents, or end with the model's turn.
        """
        ...


@runtime_checkable
class Verifiable(Protocol):
    """An engine that knows at the end whether it was used as intended; the scripted one is."""

    def verify(self) -> None:
        """Raise AssertionError if not. Called when a `with serve(...)` block has ended without an exception."""


def refuse_media(engine: Engine, request: protos.GenerateContentRequest) -> None:
    """Check that the engine can read each media part of a request.

    Raises:
        InvalidArgument: For the first part that it cannot read, naming the model, the media type and what it accepts.
    """
    for where, mime_type in _media(request):
        media_type = mime_type.partition(";")[0].strip().lower()
        if not any(fnmatchcase(media_type, pattern.lower()) for pattern in engine.supported_mime_types):
            accepted = (
                " and ".join(["text", *sorted(engine.supported_mime_types)])
                if engine.supported_mime_types
                else "text only"
            )
            came = mime_type or "media without a MIME type"
            raise InvalidArgument(f"{engine.model.name} cannot read {came} ({where}); it accepts {accepted}")


def _media(request: protos.GenerateContentRequest) -> Iterator[tuple[str, str]]:
    """Where each media part stands, and its MIME type."""
    turns = [(f"contents[{index}]", content) for index, content in enumerate(request.contents)]
    for name, content in [("system_instruction", request.system_instruction), *turns]:
        for index, part in enumerate(content.parts):
            match part.WhichOneof("data"):
                case "inline_data":
                    yield f"{name}.parts[{index}]", part.inline_data.mime_type
                case "file_data":
                    yield f"{name}.parts[{index}]", part.file_data.mime_type
