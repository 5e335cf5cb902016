"""The HTTP port of the local server: the protocols of uploads, request by request."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from typing import Any

import pytest

import genai_grpc as genai
from genai_grpc.local import ScriptEngine, Server, serve
from tests.files.contents import bytes_of

httpx2 = pytest.importorskip("httpx2")

TEXT = b"Once upon a time..."
CHUNK = 256 * 1024
START = {"x-goog-upload-protocol": "resumable", "x-goog-upload-command": "start"}


@pytest.fixture
def http(server: Server) -> Iterator[Any]:
    """A client of the HTTP port."""
    with httpx2.Client(base_url=server.http_endpoint) as connected:
        yield connected


def start(http: Any, **headers: str) -> str:
    """The URL of a new upload."""
    reply = http.post("/upload/v1beta/files", headers={**START, **{k.replace("_", "-"): v for k, v in headers.items()}})
    assert (reply.status_code, reply.headers["x-goog-upload-status"]) == (200, "active")
    assert reply.headers["x-goog-upload-chunk-granularity"] == str(CHUNK)
    url: str = reply.headers["x-goog-upload-url"]
    return url


def send(http: Any, url: str, command: str, offset: int = 0, content: bytes = b"") -> Any:
    """The reply to a command."""
    headers = {"x-goog-upload-command": command, "x-goog-upload-offset": str(offset)}
    return http.post(url, headers=headers, content=content)


def message(reply: Any, code: int) -> str:
    """The message of an error in Google's form."""
    error = reply.json()["error"]
    assert (reply.status_code, error["code"]) == (code, code)
    return str(error["message"])


def test_resumable_upload(http: Any, client: genai.Client) -> None:
    """An upload goes in chunks; a query says what was received; the last reply has the file, also if it is repeated."""
    data = bytes_of(2 * CHUNK + 5)
    url = start(http, x_goog_upload_header_content_type="a/b", x_goog_upload_header_content_length=str(len(data)))
    assert send(http, url, "upload", 0, data[:CHUNK]).headers["x-goog-upload-size-received"] == str(CHUNK)
    reply = send(http, url, "query")
    assert (reply.headers["x-goog-upload-status"], reply.headers["x-goog-upload-size-received"]) == (
        "active",
        str(CHUNK),
    )
    reply = send(http, url, "upload, finalize", CHUNK, data[CHUNK:])
    assert (reply.status_code, reply.headers["x-goog-upload-status"]) == (200, "final")
    file = reply.json()["file"]
    assert base64.b64decode(file["sha256Hash"]) == hashlib.sha256(data).digest()
    assert send(http, url, "upload, finalize", len(data)).json()["file"]["name"] == file["name"]
    assert send(http, url, "query").headers["x-goog-upload-status"] == "final"
    assert genai.get_file(file["name"], client=client).size_bytes == len(data)


@pytest.mark.parametrize(
    ("command", "offset", "content", "expected"),
    [
        ("upload", 5, bytes(CHUNK), "x-goog-upload-offset is 5; 0 bytes were received"),
        ("upload", 0, bytes(5), "the chunk has 5 bytes; all but the last end at a multiple of 262,144"),
        ("upload, finalize", 0, bytes(2 * CHUNK), "the content is longer than 300,000 bytes, the announced size"),
        ("upload, finalize", 0, bytes(5), "5 of 300,000 bytes were received when the upload was finalized"),
        ("finalize", 0, b"", "0 of 300,000 bytes were received"),
        ("jump", 0, b"", "X-Goog-Upload-Command is 'jump'; it is 'upload', 'finalize', both, 'query' or 'cancel'"),
        ("", 0, b"", "X-Goog-Upload-Command is ''"),
    ],
)
def test_wrong_chunk(http: Any, client: genai.Client, command: str, offset: int, content: bytes, expected: str) -> None:
    """A chunk that does not fit is INVALID_ARGUMENT, and no file is stored."""
    url = start(http, x_goog_upload_header_content_length="300000")
    assert expected in message(send(http, url, command, offset, content), 400)
    assert list(genai.list_files(client=client)) == []


def test_chunk_of_the_wrong_length_can_be_repeated(http: Any) -> None:
    """What came of a refused chunk does not count."""
    data = bytes_of(CHUNK + 5)
    url = start(http)
    message(send(http, url, "upload", 0, data[:7]), 400)
    send(http, url, "upload", 0, data[:CHUNK])
    file = send(http, url, "upload, finalize", CHUNK, data[CHUNK:]).json()["file"]
    assert base64.b64decode(file["sha256Hash"]) == hashlib.sha256(data).digest()


