from __future__ import annotations

import asyncio
import json
import pickle
from typing import Any

import pytest

from genai_grpc import errors, protos
from genai_grpc.responses import AsyncGenerateContentResponse, GenerateContentResponse
from tests.chunks import make_chunk

Response = protos.GenerateContentResponse
Feedback = Response.PromptFeedback


def text_chunks(*texts: str) -> list[Response]:
    """Chunks with one text each."""
    return [make_chunk({"text": text}) for text in texts]


class Stream:
    """An open stream in memory: chunks, and perhaps an error after them.

    Attributes:
        reads: How many chunks were asked for.
        cancelled: Whether the stream was cancelled.
    """

    starts_reply = False

    def received(self) -> None:
        """No metadata."""

    def __init__(self, chunks: list[Response], error: Exception | None = None) -> None:
        self.chunks, self.error = list(chunks), error
        self.reads = 0
        self.cancelled = False

    def read(self) -> Response | None:
        self.reads += 1
        if self.chunks:
            return self.chunks.pop(0)
        if self.error is not None:
            raise self.error
        return None

    def cancel(self) -> None:
        self.cancelled = True


class AsyncStream(Stream):
    """The async twin."""

    async def read(self) -> Response | None:  # type: ignore[override]  # its base is sync
        await asyncio.sleep(0)
        return super().read()


class ResponseApi:
    """The sync or the async response class, for sync tests.

    Attributes:
        response_type: The class.
    """

    def __init__(self, response_type: type[Any]) -> None:
        self.response_type = response_type
        self._is_async = response_type is AsyncGenerateContentResponse

    def open(self, *chunks: Response, error: Exception | None = None) -> tuple[Any, Any]:
        """A response that reads a stream whose first chunk has arrived, and the stream."""
        stream: Any = (AsyncStream if self._is_async else Stream)(list(chunks), error)
        first = stream.chunks.pop(0) if stream.chunks else None
        return self.response_type.from_stream((stream, first)), stream

    def read(self, response: Any, count: int | None = None) -> list[Any]:
        """The chunks of a response, or the first `count` of them, as a loop with a `break` reads them."""

        async def collect() -> list[Any]:
            read: list[Any] = []
            chunks = aiter(response)
            while count is None or len(read) < count:
                try:
                    read.append(await anext(chunks))
                except StopAsyncIteration:
                    break
            return read

        if self._is_async:
            return asyncio.run(collect())
        chunks = iter(response)
        return list(chunks) if count is None else [next(chunks) for _ in range(count)]

    def resolve(self, response: Any) -> None:
        """Read the response to its end."""
        asyncio.run(response.resolve()) if self._is_async else response.resolve()

    def use_as_context_manager(self, response: Any) -> None:
        """Enter and leave the response as a context manager."""

        async def use() -> None:
            async with response as entered:
                assert entered is response

        if self._is_async:
            asyncio.run(use())
        else:
            with response as entered:
                assert entered is response


@pytest.fixture(params=[GenerateContentResponse, AsyncGenerateContentResponse], ids=["sync", "async"])
def api(request: pytest.FixtureRequest) -> ResponseApi:
    """The response class, once sync and once async."""
    return ResponseApi(request.param)


@pytest.mark.parametrize("name", ["parts", "text", "thoughts", "function_calls"])
def test_several_candidates(name: str) -> None:
    """A property of the only candidate is refused if there are several, and the error says how to read them."""
    message = Response()
    message.candidates.add(index=0)
    message.candidates.add(index=1)
    response = GenerateContentResponse.from_response(message)
    assert len(response.candidates) == 2
    with pytest.raises(ValueError, match=r"has 2 candidates; read response\.candidates\[index\]\.content\.parts"):
        getattr(response, name)


def test_no_candidates() -> None:
    """A response without candidates has no parts."""
    with pytest.raises(ValueError, match=r"^the response has no candidate$"):
        _ = GenerateContentResponse.from_response(Response()).parts


