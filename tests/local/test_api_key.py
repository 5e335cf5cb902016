from __future__ import annotations

from genai_grpc import local, protos
from genai_grpc.local.engines.script import ScriptEngine
from tests.local.services.wire import error_of, serving, text, to_request


def test_api_key() -> None:
    """With an API key, calls without it, or with another one, are UNAUTHENTICATED."""
    with serving(ScriptEngine().reply("Hello"), api_key="right-key") as stubs:
        call = stubs.generative.GenerateContent
        missing = error_of(lambda: call(to_request()))
        wrong = error_of(lambda: call(to_request(), metadata=(("x-goog-api-key", "wrong-key"),)))
        stream = error_of(lambda: list(stubs.generative.StreamGenerateContent(to_request())))
        models = error_of(lambda: stubs.models.ListModels(protos.ListModelsRequest()))
        assert text(call(to_request(), metadata=(("x-goog-api-key", "right-key"),))) == "Hello"

    errors = [missing, wrong, stream, models]
    assert [error.status for error in errors] == ["UNAUTHENTICATED"] * 4
    assert "configure(api_key=...)" in missing.message
    assert not any("-key'" in error.message or "right" in error.message for error in errors)
    assert getattr(wrong.details[0], "reason", None) == "API_KEY_INVALID"


def test_repr_hides_api_key() -> None:
    """The key is in no repr of the server or of its attributes."""
    server = local.serve(ScriptEngine(), api_key="right-key")

    assert "right-key" not in repr(server) + repr(vars(server))
