"""Files in the client, against the local server."""

from __future__ import annotations

import hashlib
import io
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

import genai_grpc as genai
from genai_grpc import errors, protos
from genai_grpc.local import ScriptEngine, serve
from genai_grpc.local.http.upload import Upload
from genai_grpc.types import File, RetryPolicy
from tests.conftest import Api
from tests.files.contents import Stream, bytes_of, pdf

BIG = bytes_of(17 * 1024 * 1024)
TEXT = b"Once upon a time there was a girl named Lily."


KINDS = (
    "path as str",
    "path",
    "bytes",
    "bytearray",
    "file from its position on",
    "stream",
    "stream of several chunks",
    "stream of a whole chunk",
    "bytes of several chunks",
    "bytes of a whole chunk",
)


def to_contents(folder: Path) -> dict[str, tuple[Any, bytes]]:
    """What can be uploaded, with its bytes."""
    path = folder / "a tale.txt"
    path.write_bytes(TEXT)
    opened = io.BytesIO(b"skipped " + TEXT)
    opened.seek(8)
    return {
        "path as str": (str(path), TEXT),
        "path": (path, TEXT),
        "bytes": (TEXT, TEXT),
        "bytearray": (bytearray(TEXT), TEXT),
        "file from its position on": (opened, TEXT),
        "stream": (Stream(TEXT), TEXT),
        "stream of several chunks": (Stream(BIG), BIG),
        "stream of a whole chunk": (Stream(BIG[: 8 << 20]), BIG[: 8 << 20]),
        "bytes of several chunks": (BIG, BIG),
        "bytes of a whole chunk": (BIG[: 8 << 20], BIG[: 8 << 20]),
    }


@pytest.mark.parametrize("kind", KINDS)
def test_upload(api: Api, client: genai.Client, tmp_path: Path, kind: str) -> None:
    """What is uploaded is stored, with its size and its SHA-256, and can be downloaded."""
    content, data = to_contents(tmp_path)[kind]
    file = api.call(genai, "upload_file", content, mime_type="text/x-tale", client=client)
    assert (file.size_bytes, file.sha256_hash, file.mime_type) == (
        len(data),
        hashlib.sha256(data).digest(),
        "text/x-tale",
    )
    assert file.name.startswith("files/")
    assert api.call(genai, "download_file", file, client=client) == data


@pytest.mark.parametrize(
    ("name", "content", "mime_type"),
    [
        ("a.txt", TEXT, "text/plain"),
        ("a.PNG", TEXT, "image/png"),
        ("a.webp", TEXT, "image/webp"),
        ("a.jsonl", TEXT, "application/jsonl"),
        ("README", TEXT, "text/plain"),
        ("none", "ä".encode() * 5000, "text/plain"),
        ("image", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(100), "image/png"),
        ("document", pdf("Hello"), "application/pdf"),
        (None, pdf("Hello"), "application/pdf"),
        (None, TEXT, "text/plain"),
    ],
)
def test_mime_type(client: genai.Client, tmp_path: Path, name: str | None, content: bytes, mime_type: str) -> None:
    """The media type is that of the suffix, else that of the content."""
    given: Any = content
    if name is not None:
        given = tmp_path / name
        given.write_bytes(content)
    file = genai.upload_file(given, client=client)
    assert (file.mime_type, file.display_name) == (mime_type, name or "")


def test_names(api: Api, client: genai.Client) -> None:
    """A bare name is below files/; a name that is taken is ALREADY_EXISTS, before the content is sent."""
    file = api.call(genai, "upload_file", TEXT, name="tale", display_name="The tale", client=client)
    assert (file.name, file.display_name) == ("files/tale", "The tale")
    assert file.to_proto().source == protos.File.Source.UPLOADED
    with pytest.raises(errors.AlreadyExists, match="there is a file 'files/tale' already"):
        api.call(genai, "upload_file", BIG, name="files/tale", mime_type="a/b", client=client)
    with pytest.raises(errors.InvalidArgument, match="up to 40 lower-case letters, digits and inner dashes"):
        api.call(genai, "upload_file", TEXT, name="The Tale", client=client)
    with pytest.raises(ValueError, match="the name of a file starts with 'files/'; got 'models/x'"):
        api.call(genai, "upload_file", TEXT, name="models/x", client=client)


