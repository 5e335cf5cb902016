"""What only HTTP/JSON has: gateways, other servers than the API's, broken replies, and connections that end."""

from __future__ import annotations

import asyncio
import http.server
import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import genai_grpc as genai
from genai_grpc import errors, types
from genai_grpc.local import STALL, ScriptEngine, Server, serve
from genai_grpc.testing import CertificateAuthority, FaultProxy
from tests.conftest import Api
from tests.gateway import Gateway
from tests.waiting import wait_until

KEY = "AIza-a-key-of-tests"
HELLO = {"candidates": [{"content": {"role": "model", "parts": [{"text": "Hello"}]}, "finishReason": "STOP"}]}
EVENT = b"data: " + json.dumps(HELLO).encode() + b"\r\n\r\n"
ONCE = types.RetryPolicy(max_attempts=1)


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    """A server that is none of ours."""
    with Gateway() as running:
        yield running


@pytest.fixture
def client(gateway: Gateway) -> Iterator[genai.Client]:
    """A client of it, which does not retry."""
    with genai.Client(KEY, transport="rest", endpoint=gateway.url, retry=ONCE) as connected:
        yield connected


@pytest.fixture
def model(client: genai.Client) -> genai.GenerativeModel:
    """A model of it."""
    return genai.GenerativeModel(client=client)


def test_request(api: Api, gateway: Gateway) -> None:
    """A request has the path of the gateway, the key, the user agent, the metadata and the JSON of the service."""
    gateway.replies = [(200, "application/json", json.dumps(HELLO).encode())]
    client = genai.Client(
        KEY,
        transport="rest",
        endpoint=f"{gateway.url}/google/gemini/",
        user_agent="mine/1",
        metadata=[("x-tenant", "blue")],
    )
    response = api.generate(genai.GenerativeModel("m", client=client), "Hi", request_options={"timeout": 9.5})
    api.close_client(client)
    assert response.text == "Hello"
    assert response.request_id == "r-1"
    [(verb, path, headers, body)] = gateway.requests
    assert (verb, path) == ("POST", "/google/gemini/v1beta/models/m:generateContent")
    assert json.loads(body) == {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}
    assert headers["x-goog-api-key"] == KEY
    assert headers["x-tenant"] == "blue"
    assert headers["x-server-timeout"] == "10"
    assert headers["user-agent"].startswith("mine/1 genai-grpc/")
    assert " rest/" in headers["x-goog-api-client"]


def test_v1(api: Api, gateway: Gateway) -> None:
    """API version v1 has its own paths."""
    gateway.replies = [(200, "application/json", json.dumps(HELLO).encode())]
    client = genai.Client(transport="rest", endpoint=gateway.url, api_version="v1")
    api.generate(genai.GenerativeModel("m", client=client), "Hi")
    api.close_client(client)
    assert gateway.requests[0][1] == "/v1/models/m:generateContent"


