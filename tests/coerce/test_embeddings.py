from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genai_grpc import protos, types
from genai_grpc._coerce.embeddings import MAX_BATCH_SIZE, EmbedRequests, contents_of, to_task_type
from genai_grpc._services.dialects import GEMINI_API

TASKS = protos.TaskType.DESCRIPTOR.values_by_name


def requests(model: Any = "embedding-001", task_type: Any = None, title: Any = None, size: Any = None) -> EmbedRequests:
    return EmbedRequests(GEMINI_API, model, task_type, title, size)


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("query", "RETRIEVAL_QUERY"),
        ("document", "RETRIEVAL_DOCUMENT"),
        ("similarity", "SEMANTIC_SIMILARITY"),
        ("qa", "QUESTION_ANSWERING"),
        ("verification", "FACT_VERIFICATION"),
        ("unspecified", "TASK_TYPE_UNSPECIFIED"),
        *((name.lower(), name) for name in TASKS),
    ],
)
def test_task_types(alias: str, name: str) -> None:
    """A task is given by its name in any case, a short name, its number or the enum's member."""
    number = TASKS[name].number
    for value in (alias, alias.upper(), number, protos.TaskType(number)):
        assert to_task_type(value) == number


@pytest.mark.parametrize(("value", "error"), [("", ValueError), ("searching", ValueError), (0.5, TypeError)])
def test_unknown_task_type(value: object, error: type[Exception]) -> None:
    """An unknown name is a ValueError that lists the names, and another type a TypeError."""
    with pytest.raises(error, match=r"task_type: (unknown TaskType .*RETRIEVAL_QUERY|a TaskType is given by name or)"):
        to_task_type(value)


def test_request() -> None:
    """A request has the arguments that are given, and no others."""
    assert requests().single("Hi") == protos.EmbedContentRequest(
        model="models/embedding-001", content={"parts": [{"text": "Hi"}]}
    )
    full = requests("models/other", "document", "A title", 256).single({"parts": ["Hi", "there"]})
    assert full == protos.EmbedContentRequest(
        model="models/other",
        content={"parts": [{"text": "Hi"}, {"text": "there"}]},
        task_type=protos.TaskType.RETRIEVAL_DOCUMENT,
        title="A title",
        output_dimensionality=256,
    )


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("tunedModels/mine", "tunedModels/mine"),
        (types.Model("models/a", "a", "1", "A", "It.", 1, 1, []), "models/a"),
        (protos.Model(name="models/b"), "models/b"),
    ],
)
def test_models(model: object, name: str) -> None:
    """A model is given by name or as the model."""
    assert requests(model).single("Hi").model == name


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"model": "files/a"}, ValueError, "starts with 'models/'"),
        ({"model": 3}, TypeError, "a model name is a str"),
        ({"title": "T"}, ValueError, "a title is for task_type='retrieval_document' only; got task_type=None"),
        ({"title": "T", "task_type": "query"}, ValueError, "only; got task_type='query'"),
        ({"size": -1}, ValueError, "output_dimensionality is the length of a vector, 0 or more; got -1"),
        ({"size": 2.0}, TypeError, "output_dimensionality is an int; got float"),
        ({"size": "2"}, TypeError, "output_dimensionality is an int; got str"),
    ],
)
def test_invalid_arguments(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    """An argument that cannot be used is an error before any content is read."""
    with pytest.raises(error, match=message):
        requests(**arguments)


@pytest.mark.parametrize(
    "content",
    ["Hi", {"text": "Hi"}, {"parts": []}, protos.Part(text="Hi"), protos.Content(), b"Hi", None, 3],
    ids=lambda content: type(content).__name__,
)
def test_one_content(content: object) -> None:
    """A str, a dict, a message and whatever is no iterable is one content."""
    assert contents_of(content) is None


@pytest.mark.parametrize(
    "contents", [[], ["Hi"], ("Hi",), {"Hi"}, iter(["Hi"]), {"a": 1}.keys(), protos.Content(parts=[{}]).parts]
)
def test_several_contents(contents: object) -> None:
    """Any other iterable holds several contents, also an empty one."""
    assert contents_of(contents) is contents


@given(st.lists(st.text(min_size=1, max_size=3), max_size=2 * MAX_BATCH_SIZE + 1), st.booleans())
def test_batches(texts: list[str], lazy: bool) -> None:
    """The requests of all batches are those of each content alone, in order; no batch is empty or above 100."""
    build = requests(title="T", task_type="document")
    batches = list(build.batches(iter(texts) if lazy else texts))
    assert [request for batch in batches for request in batch.requests] == list(map(build.single, texts))
    assert all(0 < len(batch.requests) <= MAX_BATCH_SIZE for batch in batches)
    assert {batch.model for batch in batches} <= {"models/embedding-001"}
    assert len(batches) == -(-len(texts) // MAX_BATCH_SIZE)


def test_batches_are_lazy() -> None:
    """A batch takes its contents from the iterable when it is needed, and no more than these."""
    taken = 0

    def texts() -> Iterator[str]:
        nonlocal taken
        while True:
            taken += 1
            yield "Hi"

    batches = requests().batches(texts())
    assert taken == 0
    for number in 1, 2, 3:
        next(batches)
        assert taken == number * MAX_BATCH_SIZE


@pytest.mark.parametrize(
    ("contents", "error", "message"),
    [
        (["Hi", 3], TypeError, r"^content\[1\]: cannot make a Part from int"),
        (["Hi", ""], TypeError, r"^content\[1\]: a turn must not be empty"),
        ([[]], TypeError, r"^content\[0\]: a turn must not be empty"),
        ([*["Hi"] * 150, {"txt": "Hi"}], ValueError, r"^content\[150\]: .*'txt'"),
    ],
)
def test_invalid_content(contents: list[Any], error: type[Exception], message: str) -> None:
    """The error of a content that cannot be converted names its position."""
    with pytest.raises(error, match=message):
        list(requests().batches(contents))


@pytest.mark.parametrize("content", ["", None, {}, [], protos.Content(), 3, b"Hi"])
def test_invalid_single_content(content: object) -> None:
    """One content that is empty, or of an unsupported type, is a TypeError."""
    with pytest.raises(TypeError, match="must not be empty|cannot make a Part"):
        requests().single(content)
