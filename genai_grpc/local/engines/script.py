"""Engine with scripted replies, for tests."""

from __future__ import annotations

import asyncio
import math
import threading
import zlib
from collections import deque
from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias, TypeVar

from google.protobuf.message import Message

from genai_grpc import protos
from genai_grpc.errors import FailedPrecondition
from genai_grpc.local._received_request import Metadata, received_metadata
from genai_grpc.local.engines.vectors import output_size, text_of, word_vector

__all__ = ["STALL", "Chunk", "Delay", "ReceivedCall", "ScriptEngine"]


@dataclass(frozen=True, slots=True)
class Delay:
    """A wait between two chunks, in seconds.

    >>> script = ScriptEngine().reply("Hello", Delay(0.5), " world")
    """

    seconds: float


STALL: Final = Delay(math.inf)
"""A wait that ends only when the call is cancelled, its deadline passes, or the server stops."""


@dataclass(frozen=True, slots=True)
class ReceivedCall:
    """A call that a `ScriptEngine` received.

    Attributes:
        request: A copy of the request.
        metadata: Its metadata as pairs of key and value, in the order of arrival. The values of `x-goog-api-key` and
            `authorization` are `***`.

    >>> call = ReceivedCall(protos.GenerateContentRequest(model="models/script"), (("x-tenant", "blue"),))
    >>> dict(call.metadata)["x-tenant"]
    'blue'
    """

    request: protos.GenerateContentRequest
    metadata: Metadata


Copied = TypeVar("Copied", bound=Message)
Chunk: TypeAlias = "str | protos.GenerateContentResponse | Exception | Delay"
Vector: TypeAlias = "Sequence[float] | Exception | Delay"

_VECTOR_SIZE: Final = 768


