from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from genai_grpc import errors, protos
from genai_grpc.responses import AsyncGenerateContentResponse, GenerateContentResponse

Response = protos.GenerateContentResponse
Feedback = Response.PromptFeedback


def chunk(*parts: dict[str, Any], **fields: Any) -> Response:
    """A response of one candidate with these parts."""
    made = Response()
    candidate = made.candidates.add(**fields)
    candidate.content.role = "model"
    candidate.content.parts.extend(protos.Part(**part) for part in parts)
    return made


def words(*texts: str) -> list[Response]:
    """Chunks of text."""
    return [chunk({"text": text}) for text in texts]


class Source:
    """An open stream in memory: chunks, and perhaps an error after them."""

    starts_reply = False

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


class AsyncSource(Source):
    """The same for async programs."""

    async def read(self) -> Response | None:  # type: ignore[override]  # awaited, where its base is not
        await asyncio.sleep(0)
        return super().read()


class Api:
    """What tests do with a response of either kind."""

    def __init__(self, kind: type[Any]) -> None:
        self.kind = kind
        self.asynchronous = kind is AsyncGenerateContentResponse

    def open(self, *chunks: Response, error: Exception | None = None) -> tuple[Any, Any]:
        """A response over a source whose first chunk has come, and the source."""
        source: Any = (AsyncSource if self.asynchronous else Source)(list(chunks), error)
        first = source.chunks.pop(0) if source.chunks else None
        return self.kind.from_stream((source, first)), source

    def read(self, response: Any, count: int | None = None) -> list[Any]:
        """The chunks to come, at most so many, exactly as a loop with a `break` takes them."""

        async def collect() -> list[Any]:
            taken: list[Any] = []
            chunks = aiter(response)
            while count is None or len(taken) < count:
                try:
                    taken.append(await anext(chunks))
                except StopAsyncIteration:
                    break
            return taken

        if self.asynchronous:
            return asyncio.run(collect())
        chunks = iter(response)
        return list(chunks) if count is None else [next(chunks) for _ in range(count)]

    def resolve(self, response: Any) -> None:
        """Read to the end."""
        asyncio.run(response.resolve()) if self.asynchronous else response.resolve()

    def leave(self, response: Any) -> None:
        """Enter and leave the response as a context manager."""

        async def enter() -> None:
            async with response as entered:
                assert entered is response

        if self.asynchronous:
            asyncio.run(enter())
        else:
            with response as entered:
                assert entered is response


@pytest.fixture(params=[GenerateContentResponse, AsyncGenerateContentResponse], ids=["sync", "async"])
def api(request: pytest.FixtureRequest) -> Api:
    """Each of the two kinds in turn."""
    return Api(request.param)


def whole(*parts: dict[str, Any], **fields: Any) -> GenerateContentResponse:
    """A response that came at once."""
    return GenerateContentResponse.from_response(chunk(*parts, **fields))


CODE = {"executable_code": protos.ExecutableCode(language=protos.ExecutableCode.PYTHON, code="\n1 + 1")}
BARE_CODE = {"executable_code": protos.ExecutableCode(code="1 + 1")}
RESULT = {
    "code_execution_result": protos.CodeExecutionResult(outcome=protos.CodeExecutionResult.OUTCOME_OK, output="2")
}
FAILED = {
    "code_execution_result": protos.CodeExecutionResult(outcome=protos.CodeExecutionResult.OUTCOME_FAILED, output="oh")
}
CALL = {"function_call": protos.FunctionCall(name="add")}


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        pytest.param([{"text": "Hi"}], "Hi", id="one"),
        pytest.param([{"text": "a"}, {"text": "b"}], "a\nb", id="several, on lines of their own"),
        pytest.param([{"text": ""}], "", id="an empty text is a text"),
        pytest.param([{"text": "Hm", "thought": True}, {"text": "Hi"}], "Hi", id="thoughts are left out"),
        pytest.param([{"text": "Hi"}, {"thought_signature": b"s"}], "Hi", id="a signature is no text"),
        pytest.param([{"text": "Hi"}, {}], "Hi", id="an empty part is no text"),
        pytest.param([CODE], "``` python\n1 + 1\n```", id="code, its language named"),
        pytest.param([BARE_CODE], "```\n1 + 1\n```", id="code of no language"),
        pytest.param([RESULT], "```\n2\n```", id="a result"),
        pytest.param([FAILED], "``` failed\noh\n```", id="a result that failed"),
        pytest.param(
            [{"text": "So:"}, CODE, RESULT, {"text": "Two."}],
            "So:\n``` python\n1 + 1\n```\n```\n2\n```\nTwo.",
            id="all of them",
        ),
    ],
)
def test_text(parts: list[dict[str, Any]], text: str) -> None:
    """The text is that of the parts on lines of their own, code and results fenced."""
    assert whole(*parts).text == text


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        pytest.param({}, r"finish reason is FINISH_REASON_UNSPECIFIED \(0\)", id="no reason"),
        pytest.param({"finish_reason": protos.Candidate.MAX_TOKENS}, "MAX_TOKENS .*before any text", id="tokens"),
        pytest.param({"finish_reason": protos.Candidate.RECITATION}, "RECITATION .*copyrighted", id="recitation"),
        pytest.param(
            {"finish_reason": protos.Candidate.OTHER, "finish_message": "Out of ink."},
            "OTHER .*finish message: Out of ink",
            id="finish message",
        ),
        pytest.param(
            {
                "finish_reason": protos.Candidate.SAFETY,
                "safety_ratings": [
                    protos.SafetyRating(
                        category=protos.HarmCategory.HARM_CATEGORY_HARASSMENT, probability=protos.SafetyRating.HIGH
                    )
                ],
            },
            "SAFETY .*safety settings.*HARASSMENT.*HIGH",
            id="safety ratings",
        ),
    ],
)
def test_no_text(fields: dict[str, Any], words: str) -> None:
    """An answer without text says why: its finish reason, finish message and safety ratings."""
    with pytest.raises(ValueError, match=words):
        _ = whole(**fields).text


