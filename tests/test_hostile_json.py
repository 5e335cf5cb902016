"""JSON of responses and histories, and cassettes: every message can be written, any text is loaded or a ValueError."""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import Callable, Iterator
from math import inf, nan
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from genai_grpc import ChatSession, Client, GenerativeModel, protos
from genai_grpc.responses import AsyncGenerateContentResponse, GenerateContentResponse
from genai_grpc.testing import CassetteError, replay
from genai_grpc.testing._cassette_file import CallEnd, Event, RecordedCall, load, save
from genai_grpc.types import File
from genai_grpc_protos._json import from_json_dict, print_fields, to_json_dict, to_lossless_dict
from genai_grpc_protos.longrunning import Operation
from genai_grpc_protos.protobuf import Any as AnyMessage
from genai_grpc_protos.protobuf import Duration, Struct, Timestamp
from genai_grpc_protos.rpc import ErrorInfo, Status
from tests.test_chat_json import messages, serialized

MODEL = GenerativeModel(client=Client(endpoint="http://127.0.0.1:1"))
DEEP = 100_000
LARGEST = float.fromhex("0x1.fffffep+127")  # of 32 bits; protobuf does not read what it writes for it


def same(one: Any, other: Any) -> bool:
    """Whether two messages are equal, as serialized: NaN differs from itself."""
    return bool(one.SerializeToString(deterministic=True) == other.SerializeToString(deterministic=True))


# Writing: every message.


def call(value: Any) -> protos.GenerateContentResponse:
    """A response that calls a function with one argument, a Value."""
    response = protos.GenerateContentResponse()
    response.candidates.add().content.parts.add().function_call.args.fields["x"].CopyFrom(value)
    return response


@settings(max_examples=300, deadline=None)
@given(messages(protos.GenerateContentResponse))
def test_response(message: protos.GenerateContentResponse) -> None:
    """A response of any message can be shown and converted, and its JSON is read as an equal one."""
    for kind in (GenerateContentResponse, AsyncGenerateContentResponse):
        response: Any = kind.from_response(message)
        assert repr(response)
        json.loads(json.dumps(response.to_dict(), allow_nan=False))
        text = response.to_json()
        json.loads(text, parse_constant=pytest.fail)
        assert same(kind.from_json(text)._result, message)
    assert isinstance(repr(message), str)
    assert same(type(message).from_json(text), message)


@settings(max_examples=200, deadline=None)
@given(
    message=st.sampled_from(
        [protos.CachedContent, protos.File, protos.TunedModel, protos.Content, protos.Part, Operation, Status, Struct]
    ).flatmap(messages)
)
def test_message(message: Any) -> None:
    """Any message, with Any, Timestamp and Duration, can be written as JSON, which is read as an equal one."""
    assert isinstance(repr(message), str)
    json.dumps(to_json_dict(message, use_integers_for_enums=True), allow_nan=False)
    value = json.loads(json.dumps(to_lossless_dict(message), allow_nan=False))
    assert same(from_json_dict(type(message), value), message)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from([protos.CachedContent, protos.File, protos.TunedModel, protos.Content]).flatmap(messages))
@example(protos.TunedModel(temperature=LARGEST))
@example(protos.TunedModel(temperature=-LARGEST))
def test_conveniences(message: Any) -> None:
    """`to_dict` and `to_json` of messages never raise, and values that JSON does not have are read back."""
    type(message).to_dict(message)
    text = type(message).to_json(message)
    read = type(message).from_json(text)
    _, exact = print_fields(message)
    assert exact or same(read, message)


@pytest.mark.parametrize(
    ("number", "text"), [(nan, "NaN"), (inf, "Infinity"), (-inf, "-Infinity")], ids=["nan", "inf", "-inf"]
)
def test_numbers_that_json_does_not_have(number: float, text: str) -> None:
    """NaN and infinity among the arguments of a call are shown as their names, and read back as numbers."""
    message = call(protos.FunctionCall(args={"x": number}).args.fields["x"])
    response = GenerateContentResponse.from_response(message)
    (candidate,) = response.to_dict()["candidates"]
    assert candidate["content"]["parts"][0]["function_call"]["args"] == {"x": text}
    assert text in repr(response)
    assert same(GenerateContentResponse.from_json(response.to_json())._result, message)


