"""The metadata of responses, over real gRPC."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from typing import Any

import grpc
import grpc.aio
import pytest

import genai_grpc as genai
from genai_grpc import errors, types
from genai_grpc._transport.grpc import received_metadata
from tests.conftest import Api
from tests.recording_server import INITIAL, TRAILING, RecordingServer


class SyncInterceptor(grpc.UnaryUnaryClientInterceptor, grpc.UnaryStreamClientInterceptor):
    """Passes on each sync call."""

    def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
        return continuation(details, request)

    def intercept_unary_stream(self, continuation: Any, details: Any, request: Any) -> Any:
        return continuation(details, request)


class AsyncUnaryInterceptor(grpc.aio.UnaryUnaryClientInterceptor):
    """Passes on each async unary call."""

    async def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
        return await continuation(details, request)


class AsyncStreamInterceptor(grpc.aio.UnaryStreamClientInterceptor):
    """Passes on each async stream."""

    async def intercept_unary_stream(self, continuation: Any, details: Any, request: Any) -> Any:
        return await continuation(details, request)


NO_BACKOFF = types.RetryPolicy(initial_backoff=0)
# gRPC's own state, its public methods, and those of its interceptors' calls.
WAYS = pytest.mark.parametrize("way", ["private", "public", "interceptors"])
INTERCEPTORS = (SyncInterceptor(), AsyncUnaryInterceptor(), AsyncStreamInterceptor())


@pytest.fixture
def recording() -> Iterator[RecordingServer]:
    """A server that sends metadata."""
    with RecordingServer(failures=1) as server:
        yield server


def connect(server: RecordingServer, way: str, monkeypatch: pytest.MonkeyPatch) -> genai.Client:
    """A client of `server` that reads metadata in one of `WAYS`."""
    if way == "public":
        monkeypatch.setattr(received_metadata, "_private_call", lambda unary: (None, None))
    interceptors = INTERCEPTORS if way == "interceptors" else ()
    return genai.Client(endpoint=server.endpoint, retry=NO_BACKOFF, interceptors=interceptors)


@WAYS
def test_whole_response(api: Api, recording: RecordingServer, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A response has the initial and trailing metadata of its last attempt, and the request ID in them."""
    client = connect(recording, way, monkeypatch)
    response = api.generate(genai.GenerativeModel(client=client), "Hi")
    assert response.metadata == types.ResponseMetadata(INITIAL, TRAILING)
    assert response.request_id == "r-1"
    assert len(recording.received) == 2
    api.close_client(client)


@WAYS
def test_stream(api: Api, recording: RecordingServer, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream has its initial metadata from the first chunk, and its trailing metadata after the end."""
    client = connect(recording, way, monkeypatch)
    response = api.generate(genai.GenerativeModel(client=client), "Hi", stream=True)
    assert response.metadata == types.ResponseMetadata(INITIAL, None)
    assert response.request_id == "r-1"
    api.resolve(response)
    assert response.metadata == types.ResponseMetadata(INITIAL, TRAILING)
    api.close_client(client)


def test_broken_stream(api: Api) -> None:
    """A stream that fails has the trailing metadata of its error; one that is closed keeps its initial metadata."""
    with RecordingServer(broken=True) as server:
        client = genai.Client(endpoint=server.endpoint)
        response = api.generate(genai.GenerativeModel(client=client), "Hi", stream=True)
        with pytest.raises(errors.DataLoss):
            api.resolve(response)
        assert response.metadata == types.ResponseMetadata(INITIAL, TRAILING)
        response = api.generate(genai.GenerativeModel(client=client), "Hi", stream=True)
        api.close(response)
        assert response.metadata.initial == INITIAL
        api.close_client(client)


def test_no_metadata(api: Api, recording: RecordingServer) -> None:
    """A response that was pickled or read from JSON has no metadata."""
    client = genai.Client(endpoint=recording.endpoint, retry=NO_BACKOFF)
    response = api.generate(genai.GenerativeModel(client=client), "Hi")
    for restored in (pickle.loads(pickle.dumps(response)), type(response).from_json(response.to_json())):
        assert restored.text == "One, two"
        assert (restored.metadata, restored.request_id) == (None, None)
    api.close_client(client)


def test_private_call_is_known() -> None:
    """This release of grpcio has what the fast way of reading metadata needs."""
    with grpc.insecure_channel("127.0.0.1:1") as channel:
        blocking, rpc_error = received_metadata._private_call(channel.unary_unary("/service/method"))
    assert blocking is not None
    assert issubclass(rpc_error, grpc.RpcError)


@pytest.mark.parametrize("attribute", ["_RPCState", "_InactiveRpcError"])
def test_unknown_grpcio(attribute: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A grpcio without those private names is read by its public methods."""
    with grpc.insecure_channel("127.0.0.1:1") as channel:
        unary: Any = channel.unary_unary("/service/method")
        monkeypatch.delattr(f"grpc._channel.{attribute}")
        assert received_metadata._private_call(unary) == (None, None)


@pytest.mark.parametrize(
    ("pairs", "request_id"),
    [
        ((("x-request-id", "gateway"), ("x-goog-request-id", "google")), "google"),
        ((("request-id", "ads"),), "ads"),
        ((("x-request-id", "first"), ("x-request-id", "second")), "first"),
        ((("server", "scaffolding"),), None),
    ],
)
def test_request_id(pairs: tuple[tuple[str, str], ...], request_id: str | None) -> None:
    """The request ID is read from initial and trailing metadata; Google's name goes before that of gateways."""
    assert types.ResponseMetadata(pairs, None).request_id == request_id
    assert types.ResponseMetadata((), pairs).request_id == request_id


def test_response_does_not_hold_the_rpc(api: Api, recording: RecordingServer) -> None:
    """A response keeps the metadata, not gRPC's call, whose memory is freed with it."""
    client = genai.Client(endpoint=recording.endpoint, retry=NO_BACKOFF)
    response = api.generate(genai.GenerativeModel(client=client), "Hi")
    reachable, found = [response._received], list[Any]()
    while reachable:
        each = reachable.pop()
        found.append(type(each))
        if isinstance(each, tuple):
            reachable.extend(each)
    assert {kind for kind in found if not issubclass(kind, tuple)} <= {str, bytes}
    api.close_client(client)