def sparse(folder: Path) -> Path:
    """A file of 2 GiB and a byte, without its blocks."""
    with (folder / "sparse.txt").open("wb") as file:
        file.truncate((2 << 30) + 1)
    return folder / "sparse.txt"


def empty(folder: Path) -> Path:
    (folder / "empty.txt").touch()
    return folder / "empty.txt"


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda folder: folder / "missing.txt", FileNotFoundError, "missing.txt"),
        (lambda folder: folder, IsADirectoryError, "is a directory; upload its files one by one"),
        (empty, ValueError, "empty.txt' is empty; the service stores no empty files"),
        (lambda _: b"", ValueError, "the content is empty"),
        (sparse, ValueError, r"has more than 2,147,483,648 bytes \(2 GiB\), the limit of the service"),
        (lambda _: io.StringIO("text"), TypeError, "is opened for text; open it with mode 'rb'"),
        (lambda _: 7, TypeError, "int"),
        (lambda _: bytes(100), ValueError, "the media type cannot be guessed"),
    ],
)
def test_bad_content(
    api: Api, client: genai.Client, tmp_path: Path, make: Any, error: type[Exception], message: str
) -> None:
    """What cannot be uploaded is refused before anything is sent."""
    with pytest.raises(error, match=message):
        api.call(genai, "upload_file", make(tmp_path), client=client)
    assert client.stats().sync_connections == len(client.stats().async_connections) == 0


def test_file_that_shrinks(client: genai.Client, tmp_path: Path) -> None:
    """A file that becomes shorter during its upload is a ValueError, and nothing is stored."""
    path = tmp_path / "a.txt"
    path.write_bytes(BIG)

    def shrink(done: int, total: int | None) -> None:
        assert total == len(BIG)
        if done:
            path.write_bytes(TEXT)

    with pytest.raises(ValueError, match="the file had 17,825,792 bytes and now has"):
        genai.upload_file(path, progress=shrink, client=client)
    assert list(genai.list_files(client=client)) == []


def test_list_get_and_delete(api: Api, client: genai.Client) -> None:
    """Files are listed in pages, read and deleted; what is deleted is not found."""
    for number in range(5):
        api.call(genai, "upload_file", TEXT, name=f"tale-{number}", client=client)
    assert [file.name for file in api.items(genai, "list_files", 2, client=client)] == [
        f"files/tale-{number}" for number in range(5)
    ]
    api.call(genai, "delete_file", "tale-0", client=client)
    api.call(genai, "delete_file", protos.File(name="files/tale-1"), client=client)
    file = api.call(genai, "get_file", "files/tale-2", client=client)
    api.call(file, "delete")
    assert [file.name for file in api.items(genai, "list_files", client=client)] == ["files/tale-3", "files/tale-4"]
    for name in ("tale-0", file):
        with pytest.raises(errors.NotFound, match=r"there is no file 'files/tale-[02]', or it has expired"):
            api.call(genai, "get_file", name, client=client)
    with pytest.raises(TypeError, match="the name of a file is a str such as 'files/tale', or a File; got int"):
        api.call(genai, "get_file", 7, client=client)


