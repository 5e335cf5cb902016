"""An engine that says what a test told it to say."""

from __future__ import annotations

import asyncio
import math
import threading
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar

from genai_grpc import protos
from genai_grpc.errors import FailedPrecondition

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable, Iterator

    from google.protobuf.message import Message

__all__ = ["STALL", "Chunk", "Delay", "ScriptEngine"]


@dataclass(frozen=True, slots=True)
class Delay:
    """A wait of so many seconds between two chunks.

    >>> script = ScriptEngine().reply("Hello", Delay(0.5), " world")
    """

    seconds: float


STALL: Final = Delay(math.inf)
"""A wait that ends only when the call is cancelled, its deadline passes, or the server stops."""

Copied = TypeVar("Copied", bound="Message")
Chunk: TypeAlias = "str | protos.GenerateContentResponse | Exception | Delay"


class ScriptEngine:
    """A deterministic engine for tests: each request takes the reply that was queued first.

    Tokens are words: `usage_metadata` and `count_tokens` count the words of text, and 1 for each part that is not text.
    Leaving a `with serve(script)` block while a reply is still queued raises AssertionError. Any thread may queue.

    Args:
        name: The model's name, with or without "models/".
        supported_mime_types: The media types that it takes; everything unless told otherwise.

    >>> from genai_grpc import Client, GenerativeModel, local
    >>> script = ScriptEngine().reply("Hello", " world").reply("And again")
    >>> with local.serve(script) as server, Client(endpoint=server.endpoint) as client:
    ...     for prompt in "Say hello.", "Once more.":
    ...         print(GenerativeModel(client=client).generate_content(prompt).text)
    Hello world
    And again
    >>> [request.contents[0].parts[0].text for request in script.requests]
    ['Say hello.', 'Once more.']
    """

    def __init__(self, *, name: str = "script", supported_mime_types: Iterable[str] = ("*/*",)) -> None:
        base = name.removeprefix("models/")
        self.model = protos.Model(
            name=f"models/{base}",
            base_model_id=base,
            version="1",
            display_name="Script",
            description="Says what a test queued, chunk by chunk.",
            input_token_limit=1_000_000,
            output_token_limit=1_000_000,
            supported_generation_methods=["generateContent", "countTokens"],
        )
        self.supported_mime_types = frozenset(supported_mime_types)
        self._changed = threading.Condition()
        self._replies: deque[tuple[Chunk, ...]] = deque()
        self._requests: list[protos.GenerateContentRequest] = []
        self._count_requests: list[protos.GenerateContentRequest] = []
        self._cancelled_calls = 0

    def reply(self, *chunks: Chunk) -> ScriptEngine:
        """Queue one reply, and return the engine so that calls can be chained.

        Args:
            chunks: In order; none at all is a stream that ends at once. A str is a chunk of text: it carries the usage
                so far, and STOP where nothing but finite delays follows. A GenerateContentResponse is sent as it is.
                An APIError ends the call with its status, any other exception as an engine's defect does. A `Delay`
                waits, and `STALL` waits until the call is ended from outside.

        >>> from genai_grpc import Client, GenerativeModel, errors, local
        >>> script = ScriptEngine().reply("Hello,", errors.DataLoss("the rest is lost"))
        >>> with local.serve(script) as server, Client(endpoint=server.endpoint) as client:
        ...     for chunk in GenerativeModel(client=client).generate_content("Say hello.", stream=True):
        ...         print(chunk.text)
        Traceback (most recent call last):
        genai_grpc.errors.DataLoss: 500 the rest is lost
        """
        kept = tuple(map(_to_chunk, chunks))
        with self._changed:
            self._replies.append(kept)
        return self

    @property
    def requests(self) -> tuple[protos.GenerateContentRequest, ...]:
        """Copies of the requests for content that came so far, in order."""
        with self._changed:
            return tuple(self._requests)

    @property
    def count_requests(self) -> tuple[protos.GenerateContentRequest, ...]:
        """Copies of the requests whose tokens were counted so far, in order."""
        with self._changed:
            return tuple(self._count_requests)

    @property
    def cancelled_calls(self) -> int:
        """How many replies were cut short so far, by the client, the deadline or the server's stop."""
        with self._changed:
            return self._cancelled_calls

    def wait_cancelled(self, count: int = 1, *, timeout: float = 10.0) -> None:
        """Wait until `count` replies were cut short, since a cancellation takes a moment to reach the engine.

        Args:
            count: How many in all, from the engine's beginning.
            timeout: Seconds after which to give up.

        Raises:
            TimeoutError: If it did not happen in time.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._cancelled_calls >= count, timeout):
                raise TimeoutError(f"{self._cancelled_calls} replies were cut short within {timeout:g} s, not {count}")

    def verify(self) -> None:
        """Check that every queued reply was asked for.

        Raises:
            AssertionError: Listing the replies that are left.

        >>> ScriptEngine().reply("Hello").verify()
        Traceback (most recent call last):
        AssertionError: 1 queued replies were not asked for:
          reply('Hello')
        """
        with self._changed:
            left = [f"  reply({', '.join(map(repr, chunks))})" for chunks in self._replies]
        if left:
            raise AssertionError("\n".join([f"{len(left)} queued replies were not asked for:", *left]))

    async def start(self) -> None:
        """Nothing to prepare."""

    async def aclose(self) -> None:
        """Nothing to let go of."""

    async def generate(
        self, request: protos.GenerateContentRequest
    ) -> AsyncGenerator[protos.GenerateContentResponse, None]:
        """Play the reply that was queued first.

        Raises:
            FailedPrecondition: If no reply is queued.
        """
        number, chunks = self._take(request)
        words = _Words()
        try:
            for index, chunk in enumerate(chunks):
                match chunk:
                    case str():
                        words.add(chunk)
                        response = self._response(
                            chunk, response_id=f"script-{number}", last=_is_last(chunks[index + 1 :])
                        )
                        response.usage_metadata.CopyFrom(_usage(_prompt_words(request), words.count))
                        yield response
                    case Delay():
                        await _wait(chunk)
                    case Exception():
                        raise chunk
                    case _:
                        yield chunk
        except (asyncio.CancelledError, GeneratorExit):
            with self._changed:
                self._cancelled_calls += 1
                self._changed.notify_all()
            raise

    async def count_tokens(self, request: protos.GenerateContentRequest) -> protos.CountTokensResponse:
        """Count the words of the contents and the system instruction, and 1 for each part that is not text."""
        with self._changed:
            self._count_requests.append(_copy(request))
        return protos.CountTokensResponse(total_tokens=_prompt_words(request))

    def _take(self, request: protos.GenerateContentRequest) -> tuple[int, tuple[Chunk, ...]]:
        with self._changed:
            self._requests.append(_copy(request))
            number = len(self._requests)
            if not self._replies:
                raise FailedPrecondition(f"no reply is queued for request {number}; queue one with script.reply(...)")
            return number, self._replies.popleft()

    def _response(self, text: str, *, response_id: str, last: bool) -> protos.GenerateContentResponse:
        candidate = protos.Candidate(index=0, content=protos.Content(role="model", parts=[protos.Part(text=text)]))
        if last:
            candidate.finish_reason = protos.Candidate.STOP
        return protos.GenerateContentResponse(
            candidates=[candidate], response_id=response_id, model_version=self.model.base_model_id
        )


def _to_chunk(chunk: object) -> Chunk:
    match chunk:
        case protos.GenerateContentResponse():
            return _copy(chunk)
        case str() | Exception() | Delay():
            return chunk
    came = type(chunk).__name__
    raise TypeError(f"cannot make a chunk from {came}; pass str, GenerateContentResponse, an error or Delay")


class _Words:
    """The words of a text that comes in pieces, which may cut a word in two."""

    def __init__(self) -> None:
        self.count = 0
        self._inside = False

    def add(self, piece: str) -> None:
        if piece:
            self.count += len(piece.split()) - (self._inside and not piece[0].isspace())
            self._inside = not piece[-1].isspace()


def _is_last(rest: tuple[Chunk, ...]) -> bool:
    return all(isinstance(chunk, Delay) and chunk != STALL for chunk in rest)


async def _wait(delay: Delay) -> None:
    if delay == STALL:
        await asyncio.get_running_loop().create_future()
    await asyncio.sleep(delay.seconds)


def _copy(message: Copied) -> Copied:
    copied = type(message)()
    copied.CopyFrom(message)
    return copied


def _parts(request: protos.GenerateContentRequest) -> Iterator[protos.Part]:
    yield from request.system_instruction.parts
    for content in request.contents:
        yield from content.parts


def _prompt_words(request: protos.GenerateContentRequest) -> int:
    return sum(len(part.text.split()) if part.WhichOneof("data") == "text" else 1 for part in _parts(request))


def _usage(prompt: int, answer: int) -> protos.GenerateContentResponse.UsageMetadata:
    return protos.GenerateContentResponse.UsageMetadata(
        prompt_token_count=prompt, candidates_token_count=answer, total_token_count=prompt + answer
    )
