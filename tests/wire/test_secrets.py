"""API keys over real gRPC: sent to the server, and shown nowhere."""

from __future__ import annotations

import logging
import traceback
from typing import Any

import pytest

import genai_grpc as genai
from genai_grpc import errors, testing
from genai_grpc.local import ScriptEngine, serve
from tests.conftest import Api

KEY = "AIzaSy-a-very-secret-key"


def test_key_sent_and_not_shown(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
    """The server gets the key, a wrong one is Unauthenticated, and no log, repr, error or output shows either."""
    caplog.set_level(logging.DEBUG)
    with serve(ScriptEngine().reply("Hello"), api_key=KEY) as server:
        with genai.Client(KEY, endpoint=server.endpoint) as client:
            assert genai.GenerativeModel(client=client).generate_content("Hi").text == "Hello"
        with genai.Client("AIzaSy-another-secret", endpoint=server.endpoint) as client:
            model = genai.GenerativeModel(client=client)
            with pytest.raises(errors.Unauthenticated) as caught:
                model.generate_content("Hi")
            tracebacks = "".join(
                traceback.TracebackException.from_exception(caught.value, capture_locals=True).format()
            )
    output = capfd.readouterr()
    for text in (caplog.text, repr(client), str(caught.value), repr(caught.value), output.out, output.err):
        assert "AIzaSy" not in text
    # Error trackers record the local variables of all frames. Only the frame of this test has the key.
    assert "AIzaSy" not in tracebacks[tracebacks.index("generate_content") :]


@pytest.mark.parametrize("endpoint", ["http://192.0.2.1", "http://example.com", "http://localhost.example.com:50051"])
def test_no_key_over_plaintext(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key for a plaintext endpoint that is not loopback is refused before anything is sent."""
    with pytest.raises(errors.ConfigurationError, match="plaintext") as caught:
        genai.Client(KEY, endpoint=endpoint)
    assert KEY not in str(caught.value)
    monkeypatch.setenv("GEMINI_API_KEY", KEY)
    genai.configure(client_options={"api_endpoint": endpoint})
    with pytest.raises(errors.ConfigurationError, match="plaintext"):
        genai.GenerativeModel().generate_content("Hi")


def test_missing_key() -> None:
    """Without a key and a local endpoint, the error names each way to give one."""
    genai.configure()
    with pytest.raises(errors.ConfigurationError) as caught:
        genai.GenerativeModel().generate_content("Hi")
    for remedy in ("api_key=", "GEMINI_API_KEY", "GOOGLE_API_KEY", "genai-grpc serve"):
        assert remedy in str(caught.value)


def test_key_from_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """GEMINI_API_KEY takes precedence over GOOGLE_API_KEY, and an argument over both."""
    monkeypatch.setenv("GEMINI_API_KEY", KEY)
    monkeypatch.setenv("GOOGLE_API_KEY", "another")
    with serve(ScriptEngine().reply("Hello"), api_key=KEY) as server:
        monkeypatch.setenv("GENAI_GRPC_ENDPOINT", server.endpoint)
        genai.configure()
        assert genai.GenerativeModel().generate_content("Hi").text == "Hello"
        genai.configure(api_key="argument")
        with pytest.raises(errors.Unauthenticated):
            genai.GenerativeModel().generate_content("Hi")


def test_what_to_do(api: Api, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """An error of a refused key names the service's reason and what to do; its message is the service's."""
    reply = testing.api_error("PERMISSION_DENIED", "Requests are blocked.", reason="API_KEY_SERVICE_BLOCKED")
    script.reply(reply)
    with pytest.raises(errors.PermissionDenied) as caught:
        api.generate(model, "Hi")
    assert caught.value.message == "Requests are blocked."
    assert "Requests are blocked. (API_KEY_SERVICE_BLOCKED: the key is restricted to other APIs;" in str(caught.value)


def test_key_given_twice() -> None:
    """A key given twice is refused, even if both are equal."""
    options: Any = {"api_key": KEY}
    with pytest.raises(ValueError, match="twice") as caught:
        genai.configure(api_key=KEY, client_options=options)
    assert KEY not in str(caught.value)
