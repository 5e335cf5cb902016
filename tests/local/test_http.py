"""The API of the local server over HTTP/JSON."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

import genai_grpc as genai
from genai_grpc import errors, testing
from genai_grpc.local import STALL, Delay, ScriptEngine, Server, serve
from genai_grpc.local.http import rest
from tests.waiting import wait_until

HELLO = {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}
GENERATE = "/v1beta/models/gemini-pro:generateContent"
STREAM = "/v1beta/models/gemini-pro:streamGenerateContent"


class Reply:
    """A reply of HTTP."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status, self.headers, self.body = response.status, response.headers, response.read()

    @property
    def json(self) -> Any:
        """The body."""
        return json.loads(self.body)


def connect(server: Server) -> http.client.HTTPConnection:
    address = urlsplit(server.http_endpoint)
    return http.client.HTTPConnection(str(address.hostname), address.port, timeout=30)


def send(server: Server, verb: str, path: str, body: Any = None, **headers: str) -> Reply:
    """A request to the server, and its reply."""
    connection = connect(server)
    data = body if body is None or isinstance(body, (bytes, str)) else json.dumps(body)
    try:
        connection.request(verb, path, data, {name.replace("_", "-"): value for name, value in headers.items()})
        return Reply(connection.getresponse())
    finally:
        connection.close()


def test_generate(server: Server, script: ScriptEngine) -> None:
    """A response is that of gRPC, in the JSON of the service; the engine sees the headers as metadata."""
    script.reply(testing.response("Hello", usage=(1, 2)))
    reply = send(server, "POST", GENERATE, HELLO, x_goog_api_key="a-key", x_color="red")
    assert (reply.status, reply.headers["content-type"]) == (200, "application/json")
    assert reply.json == {
        "candidates": [
            {"content": {"parts": [{"text": "Hello"}], "role": "model"}, "finishReason": "STOP", "index": 0}
        ],
        "usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 2, "totalTokenCount": 3},
    }
    [call] = script.calls
    assert ("x-goog-api-key", "***") in call.metadata
    assert ("x-color", "red") in call.metadata


def events(body: bytes) -> list[Any]:
    """The events of a stream."""
    *parts, last = body.split(b"\r\n\r\n")
    assert last == b""
    return [json.loads(part.removeprefix(b"data: ")) for part in parts]


def texts(chunks: list[Any]) -> list[str]:
    return [chunk["candidates"][0]["content"]["parts"][0]["text"] for chunk in chunks]


@pytest.mark.parametrize("alt", ["sse", "json"])
def test_stream(server: Server, script: ScriptEngine, alt: str) -> None:
    """A stream is events, or one array."""
    script.reply("Hel", "lo")
    reply = send(server, "POST", f"{STREAM}?alt={alt}", HELLO)
    assert reply.headers["content-type"].startswith("text/event-stream" if alt == "sse" else "application/json")
    assert texts(events(reply.body) if alt == "sse" else reply.json) == ["Hel", "lo"]


def test_chunks_arrive_at_once(server: Server, script: ScriptEngine) -> None:
    """A chunk is sent when the engine makes it, and a client that goes away ends the engine."""
    script.reply("Hel", STALL)
    connection = connect(server)
    connection.request("POST", f"{STREAM}?alt=sse", json.dumps(HELLO))
    response = connection.getresponse()
    assert texts([json.loads(response.readline().removeprefix(b"data: "))]) == ["Hel"]
    response.close()
    connection.close()
    script.wait_cancelled(1)


def test_client_that_goes_away(server: Server, script: ScriptEngine) -> None:
    """A client that goes away before the first chunk ends the engine, too."""
    script.reply(STALL)
    connection = connect(server)
    connection.request("POST", f"{STREAM}?alt=sse", json.dumps(HELLO))
    wait_until(lambda: script.requests)
    connection.close()
    script.wait_cancelled(1)


@pytest.mark.parametrize("stream", [False, True])
def test_error(server: Server, script: ScriptEngine, stream: bool) -> None:
    """An error has Google's form, with its details; that of a stream without alt=sse is in a list."""
    script.reply(testing.api_error("RESOURCE_EXHAUSTED", "Too many.", reason="RATE_LIMIT_EXCEEDED", retry_after=1.5))
    reply = send(server, "POST", STREAM if stream else GENERATE, HELLO)
    assert reply.status == 429
    error = (reply.json[0] if stream else reply.json)["error"]
    details = {detail["@type"].rpartition(".")[2]: detail for detail in error.pop("details")}
    assert error == {"code": 429, "message": "Too many.", "status": "RESOURCE_EXHAUSTED"}
    assert details["ErrorInfo"]["reason"] == "RATE_LIMIT_EXCEEDED"
    assert details["RetryInfo"]["retryDelay"] == "1.500s"


