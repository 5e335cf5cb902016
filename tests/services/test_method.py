"""Every method of the wire: `Method` reads from the descriptors what the generated stubs say."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.resources import files
from operator import attrgetter
from typing import Any, NamedTuple

import grpc
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from genai_grpc._services.method import Method
from genai_grpc_protos import v1beta

PACKAGE = "google.ai.generativelanguage.v1beta"


class Rpc(NamedTuple):
    """An RPC of a generated stub."""

    path: str
    streaming: bool
    request: type[Any]
    response: type[Any]


class Recorder:
    """A channel and a server in one, which records how stubs and servicers register their RPCs."""

    def __init__(self) -> None:
        self.responses: dict[str, type[Any]] = {}
        self.handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {}

    def unary_unary(self, path: str, *, response_deserializer: Callable[[bytes], Any], **_: Any) -> None:
        self.responses[path] = type(response_deserializer(b""))

    unary_stream = stream_stream = unary_unary

    def add_generic_rpc_handlers(self, _: Any) -> None:
        """Ignore them: they are registered below, too."""

    def add_registered_method_handlers(
        self, service: str, handlers: Mapping[str, grpc.RpcMethodHandler[Any, Any]]
    ) -> None:
        self.handlers |= {f"/{service}/{name}": handler for name, handler in handlers.items()}


def stub_rpcs() -> dict[str, Rpc]:
    """The RPCs of the generated stubs, by their names such as `ModelService.GetModel`."""
    recorder: Any = Recorder()
    for info in pkgutil.iter_modules(v1beta.__path__, f"{v1beta.__name__}."):
        if info.name.endswith("_pb2_grpc"):
            module = import_module(info.name)
            for service in [name.removesuffix("Stub") for name in vars(module) if name.endswith("Stub")]:
                getattr(module, f"{service}Stub")(recorder)
                servicer = getattr(module, f"{service}Servicer")()
                getattr(module, f"add_{service}Servicer_to_server")(servicer, recorder)
    rpcs = {}
    for path, handler in recorder.handlers.items():
        name = path.removeprefix(f"/{PACKAGE}.").replace("/", ".")
        request = type(handler.request_deserializer(b""))
        rpcs[name] = Rpc(path, handler.response_streaming, request, recorder.responses[path])
    return rpcs


RPCS = stub_rpcs()
# By the field in the path of the method's `google.api.http` rule.
ROUTING_FIELDS = {
    f"{service}.{method}": field
    for service, field, methods in (
        ("CacheService", None, "ListCachedContents CreateCachedContent"),
        ("CacheService", "name", "GetCachedContent DeleteCachedContent"),
        ("CacheService", "cached_content.name", "UpdateCachedContent"),
        ("FileService", None, "CreateFile ListFiles"),
        ("FileService", "name", "GetFile DeleteFile DownloadFile"),
        ("GenerativeService", "model", "GenerateContent StreamGenerateContent GenerateAnswer CountTokens"),
        ("GenerativeService", "model", "EmbedContent BatchEmbedContents"),
        ("GenerativeService", None, "BidiGenerateContent"),  # has no rule
        ("ModelService", None, "ListModels ListTunedModels CreateTunedModel"),
        ("ModelService", "name", "GetModel GetTunedModel DeleteTunedModel"),
        ("ModelService", "tuned_model.name", "UpdateTunedModel"),
        ("PermissionService", "parent", "CreatePermission ListPermissions"),
        ("PermissionService", "name", "GetPermission DeletePermission TransferOwnership"),
        ("PermissionService", "permission.name", "UpdatePermission"),
        ("PredictionService", "model", "Predict PredictLongRunning"),
        ("RetrieverService", None, "CreateCorpus ListCorpora"),
        ("RetrieverService", "name", "GetCorpus DeleteCorpus QueryCorpus"),
        ("RetrieverService", "corpus.name", "UpdateCorpus"),
        ("RetrieverService", "parent", "CreateDocument ListDocuments"),
        ("RetrieverService", "name", "GetDocument DeleteDocument QueryDocument"),
        ("RetrieverService", "document.name", "UpdateDocument"),
        ("RetrieverService", "parent", "CreateChunk ListChunks BatchCreateChunks BatchUpdateChunks BatchDeleteChunks"),
        ("RetrieverService", "name", "GetChunk DeleteChunk"),
        ("RetrieverService", "chunk.name", "UpdateChunk"),
    )
    for method in methods.split()
}


def test_every_method() -> None:
    """The tables of this test have every method of the descriptors."""
    data = files("genai_grpc_protos").joinpath("descriptors.binpb").read_bytes()
    methods = {
        f"{service.name}.{method.name}"
        for file in FileDescriptorSet.FromString(data).file
        if file.package == PACKAGE
        for service in file.service
        for method in service.method
    }
    assert RPCS.keys() == ROUTING_FIELDS.keys() == methods


@pytest.mark.parametrize(("name", "rpc"), RPCS.items(), ids=list(RPCS))
def test_agrees_with_stub(name: str, rpc: Rpc) -> None:
    """A method has the path, the streaming flag and the message classes of its generated stub."""
    method: Method[Any, Any] = Method(f"{PACKAGE}.{name}")
    assert (method.path, method.streaming) == (rpc.path, rpc.streaming)
    assert method.request is rpc.request
    assert method.response is rpc.response


@pytest.mark.parametrize(("name", "field"), ROUTING_FIELDS.items(), ids=list(ROUTING_FIELDS))
def test_routing(name: str, field: str | None) -> None:
    """The routing field is the one in the method's HTTP path, and its value is read from the request."""
    method: Method[Any, Any] = Method(f"{PACKAGE}.{name}")
    assert method.routing_field == field
    request = RPCS[name].request()
    if field is None:
        assert method.routing_value(request) == ""
    else:
        parent, _, last = field.rpartition(".")
        setattr(attrgetter(parent)(request) if parent else request, last, "things/1")
        assert method.routing_value(request) == "things/1"
