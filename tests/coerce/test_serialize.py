from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genai_grpc import protos
from genai_grpc._coerce.content import to_contents
from genai_grpc._coerce.serialize import SerializedContents

BLOB = {"mime_type": "image/png", "data": b"\x89PNG" + bytes(300)}

# Values that are nearly blobs, and empty ones.
ODD: list[Any] = [
    *(None, "", [], {}, [None], [""], 3, [3], b"x", protos.Content(), [[]], {"parts": []}),
    {**BLOB, "more": 1},
    {"mime_type": "a/b", "text": "x"},
    {"data": b"x", "text": "x"},
    {"mime_type": 3, "data": b"x"},
    {"mime_type": "a/b", "data": "eA=="},
    {"mime_type": "a/b", "data": bytearray(b"x")},
    {"mimeType": "a/b", "data": b"x"},
]
ODD += [[each, "and more"] for each in ODD[-7:]]

texts = st.text(max_size=300)
blobs: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {"mime_type": st.text(max_size=20), "data": st.binary(max_size=300)}
)
parts: st.SearchStrategy[Any] = st.one_of(
    texts.filter(bool),
    blobs,
    blobs.map(lambda each: protos.Blob(**each)),
    blobs.map(lambda each: protos.Part(inline_data=protos.Blob(**each))),
    texts.map(lambda text: protos.Part(text=text, thought=True)),
    texts.map(lambda text: {"text": text}),
    st.just({"function_call": {"name": "f", "args": {"x": 1}}}),
    st.just(protos.FileData(file_uri="files/a", mime_type="text/plain")),
)
roles = st.sampled_from(["user", "model", ""])
turns = st.one_of(
    st.builds(lambda role, each: {"role": role, "parts": each}, roles, st.lists(parts, min_size=1, max_size=3)),
    st.builds(
        lambda role, words: protos.Content(role=role, parts=[protos.Part(text=text) for text in words]),
        roles,
        st.lists(texts.filter(bool), min_size=1, max_size=3),
    ),
)
contents = st.one_of(parts, st.lists(parts, min_size=1, max_size=4), turns, st.lists(turns, min_size=1, max_size=4))


def serialized(value: Any) -> list[protos.Content]:
    """The contents of a value, by way of their bytes."""
    return SerializedContents.of(value).to_messages()


@given(value=st.one_of(st.sampled_from(ODD), contents))
def test_same_as_messages(value: Any) -> None:
    """Serialized contents equal the messages of the same value; what cannot be converted raises the same error."""

    def outcome(convert: Any) -> Any:
        try:
            return convert(value)
        except (TypeError, ValueError) as error:
            return type(error), str(error)

    assert outcome(serialized) == outcome(to_contents)


def test_media(tmp_path: Path) -> None:
    """Files and images are serialized as their messages would be."""
    pil = pytest.importorskip("PIL.Image")
    image = pil.new("RGB", (4, 4), "brown")
    image.save(tmp_path / "image.png")
    for value in (tmp_path / "image.png", image, ["What is this?", image, tmp_path / "image.png"]):
        assert serialized(value) == to_contents(value)


@pytest.mark.parametrize("size", [1, 127, 128, 16_383, 16_384, 3_000_000])
def test_lengths(size: int) -> None:
    """Length prefixes of every size are right."""
    for value in ("x" * size, {**BLOB, "data": bytes(size)}, ["x" * size, "y"]):
        assert serialized(value) == to_contents(value)


@given(first=turns, more=st.lists(turns, max_size=4))
def test_append(first: Any, more: list[Any]) -> None:
    """Appended turns come after the others, and do not change a copy made before."""
    added = [turn for each in more for turn in to_contents([each])]
    contents = SerializedContents.of(first)
    before = contents.copy()
    for turn in added:
        contents.append(turn)
    assert contents.to_messages() == to_contents(first) + added
    assert before.to_messages() == to_contents(first)
    assert SerializedContents.of_turns(contents.to_messages()).to_messages() == contents.to_messages()


def test_prefix() -> None:
    """The bytes follow the other fields of a request."""
    fields = protos.GenerateContentRequest(model="models/m").SerializeToString()
    request = protos.GenerateContentRequest.FromString(SerializedContents.of("Hi").to_bytes(fields))
    assert (request.model, list(request.contents)) == ("models/m", to_contents("Hi"))
