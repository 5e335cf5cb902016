"""Network faults."""

from __future__ import annotations

from typing import Any

import pytest

import genai_grpc as genai
from genai_grpc import errors, types
from genai_grpc.local import STALL, ScriptEngine, serve
from genai_grpc.testing import CertificateAuthority, FaultProxy
from tests.conftest import Api, Connect
from tests.faults.conftest import AddRow, Echo, EndpointOf, stopwatch

FAST_RETRY = types.RetryPolicy(initial_backoff=0.05)


def test_connection_refused(api: Api, proxy: FaultProxy, client: genai.Client, add_row: AddRow) -> None:
    """A call to a closed port is retried up to `max_attempts`, and is ServiceUnavailable."""
    proxy.refuse()
    model = genai.GenerativeModel(client=client)
    with stopwatch() as seconds, pytest.raises(errors.ServiceUnavailable) as caught:
        api.generate(model, "Hi")
    assert caught.value.attempts == 4
    add_row(
        "connection refused",
        "ServiceUnavailable after 4 attempts, with a random backoff of up to 3.5 s in total",
        f"{seconds():.1f} s",
    )


def test_connection_refused_between_calls(
    api: Api, proxy: FaultProxy, model: genai.GenerativeModel, script: ScriptEngine, add_row: AddRow
) -> None:
    """While the port is closed calls are ServiceUnavailable; the first call after it reopens succeeds."""
    script.reply("Hello").reply("Again")
    assert api.generate(model, "Hi").text == "Hello"
    proxy.refuse()
    proxy.cut()
    with pytest.raises(errors.ServiceUnavailable):
        api.generate(model, "Hi", request_options={"retry": FAST_RETRY})
    proxy.accept()
    with stopwatch() as seconds:
        assert api.generate(model, "Hi", request_options={"retry": types.RetryPolicy(max_attempts=20)}).text == "Again"
    add_row(
        "connection refused between calls, then accepted again",
        "ServiceUnavailable, then responses",
        f"first response after {seconds():.1f} s",
    )


@pytest.mark.parametrize("end", ["cut", "reset"])
def test_connection_lost_in_a_stream(
    end: str, api: Api, proxy: FaultProxy, model: genai.GenerativeModel, script: ScriptEngine, add_row: AddRow
) -> None:
    """A stream that loses its connection delivers its chunks, then raises ServiceUnavailable, and is not retried."""
    script.reply("One,", STALL)
    response = api.generate(model, "Count", stream=True)
    chunks = api.chunks(response)
    assert api.next(chunks).text == "One,"
    getattr(proxy, end)()
    with pytest.raises(errors.ServiceUnavailable) as caught:
        api.next(chunks)
    assert caught.value.attempts == 1
    assert len(script.requests) == 1
    packet = {"cut": "FIN", "reset": "RST"}[end]
    add_row(f"TCP {packet} during a stream", "the chunks before it, then ServiceUnavailable", "")


def test_connection_lost_before_the_first_chunk(
    api: Api, transport: Any, endpoint_of: EndpointOf, add_row: AddRow
) -> None:
    """A stream that loses its connection before the first chunk is retried."""
    with serve(Echo("One,", " two")) as server, FaultProxy(endpoint_of(server)) as proxy:
        client = genai.Client(endpoint=proxy.endpoint, transport=transport, retry=FAST_RETRY)
        model = genai.GenerativeModel(client=client)
        assert api.generate(model, "Count").text == "One, two"
        proxy.cut_after(1)
        response = api.generate(model, "Count", stream=True)
        api.resolve(response)
        assert response.text == "One, two"
        assert proxy.connections == 2
        api.close_client(client)
    add_row("TCP FIN before the first chunk", "the whole stream, after a retry", "")


@pytest.mark.parametrize("connected", [True, False], ids=["connected", "connecting"])
def test_blackhole(
    connected: bool, api: Api, proxy: FaultProxy, model: genai.GenerativeModel, script: ScriptEngine, add_row: AddRow
) -> None:
    """A call whose packets are lost ends at its deadline."""
    if connected:
        script.reply("Hello")
        api.generate(model, "Hi")
    proxy.blackhole()
    with stopwatch() as seconds, pytest.raises(errors.DeadlineExceeded):
        api.generate(model, "Hi", request_options={"timeout": 1.0})
    add_row("all packets lost, timeout 1 s", "DeadlineExceeded", f"{(seconds() - 1) * 1000:.0f} ms late")


