"""What the local server can be told to do wrong, as a plain gRPC client and ours see it."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import grpc
import pytest

import genai_grpc as genai
from genai_grpc import errors, local, protos
from genai_grpc.local import STALL, ScriptEngine
from genai_grpc.testing import CertificateAuthority
from genai_grpc_protos.v1beta.generative_service_pb2_grpc import GenerativeServiceStub

REQUEST = protos.GenerateContentRequest(
    model="models/script", contents=[protos.Content(parts=[protos.Part(text="Hello there")])]
)


def text(response: protos.GenerateContentResponse) -> str:
    return response.candidates[0].content.parts[0].text


@pytest.fixture(scope="module")
def authority() -> CertificateAuthority:
    """One for all tests, since keys take a moment to make."""
    return CertificateAuthority()


class Held(ScriptEngine):
    """An engine that waits for `go_on` after the chunk that says one word."""

    def __init__(self, word: str) -> None:
        super().__init__()
        self.word = word
        self.go_on = threading.Event()

    async def generate(self, request: protos.GenerateContentRequest) -> Any:
        async for chunk in super().generate(request):
            yield chunk
            if text(chunk) == self.word:
                await asyncio.to_thread(self.go_on.wait)


def ask(stub: Any) -> protos.GenerateContentResponse | None:
    """The answer; None if the call was on its way to a connection that is told to go, which old gRPC cancels."""
    try:
        answer: protos.GenerateContentResponse = stub.GenerateContent(REQUEST, wait_for_ready=True, timeout=60)
    except grpc.RpcError as error:
        if error.code() is not grpc.StatusCode.CANCELLED:
            raise
        return None
    return answer


def test_a_restart_lets_calls_end() -> None:
    """A restart tells the connection to go; its call in flight ends well, while the next one has a new connection."""
    held = Held("Hello")
    held.reply("Hello", " world").reply("Again")
    with local.serve(held) as server, grpc.insecure_channel(server.address) as channel:
        stub = GenerativeServiceStub(channel)
        stream = stub.StreamGenerateContent(REQUEST)
        first = text(next(stream))
        port = server.port
        restarting = threading.Thread(target=server.restart, args=(60,))
        restarting.start()
        while not (answered := ask(stub)):
            pass
        assert text(answered) == "Again"
        held.go_on.set()
        assert first + "".join(map(text, stream)) == "Hello world"
        restarting.join()
        assert server.port == port


def test_a_restart_without_grace(colour: Any, model: genai.GenerativeModel, server: Any, script: ScriptEngine) -> None:
    """Without grace a restart ends a call in flight as UNAVAILABLE, and the client's next call is answered."""
    script.reply("Hello", STALL).reply("Again")
    chunks = colour.chunks(colour.generate(model, "Hi", stream=True))
    assert colour.next(chunks).text == "Hello"

    server.restart()

    with pytest.raises(errors.ServiceUnavailable):
        colour.next(chunks)
    assert colour.generate(model, "Hi").text == "Again"


def test_a_server_that_is_not_running_does_not_restart() -> None:
    """A restart wants a server that runs."""
    server = local.serve(ScriptEngine())
    with pytest.raises(RuntimeError, match="does not run"):
        server.restart()
    with server:
        pass
    with pytest.raises(RuntimeError, match="does not run"):
        server.restart()


def test_options_reach_grpc() -> None:
    """A server of one stream a connection answers one call at a time on it."""
    held = Held("one")
    held.reply("one").reply("two")
    options = [("grpc.max_concurrent_streams", 1)]
    with local.serve(held, options=options) as server, grpc.insecure_channel(server.address) as channel:
        stub = GenerativeServiceStub(channel)
        first = stub.StreamGenerateContent(REQUEST)
        assert text(next(first)) == "one"
        second = stub.GenerateContent.future(REQUEST)
        with pytest.raises(grpc.FutureTimeoutError):
            second.result(timeout=0.2)
        assert len(held.requests) == 1
        held.go_on.set()
        assert list(first) == []
        assert text(second.result()) == "two"


def call(server: Any, root: bytes | None = None, **credentials: Any) -> str:
    """What a plain gRPC client hears over TLS."""
    trusted = grpc.ssl_channel_credentials(root_certificates=root, **credentials)
    with grpc.secure_channel(server.address, trusted) as channel:
        return text(GenerativeServiceStub(channel).GenerateContent(REQUEST, timeout=60))


def test_tls(authority: CertificateAuthority) -> None:
    """A client that trusts the authority is answered over TLS."""
    with local.serve(ScriptEngine().reply("Hello"), credentials=authority.server()) as server:
        assert server.endpoint == f"https://{server.address}"
        assert call(server, authority.root) == "Hello"


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [({"expired": True}, "CERTIFICATE_VERIFY_FAILED"), ({"hosts": ("example.com",)}, "127.0.0.1")],
    ids=["expired", "wrong host"],
)
def test_a_wrong_certificate(authority: CertificateAuthority, wrong: dict[str, Any], reason: str) -> None:
    """A certificate that is past its day or for another host is UNAVAILABLE to a client that trusts the authority."""
    credentials = authority.server(*wrong.pop("hosts", ()), **wrong)
    with local.serve(ScriptEngine(), credentials=credentials) as server, pytest.raises(grpc.RpcError) as caught:
        call(server, authority.root)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert reason in str(caught.value)


def test_an_unknown_root(authority: CertificateAuthority) -> None:
    """Our client does not trust a test's authority: ServiceUnavailable."""
    with (
        local.serve(ScriptEngine(), credentials=authority.server()) as server,
        genai.Client(endpoint=server.endpoint) as client,
        pytest.raises(errors.ServiceUnavailable),
    ):
        genai.GenerativeModel(client=client).generate_content("Hi", request_options={"retry": None})


def test_mutual_tls(authority: CertificateAuthority) -> None:
    """A server that wants the client's certificate answers none but a client that has one."""
    with local.serve(ScriptEngine().reply("Hello"), credentials=authority.server(mutual=True)) as server:
        with pytest.raises(grpc.RpcError, match="UNAVAILABLE"):
            call(server, authority.root)
        key, chain = authority.issue("client.example")
        assert call(server, authority.root, private_key=key, certificate_chain=chain) == "Hello"
