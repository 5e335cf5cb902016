"""Servers that are not gRPC servers, and invalid replies."""

from __future__ import annotations

from pathlib import Path

import grpc
import pytest

import genai_grpc as genai
from genai_grpc import errors, protos, types
from genai_grpc._transport.grpc.invalid_reply import explain
from genai_grpc.testing import CertificateAuthority
from tests.conftest import Api
from tests.faults.conftest import AddRow
from tests.faults.http_servers import HttpReply, frame, http1_server, http2_server

FAST_RETRY = types.RetryPolicy(initial_backoff=0.01)
HTML = "text/html; charset=utf-8"
LOGIN = b"<html><body>Log in</body></html>"
LOCATION = ((b"location", b"http://portal.example.com/login"),)
CANDIDATE = protos.Candidate(content=protos.Content(role="model", parts=[protos.Part(text="Hel")]))
MESSAGE = protos.GenerateContentResponse(candidates=[CANDIDATE])
LAST = protos.GenerateContentResponse(candidates=[protos.Candidate(finish_reason=protos.Candidate.STOP)])
FRAME = frame(MESSAGE.SerializeToString())


@pytest.fixture(params=["unary", "stream"])
def stream(request: pytest.FixtureRequest) -> bool:
    """Whether the call is a streaming one."""
    return bool(request.param == "stream")


def fail(api: Api, endpoint: str, stream: bool, tls: types.TLS | None = None) -> errors.APIError:
    """The error of a call to a server."""
    client = genai.Client(endpoint=endpoint, retry=FAST_RETRY, tls=tls, timeout=30)
    try:
        with pytest.raises(errors.APIError) as caught:
            api.resolve(api.generate(genai.GenerativeModel(client=client), "Hi", stream=stream))
    finally:
        api.close_client(client)
    return caught.value


# Replies that no gRPC server gives.

STATUSES = {
    302: errors.Unknown,
    307: errors.Unknown,
    400: errors.InternalServerError,
    401: errors.Unauthenticated,
    403: errors.PermissionDenied,
    404: errors.MethodNotImplemented,
    407: errors.Unknown,
    429: errors.ServiceUnavailable,
    500: errors.Unknown,
    502: errors.ServiceUnavailable,
    503: errors.ServiceUnavailable,
    504: errors.ServiceUnavailable,
}


@pytest.mark.parametrize("status", STATUSES)
def test_http_status(status: int, api: Api, stream: bool, add_row: AddRow) -> None:
    """An HTTP status other than 200 is an error that names it; 429, 502, 503 and 504 are retried."""
    reply = HttpReply(status, HTML, LOCATION if status < 400 else (), ends=False, trailers=None)
    with http2_server(reply) as (endpoint, requests):
        error = fail(api, endpoint, stream)
    assert error.status == STATUSES[status].status
    assert f"what answered is no gRPC server: it replied with HTTP status {status}; check the endpoint" in error.message
    retried = isinstance(error, errors.ServiceUnavailable)
    assert (error.attempts, len(requests)) == ((4, 4) if retried else (1, 1))
    retries = "after 4 attempts" if retried else "not retried"
    add_row(
        f"HTTP status {status} of a gateway or captive portal", f"{type(error).__name__} that names it, {retries}", ""
    )


@pytest.mark.parametrize("content_type", [HTML, "application/json", None])
@pytest.mark.parametrize("body", [LOGIN, b"", b'{"error": {"code": 400}}', FRAME])
def test_reply_without_grpc_status(
    content_type: str | None, body: bytes, api: Api, stream: bool, add_row: AddRow
) -> None:
    """A reply with HTTP status 200 and without a gRPC status, such as a login page, is Unknown, and not retried."""
    with http2_server(HttpReply(200, content_type, body=body, trailers=None)) as (endpoint, requests):
        error = fail(api, endpoint, stream)
    assert error.status == "UNKNOWN"
    assert "the reply ended without a gRPC status: what answered is no gRPC server, or a proxy" in error.message
    assert (error.attempts, len(requests)) == (1, 1)
    add_row("HTTP status 200 with a page of HTML", "Unknown that says so, not retried", "")


@pytest.mark.parametrize("status", [302, 503])
def test_http_status_and_page_in_one_packet(status: int, api: Api, stream: bool) -> None:
    """A reply that ends in the packet of its headers is an error that says that no gRPC server answered."""
    with http2_server(HttpReply(status, HTML, body=LOGIN, trailers=None)) as (endpoint, _):
        error = fail(api, endpoint, stream)
    # gRPC may lose the HTTP status, and with it the status code.
    assert error.status in ("UNKNOWN", STATUSES[status].status)
    assert "what answered is no gRPC server" in error.message