def test_wait_until_active(api: Api, client: genai.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """The wait returns the file in the state ACTIVE; it ends with the deadline, and with the error of the file."""
    file = api.call(genai, "upload_file", pdf("Hello"), client=client)
    assert api.call(genai, "wait_until_active", file, client=client).state.name == "ACTIVE"
    damaged = api.call(genai, "upload_file", b"%PDF-1.4 and nothing else", mime_type="application/pdf", client=client)
    with pytest.raises(errors.InvalidArgument, match=r"files/\w+ could not be prepared: the PDF file cannot be read"):
        api.call(genai, "wait_until_active", damaged, client=client)
    latin = api.call(genai, "upload_file", b"caf\xe9", mime_type="text/plain", client=client)
    with pytest.raises(errors.InvalidArgument, match="the text/plain file is no UTF-8: .* at byte 3"):
        api.call(genai, "wait_until_active", latin, client=client)


def test_wait_ends_at_its_deadline(api: Api, client: genai.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is not prepared within the timeout is DeadlineExceeded."""
    release = threading.Event()
    monkeypatch.setattr("genai_grpc.local.services.file_prompts._pdf_text", lambda *_: str(release.wait()))
    try:
        file = api.call(genai, "upload_file", pdf("Hello"), client=client)
        with pytest.raises(errors.DeadlineExceeded, match=f"{file.name} was not done within 0.3 s"):
            api.call(genai, "wait_until_active", file, timeout=0.3, client=client)
        model = genai.GenerativeModel(client=client)
        with pytest.raises(errors.FailedPrecondition, match="is not ready; wait until its state is ACTIVE"):
            api.generate(model, file)
    finally:
        release.set()


def test_progress(api: Api, client: genai.Client, capsys: pytest.CaptureFixture[str]) -> None:
    """A function gets the bytes received and the size; True shows a bar."""
    seen: list[tuple[int, int | None]] = []
    file = api.call(genai, "upload_file", BIG, mime_type="a/b", progress=lambda *args: seen.append(args), client=client)
    mib = 1 << 20
    assert seen == [(count * mib, 17 * mib) for count in (0, 8, 16, 17)]
    seen.clear()
    api.call(genai, "upload_file", Stream(TEXT), progress=lambda *args: seen.append(args), client=client)
    assert seen == [(0, None), (len(TEXT), None)]
    api.call(genai, "download_file", file, progress=True, client=client)
    assert "17.0M" in capsys.readouterr().err
    with pytest.raises(TypeError, match="progress is a function of two arguments, or True for a bar; got str"):
        api.call(genai, "upload_file", TEXT, progress="yes", client=client)


def test_download(api: Api, client: genai.Client, tmp_path: Path) -> None:
    """A content goes to a path, which is replaced at the end, or to an open file; a failure leaves it as it was."""
    file = api.call(genai, "upload_file", BIG, mime_type="a/b", client=client)
    path, opened = tmp_path / "copy", io.BytesIO()
    path.write_text("before")
    with pytest.raises(errors.NotFound):
        api.call(genai, "download_file", "files/none", path, client=client)
    assert [each.read_text() for each in tmp_path.iterdir()] == ["before"]
    assert api.call(genai, "download_file", file, path, client=client) is None
    assert path.read_bytes() == BIG
    api.call(genai, "download_file", file.name, opened, client=client)
    assert opened.getvalue() == BIG
    other = File({"name": file.name, "sha256_hash": bytes(32)})
    with pytest.raises(errors.DataLoss, match="arrived with the SHA-256 .* which is not the file's"):
        api.call(genai, "download_file", other, client=client)


def test_wrong_hash(api: Api, client: genai.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is stored with another SHA-256 is DATA_LOSS, and is deleted."""
    write = Upload._write
    monkeypatch.setattr(Upload, "_write", lambda self, chunk: write(self, chunk.replace(b"girl", b"cow!")))
    with pytest.raises(errors.DataLoss, match="the service stored 45 bytes with another SHA-256 than"):
        api.call(genai, "upload_file", TEXT, client=client)
    assert api.items(genai, "list_files", client=client) == []


@pytest.mark.parametrize("key", ["right-key-1234", lambda: "right-key-1234"])
def test_key(script: ScriptEngine, key: Any) -> None:
    """The key goes as a header; another key is UNAUTHENTICATED, and its text is in no error."""
    with serve(script, api_key="right-key-1234") as server:
        with genai.Client(key, endpoint=server.endpoint) as client:
            file = genai.upload_file(TEXT, client=client)
            assert genai.download_file(file, client=client) == TEXT
        assert server.http_endpoint is not None
        with (
            genai.Client(
                "-".join(("wrong", "key", "1234")), endpoint=server.endpoint, http_endpoint=server.http_endpoint
            ) as client,
            pytest.raises(errors.Unauthenticated, match="this server requires its API key") as caught,
        ):
            genai.upload_file(TEXT, client=client)
        assert "wrong-key-1234" not in repr(caught.getrepr(showlocals=True))


def test_files_belong_to_their_key(script: ScriptEngine) -> None:
    """A file is that of the key that uploaded it: others do not list it, and may not read, use or delete it."""
    with (
        serve(script) as server,
        genai.Client("a-key-of-one", endpoint=server.endpoint) as one,
        genai.Client("a-key-of-another", endpoint=server.endpoint) as another,
    ):
        file = genai.upload_file(TEXT, client=one)
        assert list(genai.list_files(client=another)) == []
        uses: list[Any] = [
            lambda: genai.get_file(file, client=another),
            lambda: genai.download_file(file, client=another),
            lambda: genai.delete_file(file, client=another),
            lambda: genai.GenerativeModel(client=another).generate_content(["Who?", file]),
        ]
        for use in uses:
            with pytest.raises(errors.PermissionDenied, match="belongs to another API key"):
                use()
        assert genai.get_file(file, client=one).size_bytes == len(TEXT)


class _Html(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(302)
        self.send_header("content-type", "text/html; charset=utf-8")
        self.send_header("location", "http://127.0.0.1:1/login")
        self.end_headers()
        self.wfile.write(b"<html>Log in</html>")

    def log_message(self, *args: object) -> None:
        """Nothing is logged."""


@pytest.fixture
def portal() -> Iterator[str]:
    """The URL of a server that answers every POST with a redirect to a page, as a captive portal does."""
    with HTTPServer(("127.0.0.1", 0), _Html) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_no_gemini_api(api: Api, server: Any, portal: str) -> None:
    """What answers with HTML is no Gemini API: the error says what answered, and the redirect is not followed."""
    with genai.Client(endpoint=server.endpoint, http_endpoint=portal) as client:
        with pytest.raises(errors.APIError, match="answered with HTTP 302 and text/html, as no Gemini API does"):
            api.call(genai, "upload_file", TEXT, client=client)
        api.close_client(client)


def test_nothing_listens(api: Api, server: Any) -> None:
    """A refused connection is ServiceUnavailable, after the attempts of the policy."""
    policy = RetryPolicy(max_attempts=2, initial_backoff=0.0)
    with genai.Client(endpoint=server.endpoint, http_endpoint="http://127.0.0.1:1", retry=policy) as client:
        with pytest.raises(errors.ServiceUnavailable, match="HTTP connection to 127.0.0.1:1 failed") as caught:
            api.call(genai, "upload_file", TEXT, client=client)
        assert caught.value.attempts == 2
        api.close_client(client)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"endpoint": "unix:/tmp/none"}, r"names no single host; pass Client\(http_endpoint="),
        (
            {"endpoint": "http://127.0.0.1:1", "http_endpoint": "http://example.com", "api_key": "a-key"},
            "over plaintext",
        ),
    ],
)
def test_no_http_endpoint(arguments: dict[str, Any], message: str) -> None:
    """An endpoint without a host needs an HTTP endpoint; a key never goes over plaintext to another machine."""
    with genai.Client(**arguments) as client, pytest.raises(errors.ConfigurationError, match=message):
        genai.upload_file(TEXT, client=client)


