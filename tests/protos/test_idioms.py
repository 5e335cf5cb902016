"""Every message and enum class of the wire has the conveniences of proto-plus."""

from __future__ import annotations

import copy
import datetime
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import duration_pb2, struct_pb2, timestamp_pb2
from google.protobuf.internal import api_implementation

from genai_grpc import protos
from genai_grpc_protos import aiplatform_v1, protobuf
from genai_grpc_protos._idioms import CONVENIENCES, UNDERSCORED, UnknownEnumValue


def nested(cls: Any) -> list[Any]:
    """A message class and those nested in it."""
    names = [each.name for each in cls.DESCRIPTOR.nested_types if not each.GetOptions().map_entry]
    return [cls, *(inner for name in names for inner in nested(getattr(cls, name)))]


TOP_LEVEL: list[Any] = [getattr(package, name) for package in (protos, aiplatform_v1) for name in package.__all__]
CLASSES: list[Any] = [cls for top in TOP_LEVEL if hasattr(top, "SerializeToString") for cls in nested(top)]
MESSAGES = [
    pytest.param(cls, id=cls.DESCRIPTOR.full_name.removeprefix("google.ai.generativelanguage.v1beta."))
    for cls in CLASSES
]
ENUMS = {enum.full_name: getattr(cls, enum.name) for cls in CLASSES for enum in cls.DESCRIPTOR.enum_types} | {
    top.DESCRIPTOR.full_name: top for top in (*TOP_LEVEL, protobuf.NullValue) if not hasattr(top, "SerializeToString")
}


def is_repeated(field: Any) -> bool:
    """Whether a field is repeated; protobuf 6.31 added `is_repeated` and deprecated `label`."""
    return bool(field.is_repeated if hasattr(field, "is_repeated") else field.label == field.LABEL_REPEATED)


def value_of(field: Any, depth: int) -> Any:
    """A value for a field other than its default, as plain Python: dicts, lists and scalars."""
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        value = value_of(field.message_type.fields_by_name["value"], depth)
        return None if value is None else {"key": value}
    value = _single(field, depth)
    return [value] if is_repeated(field) and value is not None else value


def _single(field: Any, depth: int) -> Any:
    match field.message_type and field.message_type.full_name:
        case None:
            if field.enum_type is not None:
                return field.enum_type.values[-1].number
            kinds = {field.TYPE_STRING: "text", field.TYPE_BYTES: b"data", field.TYPE_BOOL: True}
            floats = (field.TYPE_DOUBLE, field.TYPE_FLOAT)
            return kinds.get(field.type, 0.5 if field.type in floats else 3)
        case "google.protobuf.Struct":
            return {"a": 1.5, "b": [True, None, {"c": "d"}]}
        case "google.protobuf.Value":
            return {"a": [1.5]}
        case "google.protobuf.Timestamp":
            return datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)
        case "google.protobuf.Duration":
            return datetime.timedelta(seconds=90)
        case name if name.startswith(("google.ai.", "google.cloud.")) and depth:
            return fields_of(field.message_type, depth - 1)
        case _:
            return None


def fields_of(descriptor: Any, depth: int = 2) -> dict[str, Any]:
    """Values for the fields of a message: one of each oneof."""
    oneofs: set[str] = set()
    found = {}
    for field in descriptor.fields:
        group = field.containing_oneof
        if group is not None and (group.name in oneofs or oneofs.add(group.name)):  # type: ignore[func-returns-value]
            continue
        value = value_of(field, depth)
        if value is not None:
            found[field.name] = value
    return found


def filled(cls: Any) -> Any:
    """A message with values in its fields."""
    return cls(fields_of(cls.DESCRIPTOR))


@pytest.mark.parametrize("cls", MESSAGES)
def test_truth(cls: Any) -> None:
    """A message is true if a field has a value that is true."""
    assert not cls()
    assert bool(filled(cls)) == bool(fields_of(cls.DESCRIPTOR))


@pytest.mark.parametrize("cls", MESSAGES)
def test_contains(cls: Any) -> None:
    """A field's name is in a message if the field is set."""
    message, fields = filled(cls), fields_of(cls.DESCRIPTOR)
    for field in cls.DESCRIPTOR.fields:
        assert field.name not in cls()
        assert (field.name in message) == (field.name in fields)
    with pytest.raises(AttributeError):
        assert "no_such_field" in message


