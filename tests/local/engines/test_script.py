from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from genai_grpc import Client, GenerativeModel, local, protos
from genai_grpc.errors import FailedPrecondition, ResourceExhausted
from genai_grpc.local.engines.script import STALL, Delay, ReceivedCall, ScriptEngine

USER = protos.Content(role="user", parts=[protos.Part(text="one two  three")])
REQUEST = protos.GenerateContentRequest(model="models/script", contents=[USER])
STOP = protos.Candidate.STOP


def generate(
    script: ScriptEngine, request: protos.GenerateContentRequest = REQUEST
) -> list[protos.GenerateContentResponse]:
    """The chunks of one reply, without a server."""

    async def collect() -> list[protos.GenerateContentResponse]:
        return [chunk async for chunk in script.generate(request)]

    return asyncio.run(collect())


def texts(chunks: list[protos.GenerateContentResponse]) -> list[str]:
    """The text of each chunk."""
    return [chunk.candidates[0].content.parts[0].text for chunk in chunks]


def finishes(chunks: list[protos.GenerateContentResponse]) -> list[int]:
    """The finish reason of each chunk."""
    return [chunk.candidates[0].finish_reason for chunk in chunks]


def test_replies_in_order() -> None:
    """Each request takes the next queued reply, chunk by chunk."""
    script = ScriptEngine().reply("Hello", " world").reply("Again")

    assert texts(generate(script)) == ["Hello", " world"]
    assert texts(generate(script)) == ["Again"]


def test_text_becomes_a_response() -> None:
    """A text becomes a chunk with one candidate of the model, the model's version and a response id."""
    (chunk,) = generate(ScriptEngine(name="models/parrot").reply("Hello"))

    assert chunk.candidates[0].content.role == "model"
    assert chunk.candidates[0].HasField("index")
    assert chunk.model_version == "parrot"
    assert chunk.response_id == "script-1"


def test_usage_counts_words() -> None:
    """The usage counts the words so far; a word that is split between two chunks counts once."""
    chunks = generate(ScriptEngine().reply("Hel", "lo", "", " big", " ", "world"))

    assert [chunk.usage_metadata.candidates_token_count for chunk in chunks] == [1, 1, 1, 2, 2, 3]
    assert [chunk.usage_metadata.prompt_token_count for chunk in chunks] == [3] * 6
    assert chunks[-1].usage_metadata.total_token_count == 6


@pytest.mark.parametrize(
    ("following", "reason"),
    [
        ((), STOP),
        ((Delay(0.0),), STOP),
        ((protos.GenerateContentResponse(),), 0),
        ((ResourceExhausted("no more"),), 0),
    ],
)
def test_stop_on_the_last_text(following: tuple[Any, ...], reason: int) -> None:
    """Text has the finish reason STOP if only finite delays follow it."""
    script = ScriptEngine().reply("a", "b", *following)

    async def first_two() -> list[protos.GenerateContentResponse]:
        stream = script.generate(REQUEST)
        chunks = [await anext(stream), await anext(stream)]
        await stream.aclose()
        return chunks

    assert finishes(asyncio.run(first_two())) == [0, reason]


def test_response_is_copied() -> None:
    """A GenerateContentResponse is sent as it was when it was queued, even if the test changes it later."""
    response = protos.GenerateContentResponse(response_id="mine")
    script = ScriptEngine().reply(response)
    response.response_id = "changed"

    assert generate(script) == [protos.GenerateContentResponse(response_id="mine")]


def test_error_after_chunks() -> None:
    """An error in a reply is raised after the chunks before it."""
    script = ScriptEngine().reply("a", ResourceExhausted("no more"), "never")

    async def stream() -> None:
        chunks = script.generate(REQUEST)
        assert texts([await anext(chunks)]) == ["a"]
        with pytest.raises(ResourceExhausted, match="no more"):
            await anext(chunks)

    asyncio.run(stream())


def test_requests_are_copies() -> None:
    """The script records the requests as they were received, even if they are changed later."""
    script = ScriptEngine().reply("a")
    request = protos.GenerateContentRequest(model="models/script", contents=[USER])
    generate(script, request)
    request.model = "models/changed"

    assert script.requests == (REQUEST,)


@pytest.mark.parametrize("stream", [False, True])
def test_calls_have_metadata(stream: bool) -> None:
    """Each call has the metadata that the client sent with its request, with `***` for credentials."""
    script = ScriptEngine().reply("a").reply("b")
    with local.serve(script) as server, Client(api_key="right-key", endpoint=server.endpoint) as client:
        for tenant in "red", "blue":
            options: Any = {
                "metadata": [("x-tenant", tenant), ("authorization", "Bearer token"), ("x-trace-bin", b"\0")]
            }
            GenerativeModel(client=client).generate_content("Hi", stream=stream, request_options=options).resolve()

    assert tuple(call.request for call in script.calls) == script.requests
    metadata = [dict(call.metadata) for call in script.calls]
    assert [pairs["x-tenant"] for pairs in metadata] == ["red", "blue"]
    for pairs in metadata:
        assert pairs["x-goog-api-key"] == pairs["authorization"] == "***"
        assert pairs["x-trace-bin"] == b"\0"
        assert "genai-grpc" in str(pairs["user-agent"])


