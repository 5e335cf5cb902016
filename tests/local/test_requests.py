"""What the server does with the requests of every method: malformed bytes, and the log."""

from __future__ import annotations

import logging
import re
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2  # type: ignore[import-untyped]  # ships no types

from genai_grpc import local, protos
from genai_grpc.errors import ResourceExhausted
from genai_grpc.local.engines.script import STALL, ScriptEngine
from genai_grpc.local.server import Server
from genai_grpc_protos.v1beta import cache_service_pb2, generative_service_pb2, model_service_pb2
from genai_grpc_protos.v1beta.generative_service_pb2_grpc import GenerativeServiceStub
from genai_grpc_protos.v1beta.model_service_pb2_grpc import ModelServiceStub
from tests.local.services.wire import to_request

MALFORMED = b"\x0a\xff\xff"
"""The beginning of a field that is longer than the message."""

METHODS = [
    method
    for module in (generative_service_pb2, model_service_pb2, cache_service_pb2)
    for service in module.DESCRIPTOR.services_by_name.values()
    for method in service.methods
]
OTHERS = ["/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch"]
STREAM_OTHERS = ["/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"]


def send(server: Server, path: str, *, requests: bool, responses: bool) -> Any:
    """Send malformed bytes to a method, and return the error."""
    with grpc.insecure_channel(server.address) as channel:
        kind = f"{'stream' if requests else 'unary'}_{'stream' if responses else 'unary'}"
        call = getattr(channel, kind)(path)
        try:
            reply = call(iter([MALFORMED]) if requests else MALFORMED, timeout=30)
            pytest.fail(f"the server sent {list(reply) if responses else reply}")
        except grpc.RpcError as error:
            return error


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_malformed_request(method: Any, server: Server, caplog: pytest.LogCaptureFixture) -> None:
    """Bytes that are no message are INVALID_ARGUMENT for every method."""
    path = f"/{method.containing_service.full_name}/{method.name}"
    error = send(server, path, requests=method.client_streaming, responses=method.server_streaming)

    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert f"the 3 bytes of the request are no message of the type that {path} takes" in error.details()
    assert not caplog.records  # gRPC logs exceptions that reach it


@pytest.mark.parametrize("path", [*OTHERS, *STREAM_OTHERS])
def test_malformed_request_of_other_services(path: str, server: Server) -> None:
    """The same holds for health checks and for reflection, whose requests are a stream."""
    error = send(server, path, requests=path in STREAM_OTHERS, responses=path != OTHERS[0])

    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert path in error.details()