def test_blackhole_in_a_stream(
    api: Api, proxy: FaultProxy, model: genai.GenerativeModel, script: ScriptEngine, add_row: AddRow
) -> None:
    """A stream whose packets are lost ends at its idle timeout."""
    script.reply("One,", STALL)
    response = api.generate(model, "Count", stream=True, request_options={"idle_timeout": 0.5})
    chunks = api.chunks(response)
    api.next(chunks)
    proxy.blackhole()
    with stopwatch() as seconds, pytest.raises(errors.DeadlineExceeded, match="no chunk came for"):
        api.next(chunks)
    add_row(
        "all packets lost during a stream, idle_timeout 0.5 s",
        "DeadlineExceeded",
        f"{(seconds() - 0.5) * 1000:.0f} ms late",
    )


def test_unknown_host(api: Api, transport: Any, add_row: AddRow) -> None:
    """A host name that does not resolve is ServiceUnavailable, with the name in the message."""
    client = genai.Client(
        endpoint="http://no-such-host.invalid:50051", transport=transport, retry=types.RetryPolicy(max_attempts=1)
    )
    with stopwatch() as seconds, pytest.raises(errors.ServiceUnavailable, match=r"no-such-host\.invalid"):
        api.generate(genai.GenerativeModel(client=client), "Hi", request_options={"timeout": 20})
    api.close_client(client)
    add_row("host name does not resolve", "ServiceUnavailable", f"{seconds():.1f} s per attempt")


@pytest.fixture(scope="module")
def authority() -> CertificateAuthority:
    """One for all tests, since generating keys is slow."""
    return CertificateAuthority()


@pytest.mark.parametrize("problem", ["expired", "for another host", "from an unknown authority"])
def test_invalid_certificate(problem: str, api: Api, authority: CertificateAuthority, add_row: AddRow) -> None:
    """An invalid server certificate is ServiceUnavailable, with the reason, and no request is sent."""
    hosts = ("example.com",) if problem == "for another host" else ()
    roots = CertificateAuthority().root if problem == "from an unknown authority" else authority.root
    script = ScriptEngine()
    with serve(script, credentials=authority.server(*hosts, expired=problem == "expired")) as server:
        client = genai.Client(
            "a-key", endpoint=server.endpoint, tls=types.TLS(root_certificates=roots), retry=FAST_RETRY
        )
        with pytest.raises(errors.ServiceUnavailable, match="(?i)ssl|handshake|verification|certificate"):
            api.generate(genai.GenerativeModel(client=client), "Hi")
        api.close_client(client)
    assert script.requests == ()
    add_row(f"TLS certificate {problem}", "ServiceUnavailable, no request sent", "")


def test_mutual_tls(api: Api, authority: CertificateAuthority) -> None:
    """A server that requires a client certificate rejects a client without one."""
    key, chain = authority.issue("client.example.com")
    with serve(ScriptEngine().reply("Hello"), credentials=authority.server(mutual=True)) as server:
        mutual_tls = types.TLS(root_certificates=authority.root, certificate_chain=chain, private_key=key)
        for tls in (mutual_tls, types.TLS(root_certificates=authority.root)):
            client = genai.Client(endpoint=server.endpoint, tls=tls, retry=FAST_RETRY)
            model = genai.GenerativeModel(client=client)
            if tls is mutual_tls:
                assert api.generate(model, "Hi").text == "Hello"
            else:
                with pytest.raises(errors.ServiceUnavailable):
                    api.generate(model, "Hi")
            api.close_client(client)


def test_64_mib_reply(api: Api, connect: Connect, add_row: AddRow) -> None:
    """The size of a reply is not limited."""
    size = 64 * 1024 * 1024
    with serve(Echo("x" * size)) as server, stopwatch() as seconds:
        client = connect(server)
        assert len(api.generate(genai.GenerativeModel(client=client), "Hi").text) == size
        api.close_client(client)
    add_row("64 MiB reply", "the whole reply", f"{seconds():.1f} s")


def test_throttled_connection(
    api: Api, proxy: FaultProxy, model: genai.GenerativeModel, script: ScriptEngine, add_row: AddRow
) -> None:
    """A stream over a slow network arrives complete."""
    texts = [f"word {number} " * 20 for number in range(50)]
    script.reply(*texts)
    proxy.throttle(40_000)
    response = api.generate(model, "Count", stream=True)
    with stopwatch() as seconds:
        api.resolve(response)
    assert response.text == "".join(texts)
    add_row("10 kB of text in 50 chunks, throttled to 40 kB/s", "the whole stream", f"{seconds():.1f} s")