def test_enum_names_and_defaults_beside_a_nan() -> None:
    """A NaN changes nothing in how the other fields are written."""
    message = call(protos.FunctionCall(args={"x": 1}).args.fields["x"])
    message.candidates[0].finish_reason = protos.Candidate.STOP
    message.candidates[0].safety_ratings.add(category=protos.HarmCategory.HARM_CATEGORY_HARASSMENT)
    expected = [to_json_dict(message), GenerateContentResponse.from_response(message).to_dict()]
    message.candidates[0].content.parts[0].function_call.args.fields["x"].number_value = nan
    found = [to_json_dict(message), GenerateContentResponse.from_response(message).to_dict()]
    for fields, name in zip(expected, ("functionCall", "function_call"), strict=True):
        fields["candidates"][0]["content"]["parts"][0][name]["args"]["x"] = "NaN"
    assert found == expected


@pytest.mark.parametrize(
    "message",
    [
        protos.CachedContent(expire_time=Timestamp(seconds=2**63 - 1, nanos=-1)),
        protos.CachedContent(ttl=Duration(seconds=-(2**63), nanos=2**31 - 1)),
        Status(details=[AnyMessage(type_url="type.googleapis.com/example.Unknown", value=b"\xff")]),
        Status(details=[AnyMessage(type_url="type.googleapis.com/google.rpc.ErrorInfo", value=b"\xff")]),
        Status(details=[AnyMessage(type_url="no url", value=b"\xff")]),
    ],
    ids=["timestamp", "duration", "unknown type", "invalid value", "no type"],
)
def test_values_that_json_does_not_have(message: Any) -> None:
    """A time out of range and an Any that cannot be unpacked are written, and read back."""
    assert same(from_json_dict(type(message), json.loads(json.dumps(to_lossless_dict(message)))), message)


@pytest.mark.parametrize("seconds", [2**63 - 1, -(2**63)])
def test_times(seconds: int) -> None:
    """A time that no datetime has is the nearest one, in whatever reads it."""
    from genai_grpc.caching import CachedContent

    time = Timestamp(seconds=seconds, nanos=-1)
    year = 9999 if seconds > 0 else 1
    cached = CachedContent.from_proto(protos.CachedContent(name="cachedContents/a", expire_time=time))
    assert cached.expire_time.year == year
    assert repr(cached)
    file = File(protos.File(name="files/a", expiration_time=time))
    assert file.expiration_time is not None
    assert file.expiration_time.year == year
    assert repr(file)


# Reading: any text.

TURN: dict[str, Any] = {
    "role": "model",
    "parts": [
        {"text": "Ja", "thought": True, "thoughtSignature": "c2ln"},
        {"functionCall": {"name": "f", "id": "1", "args": {"a": [1, {"b": None}]}}},
        {"inlineData": {"mimeType": "image/png", "data": "iVBORw=="}},
        {"videoMetadata": {"startOffset": "1.5s", "fps": 2}},
    ],
}
RESPONSE: dict[str, Any] = {
    "candidates": [{"content": TURN, "finishReason": "STOP", "index": 0, "avgLogprobs": -0.5}],
    "promptFeedback": {"blockReason": "SAFETY", "safetyRatings": [{"category": "HARM_CATEGORY_HARASSMENT"}]},
    "usageMetadata": {"totalTokenCount": 7},
    "responseId": "r",
}


def load_history(text: Any) -> Any:
    return ChatSession.from_json(MODEL, text).history


def load_turn(text: Any) -> Any:
    return protos.Content.from_json(text)


def load_response(text: Any) -> Any:
    response = GenerateContentResponse.from_json(text)
    repr(response), response.to_dict(), response.to_json()
    return response


LOADERS: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "history": (load_history, [TURN, {"role": "user", "parts": [{"text": "Hi"}]}]),
    "turn": (load_turn, TURN),
    "response": (load_response, RESPONSE),
}
loaders = st.sampled_from(list(LOADERS.values()))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)),  # lone surrogates
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(), values, max_size=3),
    max_leaves=8,
)
HOSTILE: list[Any] = [
    None, True, 0, -1, 2**31, 2**63, 10**400, 0.5, nan, inf, "", "no base64!", "c2ln=", "\ud800", "é", [], [[]], [None],
    [""], {}, {"": None}, {"@type": "x"}, {"@serialized": "?"}, {"text": "a", "functionCall": {}}, {"seconds": "x"},
]  # fmt: skip


def loads_or_value_error(loader: Callable[[Any], Any], text: Any) -> None:
    """Load a text; any exception but a ValueError with a message is raised."""
    try:
        loader(text)
    except ValueError as error:
        assert str(error)  # noqa: PT017 -- a text may be valid, too


@settings(max_examples=300, deadline=None)
@given(loaders, st.text() | st.binary())
def test_any_text(loader: Any, text: str | bytes) -> None:
    """Any str or bytes is loaded, or is a ValueError."""
    loads_or_value_error(loader[0], text)


