"""Tokens are those of what the caller sent, whatever the engine adds to make a prompt of it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import genai_grpc as genai
from genai_grpc import local, protos
from genai_grpc.caching import CachedContent

pytest.importorskip("xllamacpp")

from genai_grpc.local.engines.llama.engine import LlamaEngine
from genai_grpc.local.engines.llama.generation import GenerationJob

pytestmark = pytest.mark.llama

MARKS = 5
"""The tokens of the marks around a turn of the user."""


class Engines:
    """The packaged model with and without worked examples, on one event loop."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.both = LlamaEngine(), LlamaEngine(examples=False)
        for engine in self.both:
            self.run(engine.start())

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(coroutine)

    def count(self, request: protos.GenerateContentRequest) -> int:
        """The count, on which both agree."""
        first, second = (self.run(engine.count_tokens(request)).total_tokens for engine in self.both)
        assert first == second
        return int(first)

    def usages(self, request: protos.GenerateContentRequest) -> list[int]:
        """The prompt tokens that each reports for a response."""

        async def generate(engine: LlamaEngine) -> int:
            chunks = [chunk async for chunk in engine.generate(request)]
            return chunks[-1].usage_metadata.prompt_token_count

        return [self.run(generate(engine)) for engine in self.both]

    def job(self, engine: LlamaEngine, request: protos.GenerateContentRequest) -> GenerationJob:
        """What the engine would run for a request."""
        prepare = partial(engine._to_job, request, check=lambda: None)
        job: GenerationJob = self.run(engine._prepare(prepare, threading.Event()))
        return job


@pytest.fixture(scope="module")
def engines() -> Iterator[Engines]:
    """Both engines, loaded."""
    engines = Engines()
    yield engines
    for engine in engines.both:
        engines.run(engine.aclose())
    engines.loop.close()


def _contents(texts: list[str]) -> list[protos.Content]:
    return [
        protos.Content(role=("user", "model")[index % 2], parts=[protos.Part(text=text)])
        for index, text in enumerate(texts)
    ]


def _request(texts: list[str], system: str = "") -> protos.GenerateContentRequest:
    request = protos.GenerateContentRequest(contents=_contents(texts), generation_config={"max_output_tokens": 1})
    if system:
        request.system_instruction.parts.add(text=system)
    return request


TEXTS = st.one_of(st.text(max_size=30), st.sampled_from(["Hello", "a b c", "\n", " ", "Why?\n\n", "<|im_start|>"]))


CONVERSATIONS = st.lists(TEXTS, min_size=1, max_size=3).filter(lambda texts: len(texts) % 2 == 1)


@settings(deadline=None, max_examples=60)
@given(texts=st.lists(TEXTS, max_size=5), system=TEXTS)
def test_sum_of_turns(engines: Engines, texts: list[str], system: str) -> None:
    """The count of a conversation is the sum of those of its turns and of its system instruction."""
    turns = [engines.count(protos.GenerateContentRequest(contents=[turn])) for turn in _contents(texts)]
    instruction = engines.count(_request([], system)) if system else 0

    assert engines.count(_request(texts, system)) == sum(turns) + instruction


@settings(deadline=None, max_examples=12)
@given(texts=CONVERSATIONS, system=st.sampled_from(["", "Be kind."]))
@pytest.mark.slow
def test_count_is_usage(engines: Engines, texts: list[str], system: str) -> None:
    """A response reports as many prompt tokens as `count_tokens` counts, with examples and without."""
    request = _request(texts, system)

    assert engines.usages(request) == [engines.count(request)] * 2


@pytest.mark.parametrize(("text", "tokens"), [("a", 1), ("Hello", 1), ("What is the capital of Italy?", 7)])
def test_one_turn(engines: Engines, text: str, tokens: int) -> None:
    """A turn has the tokens of its text and of the marks of its role."""
    assert engines.count(_request([text])) == tokens + MARKS


def test_functions(engines: Engines) -> None:
    """Declared functions are counted whether they are called or not; a response reports the same number."""
    request = _request(["Hello!"])
    before = engines.count(request)
    function = request.tools.add().function_declarations.add(name="add", description="Add two numbers.")
    one = engines.count(request)
    function.description += " Both are integers."

    assert before < one < engines.count(request)
    assert engines.usages(request) == [engines.count(request)] * 2


def test_schema(engines: Engines) -> None:
    """A response schema, which adds a sentence to the prompt, is not counted."""
    request = _request(["Hello!"])
    before = engines.count(request)
    request.generation_config.response_mime_type = "application/json"

    assert engines.count(request) == before
    assert engines.usages(request) == [before] * 2


def test_longest_prompt(engines: Engines) -> None:
    """A prompt with as many tokens as the model's input limit is accepted, with examples and without."""
    for engine in engines.both:
        limit = engine.model.input_token_limit
        request = _request([" ".join(["word"] * (limit - MARKS))])
        assert engines.count(request) == limit
        assert len(engines.job(engine, request).tokens) > limit


def test_cached_content() -> None:
    """A cached content counts as much as its turns do in a request."""
    contents: Any = [{"role": "user", "parts": ["A long tale."]}, {"role": "model", "parts": ["I see."]}]
    with local.serve() as server, genai.Client(endpoint=server.endpoint) as client:
        model = genai.GenerativeModel("gemini-2.5-flash", client=client)
        cached = CachedContent.create("gemini-2.5-flash", contents=contents, client=client)
        question: Any = {"role": "user", "parts": ["Hello!"]}
        tokens = model.count_tokens([*contents, question]).total_tokens
        assert cached.usage_metadata.total_token_count == tokens - model.count_tokens("Hello!").total_tokens
        usage = (
            genai.GenerativeModel.from_cached_content(cached, client=client)
            .generate_content("Hello!", generation_config={"max_output_tokens": 1})
            .usage_metadata
        )
    assert usage.prompt_token_count == tokens
    assert usage.cached_content_token_count == cached.usage_metadata.total_token_count