def test_call_without_a_server() -> None:
    """A request that comes from no server has no metadata."""
    script = ScriptEngine().reply("a")
    generate(script)

    assert script.calls == (ReceivedCall(REQUEST, ()),)


def test_no_reply_queued() -> None:
    """A request without a queued reply is recorded, and is FAILED_PRECONDITION, saying how to queue one."""
    script = ScriptEngine()

    with pytest.raises(FailedPrecondition, match=r"no reply is queued for request 1; .*script\.reply"):
        generate(script)
    assert script.requests == (REQUEST,)


@pytest.mark.parametrize("wrong", [b"bytes", None, 3, ["a"]])
def test_invalid_chunk(wrong: Any) -> None:
    """Queueing anything else is a TypeError that names the type and what to pass."""
    with pytest.raises(TypeError, match=f"cannot make a chunk from {type(wrong).__name__}; pass str"):
        ScriptEngine().reply("a", wrong)


def test_count_tokens_counts_words() -> None:
    """Tokens are the words of the contents and the system instruction, and 1 for a part that is not text."""
    picture = protos.Part(inline_data=protos.Blob(mime_type="image/png", data=b"png"))
    request = protos.GenerateContentRequest(
        system_instruction=protos.Content(parts=[protos.Part(text="Be brief.")]),
        contents=[USER, protos.Content(parts=[picture])],
    )
    script = ScriptEngine()

    assert asyncio.run(script.count_tokens(request)).total_tokens == 2 + 3 + 1
    assert script.count_requests == (request,)
    assert script.requests == ()


def test_verify_lists_what_is_left() -> None:
    """`verify` lists the replies that are left, and returns if there are none."""
    script = ScriptEngine().reply("a").reply("b", STALL)
    generate(script)

    with pytest.raises(AssertionError, match=r"1 queued replies were not asked for:\n  reply\('b', Delay"):
        script.verify()
    ScriptEngine().verify()


def test_reply_without_chunks() -> None:
    """A reply without chunks is a stream that ends at once."""
    assert generate(ScriptEngine().reply()) == []


async def _close_after_a_chunk(stream: AsyncIterator[Any]) -> None:
    await anext(stream)
    await stream.aclose()  # type: ignore[attr-defined]  # it is a generator


async def _cancel_in_a_stall(stream: AsyncIterator[Any]) -> None:
    await anext(stream)
    waiting = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


@pytest.mark.parametrize("end", [_close_after_a_chunk, _cancel_in_a_stall])
def test_cancelled_calls(end: Any) -> None:
    """A reply that is closed after a chunk, or cancelled while it waits, is counted; a complete one is not."""
    script = ScriptEngine().reply("whole").reply("a", STALL)
    generate(script)
    assert script.cancelled_calls == 0

    asyncio.run(end(script.generate(REQUEST)))

    assert script.cancelled_calls == 1
    script.wait_cancelled()


def test_wait_cancelled_times_out() -> None:
    """Waiting for more cancellations than there are ends with a TimeoutError that says how many there were."""
    with pytest.raises(TimeoutError, match="0 replies were cancelled within 0 s, not 2"):
        ScriptEngine().wait_cancelled(2, timeout=0)


def test_block_verifies() -> None:
    """Leaving a `with serve(script)` block with a reply still queued raises AssertionError."""
    with pytest.raises(AssertionError, match="1 queued replies"), local.serve(ScriptEngine().reply("left")):
        pass


def test_block_keeps_its_own_exception() -> None:
    """An exception of the block is raised, even if a reply is left in the queue."""
    with pytest.raises(KeyError), local.serve(ScriptEngine().reply("left")):
        raise KeyError


def test_embeddings() -> None:
    """Queued embeddings are sent unchanged, one for each content; others count words at the length that is wanted."""
    script = ScriptEngine().reply_embedding([1, 2, 3])
    requests = [
        protos.EmbedContentRequest(content={"parts": [{"text": text}]}, output_dimensionality=size)
        for text, size in (("one", 2), ("two", 4), ("two", None))
    ]
    vectors = asyncio.run(script.embed(requests))

    assert vectors[0] == [1.0, 2.0, 3.0]
    assert [len(vector) for vector in vectors] == [3, 4, 768]
    assert script.embed_requests == tuple(requests)


def test_embeddings_that_are_left() -> None:
    """A queued embedding that no request takes is reported."""
    with pytest.raises(AssertionError, match=r"1 queued replies were not asked for:\n  reply_embedding\(\[1.0\]\)"):
        ScriptEngine().reply_embedding([1]).verify()


@pytest.mark.parametrize("vector", ["text", b"bytes", 3, None])
def test_invalid_vectors(vector: Any) -> None:
    """What is no vector is a TypeError."""
    with pytest.raises(TypeError, match="cannot make a vector from"):
        ScriptEngine().reply_embedding(vector)