ERROR = {"code": 403, "message": f"No, {KEY}.", "status": "PERMISSION_DENIED", "details": []}
INFO = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_SERVICE_BLOCKED", "domain": "x"}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("status", "kind", "body", "error", "message"),
    [
        (403, "application/json", json.dumps({"error": ERROR}), errors.PermissionDenied, r"No, \*\*\*\."),
        (403, "application/json", json.dumps([{"error": ERROR}]), errors.PermissionDenied, r"No, \*\*\*\."),
        (
            200,
            "text/html",
            "<html>Log in</html>",
            errors.InternalServerError,
            "HTTP 200 and text/html, which is no reply",
        ),
        (302, "text/html", "", errors.GenAIError, "HTTP 302 and text/html, as no Gemini API does"),
        (404, "text/html", "<h1>nginx</h1>", errors.NotFound, "HTTP 404 and text/html"),
        (502, "text/html", "Bad gateway", errors.ServiceUnavailable, "HTTP 502 and text/html"),
        (504, "text/plain", "too slow", errors.DeadlineExceeded, "HTTP 504 and text/plain.*too slow"),
        (
            500,
            "application/json",
            json.dumps({"error": {"code": 503, "message": "busy"}}),
            errors.ServiceUnavailable,
            "busy",
        ),
        (404, "application/json", '{"detail": "no route"}', errors.NotFound, "HTTP 404 and application/json.*no route"),
        (200, "application/json", "", errors.InternalServerError, "no reply of the Gemini API|sent no message"),
        (200, "application/json", '{"candidates": 7}', errors.InternalServerError, "no reply|sent no message"),
        (
            200,
            "text/event-stream",
            "data: <html>\n\n",
            errors.InternalServerError,
            "text/event-stream, which is no reply",
        ),
    ],
)
def test_other_replies(
    api: Api,
    gateway: Gateway,
    model: genai.GenerativeModel,
    stream: bool,
    status: int,
    kind: str,
    body: str,
    error: type[Exception],
    message: str,
) -> None:
    """What is no reply of the API is an error that says what answered; keys are masked."""
    gateway.replies = [(status, kind, body.encode())]
    if stream and status == 200 and kind != "text/event-stream":
        message = "sent no message|middle of an event"
        error = errors.APIError
    with pytest.raises(error, match=message) as caught:
        api.generate(model, "Hi", stream=stream)
    assert KEY not in f"{caught.value!r} {caught.value.__cause__!r}"


def test_details(api: Api, gateway: Gateway, model: genai.GenerativeModel) -> None:
    """The details of an error are unpacked."""
    gateway.replies = [(403, "application/json", json.dumps({"error": {**ERROR, "details": [INFO]}}).encode())]
    with pytest.raises(errors.PermissionDenied) as caught:
        api.generate(model, "Hi")
    detail: Any = caught.value.details[0]
    assert detail.reason == "API_KEY_SERVICE_BLOCKED"


def test_retry(api: Api, gateway: Gateway) -> None:
    """A call is attempted again, after the delay that the service asks for."""
    delay = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "0.05s"}
    busy = {"code": 429, "message": "Wait.", "status": "RESOURCE_EXHAUSTED", "details": [delay]}
    gateway.replies = [
        (503, "text/html", b"Starting"),
        (429, "application/json", json.dumps({"error": busy}).encode()),
        (200, "text/event-stream", EVENT + EVENT),
    ]
    policy = types.RetryPolicy(initial_backoff=0.01)
    client = genai.Client(transport="rest", endpoint=gateway.url, retry=policy)
    response = api.generate(genai.GenerativeModel(client=client), "Hi", stream=True)
    api.resolve(response)
    api.close_client(client)
    assert response.text == "HelloHello"
    assert len(gateway.requests) == 3


def test_retry_after(api: Api, gateway: Gateway) -> None:
    """The delay may be in a header, as gateways send it."""
    gateway.headers["retry-after"] = "0"
    gateway.replies = [(429, "text/plain", b"wait"), (200, "application/json", json.dumps(HELLO).encode())]
    client = genai.Client(transport="rest", endpoint=gateway.url)
    assert api.generate(genai.GenerativeModel(client=client), "Hi").text == "Hello"
    api.close_client(client)


