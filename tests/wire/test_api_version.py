"""API version v1: the same messages under another path, over real gRPC."""

from __future__ import annotations

import logging
import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import grpc.aio
import pytest
from google.protobuf.message import Message

import genai_grpc as genai
from genai_grpc import errors, protos, types
from genai_grpc._services import generative_language
from genai_grpc._services.api_versions import V1_METHODS
from genai_grpc._services.method import Method
from genai_grpc.caching import CachedContent
from genai_grpc.local import ScriptEngine, serve
from genai_grpc.local.server import Server
from tests.conftest import Api, Connect

V1 = "/google.ai.generativelanguage.v1"


class Methods(types.Interceptor):
    """Records the paths of calls."""

    def __init__(self) -> None:
        self.paths: list[str] = []

    def before(self, call: types.CallInfo) -> None:
        self.paths.append(call.method)


class Attempts(grpc.UnaryUnaryClientInterceptor, grpc.UnaryStreamClientInterceptor):
    """Records the paths of sync attempts."""

    def __init__(self) -> None:
        self.paths: list[str] = []

    def intercept_unary_unary(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        self.paths.append(client_call_details.method)
        return continuation(client_call_details, request)

    intercept_unary_stream = intercept_unary_unary


class AsyncUnaryAttempts(grpc.aio.UnaryUnaryClientInterceptor):
    """Records the paths of async attempts."""

    def __init__(self, paths: list[str]) -> None:
        self._paths = paths

    async def intercept_unary_unary(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        self._paths.append(client_call_details.method.decode())
        return await continuation(client_call_details, request)


class AsyncStreamAttempts(grpc.aio.UnaryStreamClientInterceptor):
    """The same of streams."""

    def __init__(self, paths: list[str]) -> None:
        self._paths = paths

    async def intercept_unary_stream(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        self._paths.append(client_call_details.method.decode())
        return await continuation(client_call_details, request)


def test_paths(api: Api, server: Server, script: ScriptEngine) -> None:
    """Every method of v1 that the package calls is sent under v1's path, which interceptors see, too."""
    methods, attempts = Methods(), Attempts()
    client = genai.Client(
        endpoint=server.endpoint,
        api_version="v1",
        interceptors=[methods, attempts, AsyncUnaryAttempts(attempts.paths), AsyncStreamAttempts(attempts.paths)],
    )
    model = genai.GenerativeModel(client=client)
    script.reply("Hello").reply("One,", " two")
    assert api.generate(model, "Hi").text == "Hello"
    stream = api.generate(model, "Count", stream=True)
    api.resolve(stream)
    assert stream.text == "One, two"
    assert api.count(model, "How many tokens are these?").total_tokens == 5
    assert api.get_model("gemini-pro", client=client).name == "models/gemini-pro"
    assert [each.name for each in api.list_models(client=client)][-1] == "models/gemini-pro"
    expected = [
        f"{V1}.GenerativeService/GenerateContent",
        f"{V1}.GenerativeService/StreamGenerateContent",
        f"{V1}.GenerativeService/CountTokens",
        f"{V1}.ModelService/GetModel",
        f"{V1}.ModelService/ListModels",
    ]
    assert methods.paths == attempts.paths == expected
    api.close_client(client)


def test_view(connect: Connect, api: Api, server: Server, script: ScriptEngine) -> None:
    """A view of a client has its API version."""
    methods = Methods()
    client = connect(server, api_version="v1", interceptors=[methods])
    assert api.get_model("gemini-pro", client=client.with_options(timeout=5)).name == "models/gemini-pro"
    assert methods.paths == [f"{V1}.ModelService/GetModel"]
    api.close_client(client)


def test_other_methods(api: Api) -> None:
    """A method that v1 does not have is refused before anything is sent, with the version that has it."""
    client = genai.Client(endpoint="http://127.0.0.1:1", api_version="v1")
    cache = CachedContent.from_proto(protos.CachedContent(name="cachedContents/a"), client=client)
    calls: dict[str, Callable[[], Any]] = {
        "CacheService.CreateCachedContent": lambda: api.call(
            CachedContent, "create", "gemini-pro", contents="A tale.", client=client
        ),
        "CacheService.DeleteCachedContent": lambda: api.call(cache, "delete"),
        "CacheService.ListCachedContents": lambda: api.items(CachedContent, "list", client=client),
        "ModelService.GetTunedModel": lambda: api.get_model("tunedModels/mine", client=client),
    }
    for name, call in calls.items():
        with pytest.raises(errors.MethodNotImplemented, match=f"API version v1 has no {name}; v1beta has") as caught:
            call()
        assert caught.value.attempts == 0
    assert not client.ready()
    api.close_client(client)


def test_log(
    connect: Connect, api: Api, server: Server, script: ScriptEngine, caplog: pytest.LogCaptureFixture
) -> None:
    """The log names the path that was called."""
    caplog.set_level(logging.DEBUG, logger="genai_grpc")
    script.reply(errors.DataLoss("no"))
    client = connect(server, api_version="v1")
    with pytest.raises(errors.DataLoss):
        api.generate(genai.GenerativeModel(client=client), "Hi")
    attempts = [each.getMessage() for each in caplog.records if "attempt" in each.getMessage()]
    assert attempts == [f"{V1}.GenerativeService/GenerateContent: attempt 1 ended with DATA_LOSS"]
    api.close_client(client)


def test_routing_and_timeout(api: Api) -> None:
    """A method of v1 has the routing metadata of v1beta's."""
    metadata: dict[str, str] = {}
    server = grpc.server(ThreadPoolExecutor(1))

    class Handler(grpc.GenericRpcHandler):
        def service(self, handler_call_details: Any) -> Any:
            metadata.update(handler_call_details.invocation_metadata)

    server.add_generic_rpc_handlers((Handler(),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    client = genai.Client("k", endpoint=f"http://127.0.0.1:{port}", api_version="v1")
    with pytest.raises(errors.MethodNotImplemented):
        api.generate(genai.GenerativeModel("m", client=client), "Hi")
    api.close_client(client)
    server.stop(None).wait()
    assert (metadata["x-goog-request-params"], metadata["x-goog-api-key"]) == ("model=models/m", "k")


@pytest.mark.parametrize("version", ["v2", "v1alpha", "", None, 1, ["v1"]])
def test_unknown_version(version: Any) -> None:
    """Any other version is refused where the client is built."""
    with pytest.raises(errors.ConfigurationError, match="api_version is 'v1beta' or 'v1'; got"):
        genai.Client(endpoint="http://127.0.0.1:1", api_version=version)


METHODS: dict[str, Method[Message, Message]] = {
    name: getattr(generative_language, name) for name in generative_language.__all__ if name.isupper()
}


@pytest.mark.parametrize("method", METHODS.values(), ids=list(METHODS))
def test_method(method: Method[Message, Message]) -> None:
    """A method of v1 differs from v1beta's in its path only, and is created once; the others have none."""
    service, _, name = method.name.partition(".")
    v1 = method.v1
    if name not in V1_METHODS.get(service, ()):
        assert v1 is None
        return
    assert v1 is not None
    assert v1 is method.v1
    assert v1.path == method.path.replace("v1beta", "v1") == f"{V1}.{service}/{name}"
    for attribute in ("request", "response", "streaming", "timeout", "idempotent", "routing_field"):
        assert getattr(v1, attribute) == getattr(method, attribute)


def test_pickle(connect: Connect, server: Server) -> None:
    """A client that is loaded from a pickle has its API version."""
    methods = Methods()
    client = connect(server, api_version="v1", interceptors=[methods])
    loaded = pickle.loads(pickle.dumps(client))
    with pytest.raises(errors.MethodNotImplemented, match="API version v1 has no"):
        genai.get_model("tunedModels/mine", client=loaded)


def test_server_requires_key(connect: Connect, api: Api, script: ScriptEngine) -> None:
    """The local server requires its key under v1, too."""
    with serve(script, api_key="right") as server:
        wrong, right = (connect(server, key, api_version="v1") for key in ("wrong", "right"))
        with pytest.raises(errors.Unauthenticated):
            api.get_model("gemini-pro", client=wrong)
        assert api.get_model("gemini-pro", client=right).name == "models/gemini-pro"
        for client in wrong, right:
            api.close_client(client)


def test_server_has_v1_only(server: Server) -> None:
    """The local server has no other methods under v1."""
    with grpc.insecure_channel(server.address) as channel:
        for path in ("CacheService/ListCachedContents", "ModelService/ListTunedModels"):
            call: Any = channel.unary_unary(f"{V1}.{path}")
            with pytest.raises(grpc.RpcError, match="UNIMPLEMENTED"):
                call(b"", timeout=10)
