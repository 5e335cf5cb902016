from __future__ import annotations

from genai_grpc import protos
from genai_grpc.local.engines.script import STALL, ScriptEngine
from tests.local.services.wire import ALIAS, SCRIPT, error_of, serving, text, to_request


def test_stream() -> None:
    """A stream delivers the engine's chunks one by one, in order."""
    with serving(ScriptEngine().reply("Hello", " world")) as stubs:
        chunks = list(stubs.generative.StreamGenerateContent(to_request()))

    assert [text(chunk) for chunk in chunks] == ["Hello", " world"]


def test_chunk_is_sent_before_the_next_exists() -> None:
    """A chunk arrives while the engine still generates the next one."""
    script = ScriptEngine().reply("Hello", STALL)
    with serving(script) as stubs:
        stream = stubs.generative.StreamGenerateContent(to_request())
        assert text(next(stream)) == "Hello"
        stream.cancel()
        script.wait_cancelled()


def test_unary_call_merges_chunks() -> None:
    """A unary call gets the chunks as one response, with the last usage and finish reason."""
    with serving(ScriptEngine().reply("Hello", " world")) as stubs:
        response = stubs.generative.GenerateContent(to_request())

    assert text(response) == "Hello world"
    assert response.candidates[0].finish_reason == protos.Candidate.STOP
    assert response.usage_metadata.total_token_count == 4


def test_request_reaches_engine() -> None:
    """The engine gets the request unchanged."""
    script = ScriptEngine().reply("Hello")
    with serving(script) as stubs:
        stubs.generative.GenerateContent(to_request(model=ALIAS))

    assert script.requests == (to_request(model=ALIAS),)


def test_engine_by_model() -> None:
    """A request goes to the engine of its model, and gemini-pro is that of the first engine."""
    one, two = ScriptEngine(name="one").reply("1").reply("1"), ScriptEngine(name="two").reply("2")
    with serving(one, two) as stubs:
        names = ("models/two", "models/one", ALIAS)
        texts = [text(stubs.generative.GenerateContent(to_request(model=name))) for name in names]

    assert texts == ["2", "1", "1"]


def test_count_tokens_of_contents_or_request() -> None:
    """CountTokens accepts contents alone, or a whole request, which need not repeat the model's name."""
    request = to_request(model="")
    request.system_instruction.parts.add(text="Be brief.")
    contents_only = protos.CountTokensRequest(model=SCRIPT, contents=to_request().contents)
    with_request = protos.CountTokensRequest(model=SCRIPT, generate_content_request=request)
    script = ScriptEngine()
    with serving(script) as stubs:
        assert stubs.generative.CountTokens(contents_only).total_tokens == 2
        assert stubs.generative.CountTokens(with_request).total_tokens == 4

    assert [request.model for request in script.count_requests] == [SCRIPT] * 2


def test_count_tokens_takes_one_prompt() -> None:
    """Contents together with a whole request, or two different models, are INVALID_ARGUMENT."""
    request = to_request()
    both = protos.CountTokensRequest(model=SCRIPT, contents=request.contents, generate_content_request=request)
    two_models = protos.CountTokensRequest(model=SCRIPT, generate_content_request=to_request(model=ALIAS))
    with serving(ScriptEngine()) as stubs:
        assert "exclude each other" in error_of(lambda: stubs.generative.CountTokens(both)).message
        assert "name one" in error_of(lambda: stubs.generative.CountTokens(two_models)).message


def test_cancellation_stops_engine() -> None:
    """A cancelled call closes the engine's generator, whether the call waits for the engine or for flow control."""
    script = ScriptEngine().reply("Hello", STALL).reply(*["x" * 1_000_000] * 100)
    with serving(script) as stubs:
        for number in 1, 2:
            stream = stubs.generative.StreamGenerateContent(to_request())
            next(stream)
            stream.cancel()
            script.wait_cancelled(number)


def test_deadline_stops_engine() -> None:
    """A call past its deadline closes the engine's generator, unary or streaming."""
    script = ScriptEngine().reply(STALL).reply(STALL)
    with serving(script) as stubs:
        unary = error_of(lambda: stubs.generative.GenerateContent(to_request(), timeout=0.2))
        stream = error_of(lambda: list(stubs.generative.StreamGenerateContent(to_request(), timeout=0.2)))
        script.wait_cancelled(2)

    assert (unary.status, stream.status) == ("DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED")
