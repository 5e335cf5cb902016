from __future__ import annotations

import pytest

from genai_grpc import protos
from genai_grpc.local.engines.script import ScriptEngine
from tests.local.services.wire import SCRIPT, error_of, serving, text, to_request

Part, Content = protos.Part, protos.Content

PNG = Part(inline_data=protos.Blob(mime_type="image/png", data=b"png"))
PDF = Part(file_data=protos.FileData(mime_type="application/pdf", file_uri="https://example.com/a"))
WITHOUT_MIME_TYPE = Part(file_data=protos.FileData(file_uri="https://example.com/a"))


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (protos.GenerateContentRequest(model=SCRIPT), "contents is empty"),
        (protos.GenerateContentRequest(model=SCRIPT, contents=[Content()]), "contents[0].parts is empty"),
        (to_request(Part(text="a"), Part()), "contents[0].parts[1] is empty"),
        (to_request(role="robot"), "contents[0].role is 'robot'; it must be 'user', 'model' or 'function'"),
    ],
)
def test_invalid_contents(request_: protos.GenerateContentRequest, message: str) -> None:
    """A request that no engine could answer is INVALID_ARGUMENT, saying what is wrong and where."""
    script = ScriptEngine()
    with serving(script) as stubs:
        error = error_of(lambda: stubs.generative.GenerateContent(request_))

    assert error.status == "INVALID_ARGUMENT"
    assert message in error.message
    assert not script.requests


def test_empty_system_instruction() -> None:
    """A system instruction without parts is INVALID_ARGUMENT."""
    request = to_request()
    request.system_instruction.SetInParent()
    with serving(ScriptEngine()) as stubs:
        error = error_of(lambda: stubs.generative.GenerateContent(request))

    assert error.status == "INVALID_ARGUMENT"
    assert "system_instruction.parts is empty" in error.message


def test_part_with_thought_signature_alone() -> None:
    """A part with only a thought signature is valid, since models send such parts."""
    with serving(ScriptEngine().reply("Hello")) as stubs:
        request = to_request(Part(text="a"), Part(thought_signature=b"sign"))
        assert text(stubs.generative.GenerateContent(request)) == "Hello"


@pytest.mark.parametrize(
    ("supported", "part", "message"),
    [
        ((), PNG, "models/script cannot read image/png (contents[0].parts[1]); it accepts text only"),
        (("image/*",), PDF, "cannot read application/pdf (contents[0].parts[1]); it accepts text and image/*"),
        (("image/*",), WITHOUT_MIME_TYPE, "cannot read media without a MIME type"),
        (("image/*",), PNG, None),
        (("*/*",), PDF, None),
    ],
)
def test_media_types(supported: tuple[str, ...], part: protos.Part, message: str | None) -> None:
    """Media of a type that the engine does not support is INVALID_ARGUMENT naming the model and the type."""
    script = ScriptEngine(supported_mime_types=supported)
    request = to_request(Part(text="What is this?"), part)
    with serving(script) as stubs:
        if message is None:
            script.reply("A picture.")
            assert text(stubs.generative.GenerateContent(request)) == "A picture."
        else:
            error = error_of(lambda: stubs.generative.GenerateContent(request))
            assert error.status == "INVALID_ARGUMENT"
            assert message in error.message


@pytest.mark.parametrize("size", [1000, 5_000_000])
def test_request_too_large(size: int) -> None:
    """A request above the limit is INVALID_ARGUMENT, naming both sizes and what to do, even with several MiB."""
    request = to_request(Part(text="x" * size))
    with serving(ScriptEngine(), max_request_bytes=1000) as stubs:
        error = error_of(lambda: stubs.generative.GenerateContent(request))

    assert error.status == "INVALID_ARGUMENT"
    assert f"has {request.ByteSize():,} bytes and this server takes 1,000 at most" in error.message
    assert "max_request_bytes" in error.message
