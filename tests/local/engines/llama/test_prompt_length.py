"""Prompts that are too long for the model, and requests that are cancelled before their turn."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genai_grpc import protos
from genai_grpc.errors import FailedPrecondition, InvalidArgument

pytest.importorskip("xllamacpp")

from genai_grpc.local.engines.llama.engine import LlamaEngine
from genai_grpc.local.engines.llama.llama_cpp import LlamaCpp

pytestmark = pytest.mark.llama

MODEL = "models/smollm2-135m-instruct"


class Llama:
    """An engine on an event loop that outlives a test, with a record of what it tokenizes."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.engine = LlamaEngine()
        self.run(self.engine.start())
        assert self.engine._llama is not None
        self.llama: LlamaCpp = self.engine._llama

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(coroutine)

    def count(self, request: protos.GenerateContentRequest) -> int:
        count: int = self.run(self.engine.count_tokens(request)).total_tokens
        return count


@pytest.fixture(scope="module")
def llama() -> Iterator[Llama]:
    """The packaged model, loaded."""
    llama = Llama()
    yield llama
    llama.run(llama.engine.aclose())
    llama.loop.close()


@pytest.fixture
def tokenized(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of the texts that llama.cpp tokenizes, in characters."""
    sizes: list[int] = []
    tokenize = LlamaCpp.tokenize

    def recorded(self: LlamaCpp, text: str, **options: bool) -> list[int]:
        sizes.append(len(text))
        return tokenize(self, text, **options)

    monkeypatch.setattr(LlamaCpp, "tokenize", recorded)
    return sizes


def to_request(text: str) -> protos.GenerateContentRequest:
    """A request with one turn."""
    return protos.GenerateContentRequest(contents=[protos.Content(role="user", parts=[protos.Part(text=text)])])


PIECES = st.one_of(
    st.text(max_size=40),
    st.sampled_from([" " * 100, "\n" + " " * 80, "\x04" * 200, "\U00040000", "<|im_start|>", "a" * 300, "0" * 50]),
)


@settings(deadline=None, max_examples=200)
@given(st.lists(PIECES, max_size=10).map("".join))
def test_least_tokens(llama: Llama, text: str) -> None:
    """No text has fewer tokens than its vocabulary's bound."""
    assert llama.llama.vocabulary.least_tokens(text) <= len(llama.llama.tokenize(text))


def test_longest_token(llama: Llama) -> None:
    """The bound is reached: the longest token is one of 81 bytes."""
    longest = "\n" + " " * 80

    assert llama.llama.vocabulary.longest_token == len(longest)
    assert len(llama.llama.tokenize(longest)) == 1


@pytest.mark.parametrize("size", [300_000, 4_000_000])
def test_refused_before_tokenization(llama: Llama, tokenized: list[int], size: int) -> None:
    """A prompt that cannot fit is refused without being tokenized."""
    request = to_request("a b " * (size // 4))
    tokens = rf"the prompt has at least \d+ tokens; {MODEL} takes 3072"

    with pytest.raises(InvalidArgument, match=tokens):
        llama.run(anext(llama.engine.generate(request)))
    assert tokenized == []


def test_text_that_is_dropped_fits(llama: Llama) -> None:
    """A text of any size fits if the tokenizer drops it, here 300,000 control characters."""
    request = to_request("What is the capital of France?" + "\x04" * 300_000)

    assert llama.count(request) == llama.count(to_request("What is the capital of France?"))


def test_count_is_exact(llama: Llama) -> None:
    """Tokens are counted exactly up to 256 KiB, far above what the model takes, and not above that."""
    words = 260_000 // 5
    count = llama.count(to_request("word " * words))

    assert count - llama.count(to_request("word " * 1000)) == words - 1000
    with pytest.raises(InvalidArgument, match=r"at least \d+ tokens"):
        llama.count(to_request("word " * (300_000 // 5)))


@pytest.mark.parametrize("generating", [False, True])
def test_cancelled_before_its_turn(llama: Llama, tokenized: list[int], generating: bool) -> None:
    """A request that is cancelled while others are prepared before it is never tokenized."""
    release = threading.Event()
    llama.engine._preparation.submit(release.wait)
    request = to_request("Hi")

    async def cancel() -> None:
        work: Any = anext(llama.engine.generate(request)) if generating else llama.engine.count_tokens(request)
        task = asyncio.ensure_future(work)
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    llama.run(cancel())
    release.set()
    assert llama.count(to_request("Hello")) > 0
    assert len(tokenized) == 1


def test_closed_before_its_turn(tokenized: list[int]) -> None:
    """An engine that is closed refuses what it has not prepared yet, without tokenizing it."""

    async def close() -> None:
        engine = LlamaEngine(context_size=512)
        await engine.start()
        tokenized.clear()
        release = threading.Event()
        engine._preparation.submit(release.wait)
        counting = asyncio.ensure_future(engine.count_tokens(to_request("Hi")))
        await asyncio.sleep(0.05)
        closing = asyncio.ensure_future(engine.aclose())
        await asyncio.sleep(0.05)
        release.set()
        await asyncio.wait_for(closing, 60)
        with pytest.raises(FailedPrecondition, match="no longer answers"):
            await counting

    asyncio.run(close())
    assert tokenized == []


def test_closed_during_tokenization(monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine closes llama.cpp after the tokenization in progress, to which llama.cpp might never reply else."""
    events: list[str] = []
    started = threading.Event()
    tokenize, close = LlamaCpp.tokenize, LlamaCpp.close

    def recorded(self: LlamaCpp, text: str, **options: bool) -> list[int]:
        started.set()
        tokens = tokenize(self, text, **options)
        events.append("tokenized")
        return tokens

    def closed(self: LlamaCpp) -> None:
        events.append("closed")
        close(self)

    monkeypatch.setattr(LlamaCpp, "tokenize", recorded)
    monkeypatch.setattr(LlamaCpp, "close", closed)

    async def main() -> None:
        engine = LlamaEngine(context_size=512)
        await engine.start()
        started.clear()
        events.clear()
        counting = asyncio.ensure_future(engine.count_tokens(to_request("x" * 250_000)))
        await asyncio.to_thread(started.wait)
        counting.cancel()
        await asyncio.wait_for(engine.aclose(), 60)

    asyncio.run(main())
    assert events == ["tokenized", "closed"]


def test_long_text_with_functions(llama: Llama, tokenized: list[int]) -> None:
    """A text of a megabyte, too long for the model, is refused with functions to select from too."""
    request = to_request("word " * 200_000)
    function = protos.FunctionDeclaration(name="set_light", description="Switch a lamp on or off.")
    request.tools.add().function_declarations.append(function)

    with pytest.raises(InvalidArgument, match="at least"):
        llama.run(anext(llama.engine.generate(request)))
    assert tokenized == []
