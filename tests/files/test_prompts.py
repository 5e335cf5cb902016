"""Uploaded files in prompts, on the local server."""

from __future__ import annotations

from typing import Any

import pytest

import genai_grpc as genai
from genai_grpc import errors, protos
from genai_grpc.caching import CachedContent
from genai_grpc.local import ScriptEngine, serve
from genai_grpc.local.state.files import LIFETIME
from tests.conftest import Api
from tests.files.contents import pdf

TEXT = b"Once upon a time there was a girl named Lily."


@pytest.fixture
def script() -> ScriptEngine:
    """An engine that reads PNG images besides text, and nothing else."""
    return ScriptEngine(supported_mime_types=["image/png"])


def upload(api: Api, client: genai.Client, content: bytes, mime_type: str | None = None) -> genai.types.File:
    """A file that is ready."""
    file = api.call(genai, "upload_file", content, mime_type=mime_type, client=client)
    ready: genai.types.File = api.call(genai, "wait_until_active", file, client=client)
    return ready


def parts(script: ScriptEngine) -> list[protos.Part]:
    """The parts of the last request's last turn."""
    return list(script.requests[-1].contents[-1].parts)


@pytest.mark.parametrize(
    ("content", "mime_type", "expected"),
    [
        (TEXT, "text/plain", protos.Part(text=TEXT.decode())),
        ("\ufeffé".encode(), "text/csv; charset=utf-8", protos.Part(text="é")),
        (b'{"a": 1}', "application/json", protos.Part(text='{"a": 1}')),
        (pdf("Hello Lily"), None, protos.Part(text="Hello Lily")),
        (b"\x89PNG", "image/png", protos.Part(inline_data=protos.Blob(mime_type="image/png", data=b"\x89PNG"))),
    ],
)
def test_engine_gets_the_content(
    api: Api, client: genai.Client, script: ScriptEngine, content: bytes, mime_type: str | None, expected: protos.Part
) -> None:
    """Text and the text of PDF files reach the engine as text, media that it reads as they are."""
    file = upload(api, client, content, mime_type)
    script.reply("Yes")
    api.generate(genai.GenerativeModel(client=client), ["Who?", file])
    assert parts(script) == [protos.Part(text="Who?"), expected]


def test_every_form_of_a_reference(api: Api, client: genai.Client, script: ScriptEngine) -> None:
    """A File, its message, its FileData, a dict and its URI refer to the file, in turns and system instructions."""
    file = upload(api, client, TEXT)
    data = protos.FileData(mime_type=file.mime_type, file_uri=file.uri)
    named = {"file_data": {"file_uri": file.name, "mime_type": "text/plain"}}
    forms: list[Any] = [file, file.to_proto(), data, {"file_uri": file.uri, "mime_type": "text/plain"}, named]
    for form in forms:
        script.reply("Yes")
        model = genai.GenerativeModel(client=client, system_instruction=protos.Content(parts=[{"file_data": data}]))
        api.generate(model, [form])
        assert parts(script)[0].text == TEXT.decode()
        assert script.requests[-1].system_instruction.parts[0].text == TEXT.decode()
    assert api.count(genai.GenerativeModel(client=client), [file]).total_tokens == len(TEXT.split())


def test_media_that_the_engine_cannot_read(api: Api, client: genai.Client) -> None:
    """A file of another media type is refused, with its place and the types that the engine reads."""
    file = upload(api, client, b"\0\0\0\x18ftypmp42", "video/mp4")
    with pytest.raises(errors.InvalidArgument, match=r"cannot read video/mp4 \(contents\[0\].parts\[1\]\); it accepts"):
        api.generate(genai.GenerativeModel(client=client), ["Who?", file])


def test_file_that_is_gone(api: Api, client: genai.Client) -> None:
    """A file that was deleted is NOT_FOUND, with its place; one that could not be prepared says why."""
    file = upload(api, client, TEXT)
    api.call(file, "delete")
    with pytest.raises(
        errors.NotFound, match=r"contents\[0\].parts\[0\]: there is no file 'files/\w+', or it has expired"
    ):
        api.generate(genai.GenerativeModel(client=client), [file])
    damaged = api.call(genai, "upload_file", b"\xff", mime_type="text/plain", client=client)
    with pytest.raises(errors.InvalidArgument):
        api.call(genai, "wait_until_active", damaged, client=client)
    with pytest.raises(errors.FailedPrecondition, match="could not be prepared: the text/plain file is no UTF-8"):
        api.generate(genai.GenerativeModel(client=client), [damaged])


def test_expired_file(api: Api, client: genai.Client, server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file expires 48 hours after its upload: prompts and GetFile no longer find it, and its content is deleted."""
    file = upload(api, client, TEXT)
    folder = server._files.folder.path("x").parent
    assert len(list(folder.iterdir())) == 1
    later = server._database.now() + LIFETIME
    monkeypatch.setattr(server._database, "_clock", lambda: later / 1e6)
    uses: list[Any] = [
        lambda: api.generate(genai.GenerativeModel(client=client), [file]),
        lambda: api.call(genai, "get_file", file, client=client),
    ]
    for use in uses:
        with pytest.raises(errors.NotFound, match="or it has expired"):
            use()
    api.call(genai, "upload_file", TEXT + b"2", client=client)
    assert [path.read_bytes() for path in folder.iterdir()] == [TEXT + b"2"]


def test_cached_content_outlives_its_files(client: genai.Client, script: ScriptEngine) -> None:
    """A cached content has the content of its files: it answers after they were deleted."""
    file = genai.wait_until_active(genai.upload_file(TEXT, client=client), client=client)
    cached = CachedContent.create("gemini-pro", contents=[file], client=client)
    file.delete()
    script.reply("Lily")
    genai.GenerativeModel.from_cached_content(cached, client=client).generate_content("Who?")
    assert script.requests[-1].contents[0].parts[0].text == TEXT.decode()


def test_foreign_uris(client: genai.Client, script: ScriptEngine) -> None:
    """A URI of another service is left to the engine, whose media types decide."""
    script.reply("Yes")
    uri: genai.types.FileDataDict = {"file_uri": "https://example.com/files/clip", "mime_type": "image/png"}
    genai.GenerativeModel(client=client).generate_content([uri])
    assert parts(script)[0].file_data.file_uri == "https://example.com/files/clip"


def test_state_directory(tmp_path: Any) -> None:
    """With a state directory, files outlive the server, and their URIs its port."""
    with serve(ScriptEngine(), state_dir=tmp_path) as server, genai.Client(endpoint=server.endpoint) as client:
        file = genai.wait_until_active(genai.upload_file(TEXT, client=client), client=client)
    script = ScriptEngine()
    script.reply("Lily")
    with serve(script, state_dir=tmp_path) as server, genai.Client(endpoint=server.endpoint) as client:
        assert genai.get_file(file, client=client).to_proto() == file.to_proto()
        genai.GenerativeModel(client=client).generate_content(["Who?", file])
        assert parts(script)[1].text == TEXT.decode()
        genai.delete_file(file, client=client)
    assert list((tmp_path / "files").iterdir()) == []