@pytest.mark.parametrize("cls", MESSAGES)
def test_construction(cls: Any, other_pool: Any) -> None:
    """A message is built from a dict, keywords, a message of its class, or one of another pool."""
    message = filled(cls)
    assert cls(message) == message
    assert cls(cls.to_dict(message)) == message
    assert cls(**fields_of(cls.DESCRIPTOR)) == message
    foreign = other_pool(cls.DESCRIPTOR.full_name).FromString(message.SerializeToString())
    assert cls(foreign) == message
    with pytest.raises(ValueError, match="no field 'no_such_field'"):
        cls(no_such_field=1)
    assert cls({"no_such_field": 1}, ignore_unknown_fields=True) == cls()


@pytest.mark.parametrize("cls", MESSAGES)
def test_class_methods(cls: Any) -> None:
    """The methods of proto-plus classes take and return messages of the class."""
    message = filled(cls)
    assert cls.pb(message) is message
    assert message._pb is message
    assert cls.wrap(message) is message
    assert cls.deserialize(cls.serialize(message)) == message
    assert cls.from_json(cls.to_json(message)) == message
    assert message.to_dict() == cls.to_dict(message)
    assert message.serialize() == cls.serialize(message)
    with pytest.raises(TypeError, match=f"not an instance of {cls.__name__}"):
        cls.pb({})
    copied = cls()
    cls.copy_from(copied, message)
    assert copied == message
    cls.copy_from(copied, None)
    assert copied == cls()


@pytest.mark.parametrize("cls", MESSAGES)
def test_assignment(cls: Any) -> None:
    """Each field can be assigned, plain or as a message, and is copied; None and `del` clear it."""
    message = filled(cls)
    for name, value in fields_of(cls.DESCRIPTOR).items():
        for assigned in (value, getattr(message, name)):
            other = cls()
            setattr(other, name, assigned)
            assert getattr(other, name) == getattr(message, name)
            setattr(other, name, getattr(other, name))
            assert name in other
            delattr(other, name)
            assert name not in other
        setattr(other, name, value)
        setattr(other, name, None)
        assert other == cls()
    with pytest.raises(AttributeError):
        message.no_such_field = 1
    with pytest.raises(AttributeError):
        del message.no_such_field


@pytest.mark.parametrize("cls", MESSAGES)
def test_enum_fields(cls: Any) -> None:
    """An enum field reads as a member, or as a number with a name where this version has no member for it."""
    for field in cls.DESCRIPTOR.fields:
        if field.enum_type is None or is_repeated(field):
            continue
        number = field.enum_type.values[-1].number
        member = ENUMS[field.enum_type.full_name](number)
        message = cls(**{field.name: number})
        assert getattr(message, field.name) is member
        assert getattr(cls(**{field.name: member.name}), field.name) is member
        setattr(message, field.name, 999)
        unknown = getattr(message, field.name)
        assert (unknown, unknown.name, unknown.value, str(unknown)) == (999, "999", 999, "999")
        assert isinstance(unknown, UnknownEnumValue)


@pytest.mark.parametrize("name", ENUMS)
def test_enums(name: str) -> None:
    """An enum is an IntEnum with the methods of protobuf's wrapper; members can be pickled."""
    enum = ENUMS[name]
    numbers = {value.name: value.number for value in enum.DESCRIPTOR.values}
    assert {member.name: member.value for member in enum} == numbers
    assert dict(enum.items()) == numbers
    assert (enum.keys(), enum.values()) == (list(numbers), list(numbers.values()))
    for key, number in numbers.items():
        assert enum(number) is enum[key] is enum.Value(key) is getattr(enum, key)
        assert enum.Name(number) == key
        assert pickle.loads(pickle.dumps(enum[key])) is copy.deepcopy(enum[key]) is enum[key]
    for method, invalid in ((enum, 999), (enum.Name, 999), (enum.Value, "NO_SUCH")):
        with pytest.raises(ValueError, match=str(invalid)):
            method(invalid)


