from __future__ import annotations

import enum
import re
from collections import UserDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from genai_grpc import protos
from genai_grpc._coerce.content import TurnParts, to_contents, to_turn_sources
from genai_grpc._coerce.media import BlobData
from genai_grpc._coerce.part_source import Kind, classify, part_message, to_part_source

DATA = b"\x01\x02"
BLOB = protos.Blob(mime_type="image/png", data=DATA)
TURN = protos.Content(role="model", parts=[protos.Part(text="Hello")])


class Greeting(str, enum.Enum):
    HI = "Hi"


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("Hi", "text"),
        ("", "text"),
        (Greeting.HI, "text"),
        (b"Hi", "bytes"),
        (bytearray(b"Hi"), "bytes"),
        (memoryview(b"Hi"), "bytes"),
        (Path("image.png"), "path"),
        ({}, "dict"),
        ({"text": "Hi"}, "dict"),
        (UserDict(text="Hi"), "dict"),
        ({"parts": "Hi"}, "turn"),
        (UserDict(parts="Hi"), "turn"),
        (TURN, "turn"),
        (protos.Part(), "message"),
        (BLOB, "message"),
        (protos.Model(), "message"),
        ([], "sequence"),
        ((), "sequence"),
        (iter(()), "sequence"),
        (protos.Content().parts, "sequence"),
        (None, "other"),
        (3, "other"),
    ],
    ids=lambda value: re.sub(r" at 0x\w+", "", repr(value)),  # the same in every process
)
def test_classify(value: Any, kind: Kind) -> None:
    """A value has one kind, and is returned with it."""
    assert classify(value) == (kind, value)


@pytest.mark.parametrize(("name", "kind"), [("Content", "turn"), ("Part", "message"), ("Blob", "message")])
def test_classify_message_of_another_pool(name: str, kind: Kind, other_pool: Callable[[str], Any]) -> None:
    """A message of another pool has the kind of ours."""
    value = other_pool(name)()
    assert classify(value) == (kind, value)


@pytest.mark.parametrize(
    ("value", "source"),
    [
        pytest.param("Hi", "Hi", id="str"),
        pytest.param({"mime_type": "image/png", "data": DATA}, BlobData("image/png", DATA), id="dict of a Blob"),
        pytest.param({"mimeType": "image/png", "data": DATA}, BLOB, id="dict of a Blob in camelCase"),
        pytest.param({"mime_type": "image/png", "data": "AQI="}, BLOB, id="dict of a Blob with base64"),
        pytest.param(BLOB, BLOB, id="Blob"),
        pytest.param({"text": "Hi"}, protos.Part(text="Hi"), id="dict of a Part"),
        pytest.param(protos.Part(text="Hi"), protos.Part(text="Hi"), id="Part"),
        pytest.param(
            protos.FileData(file_uri="files/1"),
            protos.Part(file_data=protos.FileData(file_uri="files/1")),
            id="other message",
        ),
    ],
)
def test_to_part_source(value: Any, source: Any) -> None:
    """A part is reduced to text, the data of a Blob, a Blob or a Part."""
    result = to_part_source(*classify(value))
    assert result == source
    assert type(result) is type(source)


@pytest.mark.parametrize(
    ("source", "part"),
    [
        pytest.param("Hi", protos.Part(text="Hi"), id="text"),
        pytest.param(BlobData("image/png", DATA), protos.Part(inline_data=BLOB), id="data of a Blob"),
        pytest.param(BLOB, protos.Part(inline_data=BLOB), id="Blob"),
        pytest.param(protos.Part(thought=True), protos.Part(thought=True), id="Part"),
    ],
)
def test_part_message(source: Any, part: protos.Part) -> None:
    """Each form of source becomes a Part."""
    assert part_message(source) == part


def test_objects_are_not_copied() -> None:
    """The data of a dict and the messages of the caller are used as they are."""
    part = protos.Part(text="Hi")
    source = to_part_source(*classify({"mime_type": "image/png", "data": DATA}))
    assert isinstance(source, BlobData)
    assert source.data is DATA
    assert to_part_source(*classify(BLOB)) is BLOB
    assert to_part_source(*classify(part)) is part
    assert to_turn_sources([TURN])[0] is TURN
    assert to_contents([TURN])[0] is TURN


@pytest.mark.parametrize(
    ("value", "turns"),
    [
        pytest.param("Hi", [TurnParts("user", ["Hi"])], id="text"),
        pytest.param(["Hi", BLOB], [TurnParts("user", ["Hi", BLOB])], id="parts"),
        pytest.param(TURN, [TURN], id="Content"),
        pytest.param([TURN, {"parts": "Hi"}], [TURN, TurnParts("user", ["Hi"])], id="turns"),
        pytest.param([{"parts": "Hi"}, TURN], [TurnParts("", ["Hi"]), TURN], id="first turn without a role"),
        pytest.param({"role": "model", "parts": ["Hello"]}, [TurnParts("model", ["Hello"])], id="dict of a turn"),
        pytest.param(
            protos.Content(parts=TURN.parts), [TurnParts("user", list(TURN.parts))], id="Content without a role"
        ),
    ],
)
def test_to_turn_sources(value: Any, turns: list[Any]) -> None:
    """Contents are reduced to turns, each a Content or a role with the sources of its parts."""
    assert to_turn_sources(value) == turns
