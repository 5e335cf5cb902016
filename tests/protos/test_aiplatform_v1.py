"""The messages and methods of `google.cloud.aiplatform.v1` (Vertex AI)."""

from __future__ import annotations

import copy
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.resources import files
from operator import attrgetter
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import descriptor_pb2

from genai_grpc_protos import aiplatform_v1, protobuf
from genai_grpc_protos._pool import POOL, message_class

PACKAGE = "google.cloud.aiplatform.v1"
# The published names, numbers, types and routes; `x = 1 in y` is field 1 of the oneof y.
FACTS: dict[str, dict[str, Any]] = json.loads(Path(__file__).with_name("aiplatform_v1.json").read_text())
DESCRIPTORS = files("genai_grpc_protos.aiplatform_v1").joinpath("descriptors.binpb").read_bytes()
# Parsed with the class of our own pool, which has the options of google.api.
FILE_SET: Any = message_class("google.protobuf.FileDescriptorSet").FromString(DESCRIPTORS)
HTTP_RULE: Any = POOL.FindExtensionByName("google.api.http")  # type: ignore[no-untyped-call, unused-ignore]  # typed in some releases of the stubs only
Field = descriptor_pb2.FieldDescriptorProto


def short(name: str) -> str:
    """The name of a type without our package."""
    return name.removeprefix(".").removeprefix(f"{PACKAGE}.")


def field_type(field: Any) -> str:
    """The type of a field, without its label."""
    return short(field.type_name) or Field.Type.Name(field.type).removeprefix("TYPE_").lower()


def describe(message: Any, field: Any) -> str:
    """A field as in the facts."""
    for nested in message.nested_type:
        if nested.options.map_entry and field.type_name.endswith(f".{message.name}.{nested.name}"):
            key, value = map(field_type, nested.field)
            return f"map<{key}, {value}> = {field.number}"
    text = f"{field_type(field)} = {field.number}"
    if field.label == Field.LABEL_REPEATED:
        return f"repeated {text}"
    if field.proto3_optional:
        return f"optional {text}"
    return f"{text} in {message.oneof_decl[field.oneof_index].name}" if field.HasField("oneof_index") else text


