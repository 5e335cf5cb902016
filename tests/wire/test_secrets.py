"""A key goes to the server, and nowhere else."""

from __future__ import annotations

import logging
import traceback
from typing import Any

import pytest

import genai_grpc as genai
from genai_grpc import errors
from genai_grpc.local import ScriptEngine, serve

KEY = "AIzaSy-a-very-secret-key"


def test_a_key_arrives(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
    """A server that asks for a key gets it; a wrong one is Unauthenticated."""
    caplog.set_level(logging.DEBUG)
    with serve(ScriptEngine().reply("Hello"), api_key=KEY) as server:
        with genai.Client(KEY, endpoint=server.endpoint) as client:
            assert genai.GenerativeModel(client=client).generate_content("Hi").text == "Hello"
        with genai.Client("AIzaSy-another-secret", endpoint=server.endpoint) as client:
            model = genai.GenerativeModel(client=client)
            with pytest.raises(errors.Unauthenticated) as caught:
                model.generate_content("Hi")
            shown = "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=True).format())
    said = capfd.readouterr()
    for place in (caplog.text, repr(client), str(caught.value), repr(caught.value), said.out, said.err):
        assert "AIzaSy" not in place
    # The frame of this test holds the key; no frame below it shows it, with all locals as error trackers take them.
    assert "AIzaSy" not in shown[shown.index("generate_content") :]


@pytest.mark.parametrize("endpoint", ["http://192.0.2.1", "http://example.com", "http://localhost.example.com:50051"])
def test_no_key_over_plaintext(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key for a plaintext address that is not loopback is refused before anything is sent."""
    with pytest.raises(errors.ConfigurationError, match="plaintext") as caught:
        genai.Client(KEY, endpoint=endpoint)
    assert KEY not in str(caught.value)
    monkeypatch.setenv("GEMINI_API_KEY", KEY)
    genai.configure(client_options={"api_endpoint": endpoint})
    with pytest.raises(errors.ConfigurationError, match="plaintext"):
        genai.GenerativeModel().generate_content("Hi")


def test_no_key_at_all() -> None:
    """Without a key and a local target there is one error, which names the ways to give one."""
    genai.configure()
    with pytest.raises(errors.ConfigurationError) as caught:
        genai.GenerativeModel().generate_content("Hi")
    for way in ("api_key=", "GEMINI_API_KEY", "GOOGLE_API_KEY", "genai-grpc serve"):
        assert way in str(caught.value)


def test_the_environments_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """GEMINI_API_KEY is taken before GOOGLE_API_KEY, and an argument before both."""
    monkeypatch.setenv("GEMINI_API_KEY", KEY)
    monkeypatch.setenv("GOOGLE_API_KEY", "another")
    with serve(ScriptEngine().reply("Hello"), api_key=KEY) as server:
        monkeypatch.setenv("GENAI_GRPC_ENDPOINT", server.endpoint)
        genai.configure()
        assert genai.GenerativeModel().generate_content("Hi").text == "Hello"
        genai.configure(api_key="argument")
        with pytest.raises(errors.Unauthenticated):
            genai.GenerativeModel().generate_content("Hi")


def test_a_key_is_given_once() -> None:
    """A key given twice is an error, even if it is the same."""
    options: Any = {"api_key": KEY}
    with pytest.raises(ValueError, match="twice") as caught:
        genai.configure(api_key=KEY, client_options=options)
    assert KEY not in str(caught.value)
