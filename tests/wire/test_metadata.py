"""Metadata, wherever it enters: it arrives as it was given, or is refused before the call."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import grpc
import pytest

import genai_grpc as genai
from genai_grpc import protos
from tests.conftest import AsyncApi, SyncApi

REPLY = protos.CountTokensResponse(total_tokens=3).SerializeToString()


class RecordingHandler(grpc.GenericRpcHandler):
    """Replies to every call, and records its metadata."""

    def __init__(self) -> None:
        self.received: list[dict[str, Any]] = []

    def service(self, handler_call_details: Any) -> Any:
        self.received.append(dict(handler_call_details.invocation_metadata))
        return grpc.unary_unary_rpc_method_handler(lambda request, context: REPLY)


@pytest.fixture
def recorder() -> Iterator[tuple[RecordingHandler, str]]:
    """The handler of a server, and its endpoint."""
    handler = RecordingHandler()
    server = grpc.server(ThreadPoolExecutor(1))
    server.add_generic_rpc_handlers((handler,))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield handler, f"http://127.0.0.1:{port}"
    server.stop(None).wait()


@pytest.fixture(params=[SyncApi, AsyncApi], ids=["sync", "async"])
def calls(request: pytest.FixtureRequest) -> Iterator[Any]:
    """The public API, once sync and once async, without a client."""
    api = request.param()
    yield api
    if api.is_async:
        api.loop.run_until_complete(api.loop.shutdown_asyncgens())
        api.loop.close()


Pairs = list[tuple[str, Any]]


def by_client(calls: Any, endpoint: str, pairs: Pairs) -> None:
    client = genai.Client(endpoint=endpoint, metadata=pairs)
    calls.count(genai.GenerativeModel(client=client), "Hi")
    calls.close_client(client)


def by_configure(calls: Any, endpoint: str, pairs: Pairs) -> None:
    genai.configure(client_options={"api_endpoint": endpoint}, default_metadata=pairs)
    try:
        calls.count(genai.GenerativeModel(), "Hi")
        calls.close_client(genai.client.default_client())
    finally:
        genai.configure()


def by_request_options(calls: Any, endpoint: str, pairs: Pairs) -> None:
    client = genai.Client(endpoint=endpoint)
    try:
        calls.count(genai.GenerativeModel(client=client), "Hi", request_options={"metadata": pairs})
    finally:
        calls.close_client(client)


WAYS: dict[str, Callable[[Any, str, Pairs], None]] = {
    "Client": by_client,
    "configure": by_configure,
    "request_options": by_request_options,
}


@pytest.mark.parametrize("way", WAYS)
def test_values(way: str, calls: Any, recorder: tuple[RecordingHandler, str]) -> None:
    """Text arrives as it is, and bytes under a name that ends with -bin."""
    handler, endpoint = recorder
    WAYS[way](calls, endpoint, [("X-Text", "a b~"), ("x-data-bin", b"\x00\xff\n")])
    (received,) = handler.received
    assert (received["x-text"], received["x-data-bin"]) == ("a b~", b"\x00\xff\n")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("x-text", "é", ValueError),
        ("x-text", "a\r\nx-other: b", ValueError),
        ("x-text", "a\0b", ValueError),
        ("x-text", "\x7f", ValueError),
        ("x-text", "\ud800", ValueError),
        ("x-text", b"a", TypeError),
        ("x-text", 5, TypeError),
        ("x-data-bin", "text", TypeError),
        ("x-data-bin", None, TypeError),
        ("x text", "a", ValueError),
        ("", "a", ValueError),
        ("x-é", "a", ValueError),
        (":path", "/x", ValueError),
    ],
)
def test_refused(
    way: str,
    name: str,
    value: Any,
    error: type[Exception],
    calls: Any,
    recorder: tuple[RecordingHandler, str],
    capfd: Any,
) -> None:
    """What gRPC cannot carry is an error that names the pair; nothing is sent, and gRPC prints nothing."""
    handler, endpoint = recorder
    with pytest.raises(error, match="metadata"):
        WAYS[way](calls, endpoint, [(name, value)])
    assert handler.received == []
    assert capfd.readouterr().err == ""


def configure_and_call(calls: Any, **arguments: Any) -> None:
    genai.configure(**arguments)
    calls.count(genai.GenerativeModel(), "Hi")


@pytest.mark.parametrize("value", ["é", "a\nb", "a\0b", "\ud800"])
def test_user_agent_and_quota_project(value: str, calls: Any, recorder: tuple[RecordingHandler, str]) -> None:
    """The same for a user agent and a quota project, given to a client or to `configure`."""
    handler, endpoint = recorder
    with pytest.raises(ValueError, match="the user_agent has characters that are not printable ASCII"):
        genai.Client(endpoint=endpoint, user_agent=value)
    for arguments in (
        {"client_info": SimpleNamespace(user_agent=value), "client_options": {"api_endpoint": endpoint}},
        {"client_options": {"api_endpoint": endpoint, "quota_project_id": value}},
    ):
        with pytest.raises(ValueError, match="has characters that are not printable ASCII"):
            configure_and_call(calls, **arguments)
        genai.configure()
    assert handler.received == []


def test_user_agent_of_another_type() -> None:
    """A user agent that is no str is a TypeError."""
    with pytest.raises(TypeError, match="the user_agent is a str; got int"):
        genai.Client(endpoint="http://127.0.0.1:1", user_agent=5)  # type: ignore[arg-type] # as a program may
