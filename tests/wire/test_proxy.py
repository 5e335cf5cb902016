"""Proxies over real gRPC: which traffic they see, for each variable of the environment, spelling and endpoint."""

from __future__ import annotations

import base64
import pickle
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import grpc
import pytest

import genai_grpc as genai
from genai_grpc import errors, testing, types
from genai_grpc.local import ScriptEngine, serve
from genai_grpc.testing import CertificateAuthority
from tests.conftest import Api
from tests.raw_server import RawServer, RecordingProxy, raw_server, recording_proxy

KEY = "AIzaSy-a-very-secret-key"
PROMPT = "A prompt that no proxy may read."
REMOTE = "gemini.invalid"
VARIABLES = [
    spelling for name in ("grpc_proxy", "https_proxy", "http_proxy", "all_proxy") for spelling in (name, name.upper())
]
LOOPBACK = {
    "name": "localhost:{port}",
    "plaintext name": "http://localhost:{port}",
    "IPv4": "127.0.0.1:{port}",
    "plaintext IPv4": "http://127.0.0.1:{port}",
    "other IPv4": "127.0.0.2:{port}",
    "IPv6": "[::1]:{v6}",
    "plaintext IPv6": "http://[::1]:{v6}",
    "DNS": "dns:///localhost:{port}",
    "list": "ipv4:127.0.0.1:{port},127.0.0.1:{port}",
    "Unix": "unix:{path}",
    "Unix URL": "unix://{path}",
    "TLS name": "https://localhost:{tls}",
    "TLS IPv4": "https://127.0.0.1:{tls}",
}


@pytest.fixture(scope="module")
def authority() -> CertificateAuthority:
    """Issues the certificates of the servers."""
    pytest.importorskip("trustme")
    return CertificateAuthority()


@pytest.fixture(scope="module")
def servers(
    authority: CertificateAuthority, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[list[RawServer], dict[str, Any]]]:
    """Servers on loopback in each family, on a socket, and with TLS; and what the endpoints are formatted with."""
    path: Path = tmp_path_factory.mktemp("sockets") / "genai.sock"
    with ExitStack() as stack:
        started = [
            stack.enter_context(raw_server("0.0.0.0:0")),
            stack.enter_context(raw_server("[::1]:0")),
            stack.enter_context(raw_server(f"unix:{path}")),
            stack.enter_context(raw_server("127.0.0.1:0", authority.server("localhost", "127.0.0.1", REMOTE))),
        ]
        yield started, {"port": started[0].port, "v6": started[1].port, "path": path, "tls": started[3].port}


@pytest.fixture
def proxy(servers: tuple[list[RawServer], dict[str, Any]]) -> Iterator[RecordingProxy]:
    """A proxy to the server with TLS."""
    with recording_proxy() as running:
        running.upstream = servers[1]["tls"]
        yield running


def set_variable(monkeypatch: pytest.MonkeyPatch, name: str, proxy: RecordingProxy) -> None:
    """Set a variable, and gRPC's one for addresses, to the proxy."""
    monkeypatch.setenv(name, f"http://me:hunter2@127.0.0.1:{proxy.port}")
    monkeypatch.setenv("GRPC_ADDRESS_HTTP_PROXY", f"127.0.0.1:{proxy.port}")
    monkeypatch.setenv("GRPC_ADDRESS_HTTP_PROXY_ENABLED_ADDRESSES", "127.0.0.0/8,::1/128")