def test_cancel(http: Any, server: Any) -> None:
    """A cancelled upload is gone, and so is what it had sent."""
    url = start(http)
    send(http, url, "upload", 0, bytes(CHUNK))
    assert send(http, url, "cancel").headers["x-goog-upload-status"] == "cancelled"
    assert "there is no such upload, or it has ended" in message(send(http, url, "query"), 404)
    assert list(server._files.folder.path("x").parent.iterdir()) == []


@pytest.mark.parametrize("given", [bytes(32), hashlib.sha256(TEXT).digest(), hashlib.sha256(TEXT).hexdigest().encode()])
def test_announced_hash(http: Any, client: genai.Client, given: bytes) -> None:
    """A content with another SHA-256 than announced is DATA_LOSS, and nothing is stored."""
    body = {"file": {"sha256Hash": base64.b64encode(given).decode()}}
    url = http.post("/upload/v1beta/files", headers=START, json=body).headers["x-goog-upload-url"]
    reply = send(http, url, "upload, finalize", 0, TEXT)
    if given == bytes(32):
        assert "file.sha256_hash says otherwise; upload it again" in message(reply, 500)
        assert reply.json()["error"]["status"] == "DATA_LOSS"
    files = list(genai.list_files(client=client))
    assert [file.sha256_hash for file in files] == ([] if given == bytes(32) else [hashlib.sha256(TEXT).digest()])


def multipart(separator: bytes) -> tuple[dict[str, str], bytes]:
    lines = [
        b"--a b'c",
        b"Content-Type: application/json",
        b"",
        b'{"file": {"name": "files/tale"}}',
        b"--a b'c",
        b"Content-Type: text/plain",
        b"",
        TEXT + b"\r\n--\n",
        b"--a b'c--",
        b"",
    ]
    return {"content-type": 'multipart/related; boundary="a b\'c"'}, separator.join(lines)


def test_uploads_of_one_request(http: Any, client: genai.Client) -> None:
    """The content may come with its description in two parts, or alone."""
    for separator in b"\r\n", b"\n":
        headers, body = multipart(separator)
        reply = http.post("/upload/v1beta/files?uploadType=multipart", headers=headers, content=body)
        assert (reply.status_code, reply.json()["file"]["name"]) == (200, "files/tale")
        file = genai.get_file("tale", client=client)
        assert (file.mime_type, genai.download_file(file, client=client)) == ("text/plain", TEXT + b"\r\n--\n")
        file.delete()
    headers = {"x-goog-upload-protocol": "raw", "content-type": "text/x-tale"}
    file = http.post("/upload/v1beta/files", headers=headers, content=TEXT).json()["file"]
    assert (file["mimeType"], file["sizeBytes"]) == ("text/x-tale", str(len(TEXT)))


def test_older_resumable_form(http: Any, client: genai.Client) -> None:
    """The form of googleapiclient: PUT with Content-Range, 308 with the range that was received."""
    data = bytes_of(2 * CHUNK + 5)
    headers = {"x-upload-content-type": "a/b", "x-upload-content-length": str(len(data))}
    reply = http.post("/resumable/upload/v1beta/files?uploadType=resumable", headers=headers, json={"file": {}})
    url = reply.headers["location"]
    reply = http.put(url, headers={"content-range": f"bytes 0-{CHUNK - 1}/{len(data)}"}, content=data[:CHUNK])
    assert (reply.status_code, reply.headers["range"]) == (308, f"bytes=0-{CHUNK - 1}")
    assert http.put(url, headers={"content-range": f"bytes */{len(data)}"}).status_code == 308
    rest = f"bytes {CHUNK}-{len(data) - 1}/{len(data)}"
    file = http.put(url, headers={"content-range": rest}, content=data[CHUNK:]).json()["file"]
    assert genai.download_file(file["name"], client=client) == data
    assert http.put(url, headers={"content-range": rest}, content=data[CHUNK:]).json()["file"]["name"] == file["name"]


DEEP = b'{"file": ' + b'{"a": ' * 100_000 + b"1" + b"}" * 100_001