@pytest.mark.parametrize(
    ("rest", "error", "message"),
    [
        (b'data: {"error": {"code": 500, "message": "lost", "status": "DATA_LOSS"}}\r\n\r\n', errors.DataLoss, "lost"),
        (b'data: {"candidates": [', errors.ServiceUnavailable, "ended in the middle of an event"),
        (b'data: {"error": {"code": 500, "status": "DATA_LOSS", "message": "lost"}}', errors.DataLoss, "lost"),
        (b'data: { "error" : {"code": 503, "message": "busy"}}\n\n', errors.ServiceUnavailable, "503 busy"),
        # As Google sends errors: https://github.com/googleapis/js-genai/issues/1973
        (b'{"error": {"code": 503, "message": "busy"}}\n\n', errors.ServiceUnavailable, "503 busy"),
        (b'{\n  "error": {\n    "code": 503,\n    "message": "busy"\n  }\n}\n', errors.ServiceUnavailable, "503 busy"),
        (b'[{"error": {"code": 429, "message": "busy"}}]', errors.ResourceExhausted, "429 busy"),
        (b'[{"error": {"code": 429, "message": "busy"}}\n]\n', errors.ResourceExhausted, "429 busy"),
        (b'data: {"error": {"code": 503, "mes', errors.ServiceUnavailable, "ended in the middle of an event"),
        (b'{"candidates": [', errors.ServiceUnavailable, "ended in the middle of an event"),
        (b"data: <html>\n\n", errors.InternalServerError, "which is no reply of the Gemini API"),
    ],
)
def test_broken_stream(
    api: Api, gateway: Gateway, model: genai.GenerativeModel, rest: bytes, error: type[Exception], message: str
) -> None:
    """A stream that breaks has the chunks so far, and then the error."""
    gateway.replies = [(200, "text/event-stream", EVENT + rest)]
    chunks = api.chunks(api.generate(model, "Hi", stream=True))
    assert api.next(chunks).text == "Hello"
    with pytest.raises(error, match=message):
        api.next(chunks)


def test_end_of_a_gateway(api: Api, gateway: Gateway, model: genai.GenerativeModel) -> None:
    """The last event of OpenAI's protocol, which some gateways send, is none of the reply."""
    gateway.replies = [(200, "text/event-stream", EVENT + b"data: [DONE]\n\n")]
    response = api.generate(model, "Hi", stream=True)
    api.resolve(response)
    assert response.text == "Hello"


@pytest.mark.parametrize("end", ["cut", "reset"])
def test_connection_that_breaks(api: Api, server: Server, script: ScriptEngine, end: str) -> None:
    """A connection that breaks in a stream is an error; the next call has another connection."""
    script.reply("Hello", STALL).reply("Again")
    with FaultProxy(str(server.http_endpoint)) as proxy:
        client = genai.Client(transport="rest", endpoint=proxy.endpoint, retry=ONCE)
        model = genai.GenerativeModel(client=client)
        chunks = api.chunks(api.generate(model, "Hi", stream=True))
        assert api.next(chunks).text == "Hello"
        getattr(proxy, end)()
        with pytest.raises(errors.ServiceUnavailable, match="the HTTP connection to .* failed"):
            api.next(chunks)
        assert api.generate(model, "Hi").text == "Again"
        api.close_client(client)


def test_refused_connection(api: Api) -> None:
    """Where nothing listens, a call is UNAVAILABLE, and so is `connect`."""
    client = genai.Client(transport="rest", endpoint="http://127.0.0.1:1", retry=ONCE)
    with pytest.raises(errors.ServiceUnavailable, match="the HTTP connection to http://127.0.0.1:1 failed"):
        api.generate(genai.GenerativeModel(client=client), "Hi")
    with pytest.raises(errors.ServiceUnavailable, match="no connection within"):
        api.call(client, "connect", timeout=1)
    assert not client.ready()
    api.close_client(client)