@settings(max_examples=300, deadline=None)
@given(loaders, json_values, st.booleans())
@example(LOADERS["history"], {}, False)
@example(LOADERS["history"], [[]], False)
def test_any_json(loader: Any, value: Any, as_bytes: bool) -> None:
    """Any JSON is loaded, or is a ValueError."""
    text = json.dumps(value)
    loads_or_value_error(loader[0], text.encode() if as_bytes else text)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of each place in a JSON document."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from places(item, (*path, key))


def replaced(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    """A document with another value at one place."""
    if not path:
        return value
    changed = copy.deepcopy(document)
    at = changed
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    return changed


@pytest.mark.parametrize("name", LOADERS)
def test_wrong_type_at_every_place(name: str) -> None:
    """A valid document with a wrong value at any one place is loaded, or is a ValueError."""
    loader, document = LOADERS[name]
    loader(json.dumps(document))
    for path in places(document):
        for value in HOSTILE:
            loads_or_value_error(loader, json.dumps(replaced(document, path, value)))


@pytest.mark.parametrize("name", LOADERS)
@pytest.mark.parametrize("shape", ["[", '{"a":', '{"parts":[{"functionCall":{"args":{"a":', '[{"a":'])
@pytest.mark.parametrize("prefix", ["", "[", '{"parts": [{"functionCall": {"args": {"a": '])
def test_deep_nesting(name: str, shape: str, prefix: str) -> None:
    """JSON that is nested 100,000 levels deep is a ValueError."""
    closing = "".join({"[": "]", "{": "}"}[each] for each in reversed(prefix + shape * DEEP) if each in "[{")
    with pytest.raises(ValueError, match="nested too deeply|recursion|deep"):
        LOADERS[name][0](f"{prefix}{shape * DEEP}1{closing}")


@pytest.mark.parametrize("depth", [30, 50, 200, 900])
def test_nesting_within_limits_of_python(depth: int) -> None:
    """Arguments nested deeper than the wire allows are a ValueError, and others are loaded."""
    arguments = '{"a":' * depth + "1" + "}" * depth
    loads_or_value_error(load_turn, f'{{"parts": [{{"functionCall": {{"args": {arguments}}}}}]}}')


@pytest.mark.parametrize("depth", range(1, 47))
def test_nesting_within_limits_of_the_wire(depth: int) -> None:
    """Arguments as deep as a parser of the wire takes are written, and read back."""
    value = protos.FunctionCall(args={"x": nan}).args.fields["x"]
    for _ in range(depth):
        outer = type(value)()
        outer.list_value.values.add().CopyFrom(value)
        value = outer
    data = call(value).SerializeToString()
    try:
        message = protos.GenerateContentResponse.FromString(data)
    except Exception:  # protobuf's DecodeError: it did not come over the wire
        pytest.skip("deeper than the parser allows")
    response = GenerateContentResponse.from_response(message)
    assert repr(response)
    assert response.to_dict()
    assert same(GenerateContentResponse.from_json(response.to_json())._result, message)


def test_deep_answer() -> None:
    """An answer of JSON that is nested too deeply is a ValueError of `parsed`."""
    for kind in (None, dict[str, int]):
        message = protos.GenerateContentResponse()
        message.candidates.add().content.parts.add(text="[" * DEEP)
        with pytest.raises(ValueError, match="nested too deeply|not JSON"):
            _ = GenerateContentResponse.from_response(message, kind).parsed


@pytest.mark.parametrize("data", ["a", "iVBO Rw==", "iVBORw==AA", "iVBORw==?", "é", "iVBORx=="])
@pytest.mark.parametrize("name", LOADERS)
def test_invalid_base64(name: str, data: str) -> None:
    """Bytes that are not base64 are a ValueError that names their place, not other bytes."""
    loader, document = LOADERS[name]
    (path,) = [path for path in places(document) if path[-1:] == ("data",)]
    with pytest.raises(ValueError, match=r"parts\[2\]\.inlineData\.data takes bytes; got str, which is not base64"):
        loader(json.dumps(replaced(document, path, data)))


@pytest.mark.parametrize("data", ["iVBORw==", "iVBORw", "-_-_", "+/+/", ""])
def test_base64(data: str) -> None:
    """Base64 of either alphabet, with or without padding, is loaded."""
    expected = base64.urlsafe_b64decode(data.replace("+", "-").replace("/", "_") + "=" * (-len(data) % 4))
    turn = load_turn(json.dumps({"parts": [{"inlineData": {"data": data}}]}))
    assert turn.parts[0].inline_data.data == expected


def test_bytes_in_any() -> None:
    """An Any of a known type is read, and its fields are checked as others are."""
    value = {"details": [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "R"}]}
    details: Any = from_json_dict(Status, value).details
    assert details[0].value == ErrorInfo(reason="R").SerializeToString()
    content = "type.googleapis.com/google.ai.generativelanguage.v1beta.Blob"
    with pytest.raises(ValueError, match=r"Status\.details\[0\]\.data takes bytes"):
        from_json_dict(Status, {"details": [{"@type": content, "data": "?"}]})