def walk(messages: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Messages and those nested in them, without the entries of maps, by their names."""
    for message in messages:
        if not message.options.map_entry:
            yield prefix + message.name, message
            yield from walk(message.nested_type, f"{prefix}{message.name}.")


def enum_facts(file: str, enum: Any) -> dict[str, Any]:
    """An enum as in the facts."""
    return {"file": file, "values": {value.name: value.number for value in enum.value}}


def method_facts(method: Any) -> dict[str, Any]:
    """A method as in the facts."""
    request, response = (
        f"{'stream ' if streaming else ''}{short(name)}"
        for streaming, name in (
            (method.client_streaming, method.input_type),
            (method.server_streaming, method.output_type),
        )
    )
    rule = method.options.Extensions[HTTP_RULE]
    routes = []
    for route in (rule, *rule.additional_bindings):
        verb = route.WhichOneof("pattern")
        routes.append(" ".join(filter(None, (verb.upper(), getattr(route, verb), route.body))))
    return {"rpc": f"{request} -> {response}", "http": routes}


def described() -> dict[str, dict[str, Any]]:
    """What the descriptors have, as in the facts."""
    found: dict[str, dict[str, Any]] = {"messages": {}, "enums": {}, "methods": {}}
    for file in FILE_SET.file:
        name = file.name.rpartition("/")[2]
        found["enums"] |= {enum.name: enum_facts(name, enum) for enum in file.enum_type}
        for scope, message in walk(file.message_type):
            fields = {field.name: describe(message, field) for field in message.field}
            found["messages"][scope] = {"file": name, "fields": fields}
            found["enums"] |= {f"{scope}.{enum.name}": enum_facts(name, enum) for enum in message.enum_type}
        for service in file.service:
            found["methods"] |= {f"{service.name}.{method.name}": method_facts(method) for method in service.method}
    return found


DESCRIBED = described()


@pytest.mark.parametrize("kind", FACTS)
def test_names(kind: str) -> None:
    """There is every published message, enum and method of the generative part, and no other."""
    assert DESCRIBED[kind].keys() == FACTS[kind].keys()


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, names in FACTS.items() for name in names])
def test_facts(kind: str, name: str) -> None:
    """A message, an enum or a method is as published: numbers, types, labels, oneofs, streaming and routes."""
    assert DESCRIBED[kind][name] == FACTS[kind][name]


def test_public_names() -> None:
    """The package has every message and enum, and nothing else."""
    names = {name for kind in ("messages", "enums") for name in FACTS[kind] if "." not in name}
    assert set(aiplatform_v1.__all__) == set(dir(aiplatform_v1)) == names
    assert list(aiplatform_v1.__all__) == sorted(names)


@pytest.mark.parametrize("name", FACTS["messages"])
def test_message_class(name: str) -> None:
    """A message class is found by its module and qualified name, and its messages can be pickled and copied."""
    cls: Any = attrgetter(name)(aiplatform_v1)
    assert cls.__qualname__ == name
    assert attrgetter(name)(import_module(cls.__module__)) is cls
    for copied in (pickle.loads(pickle.dumps(cls())), copy.copy(cls()), copy.deepcopy(cls())):
        assert type(copied) is cls


@pytest.mark.parametrize("name", FACTS["methods"])
def test_stub(name: str) -> None:
    """A stub calls the path of its method."""
    service, _, method = name.partition(".")
    module = {"GenAiCacheService": "gen_ai_cache_service", "LlmUtilityService": "llm_utility_service"}
    stubs = import_module(f"genai_grpc_protos.aiplatform_v1.{module.get(service, 'prediction_service')}_pb2_grpc")
    paths: list[str] = []

    class Channel:
        def unary_unary(self, path: str, **_: Any) -> None:
            paths.append(path)

        unary_stream = unary_unary

    getattr(stubs, f"{service}Stub")(Channel())
    assert f"/{PACKAGE}.{service}/{method}" in paths


def test_labels() -> None:
    """A map of text is built and assigned from a dict; values and keys of other types are refused."""
    message: Any = aiplatform_v1.GenerateContentRequest({"model": "m", "labels": {"team": "a"}})
    assert dict(message.labels) == message.to_dict()["labels"] == {"team": "a"}
    message.labels = {"team": "b"}
    assert aiplatform_v1.GenerateContentRequest.from_json(message.to_json()) == message
    assert dict(message.labels) == {"team": "b"}
    for labels, error in (
        ({"team": 1}, r"labels\['team'\] takes a str; got int"),
        ({"team": None}, r"labels\['team'\] takes a str; got None"),
        ({1: "a"}, r"a key of GenerateContentRequest\.labels takes a str; got int"),
        (["team"], "labels is a map; pass a dict, not list"),
    ):
        with pytest.raises(TypeError, match=error):
            message.labels = labels
    assert dict(message.labels) == {"team": "b"}


def test_null_argument() -> None:
    """None in a dict sets a NullValue, as null in JSON does; as a keyword it leaves the field unset."""
    cls: Any = aiplatform_v1.PartialArg
    null = cls({"json_path": "$.a", "null_value": None})
    assert null.WhichOneof("delta") == "null_value"
    assert null.null_value is protobuf.NullValue.NULL_VALUE
    assert cls.from_json('{"jsonPath": "$.a", "nullValue": null}') == null
    for integers in (True, False):
        assert cls(null.to_dict(use_integers_for_enums=integers)) == null
    assert cls(null_value=None).WhichOneof("delta") is None


def run(program: str, *arguments: str, **variables: str) -> None:
    """Run a program in a fresh interpreter with the import path of this one."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **variables}
    completed = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env=environment,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert completed.returncode == 0, completed.stderr


LAZY = """
import sys

import genai_grpc, genai_grpc.protos
from genai_grpc_protos import v1beta
from genai_grpc_protos._pool import POOL

for module, names in ((genai_grpc, genai_grpc.__all__), (genai_grpc.protos, genai_grpc.protos.__all__)):
    for name in names:
        getattr(module, name)  # imported at its first use
assert v1beta.Content(role="user").to_dict()["role"] == "user"
assert not [name for name in sys.modules if "aiplatform" in name]
try:
    POOL.FindFileByName("google/cloud/aiplatform/v1/content.proto")
except KeyError:
    pass
else:
    raise AssertionError("the descriptors of Vertex AI are loaded")
"""

ALONE = """
import sys

from genai_grpc_protos import aiplatform_v1

assert aiplatform_v1.Content(role="user", parts=[{"text": "Hi"}]).parts[0].text == "Hi"
assert not [name for name in sys.modules if name.startswith("genai_grpc_protos.v1beta")]
"""

COEXISTENCE = """
import pickle, sys
from importlib import import_module
from pathlib import Path

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf import any_pb2, duration_pb2, empty_pb2, field_mask_pb2, struct_pb2, timestamp_pb2


def register():
    # As a package of Google's does: files of the same names, in protobuf's default pool.
    default = descriptor_pool.Default()
    for path in DESCRIPTORS:
        for file in descriptor_pb2.FileDescriptorSet.FromString(Path(path).read_bytes()).file:
            if not file.name.startswith("google/protobuf/"):
                default.AddSerializedFile(file.SerializeToString())
    return message_factory.GetMessageClass(default.FindMessageTypeByName("google.cloud.aiplatform.v1.Content"))


runtime, first, *DESCRIPTORS = sys.argv[1:]
if first == "ours":
    ours = import_module("genai_grpc_protos.aiplatform_v1").Content
    theirs = register()
else:
    theirs = register()
    ours = import_module("genai_grpc_protos.aiplatform_v1").Content

from google.protobuf.internal import api_implementation

assert api_implementation.Type() == runtime, api_implementation.Type()
assert ours is not theirs and ours.DESCRIPTOR.full_name == theirs.DESCRIPTOR.full_name
our_content = ours({"role": "user", "parts": [{"text": "Hi"}]})
their_content = theirs(role="user", parts=[{"text": "Hi"}])
assert our_content.SerializeToString() == their_content.SerializeToString()
assert ours(their_content) == our_content
assert pickle.loads(pickle.dumps(our_content)) == our_content
"""


def test_other_api_does_not_load_it() -> None:
    """A program of the Gemini API imports no module of Vertex AI, and has none of its descriptors."""
    run(LAZY)


def test_it_does_not_load_other_api() -> None:
    """The messages of Vertex AI import no module of the Gemini API."""
    run(ALONE)


@pytest.mark.parametrize("runtime", ["upb", "python"])
@pytest.mark.parametrize("first", ["ours", "theirs"])
def test_coexistence(runtime: str, first: str) -> None:
    """Files of the same names may be in protobuf's default pool, on either runtime, before or after ours."""
    package = files("genai_grpc_protos")
    descriptors = [str(package.joinpath(name)) for name in ("descriptors.binpb", "aiplatform_v1/descriptors.binpb")]
    run(COEXISTENCE, runtime, first, *descriptors, PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION=runtime)