def test_metadata() -> None:
    """Usage, model version and response ID are those of the message."""
    message = Response(model_version="v", response_id="r")
    message.usage_metadata.total_token_count = 3
    response = GenerateContentResponse.from_response(message)
    assert (response.model_version, response.response_id, response.usage_metadata.total_token_count) == ("v", "r", 3)
    assert response.error is None


def test_stream(api: ResponseApi) -> None:
    """A stream yields its chunks, and then has the merged response; iterating again starts from the first chunk."""
    response, stream = api.open(*text_chunks("One,", " two,", " three"))
    assert [chunk.text for chunk in api.read(response)] == ["One,", " two,", " three"]
    reads = stream.reads
    assert response.text == "One, two, three"
    assert [chunk.text for chunk in api.read(response)] == ["One,", " two,", " three"]
    assert [part.text for part in response.parts] == ["One, two, three"]
    assert stream.reads == reads


def test_type_of_chunks(api: ResponseApi) -> None:
    """A chunk is a whole response of the same class as the stream."""
    response, _ = api.open(*text_chunks("One"))
    (chunk,) = api.read(response)
    assert type(chunk) is api.response_type
    assert [again.text for again in api.read(chunk)] == ["One"]


def test_chunk_without_lookahead(api: ResponseApi) -> None:
    """A chunk is yielded before the next one is read."""
    response, stream = api.open(*text_chunks("One,", " two"))
    assert [chunk.text for chunk in api.read(response, 1)] == ["One,"]
    assert stream.reads == 0
    assert [chunk.text for chunk in api.read(response, 2)] == ["One,", " two"]
    assert stream.reads == 1


@pytest.mark.parametrize("name", ["candidates", "parts", "text"])
def test_incomplete_iteration(api: ResponseApi, name: str) -> None:
    """Candidates, parts and text need the stream read to its end, and the error says how."""
    response, stream = api.open(*text_chunks("One,", " two,", " three"))
    with pytest.raises(errors.IncompleteIterationError, match=r"iterate over the response, or call response\.resolve"):
        getattr(response, name)
    assert stream.reads == 0
    api.read(response, 1)
    with pytest.raises(errors.IncompleteIterationError):
        getattr(response, name)
    api.resolve(response)
    assert response.text == "One, two, three"


def test_metadata_before_end(api: ResponseApi) -> None:
    """Usage, model version and prompt feedback are those of the chunks so far."""
    first, second = text_chunks("One,", " two")
    first.usage_metadata.total_token_count, second.usage_metadata.total_token_count = 1, 2
    first.model_version = "v"
    first.prompt_feedback.safety_ratings.add(category=protos.HarmCategory.HARM_CATEGORY_HARASSMENT)
    response, _ = api.open(first, second)
    assert (response.usage_metadata.total_token_count, response.model_version) == (1, "v")
    assert len(response.prompt_feedback.safety_ratings) == 1
    api.resolve(response)
    assert (response.usage_metadata.total_token_count, response.model_version) == (2, "v")
    assert len(response.prompt_feedback.safety_ratings) == 1


def test_exactly_all_chunks_read() -> None:
    """A sync program that reads exactly as many chunks as there are can then read the text."""
    response, _ = ResponseApi(GenerateContentResponse).open(*text_chunks("One,", " two"))
    assert [chunk.text for _, chunk in zip(range(2), response, strict=False)] == ["One,", " two"]
    assert response.text == "One, two"


def test_not_all_chunks_read() -> None:
    """A chunk that was read in search of the end is not lost: iteration yields it next."""
    response, _ = ResponseApi(GenerateContentResponse).open(*text_chunks("One,", " two,", " three"))
    assert [chunk.text for _, chunk in zip(range(1), response, strict=False)] == ["One,"]
    for _ in range(2):
        with pytest.raises(errors.IncompleteIterationError):
            _ = response.text
    assert [chunk.text for chunk in response] == ["One,", " two,", " three"]


