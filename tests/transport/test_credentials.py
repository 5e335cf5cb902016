from __future__ import annotations

import json
import threading
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from genai_grpc import errors
from genai_grpc._transport.config import ClientOptions, resolve
from genai_grpc._transport.credentials import SCOPES, CallableKey, OAuthToken, StaticKey, credentials_from

google_auth = pytest.importorskip("google.auth")
credentials = pytest.importorskip("google.oauth2.credentials")
service_account = pytest.importorskip("google.oauth2.service_account")
exceptions = pytest.importorskip("google.auth.exceptions")
rsa = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.rsa")
serialization = pytest.importorskip("cryptography.hazmat.primitives.serialization")

if TYPE_CHECKING:
    from collections.abc import Iterator


LOCAL = "http://127.0.0.1:1"


class Issuer:
    """A server of tokens, as OAuth's: each is another one and lives as long as the test says."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.lives = 3600
        self.status = 200
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                issuer.asked.append(self.rfile.read(int(self.headers["content-length"])).decode())
                said = {"access_token": f"token-{len(issuer.asked)}", "expires_in": issuer.lives, "error": "no"}
                body = json.dumps(said).encode()
                self.send_response(issuer.status)
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
def issuer() -> Iterator[Issuer]:
    """A server of tokens."""
    running = Issuer()
    yield running
    running.stop()


def user(issuer: Issuer, **more: Any) -> Any:
    """A user's credentials, whose token that server renews."""
    return credentials.Credentials(
        token=None, refresh_token="r", token_uri=issuer.url, client_id="i", client_secret="s", **more
    )


class Clock:
    """A clock that stands still unless it is set."""

    time = 0.0

    def __call__(self) -> float:
        return self.time


def token_of(identity: OAuthToken) -> str:
    """The token that is sent."""
    pairs = identity.metadata()
    assert pairs is not None
    return dict(pairs)["authorization"]


def test_a_token_is_kept(issuer: Issuer) -> None:
    """A token is fetched once, and sent as the same pairs until it is about to expire."""
    token = OAuthToken(user(issuer, quota_project_id="p"))
    assert token.metadata() is None
    token.refresh()
    pairs = token.metadata()
    assert pairs == (("authorization", "Bearer token-1"), ("x-goog-user-project", "p"))
    assert token.metadata() is pairs
    token.refresh()
    assert len(issuer.asked) == 1


def test_a_token_is_renewed_aside(issuer: Issuer) -> None:
    """Shortly before a token expires, calls go on with it while a thread fetches the next."""
    clock = Clock()
    token = OAuthToken(user(issuer), clock)
    token.refresh()
    clock.time = 3500
    assert token_of(token) == "Bearer token-1"
    for thread in threading.enumerate():
        if thread.name == "genai-grpc-token":
            thread.join(30)
    assert token_of(token) == "Bearer token-2"
    assert len(issuer.asked) == 2


def test_an_expired_token_is_not_sent(issuer: Issuer) -> None:
    """A token that has expired must be renewed before anything is sent."""
    clock = Clock()
    token = OAuthToken(user(issuer), clock)
    token.refresh()
    clock.time = 3595
    assert token.metadata() is None
    token.refresh()
    assert token_of(token) == "Bearer token-2"


def test_a_token_at_hand(issuer: Issuer) -> None:
    """Credentials that bring a good token need no renewal."""
    later = datetime.now(timezone.utc).replace(tzinfo=None) + timedelta(hours=1)
    assert token_of(OAuthToken(credentials.Credentials("t", expiry=later))) == "Bearer t"
    assert token_of(OAuthToken(credentials.Credentials("for ever"))) == "Bearer for ever"
    assert issuer.asked == []


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_what_a_failed_renewal_is(issuer: Issuer) -> None:
    """No connection is ServiceUnavailable, which is tried again; a refusal is Unauthenticated, which is not."""
    issuer.status = 400
    with pytest.raises(errors.Unauthenticated, match="the credentials gave no token"):
        OAuthToken(user(issuer)).refresh()
    issuer.url = "http://127.0.0.1:1"
    with pytest.raises(errors.ServiceUnavailable, match="the credentials gave no token"):
        OAuthToken(user(issuer)).refresh()


def test_a_renewal_aside_that_fails(issuer: Issuer, caplog: pytest.LogCaptureFixture) -> None:
    """A renewal ahead of time that fails is no call's error: the token at hand is good for a while."""
    clock = Clock()
    token = OAuthToken(user(issuer), clock)
    token.refresh()
    issuer.status, clock.time = 400, 3500
    with caplog.at_level("DEBUG", logger="genai_grpc"):
        assert token_of(token) == "Bearer token-1"
        for thread in threading.enumerate():
            if thread.name == "genai-grpc-token":
                thread.join(30)
    assert "the background refresh of the token failed: UNAUTHENTICATED" in caplog.text
    assert "token-1" not in caplog.text


def test_identities() -> None:
    """A config says which identity it is."""
    assert isinstance(credentials_from(resolve(ClientOptions(endpoint=LOCAL), {})), StaticKey)
    assert isinstance(credentials_from(resolve(ClientOptions(api_key=lambda: "k", endpoint=LOCAL), {})), CallableKey)
    assert isinstance(
        credentials_from(resolve(ClientOptions(credentials=credentials.Credentials("t"), endpoint=LOCAL), {})),
        OAuthToken,
    )


def test_the_applications_own(issuer: Issuer, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """A service account's file that the environment names is found, and asks for the scope that the service needs."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    account = {"type": "service_account", "client_email": "a@b", "private_key": pem, "token_uri": issuer.url}
    (tmp_path / "account.json").write_text(json.dumps(account))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "account.json"))
    identity = credentials_from(resolve(ClientOptions(), {}))
    assert isinstance(identity, OAuthToken)
    assert identity._credentials.scopes == SCOPES
    identity.refresh()
    assert token_of(identity) == "Bearer token-1"
    assert "assertion=" in issuer.asked[0]


def test_nobody_to_be() -> None:
    """Without a key and credentials of the application, the error names every way."""
    with pytest.raises(errors.ConfigurationError) as caught:
        credentials_from(resolve(ClientOptions(), {}))
    for way in ("api_key=", "GEMINI_API_KEY", "genai-grpc serve", "gcloud auth"):
        assert way in str(caught.value)
