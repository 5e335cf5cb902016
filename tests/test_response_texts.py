"""The texts of responses and of their chunks."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genai_grpc import protos
from genai_grpc.responses import GenerateContentResponse

Response = protos.GenerateContentResponse

pieces: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.builds(dict, text=st.text(max_size=4)),
    st.builds(dict, text=st.text(max_size=4), thought=st.just(True)),
    st.builds(dict, text=st.text(max_size=4), thought_signature=st.just(b"s")),
    st.just({"thought_signature": b"s"}),
    st.just({"function_call": {"name": "f"}}),
)


@given(chunks=st.lists(st.lists(pieces, max_size=3), min_size=2, max_size=6))
def test_text_is_joined_chunks(chunks: list[list[dict[str, Any]]]) -> None:
    """The text of a stream is its chunks' texts joined, wherever it was cut; likewise the thoughts."""
    chunks = [[piece for piece in chunk if "function_call" not in piece] for chunk in chunks]
    response = GenerateContentResponse.from_iterator(
        {"candidates": [{"content": {"role": "model", "parts": parts}, "finish_reason": "STOP"}]} for parts in chunks
    )
    read = list(response)
    texts = [chunk.text for chunk in read]
    assert [chunk.thoughts for chunk in read] == [
        "\n".join(part["text"] for part in parts if part.get("thought") and part["text"]) for parts in chunks
    ]
    assert response.thoughts == "".join(chunk.thoughts for chunk in read)
    if any(not part.thought for part in response.parts):
        assert response.text == "".join(texts)
    else:
        assert "".join(texts) == ""


@given(parts=st.lists(pieces, min_size=1, max_size=3))
def test_text_of_any_chunk(parts: list[dict[str, Any]]) -> None:
    """The text of a chunk never raises: a part without text, such as a function call, has none."""
    chunks = [
        {"candidates": [{"content": {"parts": parts}}]},
        {"candidates": [{"content": {"parts": [{"text": "."}]}}]},
    ]
    texts = [chunk.text for chunk in GenerateContentResponse.from_iterator(iter(chunks))]
    assert texts == ["\n".join(p["text"] for p in parts if p.get("text") and not p.get("thought")), "."]


def test_json_cut_at_the_token_limit() -> None:
    """The error of JSON that was cut at the token limit says so."""
    cut = {"candidates": [{"content": {"parts": [{"text": '{"a": '}]}, "finish_reason": "MAX_TOKENS"}]}
    with pytest.raises(
        ValueError, match=r"not JSON .*token limit \(finish reason MAX_TOKENS\): raise max_output_tokens"
    ):
        _ = GenerateContentResponse.from_response(Response(cut)).parsed