def test_invalid_utf8(server: Server) -> None:
    """A string that is not UTF-8 makes a message malformed."""
    with grpc.insecure_channel(server.address) as channel:
        generate: Any = channel.unary_unary(f"/{METHODS[0].containing_service.full_name}/GenerateContent")
        with pytest.raises(grpc.RpcError, match="INVALID_ARGUMENT"):
            generate(b"\x0a\x01\xff", timeout=30)


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The lines of the log, with the times as 0."""
    return [re.sub(r"\d+\.\d{3} s", "0 s", record.getMessage()) for record in caplog.records]


def test_log(caplog: pytest.LogCaptureFixture) -> None:
    """The log has a line for each call of the API, with its method, model, status, duration and tokens."""
    caplog.set_level(logging.INFO, "genai_grpc.local")
    script = ScriptEngine().reply("Hello there, ", "you").reply("Hello", ResourceExhausted("secret words"))
    with local.serve(script) as server, grpc.insecure_channel(server.address) as channel:
        stub = GenerativeServiceStub(channel)
        stub.GenerateContent(to_request(model="models/gemini-pro"))
        with pytest.raises(grpc.RpcError):
            list(stub.StreamGenerateContent(to_request()))
        stub.CountTokens(protos.CountTokensRequest(model="models/script", contents=to_request().contents))
        ModelServiceStub(channel).ListModels(protos.ListModelsRequest())
        ModelServiceStub(channel).GetModel(protos.GetModelRequest(name="models/script"))
        channel.unary_unary("/grpc.health.v1.Health/Check")(health_pb2.HealthCheckRequest().SerializeToString())
        send(server, "/google.ai.generativelanguage.v1beta.ModelService/ListModels", requests=False, responses=False)

    assert lines(caplog) == [
        "GenerateContent models/gemini-pro OK 0 s, 2+3 tokens",
        "StreamGenerateContent models/script RESOURCE_EXHAUSTED 0 s, 2+1 tokens",
        "CountTokens models/script OK 0 s",
        "ListModels - OK 0 s",
        "GetModel models/script OK 0 s",
        "ListModels - INVALID_ARGUMENT 0 s",
    ]


def test_log_of_a_cancelled_stream(caplog: pytest.LogCaptureFixture) -> None:
    """A call that the client cancels, whose deadline passes, or that a stop ends has its line too."""
    caplog.set_level(logging.INFO, "genai_grpc.local")
    script = ScriptEngine().reply("Hello", STALL).reply(STALL).reply("Hello", STALL)
    with local.serve(script) as server, grpc.insecure_channel(server.address) as channel:
        stub = GenerativeServiceStub(channel)
        stream = stub.StreamGenerateContent(to_request())
        next(stream)
        stream.cancel()
        script.wait_cancelled(1)
        with pytest.raises(grpc.RpcError, match="DEADLINE_EXCEEDED"):
            stub.GenerateContent(to_request(), timeout=0.2)
        script.wait_cancelled(2)
        stream = stub.StreamGenerateContent(to_request())
        next(stream)
        server.stop()

    assert [line.split()[2] for line in lines(caplog)] == ["CANCELLED", "DEADLINE_EXCEEDED", "UNAVAILABLE"]


def test_log_has_no_secrets(caplog: pytest.LogCaptureFixture) -> None:
    """At level DEBUG too, the log has neither a key nor a prompt nor a reply, and an odd name is left out."""
    caplog.set_level(logging.DEBUG, "genai_grpc.local")
    script = ScriptEngine().reply("a reply")
    with local.serve(script, api_key="right-key") as server, grpc.insecure_channel(server.address) as channel:
        stub = GenerativeServiceStub(channel)
        stub.GenerateContent(to_request(), metadata=(("x-goog-api-key", "right-key"),))
        for key, model in ("wrong-key", "models/script"), ("right-key", "models/\n" + "x" * 10_000):
            with pytest.raises(grpc.RpcError):
                stub.GenerateContent(to_request(model=model), metadata=(("x-goog-api-key", key),))

    assert [line.partition(" ")[0] for line in lines(caplog)] == ["GenerateContent"] * 6
    assert "GenerateContent from ipv4:127.0.0.1:" in caplog.text
    assert "GenerateContent - UNAUTHENTICATED" in caplog.text
    assert "GenerateContent - NOT_FOUND" in caplog.text
    assert all(len(line) < 150 and line.isprintable() for line in lines(caplog))
    assert not any(word in caplog.text for word in ("right-key", "wrong-key", "Hello there", "a reply"))


@pytest.mark.parametrize(
    "path", ["/google.ai.generativelanguage.v1beta.ModelService/No\nthing", "/some.Service/Method"]
)
def test_method_that_does_not_exist(path: str, caplog: pytest.LogCaptureFixture) -> None:
    """A method that no service has is UNIMPLEMENTED; the log has a line for it if it looks like one of the API."""
    caplog.set_level(logging.INFO, "genai_grpc.local")
    with local.serve(ScriptEngine()) as server, grpc.insecure_channel(server.address) as channel:
        nothing: Any = channel.unary_unary(path)
        with pytest.raises(grpc.RpcError, match="UNIMPLEMENTED"):
            nothing(b"", timeout=30)

    assert lines(caplog) == ([] if path.startswith("/some") else ["'No\\nthing' - UNIMPLEMENTED 0 s"])
