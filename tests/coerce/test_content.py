from __future__ import annotations

import base64
import copy
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from genai_grpc import protos
from genai_grpc._coerce.content import to_content, to_contents, to_part, to_system_instruction

PNG = b"\x89PNG\r\n\x1a\n and so on"
BLOB = protos.Blob(mime_type="image/png", data=PNG)
CALL = protos.FunctionCall(name="add")
CALL.args.update({"a": 1})
ANSWER = protos.FunctionResponse(name="add")
ANSWER.response.update({"sum": 3})
LINK = protos.FileData(mime_type="video/mp4", file_uri="files/1")
CODE = protos.ExecutableCode(language=protos.ExecutableCode.PYTHON, code="1 + 1")
RESULT = protos.CodeExecutionResult(outcome=protos.CodeExecutionResult.OUTCOME_OK, output="2")

PARTS = (
    pytest.param("Hi", protos.Part(text="Hi"), id="str"),
    pytest.param("", protos.Part(text=""), id="empty str"),
    pytest.param(protos.Part(text="Hi"), protos.Part(text="Hi"), id="Part"),
    pytest.param(BLOB, protos.Part(inline_data=BLOB), id="Blob"),
    pytest.param(LINK, protos.Part(file_data=LINK), id="FileData"),
    pytest.param(
        protos.File(name="files/1", uri="files/1", mime_type="video/mp4"), protos.Part(file_data=LINK), id="File"
    ),
    pytest.param(CALL, protos.Part(function_call=CALL), id="FunctionCall"),
    pytest.param(ANSWER, protos.Part(function_response=ANSWER), id="FunctionResponse"),
    pytest.param(CODE, protos.Part(executable_code=CODE), id="ExecutableCode"),
    pytest.param(RESULT, protos.Part(code_execution_result=RESULT), id="CodeExecutionResult"),
    pytest.param({"text": "Hi"}, protos.Part(text="Hi"), id="dict of text"),
    pytest.param({"text": "Hi", "inline_data": None}, protos.Part(text="Hi"), id="None in a dict is absent"),
    pytest.param({"mime_type": "image/png", "data": PNG}, protos.Part(inline_data=BLOB), id="dict of a Blob"),
    pytest.param(
        {"mime_type": "image/png", "data": base64.b64encode(PNG).decode()},
        protos.Part(inline_data=BLOB),
        id="dict of a Blob in base64",
    ),
    pytest.param({"mimeType": "image/png", "data": PNG}, protos.Part(inline_data=BLOB), id="camelCase dict of a Blob"),
    pytest.param({"inline_data": BLOB}, protos.Part(inline_data=BLOB), id="inline_data"),
    pytest.param(
        {"inlineData": {"mimeType": "image/png", "data": PNG}}, protos.Part(inline_data=BLOB), id="camelCase inlineData"
    ),
    pytest.param({"file_data": LINK}, protos.Part(file_data=LINK), id="file_data"),
    pytest.param(
        {"file_data": protos.File(uri="files/1", mime_type="video/mp4")}, protos.Part(file_data=LINK), id="File in dict"
    ),
    pytest.param(
        {"file_data": {"name": "files/1", "uri": "files/1", "mime_type": "video/mp4"}},
        protos.Part(file_data=LINK),
        id="dict of a File in dict",
    ),
    pytest.param({"function_call": {"name": "add", "args": {"a": 1}}}, protos.Part(function_call=CALL), id="call dict"),
    pytest.param(
        {"function_response": {"name": "add", "response": {"sum": 3}}},
        protos.Part(function_response=ANSWER),
        id="response dict",
    ),
    pytest.param(
        {"executable_code": {"language": "python", "code": "1 + 1"}}, protos.Part(executable_code=CODE), id="code dict"
    ),
    pytest.param(
        {"code_execution_result": {"outcome": "OUTCOME_OK", "output": "2"}},
        protos.Part(code_execution_result=RESULT),
        id="result dict",
    ),
    pytest.param(
        {"text": "Hm", "thought": True, "thought_signature": b"\x01"},
        protos.Part(text="Hm", thought=True, thought_signature=b"\x01"),
        id="thought",
    ),
    pytest.param(
        {"file_data": LINK, "video_metadata": {"fps": 2.0}},
        protos.Part(file_data=LINK, video_metadata=protos.VideoMetadata(fps=2.0)),
        id="video_metadata beside",
    ),
)


@pytest.mark.parametrize(("value", "expected"), PARTS)
def test_part(value: Any, expected: protos.Part) -> None:
    """A part is made of each of the forms that a person may pass."""
    assert to_part(value) == expected


