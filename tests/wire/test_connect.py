"""Connecting before the first call, and whether a client is connected, over real gRPC."""

from __future__ import annotations

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import grpc.aio
import pytest

import genai_grpc as genai
from genai_grpc import errors, testing, types
from genai_grpc._rpc.calls_in_flight import Signal
from genai_grpc._transport.grpc import connectivity
from genai_grpc._transport.grpc.channel_pool import ChannelPool
from genai_grpc.local import ScriptEngine, serve
from genai_grpc.local.server import Server
from genai_grpc.testing import FaultProxy
from tests.conftest import Api
from tests.waiting import wait_until


def is_ready(api: Api, client: genai.Client) -> bool:
    """`ready`, for async calls on the event loop of the test."""

    async def ready() -> bool:
        return client.ready()

    return api._run(ready()) if api.is_async else client.ready()  # type: ignore[attr-defined]  # AsyncApi's


def test_connect(api: Api, server: Server, script: ScriptEngine) -> None:
    """A client is ready once it is connected, sends no request for it, and its first call uses that connection."""
    with FaultProxy(server.endpoint) as proxy:
        client = genai.Client(endpoint=proxy.endpoint)
        assert not is_ready(api, client)
        for _ in range(2):  # the second time it is connected
            api.call(client, "connect", timeout=10)
        assert is_ready(api, client)
        script.reply("Hello")
        assert api.generate(genai.GenerativeModel(client=client), "Hi").text == "Hello"
        assert proxy.connections == 1
        api.close_client(client)
        assert not is_ready(api, client)


def test_connection_of_first_call(api: Api, client: genai.Client, script: ScriptEngine) -> None:
    """The connection of a first call makes the client ready, in async programs for the event loop of the call only."""
    script.reply("Hello")
    api.generate(genai.GenerativeModel(client=client), "Hi")
    assert is_ready(api, client)
    assert client.ready() != api.is_async


def test_connection_lost(api: Api, server: Server) -> None:
    """A client whose connection is gone is not ready, until it connects again."""
    with FaultProxy(server.endpoint) as proxy:
        client = genai.Client(endpoint=proxy.endpoint)
        api.call(client, "connect", timeout=10)
        proxy.refuse()
        proxy.cut()
        wait_until(lambda: not is_ready(api, client))
        proxy.accept()
        api.call(client, "connect", timeout=10)
        assert is_ready(api, client)
        api.close_client(client)


def unused_port() -> int:
    """A port at which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_unreachable(api: Api) -> None:
    """Without a server, connecting ends at its timeout with ServiceUnavailable and gRPC's reason."""
    client = genai.Client(endpoint=f"http://127.0.0.1:{unused_port()}")
    with pytest.raises(errors.ServiceUnavailable, match=r"no connection within 0\.3 s: .*Connection refused"):
        api.call(client, "connect", timeout=0.3)
    assert not is_ready(api, client)
    api.close_client(client)


def test_mute_server(api: Api) -> None:
    """A server that accepts the connection and says nothing is ServiceUnavailable at the timeout."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = genai.Client(endpoint=f"http://127.0.0.1:{listener.getsockname()[1]}")
        with pytest.raises(errors.ServiceUnavailable, match=r"no connection within 0\.3 s: the server has not"):
            api.call(client, "connect", timeout=0.3)
        api.close_client(client)


def test_untrusted_certificate(api: Api, script: ScriptEngine) -> None:
    """The TLS handshake is part of connecting: an untrusted certificate is the reason of the failure."""
    authority = testing.CertificateAuthority()
    with serve(script, credentials=authority.server()) as server:
        untrusting = genai.Client(endpoint=server.endpoint)
        with pytest.raises(errors.ServiceUnavailable, match=r"(?i)no connection within 1\.0 s: .*certificate"):
            api.call(untrusting, "connect", timeout=1)
        client = genai.Client(endpoint=server.endpoint, tls=types.TLS(root_certificates=authority.root))
        api.call(client, "connect", timeout=10)
        assert is_ready(api, client)
        for each in untrusting, client:
            api.close_client(each)


def test_late_server(api: Api, script: ScriptEngine) -> None:
    """Connecting goes on until the server is there."""
    port = unused_port()
    client = genai.Client(endpoint=f"http://127.0.0.1:{port}")
    server = serve(script, port=port)
    timer = threading.Timer(0.5, server.start)
    timer.start()
    api.call(client, "connect", timeout=60)
    assert is_ready(api, client)
    api.close_client(client)
    timer.join()
    server.stop()


def test_default_timeout(api: Api) -> None:
    """The timeout of a client, or of a view, is that of `connect` too."""
    client = genai.Client(endpoint=f"http://127.0.0.1:{unused_port()}", timeout=0.3)
    for each, seconds in ((client, "0.3"), (client.with_options(timeout=0.2), "0.2")):
        with pytest.raises(errors.ServiceUnavailable, match=f"no connection within {seconds} s"):
            api.call(each, "connect")
    with pytest.raises(ValueError, match="above 0 seconds; got 0"):
        api.call(client, "connect", timeout=0)
    api.close_client(client)


def test_closed_meanwhile(api: Api) -> None:
    """Closing the client ends a `connect` that waits."""
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as pool:
        client = genai.Client(endpoint=f"http://127.0.0.1:{listener.getsockname()[1]}")
        connecting = pool.submit(api.call, client, "connect", timeout=100)
        listener.accept()[0].close()
        client.close()
        with pytest.raises(errors.ClientClosed, match="closed while the call was in flight"):
            connecting.result()


def test_closed_after_the_timeout(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Closing the client ends a `connect` likewise that asks gRPC for the reason, at its timeout."""
    monkeypatch.setattr(connectivity, "PROBE_TIMEOUT", 100)
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as pool:
        client = genai.Client(endpoint=f"http://127.0.0.1:{listener.getsockname()[1]}")
        connecting = pool.submit(api.call, client, "connect", timeout=0.05)
        with listener.accept()[0]:
            time.sleep(0.1)
            client.close()
            with pytest.raises(errors.ClientClosed, match="closed while the call was in flight"):
                connecting.result()


