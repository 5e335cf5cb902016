from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from genai_grpc import local, protos
from genai_grpc.errors import FailedPrecondition, ResourceExhausted
from genai_grpc.local.engines.script import STALL, Delay, ScriptEngine

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

USER = protos.Content(role="user", parts=[protos.Part(text="one two  three")])
REQUEST = protos.GenerateContentRequest(model="models/script", contents=[USER])
STOP = protos.Candidate.STOP


def answer(
    script: ScriptEngine, request: protos.GenerateContentRequest = REQUEST
) -> list[protos.GenerateContentResponse]:
    """The chunks of one reply, got without a server."""

    async def collect() -> list[protos.GenerateContentResponse]:
        return [chunk async for chunk in script.generate(request)]

    return asyncio.run(collect())


def texts(chunks: list[protos.GenerateContentResponse]) -> list[str]:
    """What each chunk says."""
    return [chunk.candidates[0].content.parts[0].text for chunk in chunks]


def finishes(chunks: list[protos.GenerateContentResponse]) -> list[int]:
    """Each chunk's finish reason."""
    return [chunk.candidates[0].finish_reason for chunk in chunks]


def test_replies_in_order() -> None:
    """Each request takes the reply that was queued first, chunk by chunk."""
    script = ScriptEngine().reply("Hello", " world").reply("Again")

    assert texts(answer(script)) == ["Hello", " world"]
    assert texts(answer(script)) == ["Again"]


def test_text_is_dressed_as_a_model_would() -> None:
    """A chunk of text comes from the model as candidate 0, with the model's version and a response id."""
    (chunk,) = answer(ScriptEngine(name="models/parrot").reply("Hello"))

    assert chunk.candidates[0].content.role == "model"
    assert chunk.candidates[0].HasField("index")
    assert chunk.model_version == "parrot"
    assert chunk.response_id == "script-1"


def test_usage_counts_words() -> None:
    """The usage is the words so far, a word that was cut in two counting once."""
    chunks = answer(ScriptEngine().reply("Hel", "lo", "", " big", " ", "world"))

    assert [chunk.usage_metadata.candidates_token_count for chunk in chunks] == [1, 1, 1, 2, 2, 3]
    assert [chunk.usage_metadata.prompt_token_count for chunk in chunks] == [3] * 6
    assert chunks[-1].usage_metadata.total_token_count == 6


@pytest.mark.parametrize(
    ("rest", "reason"),
    [
        ((), STOP),
        ((Delay(0.0),), STOP),
        ((protos.GenerateContentResponse(),), 0),
        ((ResourceExhausted("no more"),), 0),
    ],
)
def test_stop_on_the_last_text(rest: tuple[Any, ...], reason: int) -> None:
    """Text carries STOP if nothing but finite delays follows it."""
    script = ScriptEngine().reply("a", "b", *rest)

    async def two() -> list[protos.GenerateContentResponse]:
        stream = script.generate(REQUEST)
        chunks = [await anext(stream), await anext(stream)]
        await stream.aclose()
        return chunks

    assert finishes(asyncio.run(two())) == [0, reason]


def test_a_response_is_sent_as_it_is() -> None:
    """A GenerateContentResponse in a reply arrives unchanged, also if the test goes on to change its own."""
    response = protos.GenerateContentResponse(response_id="mine")
    script = ScriptEngine().reply(response)
    response.response_id = "changed"

    assert answer(script) == [protos.GenerateContentResponse(response_id="mine")]


def test_an_error_comes_at_its_place() -> None:
    """An error in a reply is raised after the chunks before it."""
    script = ScriptEngine().reply("a", ResourceExhausted("no more"), "never")

    async def play() -> None:
        stream = script.generate(REQUEST)
        assert texts([await anext(stream)]) == ["a"]
        with pytest.raises(ResourceExhausted, match="no more"):
            await anext(stream)

    asyncio.run(play())


def test_requests_are_copies() -> None:
    """The script keeps the requests as they came, whatever happens to them later."""
    script = ScriptEngine().reply("a")
    request = protos.GenerateContentRequest(model="models/script", contents=[USER])
    answer(script, request)
    request.model = "models/changed"

    assert script.requests == (REQUEST,)


def test_nothing_queued() -> None:
    """A request without a queued reply is FAILED_PRECONDITION, saying how to queue one, and is recorded."""
    script = ScriptEngine()

    with pytest.raises(FailedPrecondition, match=r"no reply is queued for request 1; .*script\.reply"):
        answer(script)
    assert script.requests == (REQUEST,)


@pytest.mark.parametrize("wrong", [b"bytes", None, 3, ["a"]])
def test_what_is_not_a_chunk(wrong: Any) -> None:
    """Queueing anything else is a TypeError that says what came and what was wanted."""
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
    """Verifying lists the replies nobody asked for, and is silent when there is none."""
    script = ScriptEngine().reply("a").reply("b", STALL)
    answer(script)

    with pytest.raises(AssertionError, match=r"1 queued replies were not asked for:\n  reply\('b', Delay"):
        script.verify()
    ScriptEngine().verify()


def test_a_reply_of_no_chunks() -> None:
    """A reply without chunks is a stream that ends at once."""
    assert answer(ScriptEngine().reply()) == []


async def _closed_at_a_chunk(stream: AsyncIterator[Any]) -> None:
    await anext(stream)
    await stream.aclose()  # type: ignore[attr-defined]  # it is a generator


async def _cancelled_in_a_stall(stream: AsyncIterator[Any]) -> None:
    await anext(stream)
    waiting = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


@pytest.mark.parametrize("cut", [_closed_at_a_chunk, _cancelled_in_a_stall])
def test_cancelled_counts_replies_cut_short(cut: Any) -> None:
    """A reply that is closed at a chunk, or cancelled while it waits, counts as cancelled; a complete one does not."""
    script = ScriptEngine().reply("whole").reply("a", STALL)
    answer(script)
    assert script.cancelled_calls == 0

    asyncio.run(cut(script.generate(REQUEST)))

    assert script.cancelled_calls == 1
    script.wait_cancelled()


def test_wait_cancelled_gives_up() -> None:
    """Waiting for a cancellation that does not come ends with a TimeoutError that says how many came."""
    with pytest.raises(TimeoutError, match="0 replies were cut short within 0 s, not 2"):
        ScriptEngine().wait_cancelled(2, timeout=0)


def test_a_block_fails_on_what_is_left() -> None:
    """Leaving a `with serve(script)` block with a reply still queued raises AssertionError."""
    with pytest.raises(AssertionError, match="1 queued replies"), local.serve(ScriptEngine().reply("left")):
        pass


def test_a_block_keeps_its_own_exception() -> None:
    """An exception of the block is not hidden by what is left in the queue."""
    with pytest.raises(KeyError), local.serve(ScriptEngine().reply("left")):
        raise KeyError
