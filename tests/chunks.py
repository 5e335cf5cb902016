"""Chunks of responses, for tests."""

from __future__ import annotations

from typing import Any

from genai_grpc import protos


def make_chunk(
    *parts: dict[str, Any], role: str = "model", index: int = 0, **fields: Any
) -> protos.GenerateContentResponse:
    """A chunk with one candidate of these parts; `fields` are the candidate's."""
    chunk = protos.GenerateContentResponse()
    candidate = chunk.candidates.add(index=index, **fields)
    candidate.content.role = role
    candidate.content.parts.extend(protos.Part(**part) for part in parts)
    return chunk