def test_finish_reasons_of_the_future() -> None:
    """A finish reason that these protos do not know is named by its number."""
    response = Response()
    response.candidates.add().finish_reason = 99  # type: ignore[assignment]  # an open enum
    with pytest.raises(ValueError, match="99"):
        _ = GenerateContentResponse.from_response(response).text


def test_only_thoughts() -> None:
    """An answer of thoughts alone has no text, and the error says where they are."""
    response = whole({"text": "Hm", "thought": True})
    with pytest.raises(ValueError, match=r"there are thoughts, in response\.thoughts"):
        _ = response.text
    assert response.thoughts == "Hm"


def test_function_calls() -> None:
    """Function calls are listed; text that would leave one out is refused."""
    response = whole(CALL, {"text": "Hi"}, CALL)
    assert [call.name for call in response.function_calls] == ["add", "add"]
    with pytest.raises(ValueError, match=r"a function_call part has no text; read it from response\.parts"):
        _ = response.text


@pytest.mark.parametrize("name", ["parts", "text", "thoughts", "function_calls"])
def test_several_candidates(name: str) -> None:
    """What stands for one candidate is refused of several, and the error says how to read them."""
    made = Response()
    made.candidates.add(index=0)
    made.candidates.add(index=1)
    response = GenerateContentResponse.from_response(made)
    assert len(response.candidates) == 2
    with pytest.raises(ValueError, match=r"has 2 candidates; read response\.candidates\[index\]\.content\.parts"):
        getattr(response, name)


def test_no_candidates() -> None:
    """A response without candidates has no parts."""
    with pytest.raises(ValueError, match=r"^the response has no candidate$"):
        _ = GenerateContentResponse.from_response(Response()).parts


def test_metadata() -> None:
    """Usage, version and id are those of the response."""
    made = Response(model_version="v", response_id="r")
    made.usage_metadata.total_token_count = 3
    response = GenerateContentResponse.from_response(made)
    assert (response.model_version, response.response_id, response.usage_metadata.total_token_count) == ("v", "r", 3)
    assert response.error is None


def test_stream(api: Api) -> None:
    """A stream hands out its chunks, and is then the whole; it can be read again, from the start."""
    response, source = api.open(*words("One,", " two,", " three"))
    assert [each.text for each in api.read(response)] == ["One,", " two,", " three"]
    reads = source.reads
    assert response.text == "One, two, three"
    assert [each.text for each in api.read(response)] == ["One,", " two,", " three"]
    assert [part.text for part in response.parts] == ["One, two, three"]
    assert source.reads == reads


def test_chunks_are_of_the_same_kind(api: Api) -> None:
    """A chunk is a whole response of the kind that was streamed."""
    response, _ = api.open(*words("One"))
    (each,) = api.read(response)
    assert type(each) is api.kind
    assert [again.text for again in api.read(each)] == ["One"]