@pytest.mark.parametrize("alt", ["sse", "json"])
def test_error_of_a_stream(server: Server, script: ScriptEngine, alt: str) -> None:
    """An error after the first chunk is the last item of the stream."""
    script.reply("Hel", errors.DataLoss("the rest is lost"))
    reply = send(server, "POST", f"{STREAM}?alt={alt}", HELLO)
    assert reply.status == 200
    first, last = events(reply.body) if alt == "sse" else reply.json
    assert texts([first]) == ["Hel"]
    assert last == {"error": {"code": 500, "message": "the rest is lost", "status": "DATA_LOSS"}}


def test_other_methods(server: Server, script: ScriptEngine) -> None:
    """Every service answers, under v1beta and v1."""
    assert send(server, "GET", "/v1beta/models?pageSize=1").json["models"][0]["name"] == "models/script"
    assert send(server, "GET", "/v1/models/gemini-pro").json["name"] == "models/gemini-pro"
    assert send(server, "POST", "/v1beta/models/gemini-pro:countTokens", HELLO).json == {"totalTokens": 1}
    embedded = send(server, "POST", "/v1beta/models/embedding-001:embedContent", {"content": HELLO["contents"][0]})
    assert len(embedded.json["embedding"]["values"]) == 768
    cached = send(server, "POST", "/v1beta/cachedContents", {"model": "models/gemini-pro", "ttl": "60s", **HELLO})
    name = cached.json["name"]
    patched = send(server, "PATCH", f"/v1beta/{name}?updateMask=ttl", {"ttl": "600s"})
    assert patched.json["expireTime"] > cached.json["expireTime"]
    assert send(server, "DELETE", f"/v1beta/{name}").json == {}
    assert send(server, "GET", f"/v1beta/{name}").status == 404
    examples = {"examples": {"examples": [{"textInput": "1", "output": "2"}]}}
    tuned = {"baseModel": "models/gemini-pro", "tuningTask": {"trainingData": examples}}
    operation = send(server, "POST", "/v1beta/tunedModels?tunedModelId=mine", tuned).json
    wait_until(lambda: send(server, "GET", f"/v1beta/{operation['name']}").json.get("done"))
    assert send(server, "GET", "/v1beta/tunedModels/mine").json["state"] == "ACTIVE"
    assert [each["name"] for each in send(server, "GET", "/v1beta/tunedModels/mine/operations").json["operations"]] == [
        operation["name"]
    ]
    script.reply("Tuned")
    assert send(server, "POST", "/v1beta/tunedModels/mine:generateContent", HELLO).status == 200


def test_files(server: Server) -> None:
    """The metadata and the content of a file."""
    with genai.Client(endpoint=server.endpoint) as client:
        file = genai.wait_until_active(genai.upload_file(b"Once", mime_type="text/plain", client=client), client=client)
    assert send(server, "GET", f"/v1beta/{file.name}").json["state"] == "ACTIVE"
    assert send(server, "GET", f"/v1beta/{file.name}?alt=media").body == b"Once"
    assert send(server, "GET", f"/v1beta/{file.name}:download?alt=media").body == b"Once"
    assert send(server, "DELETE", f"/v1beta/{file.name}").json == {}


@pytest.fixture
def locked(script: ScriptEngine) -> Iterator[Server]:
    """A server with a key."""
    with serve(script, api_key="right-key") as server:
        yield server


def test_key(locked: Server, script: ScriptEngine) -> None:
    """The key is in a header or in the query; a call without it is refused as by gRPC."""
    assert send(locked, "GET", "/v1beta/models", x_goog_api_key="right-key").status == 200
    assert send(locked, "GET", "/v1beta/models?key=right-key").status == 200
    for query, headers in ("", {}), ("?key=wrong", {}), ("?key=right-key", {"x_goog_api_key": "wrong"}):
        reply = send(locked, "GET", f"/v1beta/models{query}", **headers)
        assert (reply.status, reply.json["error"]["status"]) == (401, "UNAUTHENTICATED")
        assert reply.json["error"]["details"][0]["reason"] == "API_KEY_INVALID"
    assert send(locked, "POST", f"{STREAM}?alt=sse", HELLO).status == 401
    assert send(locked, "GET", "/v1beta/files/a?alt=media&upload_id=b").status == 401
    assert not script.requests


def test_request_log(server: Server, script: ScriptEngine, caplog: pytest.LogCaptureFixture) -> None:
    """A call over HTTP is in the request log, without its content."""
    script.reply("Hello")
    with caplog.at_level("INFO", "genai_grpc.local"):
        send(server, "POST", GENERATE, HELLO)
    [line] = [record.getMessage() for record in caplog.records if record.name == "genai_grpc.local"]
    assert line.startswith("GenerateContent models/gemini-pro OK ")