class ScriptEngine:
    """Deterministic engine for tests: each request takes the next queued reply, first in, first out.

    Embeddings count words, unless a test queued others: see `reply_embedding`.

    Tokens are words: `usage_metadata` and `count_tokens` count the words of text, and 1 for each part that is not text.
    Leaving a `with serve(script)` block while a reply is still queued raises AssertionError. Thread-safe.

    Args:
        name: The model's name, with or without "models/".
        supported_mime_types: The media types that it reads; all by default.

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
            description="Replies with what a test queued, chunk by chunk.",
            input_token_limit=1_000_000,
            output_token_limit=1_000_000,
            supported_generation_methods=["generateContent", "countTokens", "embedContent"],
        )
        self.supported_mime_types = frozenset(supported_mime_types)
        self._changed = threading.Condition()
        self._replies: deque[tuple[Chunk, ...]] = deque()
        # Serialized until a test asks for them: a message takes 20 times the memory, and a soak test makes millions.
        self._received: deque[tuple[bytes, Metadata]] = deque()
        self._calls: list[ReceivedCall] = []
        self._count_requests: list[protos.GenerateContentRequest] = []
        self._embeddings: deque[Vector] = deque()
        self._embed_requests: list[protos.EmbedContentRequest] = []
        self._cancelled_calls = 0

    def reply(self, *chunks: Chunk) -> ScriptEngine:
        """Queue one reply, and return the engine so that calls can be chained.

        Args:
            chunks: In order; without any, the stream ends at once. A str is a chunk of text: it carries the usage so
                far, and the finish reason STOP where only finite delays follow. A GenerateContentResponse is sent
                unchanged. An APIError ends the call with its status, any other exception with INTERNAL, as a defect of
                the engine does. A `Delay` waits, and `STALL` waits until the call is cancelled.

        >>> from genai_grpc import Client, GenerativeModel, errors, local
        >>> script = ScriptEngine().reply("Hello,", errors.DataLoss("the rest is lost"))
        >>> with local.serve(script) as server, Client(endpoint=server.endpoint) as client:
        ...     for chunk in GenerativeModel(client=client).generate_content("Say hello.", stream=True):
        ...         print(chunk.text)
        Traceback (most recent call last):
        genai_grpc.errors.DataLoss: 500 the rest is lost
        """
        reply = tuple(map(_to_chunk, chunks))
        with self._changed:
            self._replies.append(reply)
        return self

    def reply_embedding(self, *vectors: Vector) -> ScriptEngine:
        """Queue the embeddings of the next contents, one for each, and return the engine.

        A content for which none is queued gets a vector of 768 numbers, or its `output_dimensionality`, which counts
        its words: texts with the same words have the same vector, and those that share more words are closer.

        Args:
            vectors: In order. Numbers are sent unchanged; an APIError ends the call with its status, any other
                exception with INTERNAL. A `Delay` waits before the vector that counts words; `STALL` waits until the
                call is cancelled.

        >>> from genai_grpc import Client, embed_content, local
        >>> script = ScriptEngine().reply_embedding([0.1, 0.2], [0.3, 0.4])
        >>> with local.serve(script) as server, Client(endpoint=server.endpoint) as client:
        ...     embed_content("embedding-001", ["one", "two"], client=client)
        {'embedding': [[0.1, 0.2], [0.3, 0.4]]}
        >>> [request.content.parts[0].text for request in script.embed_requests]
        ['one', 'two']
        """
        with self._changed:
            self._embeddings.extend(map(_to_vector, vectors))
        return self

    @property
    def requests(self) -> tuple[protos.GenerateContentRequest, ...]:
        """Copies of the requests for content so far, in order."""
        return tuple(call.request for call in self.calls)

    @property
    def calls(self) -> tuple[ReceivedCall, ...]:
        """The calls for content so far, in order: the requests with their metadata; a retry is a call of its own.

        >>> from genai_grpc import Client, GenerativeModel, local
        >>> script = ScriptEngine().reply("Hello")
        >>> with local.serve(script) as server, Client(endpoint=server.endpoint) as client:
        ...     options = {"metadata": [("x-tenant", "blue")]}
        ...     text = GenerativeModel(client=client).generate_content("Hi", request_options=options).text
        >>> dict(script.calls[0].metadata)["x-tenant"]
        'blue'
        """
        with self._changed:
            while self._received:
                data, metadata = self._received.popleft()
                self._calls.append(ReceivedCall(protos.GenerateContentRequest.FromString(data), metadata))
            return tuple(self._calls)

    @property
    def count_requests(self) -> tuple[protos.GenerateContentRequest, ...]:
        """Copies of the requests to count tokens so far, in order."""
        with self._changed:
            return tuple(self._count_requests)

    @property
    def embed_requests(self) -> tuple[protos.EmbedContentRequest, ...]:
        """Copies of the requests to embed so far, in order; a batch has one for each content."""
        with self._changed:
            return tuple(self._embed_requests)

    @property
    def cancelled_calls(self) -> int:
        """The number of replies and embeddings cancelled so far, by the client, the deadline or the server's stop."""
        with self._changed:
            return self._cancelled_calls

    def wait_cancelled(self, count: int = 1, *, timeout: float = 10.0) -> None:
        """Wait until `count` replies are cancelled, since a cancellation takes a moment to reach the engine.

        Args:
            count: The total number of cancelled replies, counted from the creation of the engine.
            timeout: Seconds to wait.

        Raises:
            TimeoutError: The timeout passed before.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._cancelled_calls >= count, timeout):
                raise TimeoutError(f"{self._cancelled_calls} replies were cancelled within {timeout:g} s, not {count}")

    def verify(self) -> None:
        """Check that no reply is left in the queue.

        Raises:
            AssertionError: Some are left; the message lists them.

        >>> ScriptEngine().reply("Hello").verify()
        Traceback (most recent call last):
        AssertionError: 1 queued replies were not asked for:
          reply('Hello')
        """
        with self._changed:
            left = [f"  reply({', '.join(map(repr, chunks))})" for chunks in self._replies]
            left += [f"  reply_embedding({vector!r})" for vector in self._embeddings]
        if left:
            raise AssertionError("\n".join([f"{len(left)} queued replies were not asked for:", *left]))

    async def start(self) -> None:
        """Do nothing: there is nothing to prepare."""

    async def aclose(self) -> None:
        """Do nothing: there is nothing to release."""

    async def generate(
        self, request: protos.GenerateContentRequest
    ) -> AsyncGenerator[protos.GenerateContentResponse, None]:
        """Send the next queued reply.

        Raises:
            FailedPrecondition: No reply is queued.
        """
        number, chunks = self._next_reply(request)
        counter = _WordCounter()
        try:
            for index, chunk in enumerate(chunks):
                match chunk:
                    case str():
                        counter.add(chunk)
                        response = self._response(
                            chunk, response_id=f"script-{number}", last=_is_last(chunks[index + 1 :])
                        )
                        response.usage_metadata.CopyFrom(_usage(_count_words(request), counter.count))
                        yield response
                    case Delay():
                        await _wait(chunk)
                    case Exception():
                        raise chunk
                    case _:
                        yield chunk
        except (asyncio.CancelledError, GeneratorExit):
            self._count_cancelled()
            raise

    async def embed(self, requests: Sequence[protos.EmbedContentRequest]) -> list[Sequence[float]]:
        """Send the next queued embeddings, or count the words of the contents."""
        with self._changed:
            self._embed_requests.extend(map(_copy, requests))
            queued = [self._embeddings.popleft() if self._embeddings else None for _ in requests]
        try:
            return [await _to_embedding(*pair) for pair in zip(requests, queued, strict=True)]
        except asyncio.CancelledError:
            self._count_cancelled()
            raise

    async def count_tokens(self, request: protos.GenerateContentRequest) -> protos.CountTokensResponse:
        """Count the words of the contents and the system instruction, and 1 for each part that is not text."""
        with self._changed:
            self._count_requests.append(_copy(request))
        return protos.CountTokensResponse(total_tokens=_count_words(request))

    async def tokenize(self, text: str) -> list[tuple[int, bytes]]:
        """The words of a text, each numbered by its hash."""
        words = [word.encode() for word in text.split()]
        return [(zlib.crc32(word), word) for word in words]

    def _count_cancelled(self) -> None:
        with self._changed:
            self._cancelled_calls += 1
            self._changed.notify_all()

    def _next_reply(self, request: protos.GenerateContentRequest) -> tuple[int, tuple[Chunk, ...]]:
        with self._changed:
            self._received.append((request.SerializeToString(), received_metadata()))
            number = len(self._calls) + len(self._received)
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
    received = type(chunk).__name__
    raise TypeError(f"cannot make a chunk from {received}; pass str, GenerateContentResponse, an error or Delay")


def _to_vector(vector: object) -> Vector:
    match vector:
        case Exception() | Delay():
            return vector
        case str() | bytes():
            pass
        case Iterable():
            return list(map(float, vector))
    raise TypeError(f"cannot make a vector from {type(vector).__name__}; pass numbers, an error or a Delay")


async def _to_embedding(request: protos.EmbedContentRequest, queued: Vector | None) -> Sequence[float]:
    match queued:
        case Exception():
            raise queued
        case Delay():
            await _wait(queued)
        case Sequence():
            return queued
    return word_vector(text_of(request), output_size(request, _VECTOR_SIZE))


class _WordCounter:
    """Counts the words of a text in pieces, where a word may be split between two pieces."""

    def __init__(self) -> None:
        self.count = 0
        self._in_word = False

    def add(self, piece: str) -> None:
        if piece:
            self.count += len(piece.split()) - (self._in_word and not piece[0].isspace())
            self._in_word = not piece[-1].isspace()


def _is_last(remaining: tuple[Chunk, ...]) -> bool:
    return all(isinstance(chunk, Delay) and chunk != STALL for chunk in remaining)


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


def _count_words(request: protos.GenerateContentRequest) -> int:
    return sum(len(part.text.split()) if part.WhichOneof("data") == "text" else 1 for part in _parts(request))


def _usage(prompt_words: int, reply_words: int) -> protos.GenerateContentResponse.UsageMetadata:
    return protos.GenerateContentResponse.UsageMetadata(
        prompt_token_count=prompt_words,
        candidates_token_count=reply_words,
        total_token_count=prompt_words + reply_words,
    )