def test_a_chunk_does_not_wait_for_the_next(api: Api) -> None:
    """A chunk is handed out without reading the one after it."""
    response, source = api.open(*words("One,", " two"))
    assert [each.text for each in api.read(response, 1)] == ["One,"]
    assert source.reads == 0
    assert [each.text for each in api.read(response, 2)] == ["One,", " two"]
    assert source.reads == 1


@pytest.mark.parametrize("name", ["candidates", "parts", "text"])
def test_unfinished(api: Api, name: str) -> None:
    """Before its end, a stream has no candidates, parts or text, and the error says what to do."""
    response, source = api.open(*words("One,", " two,", " three"))
    with pytest.raises(errors.IncompleteIterationError, match=r"iterate over the response, or call response\.resolve"):
        getattr(response, name)
    assert source.reads == 0
    api.read(response, 1)
    with pytest.raises(errors.IncompleteIterationError):
        getattr(response, name)
    api.resolve(response)
    assert response.text == "One, two, three"


def test_metadata_before_the_end(api: Api) -> None:
    """Usage, version and prompt feedback are those of the chunks so far."""
    first, second = words("One,", " two")
    first.usage_metadata.total_token_count, second.usage_metadata.total_token_count = 1, 2
    first.model_version = "v"
    first.prompt_feedback.safety_ratings.add(category=protos.HarmCategory.HARM_CATEGORY_HARASSMENT)
    response, _ = api.open(first, second)
    assert (response.usage_metadata.total_token_count, response.model_version) == (1, "v")
    assert len(response.prompt_feedback.safety_ratings) == 1
    api.resolve(response)
    assert (response.usage_metadata.total_token_count, response.model_version) == (2, "v")
    assert len(response.prompt_feedback.safety_ratings) == 1


def test_exactly_as_many_chunks_as_come() -> None:
    """A sync program that takes exactly as many chunks as come can read the text after."""
    response, _ = Api(GenerateContentResponse).open(*words("One,", " two"))
    assert [each.text for _, each in zip(range(2), response, strict=False)] == ["One,", " two"]
    assert response.text == "One, two"


def test_fewer_chunks_than_come() -> None:
    """Looking for the end loses nothing: a chunk found in its place is handed out next."""
    response, _ = Api(GenerateContentResponse).open(*words("One,", " two,", " three"))
    assert [each.text for _, each in zip(range(1), response, strict=False)] == ["One,"]
    for _ in range(2):
        with pytest.raises(errors.IncompleteIterationError):
            _ = response.text
    assert [each.text for each in response] == ["One,", " two,", " three"]


def test_an_error_where_the_end_was_looked_for() -> None:
    """A stream that failed after the chunks that were taken fails where the text is asked for."""
    response, _ = Api(GenerateContentResponse).open(*words("One"), error=errors.ServiceUnavailable("gone"))
    next(iter(response))
    with pytest.raises(errors.ServiceUnavailable, match="gone"):
        _ = response.text


def test_two_iterators() -> None:
    """Iterators of one stream share its chunks."""
    response, source = Api(GenerateContentResponse).open(*words("One,", " two"))
    first, second = iter(response), iter(response)
    assert [next(first).text, next(second).text, next(second).text, next(first).text] == [
        "One,",
        "One,",
        " two",
        " two",
    ]
    assert source.reads == 1


def test_an_error_after_chunks(api: Api) -> None:
    """A stream's error comes after the chunks before it, again when read again, and what came stays readable."""
    error = errors.ServiceUnavailable("gone")
    response, source = api.open(*words("One,", " two"), error=error)
    assert [each.text for each in api.read(response, 2)] == ["One,", " two"]
    for _ in range(2):
        with pytest.raises(errors.ServiceUnavailable, match="gone"):
            api.read(response)
        with pytest.raises(errors.ServiceUnavailable, match="gone"):
            api.resolve(response)
    assert response.error is error
    assert response.text == "One, two"
    assert source.reads == 2


def test_ctrl_c(api: Api) -> None:
    """A wait that the program broke off is told as it is, then as a stream cut short."""

    class Stop(BaseException):
        """Such as KeyboardInterrupt, which asyncio.run would treat in its own way."""

    response, _ = api.open(*words("One"), error=Stop())  # type: ignore[arg-type]  # any exception will do
    with pytest.raises(Stop):
        api.read(response)
    with pytest.raises(errors.Cancelled, match="cut short by Stop"):
        api.read(response)
    assert response.text == "One"