def test_history_of_any_message() -> None:
    """A list of turns is a history; any other JSON is not."""
    for text in ("{}", "5", '"abc"', "null", "[5]", '["a"]', "[[]]", "[null]"):
        with pytest.raises(ValueError, match="cannot read a history, a JSON list of turns"):
            load_history(text)
    assert serialized(load_history("[]")) == []


# Cassettes.

METHOD = "/google.ai.generativelanguage.v1beta.GenerativeService/GenerateContent"
CASSETTE: list[dict[str, Any]] = [
    {"cassette": 1, "note": "x"},
    {"call": 1, "method": METHOD},
    {"call": 1, "after": 0.0, "request": {"model": "models/a", "contents": [TURN]}},
    {"call": 1, "after": 0, "request": None, "bytes": "CgA="},
    {"call": 1, "after": 0.5, "requests_end": True},
    {"call": 1, "after": 0.5, "reply": RESPONSE},
    {"call": 1, "after": 1, "status": "NOT_FOUND", "message": "no", "details_bytes": "CgA="},
    {"call": 2, "method": METHOD},
    {"call": 2, "after": 1, "cancelled": True},
]
# Characters at which str.splitlines splits, and JSON does not.
LINE_ENDS = "\u2028\u2029\x85\x0b\x1c"
FUZZING = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def load_cassette(path: Path, data: str | bytes) -> None:
    """Load a file as a cassette; any exception but CassetteError is raised."""
    path.write_bytes(data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data)
    try:
        load(path)
    except CassetteError as error:
        assert str(error)  # noqa: PT017 -- the file may be valid, too


@FUZZING
@given(data=st.binary() | st.text())
@example(data=b"\xff")
@example(data=b"")
def test_cassette_of_any_bytes(tmp_path: Path, data: str | bytes) -> None:
    """A file of any bytes is a cassette, or a CassetteError, which is a ValueError."""
    assert issubclass(CassetteError, ValueError)
    load_cassette(tmp_path / "a.jsonl", data)
    load_cassette(tmp_path / "a.jsonl", b'{"cassette": 1}\n' + (data.encode() if isinstance(data, str) else data))


def test_cassette_with_a_wrong_type_at_every_place(tmp_path: Path) -> None:
    """A cassette with a wrong value at any one place is loaded, or is a CassetteError."""
    path = tmp_path / "a.jsonl"
    for at in places(CASSETTE):
        for value in HOSTILE if at else ():
            load_cassette(path, "\n".join(map(json.dumps, replaced(CASSETTE, at, value))))
    path.write_text("\n".join(map(json.dumps, CASSETTE)))
    assert [call.end.code for call in load(path)] == ["NOT_FOUND", None]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "line 1"),
        (b"\xff\xfe", "is not UTF-8"),
        (b'{"cassette": 1}\n' + b"[" * DEEP, "line 2: the JSON is nested too deeply"),
        (b'{"cassette": 1}\n{"call": 1, "method": 5}', "'method' is 5; expected a str"),
        (
            b'{"cassette": 1}\n{"call": 1, "method": "/a/B"}\n{"call": 1, "after": NaN, "status": "OK"}',
            "'after' is a fin",
        ),
        (b'{"cassette": 1}\n{"call": 1, "method": "/a/B"}\n{"call": 1, "after": 0, "status": "NO"}', "the name 'NO'"),
    ],
)
def test_message_of_a_cassette_error(tmp_path: Path, data: bytes, message: str) -> None:
    """The error names what is wrong in the file."""
    path = tmp_path / "a.jsonl"
    path.write_bytes(data)
    with pytest.raises(CassetteError, match=message):
        replay(path)


@FUZZING
@given(text=st.text() | st.just(LINE_ENDS), message=messages(protos.GenerateContentResponse))
def test_recording_of_any_message(tmp_path: Path, text: str, message: protos.GenerateContentResponse) -> None:
    """A cassette of any messages is read as it was written, whatever line ends a text has and values JSON has not."""
    request = protos.GenerateContentRequest(contents=[protos.Content(parts=[protos.Part(text=text)])])
    events = [Event("request", request.SerializeToString(), 0.0), Event("reply", message.SerializeToString(), 0.0)]
    calls = [RecordedCall(METHOD, events, CallEnd("NOT_FOUND", text, b"\xff"))]
    save(tmp_path / "a.jsonl", calls)
    assert load(tmp_path / "a.jsonl") == calls