@pytest.mark.parametrize(("value", "expected"), PARTS)
def test_the_same_part_alone_in_a_list_and_in_a_turn(value: Any, expected: protos.Part) -> None:
    """Whatever makes a part makes a user's turn, alone, in a list, or as the parts of a turn."""
    turn = protos.Content(role="user", parts=[expected])
    forms = [[value], (item for item in [value]), {"parts": value}, {"role": "user", "parts": [value]}]
    if value != "":
        forms.append(value)
    assert [to_contents(form) for form in forms] == [[turn]] * len(forms)


@pytest.mark.parametrize(("value", "expected"), PARTS)
def test_the_callers_objects_stay_as_they_are(value: Any, expected: protos.Part) -> None:
    """Coercion changes nothing that it is given, however deep."""
    turns: list[Any] = [{"role": "model", "parts": [value]}, {"parts": [value, value]}]
    before = copy.deepcopy(turns)
    to_contents(turns)
    to_contents([value])
    assert turns == before


def test_path(tmp_path: Path) -> None:
    """A Path is its file's bytes, with the MIME type of its name."""
    path = tmp_path / "a.png"
    path.write_bytes(PNG)
    assert to_part(path) == to_part({"inline_data": path}) == protos.Part(inline_data=BLOB)


USER = protos.Content(role="user", parts=[protos.Part(text="Hi")])
MODEL = protos.Content(role="model", parts=[protos.Part(text="Hello")])
BARE = protos.Content(parts=[protos.Part(text="Hi")])

CONVERSATIONS = (
    pytest.param("Hi", [USER], id="str"),
    pytest.param(USER, [USER], id="Content"),
    pytest.param(BARE, [USER], id="Content without a role"),
    pytest.param({"role": "model", "parts": "Hello"}, [MODEL], id="dict with a str as parts"),
    pytest.param({"parts": ["Hi"]}, [USER], id="dict without a role"),
    pytest.param([USER, MODEL], [USER, MODEL], id="list of Contents"),
    pytest.param((turn for turn in (USER, MODEL)), [USER, MODEL], id="generator of Contents"),
    pytest.param([{"role": "user", "parts": ["Hi"]}, MODEL], [USER, MODEL], id="dicts and Contents"),
    pytest.param([MODEL, BARE], [MODEL, USER], id="the last without a role becomes the user's"),
    pytest.param([BARE, MODEL], [BARE, MODEL], id="a role is given to none but the last"),
    pytest.param(
        protos.GenerateContentRequest(contents=[USER, MODEL]).contents, [USER, MODEL], id="repeated field of a message"
    ),
    pytest.param(
        ["Hi", {"text": "there"}, BLOB],
        [
            protos.Content(
                role="user", parts=[protos.Part(text="Hi"), protos.Part(text="there"), protos.Part(inline_data=BLOB)]
            )
        ],
        id="list of mixed parts",
    ),
    pytest.param({"role": "user", "parts": []}, [protos.Content(role="user")], id="a turn that says it has no parts"),
)


@pytest.mark.parametrize(("value", "expected"), CONVERSATIONS)
def test_contents(value: Any, expected: list[protos.Content]) -> None:
    """Items that are all turns are a conversation; anything else is the parts of one turn of the user."""
    assert to_contents(value) == expected


def test_a_role_is_given_to_a_copy() -> None:
    """The last turn gets its role on a copy; the caller's message keeps none."""
    turn = protos.Content(parts=[protos.Part(text="Hi")])
    to_contents([turn])
    assert turn.role == ""


@pytest.mark.parametrize(
    ("name", "fields", "expected"),
    [
        pytest.param("Part", {"text": "Hi"}, protos.Part(text="Hi"), id="Part"),
        pytest.param("Blob", {"mime_type": "image/png", "data": PNG}, protos.Part(inline_data=BLOB), id="Blob"),
        pytest.param("File", {"uri": "files/1", "mime_type": "video/mp4"}, protos.Part(file_data=LINK), id="File"),
        pytest.param(
            "FunctionCall", {"name": "f"}, protos.Part(function_call=protos.FunctionCall(name="f")), id="FunctionCall"
        ),
    ],
)
def test_foreign_parts(foreign: Callable[[str], Any], name: str, fields: Any, expected: protos.Part) -> None:
    """A message of another package is as good as ours of that name."""
    assert to_part(foreign(name)(**fields)) == expected


def test_foreign_contents(foreign: Callable[[str], Any]) -> None:
    """Turns of another package make a conversation, beside ours and dicts."""
    theirs = foreign("Content")(role="user", parts=[{"text": "Hi"}])
    assert to_contents(theirs) == [USER]
    assert to_contents([theirs, MODEL, {"role": "user", "parts": "Hi"}]) == [USER, MODEL, USER]