def test_no_chunks(api: Api) -> None:
    """A stream that ended without a chunk is an empty response."""
    response, _ = api.open()
    assert api.read(response) == []
    assert list(response.candidates) == []
    with pytest.raises(ValueError, match="has no candidate"):
        _ = response.text


def test_chunks_without_parts(api: Api) -> None:
    """Chunks without parts, or without candidates, do no harm to the whole."""
    response, _ = api.open(
        chunk(), *words("Hi"), chunk(finish_reason=protos.Candidate.STOP), Response(model_version="v")
    )
    assert len(api.read(response)) == 4
    assert response.text == "Hi"
    assert response.candidates[0].finish_reason == protos.Candidate.STOP


def test_blocked_prompt(api: Api) -> None:
    """A blocked prompt says why at once, and is an error on iteration."""
    blocked = Response(prompt_feedback=Feedback(block_reason=Feedback.SAFETY))
    for response in (api.kind.from_response(blocked), api.open(blocked)[0]):
        assert response.prompt_feedback.block_reason == Feedback.SAFETY
        assert isinstance(response.error, errors.BlockedPromptException)
        for _ in range(2):
            with pytest.raises(errors.BlockedPromptException) as caught:
                api.read(response)
            assert caught.value.args == (blocked.prompt_feedback,)
        with pytest.raises(errors.BlockedPromptException):
            api.resolve(response)


def test_blocked_prompt_has_no_text() -> None:
    """The text of a blocked prompt's response is an error that says it was blocked."""
    blocked = Response(prompt_feedback=Feedback(block_reason=Feedback.SAFETY))
    with pytest.raises(ValueError, match="no candidate; the prompt feedback says: .*SAFETY"):
        _ = GenerateContentResponse.from_response(blocked).text


def test_close(api: Api) -> None:
    """Leaving a stream cancels it; what came stays readable, and nothing more is read."""
    response, source = api.open(*words("One,", " two"))
    api.read(response, 1)
    api.leave(response)
    assert source.cancelled
    assert [each.text for each in api.read(response)] == ["One,"]
    assert response.text == "One,"
    assert source.reads == 0


def test_close_at_the_end(api: Api) -> None:
    """A stream that was read to its end, and a whole response, need no cancelling."""
    response, source = api.open(*words("One"))
    api.resolve(response)
    api.leave(response)
    assert not source.cancelled
    api.leave(api.kind.from_response(chunk({"text": "Hi"})))


def test_to_dict(api: Api) -> None:
    """A response as a dict has proto names, enums as numbers, defaults filled in, and goes through JSON."""
    response, _ = api.open(*words("One,", " two"), chunk(finish_reason=protos.Candidate.STOP))
    api.resolve(response)
    shown = response.to_dict()
    assert json.loads(json.dumps(shown)) == shown
    (candidate,) = shown["candidates"]
    assert candidate["finish_reason"] == 1
    assert candidate["content"] == {
        "role": "model",
        "parts": [{"text": "One, two", "thought": False, "thought_signature": ""}],
    }
    assert candidate["safety_ratings"] == []
    assert shown["model_version"] == ""


def test_repr(api: Api) -> None:
    """A response shows what has come, whether it is all, and what ended it."""
    response, _ = api.open(*words("One,", " zwölf"), error=errors.ServiceUnavailable("gone"))
    assert repr(response).startswith(f"{api.kind.__name__}(done=False, result={{")
    assert '"text": "One,"' in repr(response)
    with pytest.raises(errors.ServiceUnavailable):
        api.resolve(response)
    assert "done=True, error=ServiceUnavailable('gone')" in repr(response)
    assert '"text": "One, zwölf"' in repr(response)


def test_a_reason_learned_since() -> None:
    """A finish reason, language or outcome that this version does not know is shown by its number."""
    candidate = protos.Candidate(finish_reason=99)  # type: ignore[arg-type]  # the wire may hold any number
    with pytest.raises(ValueError, match=r"no text: its finish reason is 99 \(99\)"):
        _ = GenerateContentResponse.from_response(protos.GenerateContentResponse(candidates=[candidate])).text
    code = protos.Part(executable_code=protos.ExecutableCode(language=9, code="x"))  # type: ignore[arg-type]
    result = protos.Part(code_execution_result=protos.CodeExecutionResult(outcome=9))  # type: ignore[arg-type]
    answered = protos.Candidate(content=protos.Content(parts=[code, result]))
    shown = GenerateContentResponse.from_response(protos.GenerateContentResponse(candidates=[answered])).text
    assert shown == "``` 9\nx\n```\n``` 9\n\n```"
