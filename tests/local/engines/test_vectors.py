from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genai_grpc import protos
from genai_grpc.local.engines.vectors import normalized, text_of, word_vector


def similarity(one: str, other: str) -> float:
    return sum(a * b for a, b in zip(word_vector(one, 768), word_vector(other, 768), strict=True))


def test_word_vector() -> None:
    """Texts with the same words have the same vector, and those that share more are closer."""
    assert word_vector("The cat sat.", 768) == word_vector("sat, the CAT", 768)
    assert similarity("the cat sat", "the cat slept") > similarity("the cat sat", "a dog slept") == 0
    assert word_vector("???", 8) != word_vector("!", 8)


@given(st.text(), st.integers(1, 300))
def test_word_vectors_have_length_1(text: str, size: int) -> None:
    """Every text has a vector of the size and of length 1."""
    vector = word_vector(text, size)
    assert len(vector) == size
    assert math.hypot(*vector) == pytest.approx(1.0)


def test_normalized() -> None:
    """A vector keeps its direction; one of zeros stays as it is."""
    assert normalized([3, -4]) == [0.6, -0.8]
    assert normalized([0, 0]) == [0, 0]


def test_text_of() -> None:
    """The title and the parts are lines of the text."""
    content = protos.Content(parts=[{"text": "one"}, {"text": ""}, {"text": "two"}])
    assert text_of(protos.EmbedContentRequest(content=content)) == "one\ntwo"
    assert text_of(protos.EmbedContentRequest(content=content, title="T")) == "T\none\ntwo"
