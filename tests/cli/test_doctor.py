"""`genai-grpc doctor`."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from genai_grpc import errors, local, testing
from genai_grpc._rpc.secret import Secret
from genai_grpc._transport.endpoint import parse_endpoint
from genai_grpc.cli._checks import check_key, check_proxies
from genai_grpc.cli._connection import Route, check_clock, check_tcp, check_tls
from genai_grpc.local import ScriptEngine
from genai_grpc.local.server import Server
from tests.cli.runner import invoke

AUTH_KEY = "AQ." + "x" * 50
STANDARD_KEY = "AIza" + "x" * 35


def states(output: str) -> dict[str, str]:
    """The states of the checks, of --json."""
    return {finding["check"]: finding["state"] for finding in json.loads(output.partition("]\n")[0] + "]")}


@pytest.mark.parametrize("transport", ["grpc", "rest"])
def test_local_server(script: ScriptEngine, transport: str) -> None:
    """All checks of a local server pass."""
    with local.serve(script, http_port=0) as server:
        endpoint = str(server.http_endpoint) if transport == "rest" else server.endpoint
        code, output = invoke("doctor", "--transport", transport, endpoint=endpoint)
    assert code == 0, output
    assert {line[:6].strip() for line in output.splitlines()} == {"ok"}
    assert len(output.splitlines()) == 7


def test_key_is_not_printed(script: ScriptEngine) -> None:
    """A refused key fails the call, says what to do, and is not printed."""
    with local.serve(script, api_key="right-key") as server:
        code, output = invoke("doctor", endpoint=server.endpoint, GEMINI_API_KEY=AUTH_KEY)
    assert code == 1
    assert "Failed: call." in output
    assert "https://aistudio.google.com/apikey" in output
    assert AUTH_KEY not in output
    assert "GEMINI_API_KEY: an auth key (AQ.), 53 characters" in output


def test_nothing_listens() -> None:
    """Where nothing listens, the checks end there, with what to do."""
    code, output = invoke("doctor", "--json", endpoint="http://127.0.0.1:1")
    assert code == 1
    assert states(output)["address"] == "failed"
    assert "TLS" not in states(output)
    assert "genai-grpc serve" in output


def test_wrong_endpoint() -> None:
    """Settings that no client takes are a failed check."""
    code, output = invoke("doctor", "--json", endpoint="ftp://example.com")
    assert (code, states(output)["settings"]) == (1, "failed")


def test_tls(script: ScriptEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A certificate is refused without its root, and trusted with it."""
    pytest.importorskip("trustme")
    authority = testing.CertificateAuthority()
    root = tmp_path / "root.pem"
    root.write_bytes(authority.root)
    with local.serve(script, credentials=authority.server()) as server:
        route = Route(parse_endpoint(server.endpoint), None, 10)
        refused = check_tls(route)
        monkeypatch.setenv("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", str(root))
        trusted = check_tls(route)
    assert (refused.state, "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH" in refused.advice) == ("failed", True)
    assert trusted.state == "ok"
    assert "HTTP/2" in trusted.text


def test_no_tls(server: Server) -> None:
    """TLS with a plaintext server fails, and says to use http://."""
    found = check_tls(Route(parse_endpoint(server.endpoint.replace("http:", "https:")), None, 10))
    assert (found.state, "http://" in found.advice) == ("failed", True)


def test_unix_socket(tmp_path: Path) -> None:
    """A Unix domain socket is checked as an address."""
    path = tmp_path / "socket"
    route = Route(parse_endpoint(f"unix:{path}"), None, 10)
    assert check_tcp(route).state == "failed"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        assert check_tcp(route).state == "ok"


def test_clock_without_date() -> None:
    """Without a server to ask, the clock is not compared."""
    assert check_clock(Route(parse_endpoint("https://127.0.0.2:1"), None, 1)).state == "ok"
    assert check_clock(Route(parse_endpoint("https://host.invalid"), None, 1)).state == "skip"
    assert check_clock(Route(parse_endpoint("xds:///name"), None, 1)).state == "skip"


@pytest.mark.parametrize(
    ("key", "variables", "is_local", "state", "text"),
    [
        (AUTH_KEY, {}, False, "ok", "an auth key (AQ.), 53 characters"),
        (STANDARD_KEY, {}, False, "note", "a standard key (AIza), 39 characters"),
        (STANDARD_KEY[:-1], {}, False, "note", "38 characters"),
        (f'"{AUTH_KEY}"', {}, False, "failed", "quotes or spaces"),
        ("a key", {}, True, "failed", "quotes or spaces"),
        ("sk-other", {}, False, "note", "neither AQ. nor AIza"),
        ("sk-other", {}, True, "ok", "of your own server"),
        (None, {}, True, "ok", "a local server does not need"),
        (None, {}, False, "note", "google-auth"),
        (AUTH_KEY, {"GOOGLE_API_KEY": "another"}, False, "note", "GOOGLE_API_KEY has another key"),
        (AUTH_KEY, {"GOOGLE_API_KEY": AUTH_KEY}, False, "ok", "GEMINI_API_KEY: an auth key"),
    ],
)
def test_key(key: str | None, variables: dict[str, str], is_local: bool, state: str, text: str) -> None:
    """The form of a key and its source are described; the key is not."""
    environment = variables if key is None else {"GEMINI_API_KEY": key, **variables}
    found = check_key(None if key is None else Secret(key), None, environment, is_local=is_local)
    assert (found.state, text in found.text) == (state, True)
    assert key is None or key not in found.text + found.advice


def test_proxies() -> None:
    """The proxy in use is named, without its password."""
    assert check_proxies(None, {}).text == "none"
    environment = {"HTTPS_PROXY": "http://ada:hunter2@proxy.example.com:3128", "no_proxy": "localhost"}
    assert check_proxies(None, environment).text == "HTTPS_PROXY, no_proxy set, none for this endpoint"
    found = check_proxies(Secret(environment["HTTPS_PROXY"]), environment)
    assert found.state == "note"
    assert "proxy.example.com:3128" in found.text
    assert "hunter2" not in str(found)


def test_proxy_that_refuses(script: ScriptEngine) -> None:
    """The address is checked through the proxy."""
    with local.serve(script, http_port=0) as server:
        proxy = Secret(f"http://ada:secret@{str(server.http_endpoint).removeprefix('http://')}")
        found = check_tcp(Route(parse_endpoint("https://example.com"), proxy, 10))
    assert found.state == "failed"
    assert "through the proxy" in found.text
    assert "secret" not in str(found)


def test_failed_call(script: ScriptEngine, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call that fails behind an address that accepts connections points to what is on the way."""

    def fail(**_: object) -> None:
        raise errors.ServiceUnavailable("no")

    monkeypatch.setattr("genai_grpc.cli._checks.list_models", fail)
    code, output = invoke("doctor", endpoint=server.endpoint)
    assert (code, "--transport rest" in output) == (1, True)


def test_vertex(script: ScriptEngine) -> None:
    """With the variables of Vertex AI its service is called, which has no ListModels."""
    variables = {"GOOGLE_GENAI_USE_VERTEXAI": "true", "GOOGLE_CLOUD_PROJECT": "p", "GOOGLE_CLOUD_LOCATION": "global"}
    with local.serve(script) as server:
        code, output = invoke("doctor", endpoint=server.endpoint, **variables)
    assert (code, "CountTokens of Vertex AI over grpc succeeds" in output) == (0, True)
    assert len(script.count_requests) == 1