def test_error_in_place_of_end() -> None:
    """If the stream failed after the chunks that were read, reading the text raises its error."""
    response, _ = ResponseApi(GenerateContentResponse).open(
        *text_chunks("One"), error=errors.ServiceUnavailable("gone")
    )
    next(iter(response))
    with pytest.raises(errors.ServiceUnavailable, match="gone"):
        _ = response.text


def test_two_iterators() -> None:
    """Iterators of one stream share its chunks."""
    response, stream = ResponseApi(GenerateContentResponse).open(*text_chunks("One,", " two"))
    first, second = iter(response), iter(response)
    assert [next(first).text, next(second).text, next(second).text, next(first).text] == [
        "One,",
        "One,",
        " two",
        " two",
    ]
    assert stream.reads == 1


def test_error_after_chunks(api: ResponseApi) -> None:
    """A stream's error is raised after the chunks before it, at every iteration, and the chunks stay readable."""
    error = errors.ServiceUnavailable("gone")
    response, stream = api.open(*text_chunks("One,", " two"), error=error)
    assert [chunk.text for chunk in api.read(response, 2)] == ["One,", " two"]
    for _ in range(2):
        with pytest.raises(errors.ServiceUnavailable, match="gone"):
            api.read(response)
        with pytest.raises(errors.ServiceUnavailable, match="gone"):
            api.resolve(response)
    assert response.error is error
    assert response.text == "One, two"
    assert stream.reads == 2


def test_ctrl_c(api: ResponseApi) -> None:
    """An interrupted read raises the interrupt; later reads raise that the stream was cut short."""

    class Stop(BaseException):
        """Stands for KeyboardInterrupt, which asyncio.run handles specially."""

    response, _ = api.open(*text_chunks("One"), error=Stop())  # type: ignore[arg-type]  # a BaseException
    with pytest.raises(Stop):
        api.read(response)
    with pytest.raises(errors.Cancelled, match="cut short by Stop"):
        api.read(response)
    assert response.text == "One"


def test_no_chunks(api: ResponseApi) -> None:
    """A stream that ends without a chunk is an empty response."""
    response, _ = api.open()
    assert api.read(response) == []
    assert list(response.candidates) == []
    with pytest.raises(ValueError, match="has no candidate"):
        _ = response.text


def test_chunks_without_parts(api: ResponseApi) -> None:
    """Chunks without parts, or without candidates, are merged like others."""
    response, _ = api.open(
        make_chunk(), *text_chunks("Hi"), make_chunk(finish_reason=protos.Candidate.STOP), Response(model_version="v")
    )
    assert len(api.read(response)) == 4
    assert response.text == "Hi"
    assert response.candidates[0].finish_reason == protos.Candidate.STOP


def test_blocked_prompt(api: ResponseApi) -> None:
    """The feedback of a blocked prompt is available at once; iteration raises the whole response."""
    blocked = Response(prompt_feedback=Feedback(block_reason=Feedback.SAFETY), model_version="1")
    response, _ = api.open(blocked)
    assert response.prompt_feedback.block_reason == Feedback.SAFETY
    assert isinstance(response.error, errors.BlockedPromptException)
    for _ in range(2):
        with pytest.raises(errors.BlockedPromptException) as caught:
            api.read(response)
        assert caught.value.args == (blocked,)
    with pytest.raises(errors.BlockedPromptException):
        api.resolve(response)


def test_blocked_prompt_unstreamed(api: ResponseApi) -> None:
    """A blocked response that was not streamed is one chunk, and its error has the whole response."""
    blocked = Response(prompt_feedback=Feedback(block_reason=Feedback.SAFETY), model_version="1")
    response = api.response_type.from_response(blocked)
    assert [chunk.prompt_feedback for chunk in api.read(response)] == [blocked.prompt_feedback]
    assert isinstance(response.error, errors.BlockedPromptException)
    assert response.error.args == (blocked,)
    restored = pickle.loads(pickle.dumps(response))
    assert repr(restored) == repr(response)


