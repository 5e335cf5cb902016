from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genai_grpc import protos
from genai_grpc._coerce.content import to_contents
from genai_grpc._coerce.serialize import serialize_contents, serialize_turn

BLOB = {"mime_type": "image/png", "data": b"\x89PNG" + bytes(300)}

# What is nearly a blob, and what is nothing at all.
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
        lambda role, said: protos.Content(role=role, parts=[protos.Part(text=text) for text in said]),
        roles,
        st.lists(texts.filter(bool), min_size=1, max_size=3),
    ),
)
contents = st.one_of(parts, st.lists(parts, min_size=1, max_size=4), turns, st.lists(turns, min_size=1, max_size=4))


def framed(value: Any) -> list[protos.Content]:
    """The contents of the request that the framed bytes are of."""
    return list(protos.GenerateContentRequest.FromString(b"".join(serialize_contents(value))).contents)


@given(value=st.one_of(st.sampled_from(ODD), contents))
def test_the_same_contents(value: Any) -> None:
    """What is framed is what would have been made messages and serialized; what cannot be is refused alike."""

    def outcome(make: Any) -> Any:
        try:
            return make(value)
        except (TypeError, ValueError) as error:
            return type(error), str(error)

    assert outcome(framed) == outcome(to_contents)


def test_media(tmp_path: Path) -> None:
    """Files and images are framed as they are made messages."""
    pil = pytest.importorskip("PIL.Image")
    image = pil.new("RGB", (4, 4), "brown")
    image.save(tmp_path / "image.png")
    for value in (tmp_path / "image.png", image, ["What is this?", image, tmp_path / "image.png"]):
        assert framed(value) == to_contents(value)


@pytest.mark.parametrize("size", [1, 127, 128, 16_383, 16_384, 3_000_000])
def test_lengths(size: int) -> None:
    """Lengths of any size are told right."""
    for value in ("x" * size, {**BLOB, "data": bytes(size)}, ["x" * size, "y"]):
        assert framed(value) == to_contents(value)


def test_a_turn() -> None:
    """One turn is framed as an element of a request's contents."""
    turn = protos.Content(role="model", parts=[protos.Part(text="Hi")])
    assert list(protos.GenerateContentRequest.FromString(serialize_turn(turn)).contents) == [turn]
