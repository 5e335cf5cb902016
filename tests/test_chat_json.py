"""Histories of chats as JSON: nothing is lost."""

from __future__ import annotations

import base64
import json
from math import inf, nan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genai_grpc import ChatSession, Client, GenerativeModel, protos
from genai_grpc_protos._pool import message_class

MODEL = GenerativeModel(client=Client(endpoint="http://127.0.0.1:1"))
# Fields 1000 and 1001 are of a newer version of the API: a number and a message.
UNKNOWN = b"\xc0>\x07", b"\xca>\x02\x08\x07"

scalars: Any = {
    "TYPE_BOOL": st.booleans(),
    "TYPE_BYTES": st.binary(max_size=5),
    "TYPE_DOUBLE": st.floats(),
    "TYPE_FLOAT": st.floats(width=32),
    "TYPE_ENUM": st.integers(0, 99) | st.integers(-(2**31), 2**31 - 1),
    "TYPE_INT32": st.integers(-(2**31), 2**31 - 1),
    "TYPE_INT64": st.integers(-(2**63), 2**63 - 1),
    "TYPE_STRING": st.text(max_size=5),
}


def is_repeated(field: Any) -> bool:
    """Whether a field is repeated; protobuf 6.31 added `is_repeated` and deprecated `label`."""
    return bool(field.is_repeated if hasattr(field, "is_repeated") else field.label == field.LABEL_REPEATED)


@st.composite
def messages(draw: st.DrawFn, message_type: Any, depth: int = 6) -> Any:
    """A message with any of its fields, at any depth, and with fields that this version does not know."""
    message = message_type()
    fields = [field for field in message.DESCRIPTOR.fields if depth or field.message_type is None]
    for field in draw(st.lists(st.sampled_from(fields), max_size=3)) if fields else ():
        if field.message_type is None:
            value = next(strategy for name, strategy in scalars.items() if getattr(field, name) == field.type)
        elif field.message_type.GetOptions().map_entry:
            entry = field.message_type.fields_by_name
            item = messages(message_class(entry["value"].message_type.full_name), depth - 1)
            for key in draw(st.lists(st.text(max_size=3), max_size=2)):
                getattr(message, field.name)[key].CopyFrom(draw(item))
            continue
        else:
            value = messages(message_class(field.message_type.full_name), depth - 1)
        if is_repeated(field):
            getattr(message, field.name).extend(draw(st.lists(value, max_size=2)))
        elif field.message_type is None:
            setattr(message, field.name, draw(value))
        else:
            getattr(message, field.name).CopyFrom(draw(value))
    message.MergeFromString(draw(st.sampled_from([b"", b"", b"", *UNKNOWN])))
    return message


def serialized(history: list[protos.Content]) -> list[bytes]:
    """What two equal histories have in common: NaN differs from itself."""
    return [turn.SerializeToString(deterministic=True) for turn in history]


def reread(history: list[protos.Content]) -> list[protos.Content]:
    """The history of a chat that was written as JSON and read again."""
    chat = MODEL.start_chat()
    chat.history.extend(history)
    return ChatSession.from_json(MODEL, chat.to_json()).history


@given(st.lists(messages(protos.Content), max_size=3))
def test_nothing_is_lost(history: list[protos.Content]) -> None:
    """A history is the same after it was written as JSON and read again, whatever its messages hold."""
    assert serialized(reread(history)) == serialized(history)


@pytest.mark.parametrize("number", [nan, inf, -inf])
def test_numbers_that_json_does_not_have(number: float) -> None:
    """NaN and infinity in arguments and in other fields are kept, and the text is JSON of any reader."""
    turn = protos.Content(role="model", parts=[protos.Part(function_call={"name": "f", "args": {"x": number}})])
    turn.parts.add(video_metadata={"fps": number})
    chat = MODEL.start_chat(history=[turn])
    json.loads(chat.to_json(), parse_constant=pytest.fail)
    assert serialized(ChatSession.from_json(MODEL, chat.to_json()).history) == serialized([turn])


@pytest.mark.parametrize("field", UNKNOWN)
def test_unknown_fields(field: bytes) -> None:
    """The fields of a newer version are kept, and what this version knows can be read in the JSON."""
    turn = protos.Content(role="user", parts=[protos.Part(text="Hi")])
    turn.parts[0].MergeFromString(field)
    (written,) = json.loads(MODEL.start_chat(history=[turn]).to_json())
    assert (written["role"], written["parts"]) == ("user", [{"text": "Hi"}])
    assert base64.b64decode(written["@serialized"]) == turn.SerializeToString()
    assert reread([turn]) == [turn]


def test_protobuf_json() -> None:
    """A turn without such values is protobuf's JSON, which is also what earlier versions wrote."""
    text = '[{"role": "model", "parts": [{"text": "Ja", "thoughtSignature": "c2ln"}, {"functionCall": {"name": "f"}}]}]'
    chat = ChatSession.from_json(MODEL, text)
    assert chat.history[0].parts[0].thought_signature == b"sig"
    assert json.loads(chat.to_json()) == json.loads(text)


def test_turn_without_role() -> None:
    """A last turn without a role stays without one."""
    assert reread([protos.Content(parts=[protos.Part(text="Hi")])])[0].role == ""


@pytest.mark.parametrize("serialized", ["3", '"no base64"', '"/w=="', "[]"])
def test_invalid_serialized_turn(serialized: str) -> None:
    """A serialized turn that is not one is refused."""
    with pytest.raises(ValueError, match="cannot read a history, .*: @serialized is not the base64 of a Content"):
        ChatSession.from_json(MODEL, f'[{{"@serialized": {serialized}}}]')


def test_writing_keeps_the_bytes_of_the_chat() -> None:
    """A chat is not serialized again after it was written: nothing can have edited its turns."""
    chat = MODEL.start_chat(history=[{"role": "user", "parts": "Hi"}, {"role": "model", "parts": "Hello"}])
    chat.to_json()
    assert chat._serialized is not None
    assert ChatSession.from_json(MODEL, chat.to_json())._serialized is not None