def test_blocked_prompt_has_no_text() -> None:
    """The error of reading the text after a blocked prompt gives the block reason."""
    blocked = Response(prompt_feedback=Feedback(block_reason=Feedback.SAFETY))
    with pytest.raises(ValueError, match="no candidate; the prompt feedback says: .*SAFETY"):
        _ = GenerateContentResponse.from_response(blocked).text


def test_close(api: ResponseApi) -> None:
    """Leaving the context manager cancels the stream; the chunks before stay readable, and no other is read."""
    response, stream = api.open(*text_chunks("One,", " two"))
    api.read(response, 1)
    api.use_as_context_manager(response)
    assert stream.cancelled
    assert [chunk.text for chunk in api.read(response)] == ["One,"]
    assert response.text == "One,"
    assert stream.reads == 0


def test_close_after_end(api: ResponseApi) -> None:
    """A stream that was read to its end is not cancelled; a whole response may be a context manager, too."""
    response, stream = api.open(*text_chunks("One"))
    api.resolve(response)
    api.use_as_context_manager(response)
    assert not stream.cancelled
    api.use_as_context_manager(api.response_type.from_response(make_chunk({"text": "Hi"})))


def test_to_dict(api: ResponseApi) -> None:
    """A response as a dict is JSON-ready, with proto field names, enums as numbers and defaults included."""
    response, _ = api.open(*text_chunks("One,", " two"), make_chunk(finish_reason=protos.Candidate.STOP))
    api.resolve(response)
    fields = response.to_dict()
    assert json.loads(json.dumps(fields)) == fields
    (candidate,) = fields["candidates"]
    assert candidate["finish_reason"] == 1
    assert candidate["content"] == {
        "role": "model",
        "parts": [{"text": "One, two", "thought": False, "thought_signature": ""}],
    }
    assert candidate["safety_ratings"] == []
    assert fields["model_version"] == ""


def test_repr(api: ResponseApi) -> None:
    """The repr shows the response so far, whether it is complete, and what ended it early."""
    response, _ = api.open(*text_chunks("One,", " zwölf"), error=errors.ServiceUnavailable("gone"))
    name = api.response_type.__name__
    assert repr(response).startswith(f"response:\n{name}(\n    done=False,\n    iterator=<")
    assert '"text": "One,"' in repr(response)
    with pytest.raises(errors.ServiceUnavailable):
        api.resolve(response)
    assert "    done=True,\n    iterator=None,\n    result=protos.GenerateContentResponse({\n" in repr(response)
    assert repr(response).endswith("}),\n),\nerror=ServiceUnavailable('gone')")
    assert '"text": "One, zwölf"' in repr(response)


def test_prompt_blocked_later(api: ResponseApi) -> None:
    """A block reason in a later chunk ends the stream, after the chunks before it."""
    response, stream = api.open(*text_chunks("One,"), Response(prompt_feedback=Feedback(block_reason=Feedback.SAFETY)))
    assert [chunk.text for chunk in api.read(response, 1)] == ["One,"]
    with pytest.raises(errors.BlockedPromptException):
        api.read(response)
    assert isinstance(response.error, errors.BlockedPromptException)
    assert response.prompt_feedback.block_reason == Feedback.SAFETY
    assert stream.cancelled


def test_truncated() -> None:
    """A response is truncated if a candidate has no finish reason, or if there is none; a blocked one is not."""
    stop = protos.Candidate(finish_reason=protos.Candidate.STOP)
    feedback = protos.GenerateContentResponse.PromptFeedback(
        block_reason=protos.GenerateContentResponse.PromptFeedback.SAFETY
    )
    for candidates, expected in (([], True), ([stop], False), ([stop, protos.Candidate(index=1)], True)):
        whole = GenerateContentResponse.from_response(protos.GenerateContentResponse(candidates=candidates))
        assert whole.truncated is expected
    blocked = protos.GenerateContentResponse(prompt_feedback=feedback)
    assert GenerateContentResponse.from_response(blocked).truncated is False
    chunks = list(GenerateContentResponse.from_iterator([{"candidates": [{"index": 0}]}, {"candidates": [stop]}]))
    assert [chunk.truncated for chunk in chunks] == [False, False]
