"""What a generation returns: one class for sync programs, one for async ones, over the same state.

A response is whole, or a stream still to be read. Iterating it hands out each chunk when it arrives, and again from
the start as often as it is iterated.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from genai_grpc import protos
from genai_grpc._responses.stream_buffer import StreamBuffer
from genai_grpc._responses.text import COMPLETE_REASONS, no_text, one_line, part_text
from genai_grpc.errors import IncompleteIterationError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

    from typing_extensions import Self

    from genai_grpc._responses.stream import AsyncStream, SyncStream
    from genai_grpc.protos import GenerateContentResponse as Chunk

__all__ = ["AsyncGenerateContentResponse", "BaseResponse", "GenerateContentResponse"]


class BaseResponse:
    """The state of a response, and everything that can be read from it without waiting.

    >>> GenerateContentResponse.from_json('{"usageMetadata": {"totalTokenCount": 7}}').usage_metadata.total_token_count
    7
    """

    __slots__ = ("_piece", "_received", "_schema", "_whole")

    def __init__(
        self, whole: Chunk | None, received: StreamBuffer | None, schema: Any = None, piece: bool = False
    ) -> None:
        # One of the two is there: a message that is all of it, or what has come of a stream.
        self._whole = whole
        self._received = received
        self._schema = schema
        self._piece = piece

    @classmethod
    def from_response(cls, response: Chunk, schema: Any = None) -> Self:
        """A whole response, and the Python type that `parsed` is to be of."""
        if response.HasField("prompt_feedback") and response.prompt_feedback.block_reason:
            return cls(None, StreamBuffer.opened(None, response), schema)
        return cls(response, None, schema)

    @property
    def candidates(self) -> Sequence[protos.Candidate]:
        """The candidates, ordered by index.

        Raises:
            IncompleteIterationError: The stream was not read to its end.
        """
        self._need_end()
        return self._message().candidates

    @property
    def parts(self) -> Sequence[protos.Part]:
        """The parts of the only candidate.

        Raises:
            IncompleteIterationError: The stream was not read to its end.
            ValueError: There is no candidate, or more than one.
        """
        candidates = self.candidates
        if len(candidates) == 1:
            return candidates[0].content.parts
        if candidates:
            raise ValueError(
                f"the response has {len(candidates)} candidates; read response.candidates[index].content.parts"
            )
        blocked = (
            f"; the prompt feedback says: {one_line(self.prompt_feedback)}" if self.prompt_feedback.ByteSize() else ""
        )
        raise ValueError(f"the response has no candidate{blocked}")

    @property
    def text(self) -> str:
        """The text of the only candidate; code and its output are fenced, thoughts are left out.

        A chunk of a stream may have none, such as one of thoughts, or the last one with the usage: it is "" then.

        Raises:
            IncompleteIterationError: The stream was not read to its end.
            ValueError: There is no text; the message names the finish reason, finish message and safety ratings.
        """
        candidates = self.candidates if self._whole is None else self._whole.candidates
        if len(candidates) == 1 and len(found := candidates[0].content.parts) == 1:
            part = found[0]  # as of nearly every chunk
            if (text := part.text) and not part.thought:
                return text
        if self._piece and not candidates:
            return ""
        parts = [part for part in self.parts if not part.thought]
        if not parts:
            if self._piece and candidates[0].finish_reason in COMPLETE_REASONS:
                return ""
            raise ValueError(no_text(candidates[0]))
        # A part without data may be there for its thought signature alone.
        return "\n".join(part_text(part) for part in parts if part.WhichOneof("data"))

    @property
    def thoughts(self) -> str:
        """The text of the thoughts of the only candidate; empty if there are none."""
        return "\n".join(part.text for part in self.parts if part.thought)

    @property
    def parsed(self) -> Any:
        """The answer's JSON; of the type that was given as `response_schema`, if it was a Python type.

        Raises:
            IncompleteIterationError: The stream was not read to its end.
            ValueError: There is no text, it is no JSON, or does not fit the type.

        >>> answer = '{"candidates": [{"content": {"parts": [{"text": "[1, 2]"}]}}]}'
        >>> GenerateContentResponse.from_json(answer).parsed
        [1, 2]
        """
        import json

        text = self.text
        try:
            value = json.loads(text)
        except ValueError as error:
            # An answer of the type text/x.enum is a bare word.
            if not _is_enum(self._schema):
                wanted = "ask for it with response_mime_type='application/json'"
                raise ValueError(f"the answer is no JSON ({error}); {wanted}") from error
            value = text
        if self._schema is None:
            return value
        # What reads Python types is imported by the programs that use them.
        from genai_grpc._coerce.schema.parse import parse_as

        return parse_as(self._schema, value, "the answer")

    @property
    def function_calls(self) -> list[protos.FunctionCall]:
        """The function calls of the only candidate."""
        return [part.function_call for part in self.parts if part.WhichOneof("data") == "function_call"]

    @property
    def prompt_feedback(self) -> protos.GenerateContentResponse.PromptFeedback:
        """What the service says of the prompt; there from the first chunk on."""
        return self._latest().prompt_feedback

    @property
    def usage_metadata(self) -> protos.GenerateContentResponse.UsageMetadata:
        """Token counts as of the latest chunk."""
        return self._latest().usage_metadata

    @property
    def model_version(self) -> str:
        """The version of the model that answered."""
        return self._latest().model_version

    @property
    def response_id(self) -> str:
        """The service's name for this response."""
        return self._latest().response_id

    @property
    def error(self) -> Exception | None:
        """What ended the stream early, once it was met; a BlockedPromptException where the prompt was blocked."""
        return None if self._received is None else self._received.error

    def to_dict(self) -> dict[str, Any]:
        """All that has come so far as JSON-ready dicts: proto field names, enums as numbers, defaults filled in."""
        from google.protobuf.json_format import MessageToDict

        from genai_grpc_protos._pool import POOL

        return MessageToDict(
            self._message(),
            always_print_fields_with_no_presence=True,
            preserving_proto_field_name=True,
            use_integers_for_enums=True,
            descriptor_pool=POOL,
        )

    def to_json(self) -> str:
        """All that has come so far as JSON; `from_json` reads it."""
        import json

        from google.protobuf.json_format import MessageToDict

        from genai_grpc_protos._pool import POOL

        return json.dumps(MessageToDict(self._message(), descriptor_pool=POOL), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The whole response that `to_json` wrote.

        Raises:
            ValueError: The text is no such JSON.

        >>> GenerateContentResponse.from_json('{"candidates": [{"content": {"parts": [{"text": "Hi"}]}}]}').text
        'Hi'
        """
        from google.protobuf.json_format import Parse, ParseError

        from genai_grpc_protos._pool import POOL

        try:
            return cls.from_response(Parse(text, protos.GenerateContentResponse(), descriptor_pool=POOL))
        except ParseError as error:
            raise ValueError(f"cannot read a response: {error}") from error

    def __reduce__(self) -> tuple[Any, ...]:
        received = self._received
        if received is None:
            return type(self), (self._whole, None, self._schema, self._piece)
        if not received.ended:
            raise TypeError("a stream that has not been read to its end cannot be pickled; resolve() it first")
        return _restored, (type(self), received.reply(), self._schema, received.error)

    def _repr_markdown_(self) -> str:
        """What a notebook shows: the answer's text, or all there is where it has none."""
        try:
            return self.text
        except (ValueError, IncompleteIterationError):
            return f"```\n{self!r}\n```"

    def __repr__(self) -> str:
        import json

        from google.protobuf.json_format import MessageToDict

        from genai_grpc_protos._pool import POOL

        shown = MessageToDict(self._message(), preserving_proto_field_name=True, descriptor_pool=POOL)
        done = self._received is None or self._received.ended
        error = "" if self.error is None else f", error={self.error!r}"
        result = json.dumps(shown, indent=2, ensure_ascii=False)
        return f"{type(self).__name__}(done={done}{error}, result={result})"

    def _need_end(self) -> None:
        if self._received is not None and not self._received.ended:
            raise IncompleteIterationError(_UNREAD)

    def _message(self) -> Chunk:
        """All that has come as one message."""
        if self._whole is not None:
            return self._whole
        assert self._received is not None  # noqa: S101 -- one of the two is there
        return self._received.message()

    def _latest(self) -> Chunk:
        """All that has come but for the candidates."""
        if self._whole is not None:
            return self._whole
        assert self._received is not None  # noqa: S101 -- one of the two is there
        return self._received.latest()


class GenerateContentResponse(BaseResponse):
    """The answer to `generate_content` or `send_message`, whole or (with `stream=True`) still to be read.

    `prompt_feedback` and `usage_metadata` can be read at any time. `candidates`, `parts` and `text` need the stream
    read to its end: by iterating it, or by `resolve()`. Used as a context manager, a stream is cancelled on the way
    out.

    >>> from genai_grpc import protos
    >>> candidate = protos.Candidate(content={"role": "model", "parts": [{"text": "Hello"}]})
    >>> GenerateContentResponse.from_response(protos.GenerateContentResponse(candidates=[candidate])).text
    'Hello'
    """

    __slots__ = ()

    @classmethod
    def from_source(cls, opened: tuple[SyncStream, Chunk | None], schema: Any = None) -> Self:
        """A stream whose first chunk has come (None: it ended without one), and the type that `parsed` is to be of."""
        return cls(None, StreamBuffer.opened(*opened), schema)

    def __iter__(self) -> Iterator[Self]:
        if (received := self._received) is None:
            yield type(self)(self._whole, None, None, True)
            return
        position = 0
        while True:
            if position < len(received.chunks):
                chunk = received.chunk(position)
                position += 1
                yield type(self)(chunk, None, None, True)
            elif received.finished():
                return
            else:
                _pull(received)

    def resolve(self) -> None:
        """Read the stream to its end.

        Raises:
            APIError: The stream failed; the chunks before it are kept.
            BlockedPromptException: The prompt was blocked.
        """
        for _ in self:
            pass

    def close(self) -> None:
        """Cancel the stream, if it is still open. What has come stays readable."""
        if self._received is not None:
            self._received.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _need_end(self) -> None:
        # A program that took exactly as many chunks as came has not seen the end: look for it, now that it is asked
        # about.
        received = self._received
        if received is not None and not received.ended and received.handed == len(received.chunks):
            _pull(received)
        super()._need_end()


class AsyncGenerateContentResponse(BaseResponse):
    """The async twin of `GenerateContentResponse`: `async for`, `await resolve()`, `async with`."""

    __slots__ = ()

    @classmethod
    def from_source(cls, opened: tuple[AsyncStream, Chunk | None], schema: Any = None) -> Self:
        """A stream whose first chunk has come (None: it ended without one), and the type that `parsed` is to be of."""
        return cls(None, StreamBuffer.opened(*opened), schema)

    async def __aiter__(self) -> AsyncIterator[Self]:
        if (received := self._received) is None:
            yield type(self)(self._whole, None, None, True)
            return
        position = 0
        while True:
            if position < len(received.chunks):
                chunk = received.chunk(position)
                position += 1
                yield type(self)(chunk, None, None, True)
            elif received.finished():
                return
            else:
                try:
                    received.take(await received.source.read())
                except BaseException as error:
                    received.fail(error)
                    raise

    async def resolve(self) -> None:
        """Read the stream to its end; raises as `GenerateContentResponse.resolve` does."""
        async for _ in self:
            pass

    async def aclose(self) -> None:
        """Cancel the stream, if it is still open. What has come stays readable."""
        if self._received is not None:
            self._received.stop()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


def _pull(received: StreamBuffer) -> None:
    """Wait for the next chunk."""
    try:
        received.take(received.source.read())
    except BaseException as error:
        received.fail(error)
        raise


def _is_enum(schema: Any) -> bool:
    return isinstance(schema, type) and issubclass(schema, Enum)


def _restored(kind: type[Any], chunks: list[bytes], schema: Any, error: Exception | None) -> Any:
    return kind(None, StreamBuffer.kept(chunks, error), schema)


_UNREAD: Final = (
    "the stream has not been read to its end; iterate over the response, or call response.resolve() "
    "(await it on an async response), before reading candidates, parts or text"
)
