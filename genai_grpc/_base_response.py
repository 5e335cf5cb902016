"""What sync and async responses have in common: their state, and all that can be read from it without waiting."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from genai_grpc import protos
from genai_grpc._responses.stream_buffer import StreamBuffer
from genai_grpc._responses.text import COMPLETE_REASONS, MAX_TOKENS, join_text, no_text, one_line
from genai_grpc._rpc.response_metadata import ResponseMetadata, read_metadata
from genai_grpc._self import Self
from genai_grpc._services.messages import read_type, with_type
from genai_grpc.errors import BlockedPromptException, IncompleteIterationError

__all__ = ["BaseResponse"]


class BaseResponse:
    """The state of a response, and all that can be read from it without waiting.

    >>> from genai_grpc.responses import GenerateContentResponse
    >>> GenerateContentResponse.from_json('{"usageMetadata": {"totalTokenCount": 7}}').usage_metadata.total_token_count
    7
    """

    __slots__ = ("_buffer", "_failure", "_is_chunk", "_received", "_schema", "_whole")

    def __init__(
        self,
        whole: protos.GenerateContentResponse | None,
        buffer: StreamBuffer | None,
        schema: Any = None,
        is_chunk: bool = False,
    ) -> None:
        # Either the whole response, or the chunks of a stream.
        self._whole = whole
        self._buffer = buffer
        self._schema = schema
        self._is_chunk = is_chunk
        self._failure: Exception | None = None
        self._received: tuple[Any, ...] | None = None

    @classmethod
    def from_response(cls, response: protos.GenerateContentResponse, schema: Any = None) -> Self:
        """A whole response; `schema` is the Python type of `parsed`."""
        whole = cls(response, None, schema)
        if response.HasField("prompt_feedback") and response.prompt_feedback.block_reason:
            whole._failure = BlockedPromptException(response)
        return whole

    @classmethod
    def from_reply(cls, reply: tuple[protos.GenerateContentResponse, tuple[Any, ...]], schema: Any = None) -> Self:
        """A whole response with what the transport received with it."""
        whole = cls.from_response(reply[0], schema)
        whole._received = reply[1]
        return whole

    @property
    def candidates(self) -> Sequence[protos.Candidate]:
        """The candidates, ordered by index.

        Raises:
            IncompleteIterationError: The stream has not been read to its end.
        """
        self._need_end()
        return self._message().candidates

    @property
    def parts(self) -> Sequence[protos.Part]:
        """The parts of the only candidate.

        Raises:
            IncompleteIterationError: The stream has not been read to its end.
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

        It is "" for a chunk of a stream without text, such as one of thoughts or function calls, or the last one with
        the usage. The joined texts of a stream's chunks are its text.

        Raises:
            IncompleteIterationError: The stream has not been read to its end.
            ValueError: There is no text; the message names the finish reason, finish message and safety ratings.
        """
        candidates = self.candidates if self._whole is None else self._whole.candidates
        if len(candidates) == 1 and len(found := candidates[0].content.parts) == 1:
            part = found[0]  # the case of nearly every chunk
            if (text := part.text) and not part.thought:
                return text
        if self._is_chunk and not candidates:
            return ""
        parts = [part for part in self.parts if not part.thought]
        if not parts:
            if self._is_chunk and candidates[0].finish_reason in COMPLETE_REASONS:
                return ""
            raise ValueError(no_text(candidates[0]))
        return join_text(self.parts, self._spans(), thought=False, is_chunk=self._is_chunk)

    @property
    def thoughts(self) -> str:
        """The text of the thoughts of the only candidate; empty if there are none."""
        return join_text(self.parts, self._spans(), thought=True, is_chunk=True)

    @property
    def parsed(self) -> Any:
        """The response's JSON, as an instance of the `response_schema` if that is a Python type.

        Raises:
            IncompleteIterationError: The stream has not been read to its end.
            ValueError: There is no text, it is not JSON, or it does not fit the type.

        >>> from genai_grpc.responses import GenerateContentResponse
        >>> answer = '{"candidates": [{"content": {"parts": [{"text": "[1, 2]"}]}}]}'
        >>> GenerateContentResponse.from_json(answer).parsed
        [1, 2]
        """
        import json  # 1.2 ms, which the import of the package shall not take

        text = self.text
        try:
            if self._schema is None:
                return json.loads(text)
            # Schema code imports dataclasses, which take 10 ms, and only some programs use Python types.
            from genai_grpc._coerce.schema.parse import parse_text

            return parse_text(self._schema, text, "the answer")
        except json.JSONDecodeError as error:
            raise ValueError(f"the answer is not JSON ({error}); {self._json_hint()}") from error
        except RecursionError:
            raise ValueError("the answer is JSON that is nested too deeply") from None

    def _json_hint(self) -> str:
        if self.candidates[0].finish_reason == MAX_TOKENS:
            return "it was cut at the token limit (finish reason MAX_TOKENS): raise max_output_tokens"
        return "request it with response_mime_type='application/json'"

    @property
    def function_calls(self) -> list[protos.FunctionCall]:
        """The function calls of the only candidate."""
        return [part.function_call for part in self.parts if part.WhichOneof("data") == "function_call"]

    @property
    def prompt_feedback(self) -> protos.GenerateContentResponse.PromptFeedback:
        """The service's feedback on the prompt; available from the first chunk."""
        return self._metadata().prompt_feedback

    @property
    def usage_metadata(self) -> protos.GenerateContentResponse.UsageMetadata:
        """Token counts, from the latest chunk."""
        return self._metadata().usage_metadata

    @property
    def model_version(self) -> str:
        """The version of the model that answered."""
        return self._metadata().model_version

    @property
    def response_id(self) -> str:
        """The ID that the service gave this response."""
        return self._metadata().response_id

    @property
    def metadata(self) -> ResponseMetadata | None:
        """The initial and trailing metadata (headers and trailers) that came with the response.

        `trailing` is None while a stream is open. None for a response that did not come from a call, was pickled or is
        a chunk of a stream, and for a stream with automatic function calling, which has several calls.

        >>> import genai_grpc as genai
        >>> genai.GenerativeModel().generate_content("Say hello.").metadata
        ResponseMetadata(initial=(), trailing=())
        """
        received = self._received_besides()
        return None if received is None else read_metadata(*received[:2])

    @property
    def raw(self) -> list[dict[str, Any]]:
        """The JSON that came over HTTP, with all its fields; of a stream, one object for each chunk so far.

        It is empty wherever `metadata` is None, and over gRPC, whose messages keep the fields that they do not know.

        >>> from genai_grpc import Client, GenerativeModel, local
        >>> with local.serve(local.ScriptEngine().reply("Hello")) as server:
        ...     with Client(endpoint=server.http_endpoint, transport="rest") as client:
        ...         response = GenerativeModel(client=client).generate_content("Say hello.")
        >>> response.raw[0]["candidates"][0]["finishReason"]
        'STOP'
        """
        import json  # as in `parsed`

        received = self._received_besides()
        return [] if received is None else [json.loads(body) for body in received[2:3] and received[2]]

    @property
    def request_id(self) -> str | None:
        """The request ID in the response's metadata, to quote in a report: see `ResponseMetadata.request_id`."""
        return None if (metadata := self.metadata) is None else metadata.request_id

    @property
    def truncated(self) -> bool:
        """Whether the reply ended without a finish reason: a candidate has none, or there is no candidate.

        The service ends each candidate with a reason, such as STOP or MAX_TOKENS. A reply without one was cut by a
        server or proxy that ended it with status OK all the same, of which gRPC gives no error. It is False for a
        blocked prompt, and for a chunk of a stream.

        Raises:
            IncompleteIterationError: The stream has not been read to its end.

        >>> from genai_grpc.responses import GenerateContentResponse
        >>> GenerateContentResponse.from_json('{"candidates": [{"content": {"parts": [{"text": "Once"}]}}]}').truncated
        True
        """
        if self._is_chunk:
            return False
        candidates = self.candidates
        complete = bool(candidates) and all(candidate.finish_reason for candidate in candidates)
        return not complete and not self.prompt_feedback.block_reason

    @property
    def error(self) -> Exception | None:
        """What ended the stream early, once it was read; BlockedPromptException if the prompt was blocked.

        Also the StopCandidateException for which a chat's reply cannot enter its history, once that was read.
        """
        return self._failure if self._buffer is None or self._buffer.error is None else self._buffer.error

    # The attributes of google.generativeai's responses that other libraries read.

    @property
    def _result(self) -> protos.GenerateContentResponse:
        return self._message()

    @property
    def _done(self) -> bool:
        return self._buffer is None or self._buffer.ended

    @property
    def _error(self) -> Exception | None:
        return self.error

    @_error.setter
    def _error(self, error: Exception | None) -> None:
        self._failure = error

    @property
    def _iterator(self) -> Any:
        return None if self._buffer is None or self._buffer.ended else self._buffer.stream

    def _cancel(self) -> None:
        """End the stream, if it is open."""
        if self._buffer is not None:
            self._buffer.cancel()

    def to_dict(self) -> dict[str, Any]:
        """The response so far as JSON-ready dicts: proto field names, enums as numbers, defaults included.

        A value that JSON does not have becomes one that resembles it: a NaN among the arguments of a function call is
        "NaN".
        """
        from genai_grpc_protos._json import to_json_dict  # json_format takes 50 ms

        return to_json_dict(
            self._message(),
            always_print_fields_with_no_presence=True,
            preserving_proto_field_name=True,
            use_integers_for_enums=True,
        )

    def to_json(self) -> str:
        """The response so far as JSON; `from_json` reads it, and loses nothing.

        It is protobuf's JSON of a GenerateContentResponse (https://protobuf.dev/programming-guides/json/). With more
        than that can express, such as a field of a newer version of the API or a NaN, it has the serialized message in
        addition, as "@serialized", and is read from it.
        """
        import json  # as above

        from genai_grpc_protos._json import to_lossless_dict  # json_format takes 50 ms

        return json.dumps(with_type(self._message(), to_lossless_dict(self._message())), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The whole response that `to_json` wrote.

        Raises:
            ValueError: The text is not the JSON of a response.

        >>> from genai_grpc.responses import GenerateContentResponse
        >>> GenerateContentResponse.from_json('{"candidates": [{"content": {"parts": [{"text": "Hi"}]}}]}').text
        'Hi'
        """
        from genai_grpc_protos._json import from_json_dict, load_json  # as above

        try:
            protos, fields = read_type(load_json(text))
            return cls.from_response(from_json_dict(protos.GenerateContentResponse, fields))
        except ValueError as error:
            raise ValueError(f"cannot read a response: {error}") from error

    def __reduce__(self) -> tuple[Any, ...]:
        buffer = self._buffer
        if buffer is None:
            return _whole, (type(self), self._whole, self._schema, self._is_chunk, self._failure)
        if not buffer.ended:
            raise TypeError("a stream that has not been read to its end cannot be pickled; call resolve() first")
        return _restored, (type(self), buffer.reply(), self._schema, buffer.error, buffer.chunk_type)

    def _repr_markdown_(self) -> str:
        """What a notebook shows: the text, or the whole response if it has none."""
        try:
            return self.text
        except (ValueError, IncompleteIterationError):
            return f"```\n{self!r}\n```"

    def __repr__(self) -> str:
        import json  # as above

        from genai_grpc_protos._json import to_json_dict  # as above

        fields = to_json_dict(self._message(), preserving_proto_field_name=True)
        result = json.dumps(fields, indent=2, ensure_ascii=False).replace("\n", "\n    ")
        iterator = None if self._done else f"<{type(self._iterator).__name__}>"
        error = "" if self.error is None else f",\nerror={self.error!r}"
        return (
            f"response:\n{type(self).__name__}(\n    done={self._done},\n    iterator={iterator},\n"
            f"    result=protos.GenerateContentResponse({result}),\n){error}"
        )

    def _received_besides(self) -> tuple[Any, ...] | None:
        """The metadata, and the JSON; None for a response that did not come from one call."""
        return self._received if self._buffer is None else self._buffer.received()

    def _need_end(self) -> None:
        if self._buffer is not None and not self._buffer.ended:
            raise IncompleteIterationError(_UNREAD)

    def _spans(self) -> list[tuple[int, int]] | None:
        return None if self._buffer is None else self._buffer.spans()

    def _message(self) -> protos.GenerateContentResponse:
        """The response so far as one message."""
        if self._whole is not None:
            return self._whole
        assert self._buffer is not None  # noqa: S101 -- one of the two is there
        return self._buffer.message()

    def _metadata(self) -> protos.GenerateContentResponse:
        """The response so far without candidates."""
        if self._whole is not None:
            return self._whole
        assert self._buffer is not None  # noqa: S101 -- one of the two is there
        return self._buffer.metadata()


def _whole(
    kind: type[Any], whole: protos.GenerateContentResponse, schema: Any, is_chunk: bool, failure: Exception | None
) -> Any:
    response = kind(whole, None, schema, is_chunk)
    response._error = failure
    return response


def _restored(
    kind: type[Any], chunks: list[bytes], schema: Any, error: Exception | None, chunk_type: type[Any] | None
) -> Any:
    return kind(None, StreamBuffer.from_chunks(chunks, error, chunk_type), schema)


_UNREAD: Final = (
    "the stream has not been read to its end; iterate over the response, or call response.resolve() "
    "(await it on an async response), before reading candidates, parts or text"
)
