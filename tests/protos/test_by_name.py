"""Messages of one API as those of the other."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from genai_grpc_protos import aiplatform_v1, v1beta
from genai_grpc_protos._by_name import convert
from genai_grpc_protos._convert import is_map, is_repeated, to_message

gemini: Any = v1beta  # enum values are given by name here, which the stubs do not take
vertex: Any = aiplatform_v1
SHARED = sorted(set(gemini.__all__) & set(vertex.__all__) - {"HarmCategory", "Modality", "Type"})
# Fields whose types differ, so that a value of one may have no counterpart: numbers that are fractions there.
WHOLE = {"top_k"}


def values(field: Any, target: Any, depth: int) -> st.SearchStrategy[Any] | None:
    """Values that both fields can have; None if there is none."""
    if field.message_type is not None:
        if is_map(field) or depth == 0 or field.message_type.full_name.startswith("google.protobuf."):
            return None
        if field.message_type.full_name == target.message_type.full_name:
            return None
        return messages(field.message_type, target.message_type, depth - 1)
    if field.enum_type is not None:
        shared = set(field.enum_type.values_by_name) & set(target.enum_type.values_by_name)
        # Zero is no value without presence, which a field may have on one side only.
        shared -= {field.enum_type.values[0].name}
        return st.sampled_from(sorted(shared)) if shared else None
    if field.name in WHOLE:
        return st.integers(1, 100)
    return {
        field.CPPTYPE_STRING: st.binary(min_size=1, max_size=5)
        if field.type == field.TYPE_BYTES
        else st.text(min_size=1, max_size=5),
        field.CPPTYPE_BOOL: st.just(value=True),
        field.CPPTYPE_DOUBLE: st.integers(1, 9),
        field.CPPTYPE_FLOAT: st.integers(1, 9),
    }.get(field.cpp_type, st.integers(1, 2**31 - 1))


def messages(source: Any, target: Any, depth: int = 2) -> st.SearchStrategy[dict[str, Any]]:
    """Dicts of the fields that two messages share."""
    fields: dict[str, st.SearchStrategy[Any]] = {}
    oneofs: set[str] = set()
    for field in source.fields:
        other = target.fields_by_name.get(field.name)
        if other is None or is_repeated(field) != is_repeated(other):
            continue
        if field.containing_oneof is not None and field.containing_oneof.name in oneofs:
            continue
        if (strategy := values(field, other, depth)) is not None:
            fields[field.name] = st.lists(strategy, max_size=2) if is_repeated(field) else strategy
            if field.containing_oneof is not None and len(field.containing_oneof.fields) > 1:
                oneofs.add(field.containing_oneof.name)
    return st.fixed_dictionaries({}, optional=fields)


@pytest.mark.parametrize("name", SHARED)
def test_there_and_back(name: str) -> None:
    """A message with fields that both APIs have is the same after it was one of the other API."""
    ours, theirs = getattr(gemini, name), getattr(vertex, name)

    @settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow])
    @given(fields=messages(ours.DESCRIPTOR, theirs.DESCRIPTOR))
    def check(fields: dict[str, Any]) -> None:
        message = ours(fields)
        other = to_message(theirs, message)
        assert type(other) is theirs
        assert to_message(ours, other) == message
        assert {field.name for field, _ in other.ListFields()} == {field.name for field, _ in message.ListFields()}

    check()


def test_numbers_differ() -> None:
    """Fields and enum values go by their names, whose numbers differ."""
    candidate = gemini.Candidate(finish_reason="SPII", index=1, content={"role": "model", "parts": [{"text": "Hi"}]})
    other = to_message(vertex.Candidate, candidate)
    assert (other.finish_reason.name, other.index, other.content.parts[0].text) == ("SPII", 1, "Hi")
    assert other.finish_reason != candidate.finish_reason


def test_nested_elsewhere() -> None:
    """A message corresponds to one of its name that is nested in another message."""
    config = vertex.GenerationConfig(thinking_config=gemini.ThinkingConfig(thinking_budget=3))
    assert config.thinking_config.thinking_budget == 3
    tool = to_message(vertex.Tool, gemini.Tool(code_execution={}))
    assert tool.HasField("code_execution")


def test_renamed() -> None:
    """Citations have another name there."""
    citations = gemini.CitationMetadata(citation_sources=[{"uri": "a", "start_index": 1}])
    other = to_message(vertex.CitationMetadata, citations)
    assert other.citations[0].uri == "a"
    assert to_message(gemini.CitationMetadata, other) == citations


def test_maps_and_well_known_types() -> None:
    """Maps of messages, Structs and empty messages are converted."""
    schema = gemini.Schema(type="OBJECT", properties={"a": {"type": "STRING", "nullable": True}})
    call = gemini.FunctionCall(name="f", args={"a": [1, {"b": None}]})
    assert to_message(gemini.Schema, to_message(vertex.Schema, schema)) == schema
    assert to_message(gemini.FunctionCall, to_message(vertex.FunctionCall, call)) == call


@pytest.mark.parametrize(
    ("cls", "value", "message"),
    [
        (
            gemini.Part,
            vertex.Part(text="x", media_resolution={"level": 1}),
            "media_resolution: the Gemini API has",
        ),
        (vertex.Part, gemini.Part(text="x", part_metadata={"a": 1}), "Part.part_metadata: Vertex AI has no such field"),
        (
            gemini.GenerationConfig,
            {"thinking_config": {"thinking_level": "LOW"}},
            "GenerationConfig.thinking_config.thinking_level: the Gemini API has no such field; Vertex AI has it",
        ),
        (gemini.GenerateContentRequest, {"labels": {}}, "labels: the Gemini API has no such field; Vertex AI has it"),
        (vertex.Tool, {"fileSearch": {}}, "fileSearch: Vertex AI has no such field; the Gemini API has it"),
        (vertex.Candidate, gemini.Candidate(finish_reason="LANGUAGE"), "Vertex AI has no LANGUAGE; the Gemini API has"),
        (
            vertex.Candidate,
            {"finish_reason": gemini.Candidate.FinishReason.LANGUAGE},
            "Vertex AI has no LANGUAGE; the Gemini API has it",
        ),
        (
            vertex.Candidate,
            {"finish_reason": "language"},
            "no FinishReason 'language'; the Gemini API has",
        ),
        (gemini.SafetySetting, {"category": "jailbreak"}, "has no HarmCategory 'jailbreak'; Vertex AI has it"),
        (vertex.GenerationConfig, {"no_such": 1}, "GenerationConfig has no field 'no_such'; its fields are"),
        (gemini.GenerationConfig, vertex.GenerationConfig(top_k=2.5), "top_k is an int; got 2.5"),
    ],
)
def test_refused(cls: Any, value: Any, message: str) -> None:
    """What the other API lacks is refused by name, with the API that has it."""
    with pytest.raises(ValueError, match=message):
        to_message(cls, value)


def test_ids_of_calls() -> None:
    """Vertex AI goes by the order of calls: their IDs are left out."""
    call = gemini.FunctionCall(id="1", name="f")
    assert to_message(vertex.FunctionCall, call) == vertex.FunctionCall(name="f")


def test_lenient() -> None:
    """A server leaves out what the other API lacks; an enum value that it lacks is OTHER."""
    candidate = gemini.Candidate(finish_reason="LANGUAGE", token_count=3, index=2)
    assert convert(candidate, vertex.Candidate, lenient=True) == vertex.Candidate(finish_reason="OTHER", index=2)


def test_members_of_other_enums() -> None:
    """A member of a Python enum goes by its name; a plain number is that of the API."""
    harassment = gemini.HarmCategory.HARM_CATEGORY_HARASSMENT
    assert to_message(vertex.SafetySetting, {"category": harassment}).category.name == "HARM_CATEGORY_HARASSMENT"
    assert to_message(vertex.SafetySetting, {"category": 3}).category.name == "HARM_CATEGORY_HARASSMENT"


def test_official_messages() -> None:
    """A message of the other API from Google's package, in another pool, is converted, too."""
    service = pytest.importorskip("google.ai.generativelanguage_v1beta")
    content = service.Content(role="user", parts=[{"text": "Hi"}])
    assert to_message(vertex.Content, content) == vertex.Content(role="user", parts=[{"text": "Hi"}])
