"""Faults of the local server, as a plain gRPC client and a genai_grpc client see them."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import grpc
import pytest

import genai_grpc as genai
from genai_grpc import errors, local, protos
from genai_grpc.local import STALL, ScriptEngine, Server
from genai_grpc.testing import CertificateAuthority
from genai_grpc_protos.v1beta.generative_service_pb2_grpc import GenerativeServiceStub
from tests.conftest import Api

REQUEST = protos.GenerateContentRequest(
    model="models/script", contents=[protos.Content(parts=[protos.Part(text="Hello there")])]
)


def text(response: protos.GenerateContentResponse) -> str:
    return response.candidates[0].content.parts[0].text


@pytest.fixture(scope="module")
def authority() -> CertificateAuthority:
    """One for all tests, since generating keys is slow."""
    return CertificateAuthority()


class PausingEngine(ScriptEngine):
    """An engine that waits for `resume` after the chunk with a given text."""

    def __init__(self, pause_after: str) -> None:
        super().__init__()
        self.pause_after = pause_after
        self.resume = threading.Event()

    async def generate(self, request: protos.GenerateContentRequest) -> Any:
        async for chunk in super().generate(request):
            yield chunk
            if text(chunk) == self.pause_after:
                await asyncio.to_thread(self.resume.wait)


def generate(stub: Any) -> protos.GenerateContentResponse | None:
    """The response; None if the call was sent to a connection that received GOAWAY, which old gRPC cancels."""
    try:
        response: protos.GenerateContentResponse = stub.GenerateContent(REQUEST, wait_for_ready=True, timeout=60)
    except grpc.RpcError as error:
        if error.code() is not grpc.StatusCode.CANCELLED:
            raise
        return None
    return response


def test_restart_completes_calls_in_flight() -> None:
    """A restart with grace sends GOAWAY; the call in flight completes, and the next one uses a new connection."""
    engine = PausingEngine("Hello")
    engine.reply("Hello", " world").reply("Again")
    with local.serve(engine) as server, grpc.insecure_channel(server.address) as channel:
        stub = GenerativeServiceStub(channel)
        stream = stub.StreamGenerateContent(REQUEST)
        first = text(next(stream))
        port = server.port
        restarting = threading.Thread(target=server.restart, args=(60,))
        restarting.start()
        while not (response := generate(stub)):
            pass
        assert text(response) == "Again"
        engine.resume.set()
        assert first + "".join(map(text, stream)) == "Hello world"
        restarting.join()
        assert server.port == port


def test_restart_without_grace(api: Api, model: genai.GenerativeModel, server: Server, script: ScriptEngine) -> None:
    """A restart without grace ends the call in flight with UNAVAILABLE; the client's next call succeeds."""
    script.reply("Hello", STALL).reply("Again")
    chunks = api.chunks(api.generate(model, "Hi", stream=True))
    assert api.next(chunks).text == "Hello"

    server.restart()

    with pytest.raises(errors.ServiceUnavailable):
        api.next(chunks)
    assert api.generate(model, "Hi").text == "Again"


def test_restart_of_a_stopped_server() -> None:
    """A server that is not running cannot be restarted."""
    server = local.serve(ScriptEngine())
    with pytest.raises(RuntimeError, match="does not run"):
        server.restart()
    with server:
        pass
    with pytest.raises(RuntimeError, match="does not run"):
        server.restart()


def test_options_reach_grpc() -> None:
    """With at most one stream per connection, a second call on it waits for the first."""
    engine = PausingEngine("one")
    engine.reply("one").reply("two")
    options = [("grpc.max_concurrent_streams", 1)]
    with local.serve(engine, options=options) as server, grpc.insecure_channel(server.address) as channel:
        stub = GenerativeServiceStub(channel)
        first = stub.StreamGenerateContent(REQUEST)
        assert text(next(first)) == "one"
        second = stub.GenerateContent.future(REQUEST)
        with pytest.raises(grpc.FutureTimeoutError):
            second.result(timeout=0.2)
        assert len(engine.requests) == 1
        engine.resume.set()
        assert list(first) == []
        assert text(second.result()) == "two"


def generate_over_tls(server: Server, root: bytes, **client_certificate: Any) -> str:
    """The text that a plain gRPC client receives over TLS."""
    credentials = grpc.ssl_channel_credentials(root_certificates=root, **client_certificate)
    with grpc.secure_channel(server.address, credentials) as channel:
        return text(GenerativeServiceStub(channel).GenerateContent(REQUEST, timeout=60))


def test_tls(authority: CertificateAuthority) -> None:
    """A client with the authority's root certificate connects over TLS."""
    with local.serve(ScriptEngine().reply("Hello"), credentials=authority.server()) as server:
        assert server.endpoint == f"https://{server.address}"
        assert generate_over_tls(server, authority.root) == "Hello"


@pytest.mark.parametrize(
    ("hosts", "expired", "reason"),
    [((), True, "CERTIFICATE_VERIFY_FAILED"), (("example.com",), False, "127.0.0.1")],
    ids=["expired", "wrong host"],
)
def test_invalid_certificate(
    authority: CertificateAuthority, hosts: tuple[str, ...], expired: bool, reason: str
) -> None:
    """A certificate that has expired or is for another host is UNAVAILABLE to a client with the root certificate."""
    credentials = authority.server(*hosts, expired=expired)
    with local.serve(ScriptEngine(), credentials=credentials) as server, pytest.raises(grpc.RpcError) as caught:
        generate_over_tls(server, authority.root)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert reason in str(caught.value)


def test_unknown_root_certificate(authority: CertificateAuthority) -> None:
    """A client without the authority's root certificate gets ServiceUnavailable."""
    with (
        local.serve(ScriptEngine(), credentials=authority.server()) as server,
        genai.Client(endpoint=server.endpoint) as client,
        pytest.raises(errors.ServiceUnavailable),
    ):
        genai.GenerativeModel(client=client).generate_content("Hi", request_options={"retry": None})


def test_mutual_tls(authority: CertificateAuthority) -> None:
    """A server that requires a client certificate rejects a client without one."""
    with local.serve(ScriptEngine().reply("Hello"), credentials=authority.server(mutual=True)) as server:
        with pytest.raises(grpc.RpcError, match="UNAVAILABLE"):
            generate_over_tls(server, authority.root)
        key, chain = authority.issue("client.example")
        assert generate_over_tls(server, authority.root, private_key=key, certificate_chain=chain) == "Hello"