@pytest.mark.parametrize(
    ("verb", "path", "status", "problem"),
    [
        ("GET", "/", 404, "no method of the API has this path"),
        ("GET", "/v1beta/models/../../etc/passwd", 404, "no method"),
        ("GET", "/v1beta/models/%2e%2e%2fetc", 404, "not served here"),
        ("GET", "/v1beta/models/%ff", 400, "not UTF-8"),
        ("POST", "/v1beta/models", 405, "use GET"),
        ("PATCH", GENERATE, 405, "use GET or POST"),
        ("BREW", "/v1beta/models", 405, "Method Not Allowed"),
        ("GET", "/v1beta/models?pageSize=x", 400, "pageSize|page_size"),
        ("GET", "/v1beta/models?nothing=1", 400, "unknown parameter 'nothing'"),
        ("GET", "/v1beta/models/none", 404, "models/none is not served here"),
    ],
)
def test_wrong_target(server: Server, verb: str, path: str, status: int, problem: str) -> None:
    """A target that is no method's is an error in Google's form."""
    reply = send(server, verb, path)
    error = reply.json["error"]
    assert (reply.status, error["code"]) == (status, status)
    assert any(each in error["message"] for each in problem.split("|"))


@pytest.mark.parametrize("body", ["", "{", "[]", "[" * 100_000, '{"nothing": 1}', '{"contents": "Hi"}', "\0\xff"])
def test_wrong_body(server: Server, body: str) -> None:
    """A body that is not the request is 400."""
    reply = send(server, "POST", GENERATE, body.encode("latin-1"))
    assert (reply.status, reply.json["error"]["status"]) == (400, "INVALID_ARGUMENT")


def test_large_body(script: ScriptEngine) -> None:
    """A body above the limit is refused while it comes."""
    with serve(script, max_request_bytes=1000) as server:
        reply = send(server, "POST", GENERATE, b'{"contents": "' + b"x" * (3 << 20) + b'"}')
        assert (reply.status, reply.json["error"]["status"]) == (400, "INVALID_ARGUMENT")
        assert "has more than the 1,050,576 bytes" in reply.json["error"]["message"]
        text = {"contents": [{"parts": [{"text": "x" * 2000}]}]}
        assert "this server takes 1,000" in send(server, "POST", GENERATE, text).json["error"]["message"]


def test_slow_body(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A body whose next part does not come is given up."""
    monkeypatch.setattr(rest, "_BODY_SECONDS", 0.1)
    connection = connect(server)
    connection.putrequest("POST", GENERATE)
    connection.putheader("content-length", "100")
    connection.endheaders(b'{"contents"')
    reply = Reply(connection.getresponse())
    connection.close()
    assert (reply.status, reply.json["error"]["status"]) == (504, "DEADLINE_EXCEEDED")


@pytest.mark.parametrize(
    "data",
    [
        b"GET /v1beta/models HTTP/1.1\r\nhost: a\r\n" + b"x: y\r\n" * 20_000 + b"\r\n",
        b"GET /v1beta/models HTTP/1.1\r\nhost: a\r\nx: " + b"y" * 100_000 + b"\r\n\r\n",
        b"\x16\x03\x01\x00\xa5\x01\x00\x00",
        b"GET  /v1beta/models\r\n\r\n",
        b"POST /v1beta/models HTTP/1.1\r\nhost: a\r\ncontent-length: -1\r\n\r\n",
        b"POST /v1beta/models HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nZZ\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
)
def test_hostile_bytes(server: Server, data: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """Bytes that are no request end the connection with 4xx; the next request is answered."""
    address = urlsplit(server.http_endpoint)
    with socket.create_connection((str(address.hostname), address.port), timeout=30) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        received = b""
        while part := connection.recv(65536):
            received += part
    assert received == b"" or received.startswith(b"HTTP/1.1 4")
    assert send(server, "GET", "/v1beta/models").status == 200
    assert not [record for record in caplog.records if record.exc_info]


def test_cors(script: ScriptEngine) -> None:
    """Web pages of other origins may call the server if it says so."""
    question = {"origin": "http://localhost:3000", "access_control_request_method": "POST"}
    with serve(script) as server:
        assert "access-control-allow-origin" not in send(server, "GET", "/v1beta/models", **question).headers
    with serve(script, origins=["http://localhost:3000"]) as server:
        allowed = send(server, "OPTIONS", GENERATE, access_control_request_headers="x-goog-api-key", **question)
        assert (allowed.status, allowed.headers["access-control-allow-origin"]) == (200, "http://localhost:3000")
        assert (
            "access-control-allow-origin"
            not in send(server, "GET", "/v1beta/models", origin="http://example.com").headers
        )
    with pytest.raises(TypeError, match="origins is 'a'; give a list"):
        serve(script, origins="a")


def test_restart(server: Server, script: ScriptEngine) -> None:
    """After a restart, HTTP calls go to the new services."""
    script.reply("Hello")
    send(server, "GET", "/v1beta/models")
    server.restart()
    assert send(server, "POST", GENERATE, HELLO).status == 200


def test_stop(script: ScriptEngine) -> None:
    """A server that stops lets calls in flight end."""
    script.reply(Delay(0.3), "Hello")
    server = serve(script)
    server.start()

    async def main() -> Reply:
        sending = asyncio.ensure_future(asyncio.to_thread(send, server, "POST", GENERATE, HELLO))
        await asyncio.to_thread(wait_until, lambda: script.requests)
        await asyncio.to_thread(server.stop, 10)
        return await sending

    assert asyncio.run(main()).status == 200
