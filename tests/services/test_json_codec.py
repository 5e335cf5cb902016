"""The tables that write and read the JSON of messages, against protobuf's own writer and reader."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from genai_grpc import protos
from genai_grpc._services import json_codec
from genai_grpc._services.json_codec import Unusual, read_fields, write_fields
from genai_grpc._services.transcoding import from_json, to_json
from genai_grpc_protos._convert import is_map
from genai_grpc_protos._json import from_json_dict, to_json_dict
from genai_grpc_protos.protobuf import Struct
from tests.services.test_generative_language import METHODS
from tests.services.test_transcoding import messages

TYPES = sorted({side for method in METHODS.values() for side in (method.request, method.response)}, key=str)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**40), 2**40)
    | st.floats(allow_nan=False, width=32)
    | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


def slow(message_type: Any, value: Any) -> Any:
    """What protobuf reads, or its error."""
    try:
        return from_json_dict(message_type, value, ignore_unknown_fields=True)
    except ValueError as error:
        return str(error)


def fast(message_type: Any, value: Any) -> Any:
    """What a reply is read as, or the error."""
    try:
        return from_json(message_type, json.dumps(value).encode())
    except ValueError as error:
        return str(error)


@pytest.mark.parametrize("message_type", TYPES, ids=lambda each: each.DESCRIPTOR.name)
@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.data())
def test_same_as_protobuf(message_type: Any, data: st.DataObject) -> None:
    """A message is written as protobuf writes it, and read as protobuf reads it."""
    message = data.draw(messages(message_type))
    written = to_json_dict(message)
    assert json.loads(to_json(message)) == json.loads(json.dumps(written))
    assert from_json(message_type, json.dumps(written).encode()) == message


@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_other_json(data: st.DataObject) -> None:
    """JSON that is not that of a message is read, or refused, as by protobuf."""
    message = data.draw(messages(protos.GenerateContentResponse))
    value = to_json_dict(message)
    target: Any = value
    while True:  # replace, or add, a value somewhere in it
        keys = list(target) if isinstance(target, dict) else list(range(len(target)))
        key = data.draw(st.sampled_from([*keys, "unknown", "model_version", "candidates"])) if keys else "unknown"
        if key in keys and isinstance(target[key], (dict, list)) and data.draw(st.booleans()):
            target = target[key]
            continue
        if isinstance(target, dict):
            target[str(key)] = data.draw(JSON)
        elif keys and isinstance(key, int):
            target[key] = data.draw(JSON)
        break
    assert fast(protos.GenerateContentResponse, value) == slow(protos.GenerateContentResponse, value)


@given(st.dictionaries(st.text(max_size=5), JSON, max_size=4))
def test_struct(value: dict[str, Any]) -> None:
    """The arguments of a function call are those of protobuf's JSON."""
    call = {"functionCall": {"name": "f", "args": value}}
    expected = slow(protos.Part, call)
    assert fast(protos.Part, call) == expected
    assert json.loads(to_json(expected)) == json.loads(json.dumps(to_json_dict(expected)))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"candidates": [{"avgLogprobs": float("inf")}]}, '"Infinity"'),
        ({"candidates": [{"finish_reason": 99}]}, "99"),
        ({"candidates": [{"content": {"parts": [{"function_call": {"args": {"a": float("nan")}}}]}}]}, "NaN"),
    ],
)
def test_left_to_protobuf(value: dict[str, Any], text: str) -> None:
    """Values that JSON has no form of are written as protobuf, or this package's writer, writes them."""
    [candidate] = value["candidates"]
    message = protos.GenerateContentResponse(candidates=[{}])
    if "avgLogprobs" in candidate:
        message.candidates[0].avg_logprobs = candidate["avgLogprobs"]
    elif "finish_reason" in candidate:
        message.candidates[0].finish_reason = 99  # type: ignore[assignment]
    else:
        arguments = Struct()
        arguments.fields["a"].number_value = float("nan")
        message.candidates[0].content.parts.add().function_call.args.CopyFrom(arguments)
    with pytest.raises(Unusual):
        write_fields(message)
    assert text in to_json(message).decode()


@pytest.mark.parametrize(
    "value",
    [
        7,
        {"candidates": {}},
        {"candidates": [{"finishReason": "NEW_REASON"}]},
        {"candidates": [{"content": {"parts": [{"text": "a", "functionCall": {}}]}}]},
        {"modelVersion": "a", "model_version": "b"},
        {"usageMetadata": {"promptTokenCount": "12"}},
        {"@serialized": ""},
    ],
)
def test_not_read(value: Any) -> None:
    """What protobuf decides about is not read by the tables, or is what they leave out."""
    if value == {"@serialized": ""}:
        assert read_fields(protos.GenerateContentResponse, value) == {}
        return
    with pytest.raises(Unusual):
        read_fields(protos.GenerateContentResponse, value)


SCHEMA = {
    "type": "OBJECT",
    "properties": {"a": {"type": "ARRAY", "items": {"type": "STRING"}, "maxItems": "3"}, "b": {"enum": ["x"]}},
    "default": {"deep": [1.5, None]},
}


@pytest.mark.parametrize(
    ("message_type", "value"),
    [
        (protos.FunctionDeclaration, {"name": "f", "parameters": SCHEMA}),
        (protos.Schema, SCHEMA),
        (protos.TuningSnapshot, {"step": 1, "meanLoss": 0.1, "computeTime": "2026-01-01T00:00:00.5Z"}),
        (protos.CachedContent, {"ttl": "3.5s", "contents": [{"parts": [{"inlineData": {"data": "-_8="}}]}]}),
        (protos.ContentEmbedding, {"values": [0.1, 1 / 3, 1e-9, -2.5]}),
        (protos.CustomMetadata, {"key": "k", "stringListValue": {"values": ["a"]}}),
    ],
)
def test_forms(message_type: Any, value: Any) -> None:
    """Maps, well-known types and bytes are read and written as by protobuf."""
    message = fast(message_type, value)
    assert message == slow(message_type, value)
    assert not isinstance(message, str)
    assert json.loads(to_json(message)) == json.loads(json.dumps(to_json_dict(message)))


@pytest.mark.parametrize("name", sorted(protos.__all__))
def test_maps(name: str) -> None:
    """Maps are told from messages without the options of their entries."""
    if (descriptor := getattr(getattr(protos, name), "DESCRIPTOR", None)) is not None and hasattr(descriptor, "fields"):
        for field in descriptor.fields:
            assert json_codec._is_map(field) == is_map(field)
