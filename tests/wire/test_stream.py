"""Streamed calls over real gRPC."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import genai_grpc as genai
from genai_grpc import errors, protos
from genai_grpc.local import STALL, ScriptEngine
from genai_grpc.local.server import Server
from tests.conftest import Api

SAFETY = protos.GenerateContentResponse.PromptFeedback.SAFETY


def read(api: Api, response: Any) -> list[str]:
    """The texts of all chunks of a response."""
    chunks = api.chunks(response)
    return [chunk.text for chunk in iter(lambda: api.next(chunks), None)]


def test_chunks(api: Api, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """A stream yields its chunks, and then has the merged response; it can be iterated again."""
    script.reply("One,", " two,", " three")
    response = api.generate(model, "Count", stream=True)
    assert read(api, response) == ["One,", " two,", " three"]
    assert response.text == "One, two, three"
    assert read(api, response) == ["One,", " two,", " three"]


def test_chunk_without_lookahead(api: Api, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """A chunk is yielded when it arrives, even if the next one never does."""
    script.reply("One,", STALL)
    response = api.generate(model, "Count", stream=True)
    assert api.next(api.chunks(response)).text == "One,"
    api.close(response)
    script.wait_cancelled()


def test_resolve(api: Api, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """`resolve` reads a stream to its end, which its text needs."""
    script.reply("One,", " two")
    response = api.generate(model, "Count", stream=True)
    with pytest.raises(errors.IncompleteIterationError, match="resolve"):
        _ = response.text
    api.resolve(response)
    assert response.text == "One, two"


def test_exactly_all_chunks_read(model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """A program that reads exactly as many chunks as there are can then read the text."""
    script.reply("One,", " two")
    response = model.generate_content("Count", stream=True)
    for expected, chunk in zip(["One,", " two"], response, strict=False):
        assert chunk.text == expected
    assert response.text == "One, two"


def test_error_before_first_chunk(api: Api, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """A stream that fails before its first chunk fails in the call that opens it."""
    script.reply(errors.InvalidArgument("no"))
    with pytest.raises(errors.InvalidArgument):
        api.generate(model, "Hi", stream=True)


def test_error_after_chunks(api: Api, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """A stream's error is raised after the chunks before it, and is not retried."""
    script.reply("One,", " two", errors.ServiceUnavailable("cancelled"))
    response = api.generate(model, "Count", stream=True)
    chunks = api.chunks(response)
    assert [api.next(chunks).text, api.next(chunks).text] == ["One,", " two"]
    with pytest.raises(errors.ServiceUnavailable, match="cancelled"):
        api.next(chunks)
    assert len(script.requests) == 1


def test_retry_before_first_chunk(api: Api, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """A stream is retried as long as none of its chunks has arrived."""
    script.reply(errors.ServiceUnavailable("not now")).reply("Now")
    policy = genai.types.RetryPolicy(initial_backoff=0.001)
    response = api.generate(model, "Hi", stream=True, request_options={"retry": policy})
    assert read(api, response) == ["Now"]


def test_stopped_server(api: Api, model: genai.GenerativeModel, script: ScriptEngine, server: Server) -> None:
    """A stream whose server stops yields the chunks before, and then raises ServiceUnavailable."""
    script.reply("One,", " two", STALL)
    response = api.generate(model, "Count", stream=True)
    chunks = api.chunks(response)
    assert [api.next(chunks).text, api.next(chunks).text] == ["One,", " two"]
    server.stop(0)
    with pytest.raises(errors.ServiceUnavailable):
        api.next(chunks)


def test_no_chunks(api: Api, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """A stream that ends without a chunk is InternalServerError."""
    script.reply()
    with pytest.raises(errors.InternalServerError, match="status OK, but sent no message"):
        api.generate(model, "Hi", stream=True)


def test_blocked_prompt(api: Api, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """The feedback of a blocked prompt is available at once; iteration raises BlockedPromptException."""
    feedback = protos.GenerateContentResponse.PromptFeedback(block_reason=SAFETY)
    script.reply(protos.GenerateContentResponse(prompt_feedback=feedback))
    response = api.generate(model, "Hi", stream=True)
    assert response.prompt_feedback.block_reason == feedback.block_reason
    with pytest.raises(errors.BlockedPromptException):
        api.next(api.chunks(response))


def test_context_manager(model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """Leaving the context manager cancels the stream and the engine's work."""
    script.reply("One,", STALL)
    with model.generate_content("Count", stream=True) as response:
        for chunk in response:
            assert chunk.text == "One,"
            break
    script.wait_cancelled()


def test_dropped_stream(model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """A stream to which there is no reference any more is cancelled."""
    script.reply("One,", STALL)
    model.generate_content("Count", stream=True)
    script.wait_cancelled()


def test_cancelled_task(model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """Cancelling the task that reads a stream cancels the call."""
    script.reply("One,", STALL)

    async def cancel_reader() -> None:
        response = await model.generate_content_async("Count", stream=True)
        reader = asyncio.ensure_future(response.resolve())
        await asyncio.sleep(0.05)
        reader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reader
        await model.client.aclose()

    asyncio.run(cancel_reader())
    script.wait_cancelled()


def test_read_by_other_threads(model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """Streams that one thread opened may be read by others concurrently, each with its own chunks."""
    words = [[f"{stream}.{number} " for number in range(200)] for stream in range(8)]
    for texts in words:
        script.reply(*texts)
    responses = [model.generate_content("Count", stream=True) for _ in words]
    with ThreadPoolExecutor(len(words)) as pool:
        results = list(pool.map(lambda response: [chunk.text for chunk in response], responses))
    assert results == words


def test_deadline(api: Api, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """The deadline of a stream bounds the whole stream; the chunks before it stay readable."""
    script.reply("One,", STALL)
    response = api.generate(model, "Count", stream=True, request_options={"timeout": 1})
    with pytest.raises(errors.DeadlineExceeded):
        api.resolve(response)
    assert response.text == "One,"


def test_many_chunks(api: Api, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """A long stream is received completely and in order."""
    words = [f"{number} " for number in range(2000)]
    script.reply(*words)
    assert read(api, api.generate(model, "Count", stream=True)) == words


def test_chunks_without_text(api: Api, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """The text of a chunk of thoughts, without parts or with usage only is empty, not an error."""

    def chunk(*parts: protos.Part) -> protos.GenerateContentResponse:
        candidate = protos.Candidate(content=protos.Content(parts=parts), finish_reason=protos.Candidate.STOP)
        return protos.GenerateContentResponse(candidates=[candidate])

    usage = protos.GenerateContentResponse(usage_metadata={"total_token_count": 3})
    script.reply(chunk(protos.Part(text="Hm.", thought=True)), "Four.", chunk(), usage)
    response = api.generate(model, "2 + 2?", stream=True)
    assert read(api, response) == ["", "Four.", "", ""]
    assert (response.text, response.thoughts, response.usage_metadata.total_token_count) == ("Four.", "Hm.", 3)


def test_stream_cancelled_after_blocked_prompt(api: Api, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """A stream whose prompt was blocked is cancelled, and has no candidates."""
    script.reply(
        protos.GenerateContentResponse(
            prompt_feedback=protos.GenerateContentResponse.PromptFeedback(block_reason=SAFETY)
        ),
        STALL,
    )
    response = api.generate(model, "Hi", stream=True)
    assert list(response.candidates) == []
    with pytest.raises(ValueError, match="no candidate.*SAFETY"):
        _ = response.text
    script.wait_cancelled()
