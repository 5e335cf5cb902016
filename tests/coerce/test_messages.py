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
from genai_grpc._coerce.messages import field_of, to_message

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
            id="proto names, enum names in lower case",
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
    """A dict may spell a message's fields and enums in each of the usual ways."""
    assert to_message(protos.Schema, value) == SCHEMA


def test_a_message_is_itself() -> None:
    """A message of the class asked for is not copied."""
    assert to_message(protos.Schema, SCHEMA) is SCHEMA


def test_camel_case() -> None:
    """Keys may be in camelCase, as in the REST reference."""
    made = to_message(protos.Schema, {"anyOf": [{"maxItems": 3}], "propertyOrdering": ["a"]})
    assert made == protos.Schema(any_of=[protos.Schema(max_items=3)], property_ordering=["a"])


@pytest.mark.parametrize(
    ("key", "name"),
    [("any_of", "any_of"), ("anyOf", "any_of"), ("type_", "type"), ("Type", None), ("", None), (3, None), ("_", None)],
)
def test_field_of(key: Any, name: str | None) -> None:
    """A key means a field by its name, in camelCase, or with a trailing underscore."""
    assert field_of(protos.Schema, key) == name


def test_foreign(foreign: Callable[[str], Any]) -> None:
    """A message of the same full name from another pool is taken over, whole or nested."""
    theirs = foreign("Schema").FromString(SCHEMA.SerializeToString())
    made = to_message(protos.Schema, theirs)
    assert made == SCHEMA
    assert isinstance(made, protos.Schema)
    assert to_message(protos.Schema, {"any_of": [theirs], "items": theirs, "properties": {"a": theirs}}) == (
        protos.Schema(any_of=[SCHEMA], items=SCHEMA, properties={"a": SCHEMA})
    )


def test_proto_plus(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a proto-plus object wraps is taken, where the program has imported that package."""

    class Plus:
        def __init__(self, message: Any) -> None:
            self.message = message

        @classmethod
        def pb(cls, value: Any) -> Any:
            return value.message

    monkeypatch.setitem(sys.modules, "proto", SimpleNamespace(Message=Plus))
    turn = protos.Content(role="user", parts=[protos.Part(text="Hi")])
    assert to_message(protos.Content, Plus(turn)) == turn
    assert to_contents(Plus(turn)) == to_contents([Plus(turn)]) == [turn]
    assert to_contents([Plus(turn.parts[0])]) == [turn]


def test_a_dict_of_nothing_is_present() -> None:
    """An empty dict says that the message is there."""
    tool = to_message(protos.Tool, {"code_execution": {}})
    assert tool.HasField("code_execution")


@pytest.mark.parametrize("text", ["-_-_", "+/+/", "aGk=", "aGk", "aG\nk=\n", ""])
def test_bytes(text: str) -> None:
    """Bytes may be given as base64, in either alphabet, padded or not, in lines or not."""
    padded = text.replace("\n", "").replace("+", "-").replace("/", "_").rstrip("=")
    expected = base64.urlsafe_b64decode(padded + "=" * (-len(padded) % 4))
    assert to_message(protos.Blob, {"data": text}).data == expected


@pytest.mark.parametrize("text", ["Hi", "Hello", "a b=", "é", "====x"])
def test_str_that_is_not_base64(text: str) -> None:
    """A str for bytes that is no base64 is refused, also where a lenient decoder would find some bits in it."""
    with pytest.raises(TypeError, match=r"Blob\.data takes bytes; got str, which is not base64 either"):
        to_message(protos.Blob, {"data": text})


@pytest.mark.parametrize("mode", ["dynamic", "MODE_DYNAMIC", "Mode_Dynamic", 1])
def test_names_of_enum_values(mode: str | int) -> None:
    """An enum value is named in any case, with or without what all names of its enum begin with."""
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
    """A Duration is given as seconds, a timedelta, a dict, or a message of any pool."""
    made = to_message(protos.CachedContent, value)
    assert made.HasField("ttl")
    assert (made.ttl.seconds, made.ttl.nanos) == (seconds, nanos)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(WHEN, id="datetime"),
        pytest.param(WHEN.astimezone(datetime.timezone(datetime.timedelta(hours=5))), id="datetime of another zone"),
        pytest.param(int(WHEN.timestamp()), id="seconds"),
        pytest.param({"seconds": int(WHEN.timestamp())}, id="dict"),
        pytest.param(timestamp_pb2.Timestamp(seconds=int(WHEN.timestamp())), id="Timestamp of the default pool"),
    ],
)
def test_timestamp(value: Any) -> None:
    """A Timestamp is given as a datetime, seconds since 1970, a dict, or a message of any pool."""
    assert to_message(protos.CachedContent, {"expire_time": value}).expire_time.seconds == int(WHEN.timestamp())


@pytest.mark.parametrize(
    "args",
    [
        pytest.param({"a": 1, "b": [True, None, "x"], "c": {"d": 1.5}}, id="dict"),
        pytest.param({"a": 1, "b": (True, None, "x"), "c": {"d": 1.5}.items().mapping}, id="other containers"),
    ],
)
def test_struct(args: Any) -> None:
    """A Struct is given as the mapping it stands for."""
    made = to_message(protos.FunctionCall, {"name": "f", "args": args}).args
    theirs = struct_pb2.Struct()
    theirs.update({"a": 1, "b": [True, None, "x"], "c": {"d": 1.5}})
    assert made.SerializeToString(deterministic=True) == theirs.SerializeToString(deterministic=True)
    assert to_message(protos.FunctionCall, {"name": "f", "args": theirs}).args == made


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
    """A Value is given as any JSON, zero and False included."""
    assert to_message(protos.Schema, {"default": value}).default.WhichOneof("kind") == kind


@pytest.mark.parametrize(
    ("cls", "value", "error", "words"),
    [
        pytest.param(
            protos.Schema,
            {"kind": 1},
            ValueError,
            r"Schema has no field 'kind'; its fields are any_of, .*type",
            id="key",
        ),
        pytest.param(protos.Schema, {3: 1}, ValueError, "Schema has no field 3", id="key that is no str"),
        pytest.param(
            protos.Schema,
            {"properties": {"a": {"items": {"no": 1}}}},
            ValueError,
            r"Schema\.properties\['a'\]\.items has no field 'no'",
            id="nested key, with its path",
        ),
        pytest.param(protos.Schema, {"any_of": [{}, {"no": 1}]}, ValueError, r"Schema\.any_of\[1\] has no", id="item"),
        pytest.param(protos.Schema, 3, TypeError, "cannot make a Schema from int; pass a Schema or a dict", id="int"),
        pytest.param(protos.Schema, None, TypeError, "cannot make a Schema from None", id="None"),
        pytest.param(protos.Schema, protos.Part(), TypeError, "cannot make a Schema from Part", id="another message"),
        pytest.param(
            protos.Schema, {"items": "x"}, TypeError, r"Schema.items: cannot make a Schema from str", id="str"
        ),
        pytest.param(
            protos.Schema, {"type": "thing"}, ValueError, r"Schema.type: 'thing' is no Type; .*OBJECT", id="enum"
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
            protos.CachedContent,
            {"ttl": "3s"},
            TypeError,
            "CachedContent.ttl: cannot make a Duration from str",
            id="ttl",
        ),
    ],
)
def test_refusals(cls: Any, value: Any, error: type[Exception], words: str) -> None:
    """What no message can be made of is refused with the path to it, what came and what is taken."""
    with pytest.raises(error, match=words):
        to_message(cls, value)