def test_server_without_http(script: ScriptEngine) -> None:
    """A server without a port for uploads: the gRPC port answers no HTTP/1.1, and the error is not a hang."""
    policy = RetryPolicy(max_attempts=1)
    with (
        serve(script, http_port=None) as server,
        genai.Client(endpoint=server.endpoint, retry=policy) as client,
    ):
        assert server.http_endpoint is None
        with pytest.raises(errors.ServiceUnavailable, match="the HTTP connection to 127.0.0.1"):
            genai.upload_file(TEXT, client=client)


def test_closed_client(api: Api, server: Any) -> None:
    """A closed client uploads and downloads nothing."""
    client = genai.Client(endpoint=server.endpoint)
    api.close_client(client)
    for name, argument in ("upload_file", TEXT), ("download_file", "files/tale"), ("get_file", "files/tale"):
        with pytest.raises(errors.ClientClosed):
            api.call(genai, name, argument, client=client)


def test_timeout(api: Api, server: Any) -> None:
    """The timeout of the call, else that of the client or its view, bounds the whole upload."""
    with genai.Client(endpoint=server.endpoint, http_endpoint=server.http_endpoint, timeout=9) as client:
        calls: list[dict[str, Any]] = [
            {"client": client, "request_options": {"timeout": 1e-9}},
            {"client": client.with_options(timeout=1e-9)},
        ]
        for arguments in calls:
            with pytest.raises(errors.DeadlineExceeded, match="the upload did not end within 1e-09 s; 0 bytes were"):
                api.call(genai, "upload_file", TEXT, **arguments)
        api.close_client(client)
