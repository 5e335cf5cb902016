from __future__ import annotations

import base64
import datetime
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from google.protobuf import duration_pb2, struct_pb2, timestamp_pb2

from genai_grpc import protos
from genai_grpc._coerce.content import to_contents
from genai_grpc_protos._convert import field_of, to_message

Type = protos.Type
SCHEMA = protos.Schema(
    type=Type.OBJECT,
    properties={"name": protos.Schema(type=Type.STRING, format="enum", enum=["a", "b"], nullable=True)},
    required=["name"],
)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(SCHEMA, id="itself"),
        pytest.param(
            {
                "type": "object",
                "properties": {"name": {"type": "string", "format": "enum", "enum": ["a", "b"], "nullable": True}},
                "required": ["name"],
            },
            id="field names, enum names in lower case",
        ),
        pytest.param(
            {
                "type_": "OBJECT",
                "properties": {"name": {"type_": Type.STRING, "format_": "enum", "enum": ("a", "b"), "nullable": True}},
                "required": {"name": None}.keys(),
            },
            id="trailing underscores, enum names and numbers",
        ),
        pytest.param(
            {"type": 6, "properties": {"name": SCHEMA.properties["name"]}, "required": ["name"], "title": None},
            id="a message in a dict, None for absent",
        ),
    ],
)
def test_schema(value: Any) -> None:
    """A dict may use any common spelling of fields and enum values."""
    assert to_message(protos.Schema, value) == SCHEMA


def test_message_is_not_copied() -> None:
    """A message of the requested class is returned as it is."""
    assert to_message(protos.Schema, SCHEMA) is SCHEMA


def test_camel_case() -> None:
    """Keys may be in camelCase, as in the REST reference."""
    message = to_message(protos.Schema, {"anyOf": [{"maxItems": 3}], "propertyOrdering": ["a"]})
    assert message == protos.Schema(any_of=[protos.Schema(max_items=3)], property_ordering=["a"])


@pytest.mark.parametrize(
    ("key", "name"),
    [("any_of", "any_of"), ("anyOf", "any_of"), ("type_", "type"), ("Type", None), ("", None), (3, None), ("_", None)],
)
def test_field_of(key: Any, name: str | None) -> None:
    """A key is the name of a field, its camelCase form, or the name with a trailing underscore."""
    assert field_of(protos.Schema, key) == name


def test_message_of_another_pool(other_pool: Callable[[str], Any]) -> None:
    """A message of the same full name from another pool is converted, also within a dict."""
    other = other_pool("Schema").FromString(SCHEMA.SerializeToString())
    message = to_message(protos.Schema, other)
    assert message == SCHEMA
    assert isinstance(message, protos.Schema)
    assert to_message(protos.Schema, {"any_of": [other], "items": other, "properties": {"a": other}}) == (
        protos.Schema(any_of=[SCHEMA], items=SCHEMA, properties={"a": SCHEMA})
    )


