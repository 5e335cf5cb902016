"""Streamed answers over real gRPC."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as StillWaiting
from typing import Any

import pytest

import genai_grpc as genai
from genai_grpc import errors, protos
from genai_grpc.local import STALL, ScriptEngine

SAFETY = protos.GenerateContentResponse.PromptFeedback.SAFETY


def read(api: Any, response: Any) -> list[str]:
    """The texts of the chunks to come."""
    chunks = api.chunks(response)
    return [chunk.text for chunk in iter(lambda: api.next(chunks), None)]


def test_chunks(api: Any, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """A stream hands out its chunks, then is the same response as the whole, and can be read again."""
    script.reply("One,", " two,", " three")
    response = api.generate(model, "Count", stream=True)
    assert read(api, response) == ["One,", " two,", " three"]
    assert response.text == "One, two, three"
    assert read(api, response) == ["One,", " two,", " three"]


def test_a_chunk_does_not_wait_for_the_next(api: Any, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """A chunk is handed out when it arrives, though the next one never does."""
    script.reply("One,", STALL)
    response = api.generate(model, "Count", stream=True)
    assert api.next(api.chunks(response)).text == "One,"
    api.close(response)
    script.wait_cancelled()


def test_resolve(api: Any, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """A stream can be read to its end at once."""
    script.reply("One,", " two")
    response = api.generate(model, "Count", stream=True)
    with pytest.raises(errors.IncompleteIterationError, match="resolve"):
        _ = response.text
    api.resolve(response)
    assert response.text == "One, two"


def test_exactly_as_many_chunks_as_come(model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """A program that takes exactly as many chunks as come can read the text after."""
    script.reply("One,", " two")
    response = model.generate_content("Count", stream=True)
    for expected, chunk in zip(["One,", " two"], response, strict=False):
        assert chunk.text == expected
    assert response.text == "One, two"


def test_an_error_at_once(api: Any, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """A stream that fails before its first chunk fails where it is begun."""
    script.reply(errors.InvalidArgument("no"))
    with pytest.raises(errors.InvalidArgument):
        api.generate(model, "Hi", stream=True)


def test_an_error_after_chunks(api: Any, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """A stream's error comes after the chunks before it, and is not tried again."""
    script.reply("One,", " two", errors.ServiceUnavailable("cancelled"))
    response = api.generate(model, "Count", stream=True)
    chunks = api.chunks(response)
    assert [api.next(chunks).text, api.next(chunks).text] == ["One,", " two"]
    with pytest.raises(errors.ServiceUnavailable, match="cancelled"):
        api.next(chunks)
    assert len(script.requests) == 1


def test_a_retry_before_the_first_chunk(api: Any, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """A stream is tried again as long as none of its chunks has arrived."""
    script.reply(errors.ServiceUnavailable("not now")).reply("Now")
    policy = genai.types.RetryPolicy(initial_backoff=0.001)
    response = api.generate(model, "Hi", stream=True, request_options={"retry": policy})
    assert read(api, response) == ["Now"]


def test_a_killed_server(api: Any, model: genai.GenerativeModel, script: ScriptEngine, server: Any) -> None:
    """When the server dies in a stream, the chunks before come, then ServiceUnavailable."""
    script.reply("One,", " two", STALL)
    response = api.generate(model, "Count", stream=True)
    chunks = api.chunks(response)
    assert [api.next(chunks).text, api.next(chunks).text] == ["One,", " two"]
    server.stop(0)
    with pytest.raises(errors.ServiceUnavailable):
        api.next(chunks)


def test_no_chunks(api: Any, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """A stream may end without a chunk."""
    script.reply()
    response = api.generate(model, "Hi", stream=True)
    assert read(api, response) == []
    assert not response.candidates


def test_a_blocked_prompt(api: Any, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """A blocked prompt shows in the feedback at once, and raises on iteration."""
    feedback = protos.GenerateContentResponse.PromptFeedback(block_reason=SAFETY)
    script.reply(protos.GenerateContentResponse(prompt_feedback=feedback))
    response = api.generate(model, "Hi", stream=True)
    assert response.prompt_feedback.block_reason == feedback.block_reason
    with pytest.raises(errors.BlockedPromptException):
        api.next(api.chunks(response))


def test_leaving_a_block_cancels(model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """A stream used as a context manager is cancelled on the way out, and the model's work ends."""
    script.reply("One,", STALL)
    with model.generate_content("Count", stream=True) as response:
        for chunk in response:
            assert chunk.text == "One,"
            break
    script.wait_cancelled()


def test_a_dropped_stream(model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """A stream that nobody holds any more is cancelled."""
    script.reply("One,", STALL)
    model.generate_content("Count", stream=True)
    script.wait_cancelled()


def test_a_cancelled_task(model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """Cancelling the task that reads a stream cancels the call."""
    script.reply("One,", STALL)

    async def read_for_ever() -> None:
        response = await model.generate_content_async("Count", stream=True)
        reader = asyncio.ensure_future(response.resolve())
        await asyncio.sleep(0.05)
        reader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reader
        await model.client.aclose()

    asyncio.run(read_for_ever())
    script.wait_cancelled()


def test_closed_by_another_thread(model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """A stream can be closed while another thread waits for its next chunk: the wait is over at once."""
    script.reply("One,", STALL)
    response = model.generate_content("Count", stream=True)
    chunks = iter(response)
    assert next(chunks).text == "One,"
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(next, chunks)
        with pytest.raises(StillWaiting):
            waiting.result(timeout=0.1)
        response.close()
        with pytest.raises(errors.Cancelled):
            waiting.result(timeout=10)
    script.wait_cancelled()


def test_read_by_other_threads(model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """Streams that one thread began are read by others, all at once, and none gets another's chunks."""
    words = [[f"{stream}.{number} " for number in range(200)] for stream in range(8)]
    for said in words:
        script.reply(*said)
    responses = [model.generate_content("Count", stream=True) for _ in words]
    with ThreadPoolExecutor(len(words)) as pool:
        read = list(pool.map(lambda response: [chunk.text for chunk in response], responses))
    assert read == words


def test_a_deadline_in_a_stream(api: Any, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """A stream's deadline counts over all of it."""
    script.reply("One,", STALL)
    response = api.generate(model, "Count", stream=True, request_options={"timeout": 1})
    with pytest.raises(errors.DeadlineExceeded):
        api.resolve(response)
    assert response.text == "One,"


def test_many_chunks(api: Any, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """A long stream arrives whole and in order."""
    words = [f"{number} " for number in range(2000)]
    script.reply(*words)
    assert read(api, api.generate(model, "Count", stream=True)) == words


def test_chunks_without_text(api: Any, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """A program that prints the text of every chunk meets thoughts, an empty end and bare usage without an error."""

    def chunk(*parts: protos.Part) -> protos.GenerateContentResponse:
        candidate = protos.Candidate(content=protos.Content(parts=parts), finish_reason=protos.Candidate.STOP)
        return protos.GenerateContentResponse(candidates=[candidate])

    usage = protos.GenerateContentResponse(usage_metadata={"total_token_count": 3})  # type: ignore[arg-type]
    script.reply(chunk(protos.Part(text="Hm.", thought=True)), "Four.", chunk(), usage)
    response = api.generate(model, "2 + 2?", stream=True)
    assert read(api, response) == ["", "Four.", "", ""]
    assert (response.text, response.thoughts, response.usage_metadata.total_token_count) == ("Four.", "Hm.", 3)


def test_a_blocked_stream_is_over(api: Any, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """A stream that began with a blocked prompt is cancelled, and has no candidates."""
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