@pytest.mark.parametrize(
    ("method", "path", "headers", "content", "code", "expected"),
    [
        ("GET", "/nothing", {}, b"", 404, "GET /nothing: no method of the API has this path"),
        ("GET", "/v1beta/files/..%2f..%2fetc%2fpasswd?alt=media", {}, b"", 404, ""),
        ("GET", "/v1beta/files/none:download?alt=media", {}, b"", 404, "there is no file 'files/none'"),
        ("DELETE", "/upload/v1beta/files", {}, b"", 405, "use POST or PUT"),
        ("POST", "/upload/v1beta/files", {}, b"", 400, "X-Goog-Upload-Protocol is None"),
        ("POST", "/upload/v1beta/files?upload_id=x", START, b"", 404, "there is no such upload"),
        ("POST", "/upload/v1beta/files", {**START, "x-goog-upload-command": "upload"}, b"", 400, "begins with 'start'"),
        ("POST", "/upload/v1beta/files", START, b"{", 400, "the body is no JSON of a CreateFileRequest"),
        ("POST", "/upload/v1beta/files", START, b"[1]", 400, "the body is no JSON of a CreateFileRequest"),
        ("POST", "/upload/v1beta/files", START, b'{"file": 7}', 400, "the body is no JSON of a CreateFileRequest"),
        ("POST", "/upload/v1beta/files", START, DEEP, 400, ""),
        ("POST", "/upload/v1beta/files", START, b" " * 70_000, 400, "is larger than 65,536 bytes"),
        ("POST", "/upload/v1beta/files", START, b'{"file": {"name": "x"}}', 400, "file.name is 'x'"),
        (
            "POST",
            "/upload/v1beta/files",
            START,
            b'{"file": {"displayName": "%s"}}' % (b"x" * 513),
            400,
            "513 characters",
        ),
        (
            "POST",
            "/upload/v1beta/files",
            {**START, "x-goog-upload-header-content-length": "-1"},
            b"",
            400,
            "content-length is '-1'; it is a number of bytes",
        ),
        (
            "POST",
            "/upload/v1beta/files",
            {**START, "x-goog-upload-header-content-length": str(3 << 30)},
            b"",
            400,
            "the limit is 2,147,483,648",
        ),
        ("POST", "/upload/v1beta/files?uploadType=multipart", {}, b"x", 400, "multipart/related with a boundary"),
        ("POST", "/upload/v1beta/files?uploadType=multipart", multipart(b"\n")[0], b"x", 400, "has 0 parts"),
    ],
)
def test_hostile_requests(
    http: Any, method: str, path: str, headers: dict[str, str], content: bytes, code: int, expected: str
) -> None:
    """What is no valid request is a 4xx in Google's form, which says what was wanted."""
    assert expected in message(http.request(method, path, headers=headers, content=content), code)


def test_no_http_at_all(server: Server) -> None:
    """Bytes that are no HTTP, and headers without end, are refused, and the server goes on."""
    import socket

    for data in b"\x16\x03\x01 hello\r\n\r\n", b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 20_000:
        with socket.create_connection(("127.0.0.1", int(str(server.http_endpoint).rpartition(":")[2]))) as connection:
            connection.sendall(data)
            assert connection.recv(100).startswith((b"HTTP/1.1 400", b"HTTP/1.1 431"))
    assert httpx2.get(f"{server.http_endpoint}/nothing").status_code == 404


@pytest.mark.parametrize("given", [{}, {"x-goog-api-key": "wrong"}, {"authorization": "Bearer right-key"}])
def test_api_key(script: ScriptEngine, given: dict[str, str]) -> None:
    """A server with a key wants it in the header or the query, but not with the URL of an upload, which is a secret."""
    with serve(script, api_key="right-key") as server, httpx2.Client(base_url=server.http_endpoint) as http:
        assert "requires its API key" in message(http.post("/upload/v1beta/files", headers={**START, **given}), 401)
        url = http.post("/upload/v1beta/files?key=right-key", headers=START).headers["x-goog-upload-url"]
        assert send(http, url, "upload, finalize", 0, TEXT).status_code == 200
        other = url.replace("upload_id=", "upload_id=x")
        assert "there is no such upload" in message(http.post(other, headers=given), 404)


def test_defect(http: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """A defect of the server is INTERNAL without its text, which the log has."""
    monkeypatch.setattr("genai_grpc.local.http.uploads.secrets.token_urlsafe", lambda _: 1 / 0)
    assert (
        message(http.post("/upload/v1beta/files", headers=START), 500) == "the server failed; its log has the traceback"
    )
    assert "ZeroDivisionError" in caplog.text