def test_proto_plus(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proto-plus object is unwrapped, if the program has imported that package."""

    class ProtoPlusMessage:
        def __init__(self, message: Any) -> None:
            self.message = message

        @classmethod
        def pb(cls, value: Any) -> Any:
            return value.message

    monkeypatch.setitem(sys.modules, "proto", SimpleNamespace(Message=ProtoPlusMessage))
    turn = protos.Content(role="user", parts=[protos.Part(text="Hi")])
    assert to_message(protos.Content, ProtoPlusMessage(turn)) == turn
    assert to_contents(ProtoPlusMessage(turn)) == to_contents([ProtoPlusMessage(turn)]) == [turn]
    assert to_contents([ProtoPlusMessage(turn.parts[0])]) == [turn]


def test_empty_dict_sets_the_field() -> None:
    """An empty dict sets the field to an empty message."""
    tool = to_message(protos.Tool, {"code_execution": {}})
    assert tool.HasField("code_execution")


@pytest.mark.parametrize("text", ["-_-_", "+/+/", "aGk=", "aGk", "aG\nk=\n", ""])
def test_bytes(text: str) -> None:
    """Bytes may be base64, in either alphabet, with or without padding and line breaks."""
    unpadded = text.replace("\n", "").replace("+", "-").replace("/", "_").rstrip("=")
    expected = base64.urlsafe_b64decode(unpadded + "=" * (-len(unpadded) % 4))
    assert to_message(protos.Blob, {"data": text}).data == expected


@pytest.mark.parametrize("text", ["Hi", "Hello", "a b=", "é", "====x"])
def test_str_that_is_not_base64(text: str) -> None:
    """A str that is not base64 is rejected for bytes, even if a lenient decoder accepts it."""
    with pytest.raises(TypeError, match=r"^Blob\.data takes bytes; got str, which is not base64$"):
        to_message(protos.Blob, {"data": text})


@pytest.mark.parametrize("mode", ["dynamic", "MODE_DYNAMIC", "Mode_Dynamic", 1])
def test_enum_value_names(mode: str | int) -> None:
    """The name of an enum value may be in any case, with or without the common prefix."""
    assert to_message(protos.DynamicRetrievalConfig, {"mode": mode}).mode == protos.DynamicRetrievalConfig.MODE_DYNAMIC


WHEN = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)


@pytest.mark.parametrize(
    ("value", "seconds", "nanos"),
    [
        pytest.param({"ttl": 90}, 90, 0, id="int"),
        pytest.param({"ttl": 1.5}, 1, 500_000_000, id="float"),
        pytest.param({"ttl": 0}, 0, 0, id="zero"),
        pytest.param({"ttl": datetime.timedelta(minutes=1, milliseconds=1)}, 60, 1_000_000, id="timedelta"),
        pytest.param({"ttl": {"seconds": 3, "nanos": 4}}, 3, 4, id="dict"),
        pytest.param({"ttl": duration_pb2.Duration(seconds=3)}, 3, 0, id="Duration of the default pool"),
    ],
)
def test_duration(value: Any, seconds: int, nanos: int) -> None:
    """A Duration may be seconds, a timedelta, a dict, or a message of any pool."""
    message = to_message(protos.CachedContent, value)
    assert message.HasField("ttl")
    assert (message.ttl.seconds, message.ttl.nanos) == (seconds, nanos)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(WHEN, id="datetime"),
        pytest.param(
            WHEN.astimezone(datetime.timezone(datetime.timedelta(hours=5))), id="datetime in another time zone"
        ),
        pytest.param(int(WHEN.timestamp()), id="seconds"),
        pytest.param({"seconds": int(WHEN.timestamp())}, id="dict"),
        pytest.param(timestamp_pb2.Timestamp(seconds=int(WHEN.timestamp())), id="Timestamp of the default pool"),
    ],
)
def test_timestamp(value: Any) -> None:
    """A Timestamp may be a datetime, seconds since 1970, a dict, or a message of any pool."""
    assert to_message(protos.CachedContent, {"expire_time": value}).expire_time.seconds == int(WHEN.timestamp())


@pytest.mark.parametrize(
    "args",
    [
        pytest.param({"a": 1, "b": [True, None, "x"], "c": {"d": 1.5}}, id="dict"),
        pytest.param({"a": 1, "b": (True, None, "x"), "c": {"d": 1.5}.items().mapping}, id="other containers"),
    ],
)
def test_struct(args: Any) -> None:
    """A Struct may be a mapping, or a message of any pool."""
    struct = to_message(protos.FunctionCall, {"name": "f", "args": args}).args
    other = struct_pb2.Struct()
    other.update({"a": 1, "b": [True, None, "x"], "c": {"d": 1.5}})
    assert struct.SerializeToString(deterministic=True) == other.SerializeToString(deterministic=True)
    assert to_message(protos.FunctionCall, {"name": "f", "args": other}).args == struct


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("x", "string_value"),
        (0, "number_value"),
        (False, "bool_value"),
        ({"a": 1}, "struct_value"),
        (["a"], "list_value"),
        (range(2), "list_value"),
    ],
)
def test_value(value: Any, kind: str) -> None:
    """A Value may be any JSON, including zero and False."""
    assert to_message(protos.Schema, {"default": value}).default.WhichOneof("kind") == kind


@pytest.mark.parametrize(
    ("cls", "value", "error", "message"),
    [
        pytest.param(
            protos.Schema,
            {"kind": 1},
            ValueError,
            r"Schema has no field 'kind'; its fields are any_of, .*type",
            id="key",
        ),
        pytest.param(protos.Schema, {3: 1}, ValueError, "Schema has no field 3", id="int key"),
        pytest.param(
            protos.Schema,
            {"properties": {"a": {"items": {"no": 1}}}},
            ValueError,
            r"Schema\.properties\['a'\]\.items has no field 'no'",
            id="nested key",
        ),
        pytest.param(protos.Schema, {"any_of": [{}, {"no": 1}]}, ValueError, r"Schema\.any_of\[1\] has no", id="item"),
        pytest.param(protos.Schema, 3, TypeError, "cannot make a Schema from int; pass a Schema or a dict", id="int"),
        pytest.param(protos.Schema, None, TypeError, "cannot make a Schema from None", id="None"),
        pytest.param(protos.Schema, protos.Part(), TypeError, "cannot make a Schema from Part", id="another message"),
        pytest.param(
            protos.Schema, {"items": "x"}, TypeError, r"Schema.items: cannot make a Schema from str", id="str"
        ),
        pytest.param(
            protos.Schema, {"type": "thing"}, ValueError, r"Schema.type: unknown Type 'thing'; .*OBJECT", id="enum"
        ),
        pytest.param(
            protos.Schema, {"type": 1.5}, TypeError, "a Type is given by name or number; got float", id="float"
        ),
        pytest.param(
            protos.Schema, {"type": True}, TypeError, "a Type is given by name or number; got bool", id="bool"
        ),
        pytest.param(
            protos.Schema, {"enum": "abc"}, TypeError, "Schema.enum is repeated; pass a list, not str", id="list"
        ),
        pytest.param(
            protos.Schema, {"enum": 3}, TypeError, "Schema.enum is repeated; pass a list, not int", id="list int"
        ),
        pytest.param(
            protos.Schema, {"enum": ["a", 3]}, TypeError, "Schema.enum takes a str; got int, str", id="str item"
        ),
        pytest.param(
            protos.Schema, {"properties": []}, TypeError, "properties is a map; pass a dict, not list", id="map"
        ),
        pytest.param(
            protos.Schema,
            {"properties": {3: {}}},
            TypeError,
            "a key of Schema.properties takes a str; got int",
            id="map key",
        ),
        pytest.param(
            protos.Schema, {"max_items": "x"}, TypeError, "Schema.max_items takes an int; got str", id="str as int"
        ),
        pytest.param(protos.Schema, {"max_items": 2**70}, ValueError, "Schema.max_items: ", id="too large"),
        pytest.param(protos.Schema, {"maximum": "x"}, TypeError, "Schema.maximum takes a number; got str", id="number"),
        pytest.param(
            protos.Schema, {"nullable": "x"}, TypeError, "Schema.nullable takes a bool; got str", id="str as bool"
        ),
        pytest.param(
            protos.FunctionCall, {"args": "x"}, TypeError, "FunctionCall.args: cannot make a Struct", id="str as Struct"
        ),
        pytest.param(
            protos.FunctionCall, {"args": {"a": b"x"}}, TypeError, "FunctionCall.args: .*bytes", id="bytes in a Struct"
        ),
        pytest.param(
            protos.CachedContent, {"ttl": "soon"}, ValueError, "CachedContent.ttl: .*soon", id="str as Duration"
        ),
        pytest.param(
            protos.CachedContent,
            {"expire_time": "soon"},
            ValueError,
            "CachedContent.expire_time: ",
            id="str as Timestamp",
        ),
    ],
)
def test_errors(cls: Any, value: Any, error: type[Exception], message: str) -> None:
    """An unsupported value raises an error with its path, its type and what is accepted."""
    with pytest.raises(error, match=message):
        to_message(cls, value)