def test_http1(api: Api, stream: bool, add_row: AddRow) -> None:
    """A server that speaks HTTP/1.1 only is ServiceUnavailable that says so."""
    with http1_server() as port:
        error = fail(api, f"http://127.0.0.1:{port}", stream)
    assert error.status == "UNAVAILABLE"
    assert error.message.startswith("what answered is no gRPC server: it does not speak HTTP/2; check the endpoint")
    add_row("server that speaks HTTP/1.1 only", "ServiceUnavailable that says so, after 4 attempts", "")


def test_http1_over_tls(api: Api, tmp_path: Path) -> None:
    """The same over TLS, as of the login page of a captive portal."""
    authority = CertificateAuthority()
    key, chain = authority.issue()
    (tmp_path / "key").write_bytes(key)
    (tmp_path / "chain").write_bytes(chain)
    with http1_server((str(tmp_path / "chain"), str(tmp_path / "key"))) as port:
        error = fail(api, f"https://127.0.0.1:{port}", False, types.TLS(root_certificates=authority.root))
    assert error.status == "UNAVAILABLE"
    assert error.message.startswith("what answered is no gRPC server: it does not speak HTTP/2; check the endpoint")


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (grpc.StatusCode.UNKNOWN, None),
        (grpc.StatusCode.UNKNOWN, ""),
        (grpc.StatusCode.UNKNOWN, "a stream was removed"),
        (grpc.StatusCode.INTERNAL, "Stream removed"),
        (grpc.StatusCode.UNAVAILABLE, "failed to connect to all addresses; last error: Connection refused"),
        (grpc.StatusCode.INVALID_ARGUMENT, "Failed parsing HTTP/2"),
    ],
)
def test_other_messages(code: grpc.StatusCode, message: str | None) -> None:
    """A message that says nothing of the server stays as it is."""
    assert explain(code.value[0], message) == message


# Replies of gRPC servers that are not what they should be.


@pytest.mark.parametrize(
    "reply",
    [
        HttpReply(),
        HttpReply(headers=((b"grpc-status", b"0"),), trailers=None),
        HttpReply(body=FRAME[:3]),
        HttpReply(body=FRAME[:-1]),
    ],
    ids=["trailers", "trailers only", "part of a frame's header", "part of a message"],
)
def test_ok_without_a_message(reply: HttpReply, api: Api, stream: bool, add_row: AddRow) -> None:
    """A call that ends with status OK, and without a whole message, is InternalServerError, and not retried."""
    with http2_server(reply) as (endpoint, requests):
        error = fail(api, endpoint, stream)
    assert (error.status, error.message) == (
        "INTERNAL",
        "the service ended the call with status OK, but sent no message",
    )
    assert (error.attempts, len(requests)) == (1, 1)
    add_row("status OK without a message, or with part of one", "InternalServerError, not retried", "")


def test_ok_without_a_message_of_other_methods(api: Api) -> None:
    """The same holds for methods that do not generate."""
    with http2_server(HttpReply()) as (endpoint, _):
        client = genai.Client(endpoint=endpoint)
        with pytest.raises(errors.InternalServerError, match="but sent no message"):
            api.count(genai.GenerativeModel(client=client), "Hi")
        with pytest.raises(errors.InternalServerError, match="but sent no message"):
            api.get_model("gemini-pro", client=client)
        api.close_client(client)


@pytest.mark.parametrize(
    ("status", "error_class"),
    [(b"99", errors.Unknown), (b"16", errors.Unauthenticated), (b"2", errors.Unknown)],
)
def test_grpc_status(status: bytes, error_class: type[errors.APIError], api: Api, stream: bool) -> None:
    """A status code that gRPC does not define is Unknown."""
    with http2_server(HttpReply(trailers=((b"grpc-status", status), (b"grpc-message", b"no")))) as (endpoint, _):
        assert fail(api, endpoint, stream).status == error_class.status


@pytest.mark.parametrize(
    ("body", "text", "truncated"),
    [
        (FRAME, "Hel", True),
        (FRAME + FRAME[:-1], "Hel", True),
        (FRAME + frame(LAST.SerializeToString()), "Hel", False),
    ],
    ids=["no finish reason", "part of a message", "finish reason"],
)
def test_stream_without_finish_reason(body: bytes, text: str, truncated: bool, api: Api, add_row: AddRow) -> None:
    """A stream that ends with status OK before the finish reason is truncated; gRPC ignores part of a message."""
    with http2_server(HttpReply(body=body)) as (endpoint, _):
        client = genai.Client(endpoint=endpoint)
        response = api.generate(genai.GenerativeModel(client=client), "Hi", stream=True)
        with pytest.raises(errors.IncompleteIterationError):
            _ = response.truncated
        api.resolve(response)
        api.close_client(client)
    assert (response.text, response.truncated) == (text, truncated)
    add_row("stream that ends with status OK before its finish reason", "the chunks; response.truncated is True", "")