@pytest.mark.parametrize("name", ["grpc_proxy", "https_proxy", "http_proxy"])
def test_gRPC_alone(  # noqa: N802 -- its name
    name: str, servers: tuple[list[RawServer], dict[str, Any]], proxy: RecordingProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A channel of gRPC's own sends loopback traffic to the proxy: the recording detects what the other tests deny."""
    monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
    proxy.upstream = servers[1]["port"]
    with grpc.insecure_channel(f"localhost:{servers[1]['port']}") as channel:
        call: Any = channel.unary_unary("/package.Service/Method")
        call(PROMPT.encode(), metadata=[("x-goog-api-key", KEY)])
    assert PROMPT.encode() in b"".join(proxy.received)


@pytest.mark.parametrize("endpoint", LOOPBACK.values(), ids=LOOPBACK)
def test_loopback(
    api: Api,
    endpoint: str,
    servers: tuple[list[RawServer], dict[str, Any]],
    authority: CertificateAuthority,
    proxy: RecordingProxy,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No proxy of the environment sees anything of a loopback or Unix endpoint, in either spelling of its variable."""
    tls = types.TLS(root_certificates=authority.root) if endpoint.startswith("https") else None
    for name in VARIABLES:
        with monkeypatch.context() as environment:
            set_variable(environment, name, proxy)
            client = genai.Client(KEY, endpoint=endpoint.format(**servers[1]), tls=tls)
            assert api.generate(genai.GenerativeModel(client=client), PROMPT).text == "Hello"
            api.close_client(client)
        assert proxy.received == [], name
    assert any(call.get("x-goog-api-key") == KEY for server in servers[0] for call in server.calls)


@pytest.mark.parametrize("endpoint", [f"{REMOTE}:50443", f"https://{REMOTE}:50443", f"dns:///{REMOTE}:50443"])
def test_tls(
    api: Api, endpoint: str, authority: CertificateAuthority, proxy: RecordingProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each variable, in either spelling, is honoured for a TLS endpoint; the proxy sees CONNECT and TLS only."""
    for name in VARIABLES:
        proxy.received.clear()
        with monkeypatch.context() as environment:
            set_variable(environment, name, proxy)
            client = genai.Client(KEY, endpoint=endpoint, tls=types.TLS(root_certificates=authority.root))
            assert api.generate(genai.GenerativeModel(client=client), PROMPT).text == "Hello"
            api.close_client(client)
        assert proxy.received, name
        for received in proxy.received:
            head, _, body = bytes(received).partition(b"\r\n\r\n")
            assert head.startswith(f"CONNECT {REMOTE}:50443 HTTP/1.1\r\n".encode())
            assert body.startswith(b"\x16\x03")  # a TLS handshake
            assert PROMPT.encode() not in received
            assert KEY.encode() not in received


@pytest.mark.parametrize("name", ["no_proxy", "NO_PROXY", "no_grpc_proxy"])
def test_exceptions(
    api: Api,
    name: str,
    servers: tuple[list[RawServer], dict[str, Any]],
    authority: CertificateAuthority,
    proxy: RecordingProxy,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A TLS host that no_proxy lists, in either spelling, is connected directly."""
    set_variable(monkeypatch, "HTTPS_PROXY", proxy)
    monkeypatch.setenv(name, f"example.org,{REMOTE}")
    no_retry = types.RetryPolicy(max_attempts=1)
    client = genai.Client(KEY, endpoint=f"{REMOTE}:{servers[1]['tls']}", retry=no_retry)
    with pytest.raises(errors.ServiceUnavailable):  # there is no such host
        api.generate(genai.GenerativeModel(client=client), PROMPT, request_options={"timeout": 5})
    api.close_client(client)
    assert proxy.received == []


def test_loaded_client(
    api: Api,
    servers: tuple[list[RawServer], dict[str, Any]],
    proxy: RecordingProxy,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A client that is unpickled, or gets another key, uses no proxy of the environment for loopback either."""
    data = pickle.dumps(genai.Client(KEY, endpoint=f"localhost:{servers[1]['port']}"))
    for name in VARIABLES:
        set_variable(monkeypatch, name, proxy)
    monkeypatch.setenv("GEMINI_API_KEY", KEY)
    client = pickle.loads(data)
    assert api.generate(genai.GenerativeModel(client=client), PROMPT).text == "Hello"
    client.update_api_key("AIzaSy-another-secret")
    assert api.generate(genai.GenerativeModel(client=client), PROMPT).text == "Hello"
    api.close_client(client)
    assert proxy.received == []


def test_key_after_a_proxy(api: Api, proxy: RecordingProxy) -> None:
    """A client with a plaintext connection through a proxy takes no key: neither a new one nor one of a call."""
    client = genai.Client(endpoint="http://127.0.0.1:1", proxy=f"http://127.0.0.1:{proxy.port}")
    with pytest.raises(errors.ConfigurationError, match="through a proxy"):
        client.update_api_key(KEY)
    metadata = {"metadata": [("authorization", f"Bearer {KEY}")]}
    with pytest.raises(errors.ConfigurationError, match="through a proxy"):
        api.generate(genai.GenerativeModel(client=client), PROMPT, request_options=metadata)
    api.close_client(client)
    assert proxy.received == []


def test_password(api: Api, servers: tuple[list[RawServer], dict[str, Any]], proxy: RecordingProxy) -> None:
    """A client's calls go through its proxy, which gets its password; a client without a proxy connects directly."""
    proxy.upstream = servers[1]["port"]
    proxied = genai.Client(endpoint=f"http://{REMOTE}:50051", proxy=f"http://me:hunter2@127.0.0.1:{proxy.port}")
    direct = genai.Client(endpoint=f"localhost:{servers[1]['port']}", proxy="")
    for client in (proxied, direct):
        assert api.generate(genai.GenerativeModel(client=client), PROMPT).text == "Hello"
        api.close_client(client)
    (received,) = proxy.received
    request, *headers = bytes(received).partition(b"\r\n\r\n")[0].split(b"\r\n")
    assert request == f"CONNECT {REMOTE}:50051 HTTP/1.1".encode()
    assert b"Proxy-Authorization: Basic " + base64.b64encode(b"me:hunter2") in headers


def test_channel_options(api: Api, servers: tuple[list[RawServer], dict[str, Any]], proxy: RecordingProxy) -> None:
    """A proxy in the channel options overrides that there is none for loopback, for a client without a key."""
    proxy.upstream = servers[1]["port"]
    options = [("grpc.http_proxy", f"http://127.0.0.1:{proxy.port}")]
    client = genai.Client(endpoint="http://127.0.0.1:1", channel_options=options)
    assert api.generate(genai.GenerativeModel(client=client), PROMPT).text == "Hello"
    api.close_client(client)
    assert len(proxy.received) == 1


def test_cassette(proxy: RecordingProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that records a cassette forwards to a loopback upstream without the proxy of the environment."""
    for name in VARIABLES:
        set_variable(monkeypatch, name, proxy)
    with (
        serve(ScriptEngine().reply("Hello")) as upstream,
        testing.record(tmp_path / "cassette.jsonl", upstream=upstream.endpoint) as server,
        genai.Client(KEY, endpoint=server.endpoint) as client,
    ):
        assert genai.GenerativeModel(client=client).generate_content(PROMPT).text == "Hello"
    assert proxy.received == []