def test_deadline_of_a_reply_that_trickles(api: Api, model: genai.GenerativeModel, gateway: Gateway) -> None:
    """The deadline holds for a reply whose parts keep coming."""
    done = threading.Event()

    class Trickle(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(200)
            self.end_headers()
            while not done.wait(0.02):
                try:
                    self.wfile.write(b" ")
                except OSError:
                    return

        def log_message(self, *args: object) -> None:
            """Nothing is logged."""

    gateway.server.RequestHandlerClass = Trickle
    with pytest.raises(errors.DeadlineExceeded, match="no reply within the timeout of"):
        api.generate(model, "Hi", request_options={"timeout": 0.2})
    done.set()


def closed_while(
    act: Callable[[genai.Client], Any], client: genai.Client, script: ScriptEngine
) -> BaseException | None:
    """How a call ends whose client is closed meanwhile."""
    with ThreadPoolExecutor(1) as pool:
        calling = pool.submit(act, client)
        wait_until(lambda: script.requests)
        started = time.monotonic()
        client.close()
        error = calling.exception(20)
        assert time.monotonic() - started < 10  # the call did not wait for the engine
        return error


@pytest.mark.parametrize("stream", [False, True])
def test_close_ends_calls(server: Server, script: ScriptEngine, stream: bool) -> None:
    """A client that is closed ends calls of other threads with ClientClosed, and they end on the server."""
    script.reply(STALL)
    client = genai.Client(transport="rest", endpoint=server.http_endpoint, retry=ONCE)

    def act(client: genai.Client) -> None:
        genai.GenerativeModel(client=client).generate_content("Hi", stream=stream)

    assert isinstance(closed_while(act, client, script), errors.ClientClosed)
    script.wait_cancelled(1)
    with pytest.raises(errors.ClientClosed):
        act(client)


def test_aclose_ends_calls(server: Server, script: ScriptEngine) -> None:
    """The same on an event loop."""
    script.reply(STALL)

    async def main() -> None:
        client = genai.Client(transport="rest", endpoint=server.http_endpoint, retry=ONCE)
        model = genai.GenerativeModel(client=client)
        calling = asyncio.ensure_future(model.generate_content_async("Hi"))
        await asyncio.to_thread(wait_until, lambda: script.requests)
        await client.aclose()
        with pytest.raises(errors.ClientClosed):
            await calling

    asyncio.run(main())
    script.wait_cancelled(1)


def test_tls(api: Api, tmp_path: Path, script: ScriptEngine) -> None:
    """TLS with a root certificate of one's own; without it, the certificate is refused."""
    authority = CertificateAuthority()
    key, chain = authority.issue("localhost")
    files = tmp_path / "chain.pem", tmp_path / "key.pem"
    files[0].write_bytes(chain)
    files[1].write_bytes(key)
    script.reply("Hello")
    with serve(script, http_tls=files) as server:
        endpoint = str(server.http_endpoint).replace("127.0.0.1", "localhost")
        trusting = genai.Client(
            KEY, transport="rest", endpoint=endpoint, tls=types.TLS(root_certificates=authority.root)
        )
        assert api.generate(genai.GenerativeModel(client=trusting), "Hi").text == "Hello"
        api.close_client(trusting)
        other = genai.Client(KEY, transport="rest", endpoint=endpoint, retry=ONCE)
        with pytest.raises(errors.ServiceUnavailable, match="certificate"):
            api.generate(genai.GenerativeModel(client=other), "Hi")
        api.close_client(other)


def test_plaintext(api: Api) -> None:
    """A key does not go over plaintext to another machine."""
    with pytest.raises(errors.ConfigurationError, match="plaintext|encrypt"):
        genai.Client(KEY, transport="rest", endpoint="http://example.com/path")
    with pytest.raises(errors.ConfigurationError, match="an interceptor is a genai_grpc.types.Interceptor; got object"):
        api.get_model(
            "m", client=genai.Client(transport="rest", endpoint="http://127.0.0.1:1", interceptors=[object()])
        )


def test_live(server: Server) -> None:
    """Live sessions have no form in HTTP."""

    async def main() -> None:
        client = genai.Client(transport="rest", endpoint=server.http_endpoint)
        async with client, client.live.connect("gemini-pro"):
            pytest.fail("the session was opened")

    with pytest.raises(errors.MethodNotImplemented, match="BidiGenerateContent is not served over HTTP/JSON"):
        asyncio.run(main())


def test_loops(server: Server, script: ScriptEngine) -> None:
    """Each event loop has connections of its own, which end with it."""
    client = genai.Client(transport="rest", endpoint=server.http_endpoint)
    for _ in range(3):
        script.reply("Hello")

        async def main() -> None:
            await genai.GenerativeModel(client=client).generate_content_async("Hi")
            assert client.stats().async_connections == (1,)

        asyncio.run(main())
        assert client.stats().async_connections == ()
    client.close()