def test_proto_plus(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a proto-plus object wraps is taken, where the program has imported that package."""

    class Plus:
        def __init__(self, message: Any) -> None:
            self.message = message

        @classmethod
        def pb(cls, value: Any) -> Any:
            return value.message

    monkeypatch.setitem(__import__("sys").modules, "proto", SimpleNamespace(Message=Plus))
    assert to_contents(Plus(USER)) == to_contents([Plus(USER)]) == [USER]
    assert to_part(Plus(BLOB)) == protos.Part(inline_data=BLOB)


@pytest.mark.parametrize("value", [None, "", b"", [], (), {}, iter(()), protos.Part(), protos.Content()], ids=repr)
def test_empty_contents(value: Any) -> None:
    """Contents with nothing in them are refused, and the error says what to pass."""
    with pytest.raises(TypeError, match=r"contents must not be empty; pass a str, an image"):
        to_contents(value)


@pytest.mark.parametrize("value", [None, "", [], {}], ids=repr)
def test_empty_turn(value: Any) -> None:
    """A turn with nothing in it is refused."""
    with pytest.raises(TypeError, match="a turn must not be empty"):
        to_content(value)


@pytest.mark.parametrize(
    ("value", "error", "words"),
    [
        pytest.param(3, TypeError, "cannot make a Part from int; pass a str, an image", id="int"),
        pytest.param([3], TypeError, "cannot make a Part from int", id="int in a list"),
        pytest.param([["a"]], TypeError, "cannot make a Part from list", id="list in a list"),
        pytest.param([None], TypeError, "cannot make a Part from NoneType", id="None in a list"),
        pytest.param(b"abc", TypeError, "bytes need their MIME type", id="bytes"),
        pytest.param(bytearray(b"abc"), TypeError, "bytes need their MIME type", id="bytearray"),
        pytest.param([memoryview(b"abc")], TypeError, "bytes need their MIME type", id="memoryview"),
        pytest.param(protos.Model(name="m"), TypeError, "cannot make a Part from Model", id="another message"),
        pytest.param([USER, "Hi"], TypeError, "list of turns .* only, or of parts only", id="turn among parts"),
        pytest.param([{"parts": "Hi"}, "Hi"], TypeError, "list of turns .* only, or of parts only", id="dict turn"),
        pytest.param(
            {"txt": "Hi"}, ValueError, r"\['txt'\] is: a Content has 'parts', a Part 'text'", id="no known key"
        ),
        pytest.param({"text": "Hi", "x": 1}, ValueError, "Part has no field 'x'; its fields are .*text", id="Part key"),
        pytest.param({"parts": "Hi", "rôle": "user"}, ValueError, "Content has no field 'rôle'; its .*role", id="key"),
        pytest.param(
            {"mime_type": "image/png", "data": PNG, "name": "x"}, ValueError, "Blob has no field 'name'", id="Blob key"
        ),
        pytest.param({"mime_type": "text/plain", "data": "Hi"}, TypeError, "Blob.data takes bytes; got str", id="data"),
        pytest.param(
            {"inline_data": {"mime_type": "image/png"}}, ValueError, r"got the keys \['mime_type'\]", id="half a Blob"
        ),
        pytest.param({"text": 3}, TypeError, "Part.text takes a str; got int", id="text"),
        pytest.param({"text": "\ud800"}, ValueError, r"Part\.text: .*ud800", id="lone surrogate"),
        pytest.param({"inline_data": "Hi"}, TypeError, "Part.inline_data: cannot make a Blob from str", id="no Blob"),
        pytest.param({"inline_data": LINK}, TypeError, "cannot make a Blob from FileData", id="FileData for a Blob"),
        pytest.param({"file_data": BLOB}, TypeError, "cannot make a FileData from Blob", id="Blob for a FileData"),
        pytest.param({"parts": None}, TypeError, "cannot make a Part from NoneType", id="no parts"),
        pytest.param({"role": 3, "parts": "Hi"}, TypeError, "Content.role takes a str; got int", id="role"),
    ],
)
def test_refusals(value: Any, error: type[Exception], words: str) -> None:
    """What no content can be made of is refused with what came and what to pass."""
    with pytest.raises(error, match=words):
        to_contents(value)


def test_system_instruction() -> None:
    """A system instruction is a turn without a role, and may be absent."""
    assert to_system_instruction(None) is None
    assert to_system_instruction("Hi") == to_system_instruction(["Hi"]) == BARE
    assert to_system_instruction(USER) == USER
