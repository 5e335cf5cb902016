from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from genai_grpc import errors
from genai_grpc._transport.config import ClientOptions, resolve
from genai_grpc._transport.credentials import SCOPES, CallableKey, OAuthToken, StaticKey, credentials_from
from tests.clock import ManualClock

pytest.importorskip("google.auth")
credentials = pytest.importorskip("google.oauth2.credentials")
service_account = pytest.importorskip("google.oauth2.service_account")
rsa = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.rsa")
serialization = pytest.importorskip("cryptography.hazmat.primitives.serialization")

LOCAL = "http://127.0.0.1:1"


class TokenServer:
    """An OAuth token server: every request gets another token.

    Attributes:
        requests: The bodies of the requests.
        lifetime: Of the tokens, in seconds.
        status: The HTTP status of the replies.
        url: Where to request tokens.
    """

    def __init__(self) -> None:
        self.requests: list[str] = []
        self.lifetime = 3600
        self.status = 200
        state = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                state.requests.append(self.rfile.read(int(self.headers["content-length"])).decode())
                reply = {"access_token": f"token-{len(state.requests)}", "expires_in": state.lifetime, "error": "no"}
                body = json.dumps(reply).encode()
                self.send_response(state.status)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/token"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def token_server() -> Iterator[TokenServer]:
    """A running token server."""
    server = TokenServer()
    yield server
    server.stop()


def user_credentials(token_server: TokenServer, **options: Any) -> Any:
    """A user's credentials without a token, which that server refreshes."""
    return credentials.Credentials(
        token=None, refresh_token="r", token_uri=token_server.url, client_id="i", client_secret="s", **options
    )


def authorization(token: OAuthToken) -> str:
    """The authorization that is sent."""
    metadata = token.metadata()
    assert metadata is not None
    return str(dict(metadata)["authorization"])


def join_background_refresh() -> None:
    """Wait for the thread that refreshes a token."""
    for thread in threading.enumerate():
        if thread.name == "genai-grpc-token":
            thread.join(30)


def test_token_cached(token_server: TokenServer) -> None:
    """A token is fetched once, and sent as the same metadata object until it must be refreshed."""
    token = OAuthToken(user_credentials(token_server, quota_project_id="p"))
    assert token.metadata() is None
    token.refresh()
    metadata = token.metadata()
    assert metadata == (("authorization", "Bearer token-1"), ("x-goog-user-project", "p"))
    assert token.metadata() is metadata
    token.refresh()
    assert len(token_server.requests) == 1


def test_background_refresh(token_server: TokenServer) -> None:
    """Shortly before a token expires, calls still send it while a thread fetches the next one."""
    clock = ManualClock(0)
    token = OAuthToken(user_credentials(token_server), clock)
    token.refresh()
    clock.time = 3500
    assert authorization(token) == "Bearer token-1"
    join_background_refresh()
    assert authorization(token) == "Bearer token-2"
    assert len(token_server.requests) == 2


def test_expired_token_not_sent(token_server: TokenServer) -> None:
    """A token that has expired must be refreshed before a call."""
    clock = ManualClock(0)
    token = OAuthToken(user_credentials(token_server), clock)
    token.refresh()
    clock.time = 3595
    assert token.metadata() is None
    token.refresh()
    assert authorization(token) == "Bearer token-2"


def test_credentials_with_valid_token(token_server: TokenServer) -> None:
    """Credentials that already have a valid token are not refreshed."""
    expiry = datetime.now(timezone.utc).replace(tzinfo=None) + timedelta(hours=1)
    assert authorization(OAuthToken(credentials.Credentials("t", expiry=expiry))) == "Bearer t"
    assert authorization(OAuthToken(credentials.Credentials("no expiry"))) == "Bearer no expiry"
    assert token_server.requests == []


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_failed_refresh(token_server: TokenServer) -> None:
    """A refused refresh is Unauthenticated; a token server out of reach is ServiceUnavailable, which is retried."""
    token_server.status = 400
    with pytest.raises(errors.Unauthenticated, match="the credentials gave no token"):
        OAuthToken(user_credentials(token_server)).refresh()
    token_server.url = "http://127.0.0.1:1"
    with pytest.raises(errors.ServiceUnavailable, match="the credentials gave no token"):
        OAuthToken(user_credentials(token_server)).refresh()


def test_failed_background_refresh(token_server: TokenServer, caplog: pytest.LogCaptureFixture) -> None:
    """A background refresh that fails raises nothing, and the present token is still sent."""
    clock = ManualClock(0)
    token = OAuthToken(user_credentials(token_server), clock)
    token.refresh()
    token_server.status, clock.time = 400, 3500
    with caplog.at_level("DEBUG", logger="genai_grpc"):
        assert authorization(token) == "Bearer token-1"
        join_background_refresh()
    assert "the background refresh of the token failed: UNAUTHENTICATED" in caplog.text
    assert "token-1" not in caplog.text


def test_credentials_from_options() -> None:
    """Options without a key, with a key function, and with google-auth credentials each have their class."""
    assert isinstance(credentials_from(resolve(ClientOptions(endpoint=LOCAL), {})), StaticKey)
    assert isinstance(credentials_from(resolve(ClientOptions(api_key=lambda: "k", endpoint=LOCAL), {})), CallableKey)
    assert isinstance(
        credentials_from(resolve(ClientOptions(credentials=credentials.Credentials("t"), endpoint=LOCAL), {})),
        OAuthToken,
    )


def test_application_default_credentials(
    token_server: TokenServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The service account file that the environment names is used, with the scope that the service needs."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    account = {"type": "service_account", "client_email": "a@b", "private_key": pem, "token_uri": token_server.url}
    (tmp_path / "account.json").write_text(json.dumps(account))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "account.json"))
    token = credentials_from(resolve(ClientOptions(), {}))
    assert isinstance(token, OAuthToken)
    assert token._credentials.scopes == SCOPES
    token.refresh()
    assert authorization(token) == "Bearer token-1"
    assert "assertion=" in token_server.requests[0]


def test_missing_credentials() -> None:
    """Without a key and application default credentials, the error names each way to give credentials."""
    with pytest.raises(errors.ConfigurationError) as caught:
        credentials_from(resolve(ClientOptions(), {}))
    for remedy in ("api_key=", "GEMINI_API_KEY", "genai-grpc serve", "gcloud auth"):
        assert remedy in str(caught.value)


@pytest.mark.parametrize("value", ["é", "a\nb"])
def test_token_and_quota_project_that_metadata_cannot_carry(token_server: TokenServer, value: str) -> None:
    """A token or quota project that cannot be sent is an error before the call, which does not show the token."""
    with pytest.raises(ValueError, match="'authorization' has characters that are not printable ASCII") as caught:
        OAuthToken(credentials.Credentials(token=f"secret-{value}"))
    assert "secret" not in str(caught.value)
    token = OAuthToken(user_credentials(token_server, quota_project_id=value))
    with pytest.raises(errors.Unauthenticated, match="'x-goog-user-project' has characters that are not printable"):
        token.refresh()