def test_underscored_names() -> None:
    """Fields that proto-plus spells with an underscore have that spelling, too."""
    found = []
    for cls in CLASSES:
        for name in UNDERSCORED:
            if name in cls.DESCRIPTOR.fields_by_name:
                value: Any = fields_of(cls.DESCRIPTOR)[name]
                message: Any = cls(**{f"{name}_": value})
                assert getattr(message, f"{name}_") == getattr(message, name) == value
                setattr(message, f"{name}_", type(value)())
                assert f"{name}_" not in message or not getattr(message, name)
                found.append(f"{cls.__name__}.{name}")
    assert {"Schema.type", "Schema.format", "CitationSource.license", "Citation.license"} <= set(found)


def test_struct() -> None:
    """A Struct is a mapping of Python values; reading a missing key inserts nothing."""
    call = protos.FunctionCall(name="f", args={"x": 1.5, "nested": {"items": [True, None, "a"]}})
    args: Any = call.args
    assert args == {"x": 1.5, "nested": {"items": [True, None, "a"]}}
    assert (args["x"], args["nested"], args.get("y"), args.get("y", 5)) == (1.5, {"items": [True, None, "a"]}, None, 5)
    with pytest.raises(KeyError, match="y"):
        args["y"]
    assert "y" not in args.fields
    assert ("x" in args, "y" in args, len(args), sorted(args)) == (True, False, 2, ["nested", "x"])
    assert (lambda **keywords: keywords)(**args) == dict(args) == dict(args.items())
    assert sorted(args.keys()) == ["nested", "x"]
    assert 1.5 in args.values()
    assert args != {"x": 2}
    assert copy.deepcopy(args) == args
    assert not protos.FunctionCall().args


def test_times() -> None:
    """Timestamps and Durations take datetimes, timedeltas and text, and read as these."""
    moment = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)
    file: Any = protos.File(create_time=moment)
    assert (file.create_time.year, file.create_time.isoformat()) == (2026, "2026-01-02T03:04:05+00:00")
    file.create_time = "2027-01-02T03:04:05Z"
    assert file.create_time.year == 2027
    cached: Any = protos.CachedContent(ttl=datetime.timedelta(minutes=2))
    assert cached.ttl.total_seconds() == 120
    cached.ttl = "3.5s"
    assert cached.ttl.total_seconds() == 3.5
    with pytest.raises(AttributeError):
        _ = file.create_time.no_such_attribute
    assert isinstance(cached.ttl, protobuf.Duration)


def test_default_pool() -> None:
    """Well-known types of protobuf's default pool are accepted where ours are."""
    struct = struct_pb2.Struct()
    struct.update({"x": 1})
    call: Any = protos.FunctionCall(name="f", args=struct)
    assert call.args == {"x": 1}
    call.args = struct
    assert call.args == {"x": 1}
    cached: Any = protos.CachedContent(
        ttl=duration_pb2.Duration(seconds=3), create_time=timestamp_pb2.Timestamp(seconds=1)
    )
    assert (cached.ttl.seconds, cached.create_time.seconds) == (3, 1)


def test_failed_assignment() -> None:
    """A value that cannot be converted leaves the field as it was."""
    content: Any = protos.Content(parts=[protos.Part(text="Hi")])
    with pytest.raises(TypeError, match=r"Content\.parts\[1\]: cannot make a Part from int"):
        content.parts = [{"text": "there"}, 3]
    with pytest.raises(TypeError, match="takes a str; got int"):
        content.role = 3
    assert content == protos.Content(parts=[protos.Part(text="Hi")])


def test_table() -> None:
    """Every convenience of the table is on every message class."""
    for cls in CLASSES:
        assert all(name in vars(cls) for name in CONVENIENCES)


@pytest.mark.skipif(api_implementation.Type() != "upb", reason="this is the pure Python runtime")
@pytest.mark.slow
def test_pure_python() -> None:
    """All of this holds on protobuf's pure Python runtime."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": "python",
    }
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(Path(__file__))]
    completed = subprocess.run(command, env=environment, check=False, capture_output=True, text=True, timeout=110)
    assert completed.returncode == 0, completed.stdout[-3000:]