def test_drained(api: Api, server: Server, script: ScriptEngine) -> None:
    """A `connect` counts as a call in flight: closing with a grace lets it end."""
    client = genai.Client(endpoint=f"http://127.0.0.1:{unused_port()}")
    with ThreadPoolExecutor(1) as pool:
        connecting = pool.submit(api.call, client, "connect", timeout=0.5)
        wait_until(lambda: client._transports and client._transports.admission.calls.count)
        client.close(grace=100)
        with pytest.raises(errors.ServiceUnavailable):
            connecting.result()


def test_token(api: Api, server: Server) -> None:
    """The token is fetched when the client connects, and an error of the credentials is that of a call."""
    google_credentials: Any = pytest.importorskip("google.auth.credentials")
    exceptions = pytest.importorskip("google.auth.exceptions")

    class Token(google_credentials.Credentials):  # type: ignore[misc]  # where google-auth is missing, there is none
        refreshed = 0

        def refresh(self, request: object) -> None:
            del request
            self.refreshed += 1
            self.token = "a-token"  # noqa: S105 -- no real one

    class NoToken(Token):
        def refresh(self, request: object) -> None:
            raise exceptions.RefreshError("revoked")

    token = Token()
    client = genai.Client(endpoint=server.endpoint, credentials=token)
    api.call(client, "connect", timeout=10)
    assert token.refreshed == 1
    api.get_model("gemini-pro", client=client)
    assert token.refreshed == 1
    without = genai.Client(endpoint=server.endpoint, credentials=NoToken())
    with pytest.raises(errors.Unauthenticated, match="the credentials gave no token: revoked"):
        api.call(without, "connect", timeout=10)
    for each in client, without:
        api.close_client(each)


class Recorder(grpc.UnaryUnaryClientInterceptor):
    """Records the methods that it sees."""

    def __init__(self) -> None:
        self.methods: list[str] = []

    def intercept_unary_unary(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        self.methods.append(client_call_details.method)
        return continuation(client_call_details, request)


def test_interceptors(server: Server) -> None:
    """Behind gRPC's interceptors a client connects, and knows that it is ready; they see no call."""
    recorder = Recorder()
    with genai.Client(endpoint=server.endpoint, interceptors=[recorder]) as client:
        client.connect(timeout=10)
        assert client.ready()
    assert recorder.methods == []


class Published:
    """A channel with the published methods of one, whose state only subscribers see."""

    def __init__(self, channel: grpc.Channel) -> None:
        self.subscribe = channel.subscribe
        self.unsubscribe = channel.unsubscribe


def test_state_by_subscription(server: Server) -> None:
    """Without the unpublished function for it, the state of a sync channel comes from subscriptions."""
    before, channel = threading.active_count(), grpc.insecure_channel(server.address)
    pool = ChannelPool(lambda number: Published(channel))
    pool.acquire()
    assert not connectivity.is_ready(pool)
    connectivity.connect(pool, Signal(), 10)
    assert connectivity.is_ready(pool)
    pool.close()
    assert not connectivity.is_ready(pool)
    wait_until(lambda: threading.active_count() == before)  # they print an error if the channel is closed before
    channel.close()


def test_no_threads(server: Server) -> None:
    """Connecting, and looking whether a client is connected, starts no thread."""
    before = threading.active_count()
    with genai.Client(endpoint=server.endpoint) as client:
        client.connect(timeout=10)
        assert client.ready()
        assert threading.active_count() == before
