"""What a network does to calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import genai_grpc as genai
from genai_grpc import errors, types
from genai_grpc.local import STALL, ScriptEngine, serve
from genai_grpc.testing import CertificateAuthority, FaultProxy
from tests.faults.conftest import Echo, stopwatch

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Colour

    Row = Callable[[str, str, str], None]

QUICK = types.RetryPolicy(initial_backoff=0.05)


def test_refused_at_the_start(colour: Colour, proxy: FaultProxy, client: genai.Client, row: Row) -> None:
    """Where nobody listens, the call is tried as often as the policy says, and is ServiceUnavailable."""
    proxy.refuse()
    model = genai.GenerativeModel(client=client)
    with stopwatch() as seconds, pytest.raises(errors.ServiceUnavailable) as caught:
        colour.generate(model, "Hi")
    assert caught.value.attempts == 4
    row("connection refused", "ServiceUnavailable after 4 tries", f"{seconds():.1f} s, backoff drawn up to 3.5 s")


def test_refused_mid_way(
    colour: Colour, proxy: FaultProxy, model: genai.GenerativeModel, script: ScriptEngine, row: Row
) -> None:
    """A server that is gone for a while is ServiceUnavailable meanwhile, and answers the first call after."""
    script.reply("Hello").reply("Again")
    assert colour.generate(model, "Hi").text == "Hello"
    proxy.refuse()
    proxy.cut()
    with pytest.raises(errors.ServiceUnavailable):
        colour.generate(model, "Hi", request_options={"retry": QUICK})
    proxy.accept()
    with stopwatch() as seconds:
        assert (
            colour.generate(model, "Hi", request_options={"retry": types.RetryPolicy(max_attempts=20)}).text == "Again"
        )
    row("refused between calls, then back", "ServiceUnavailable, then answers", f"answered after {seconds():.1f} s")


@pytest.mark.parametrize("end", ["cut", "reset"])
def test_cut_in_a_stream(
    end: str, colour: Colour, proxy: FaultProxy, model: genai.GenerativeModel, script: ScriptEngine, row: Row
) -> None:
    """A connection that ends in a stream: the chunks before it, then ServiceUnavailable, once; no second try."""
    script.reply("One,", STALL)
    response = colour.generate(model, "Count", stream=True)
    chunks = colour.chunks(response)
    assert colour.next(chunks).text == "One,"
    getattr(proxy, end)()
    with pytest.raises(errors.ServiceUnavailable) as caught:
        colour.next(chunks)
    assert caught.value.attempts == 1
    assert len(script.requests) == 1
    row(f"TCP {end} in a stream", "the chunks before it, then ServiceUnavailable", "")


def test_cut_before_a_stream(colour: Colour, row: Row) -> None:
    """A connection that ends before the first chunk is another try."""
    with serve(Echo("One,", " two")) as server, FaultProxy(server.endpoint) as proxy:
        client = genai.Client(endpoint=proxy.endpoint, retry=QUICK)
        model = genai.GenerativeModel(client=client)
        assert colour.generate(model, "Count").text == "One, two"
        proxy.cut_after(1)
        response = colour.generate(model, "Count", stream=True)
        colour.resolve(response)
        assert response.text == "One, two"
        assert proxy.connections == 2
        colour.close_client(client)
    row("TCP cut before the first chunk", "the whole stream, by another try", "")


@pytest.mark.parametrize("connected", [True, False], ids=["connected", "connecting"])
def test_a_black_hole(
    connected: bool, colour: Colour, proxy: FaultProxy, model: genai.GenerativeModel, script: ScriptEngine, row: Row
) -> None:
    """Where everything vanishes, the call ends at its deadline."""
    if connected:
        script.reply("Hello")
        colour.generate(model, "Hi")
    proxy.black_hole()
    with stopwatch() as seconds, pytest.raises(errors.DeadlineExceeded):
        colour.generate(model, "Hi", request_options={"timeout": 1.0})
    row("black hole, deadline of 1 s", "DeadlineExceeded", f"+{(seconds() - 1) * 1000:.0f} ms")


def test_a_black_hole_in_a_stream(
    colour: Colour, proxy: FaultProxy, model: genai.GenerativeModel, script: ScriptEngine, row: Row
) -> None:
    """A stream from which nothing comes any more ends when it was idle for too long."""
    script.reply("One,", STALL)
    response = colour.generate(model, "Count", stream=True, request_options={"idle_timeout": 0.5})
    chunks = colour.chunks(response)
    colour.next(chunks)
    proxy.black_hole()
    with stopwatch() as seconds, pytest.raises(errors.DeadlineExceeded, match="no chunk came for"):
        colour.next(chunks)
    row("black hole in a stream, idle_timeout of 0.5 s", "DeadlineExceeded", f"+{(seconds() - 0.5) * 1000:.0f} ms")


def test_no_such_host(colour: Colour, row: Row) -> None:
    """A name that does not resolve is ServiceUnavailable, and the error names it."""
    client = genai.Client(endpoint="http://no-such-host.invalid:50051", retry=types.RetryPolicy(max_attempts=1))
    with stopwatch() as seconds, pytest.raises(errors.ServiceUnavailable, match=r"no-such-host\.invalid"):
        colour.generate(genai.GenerativeModel(client=client), "Hi", request_options={"timeout": 20})
    colour.close_client(client)
    row("a name that does not resolve", "ServiceUnavailable", f"{seconds():.1f} s a try")


@pytest.fixture(scope="module")
def authority() -> CertificateAuthority:
    """One for all tests, since keys take a moment to make."""
    return CertificateAuthority()


@pytest.mark.parametrize("wrong", ["expired", "another host", "unknown root"])
def test_certificates(wrong: str, colour: Colour, authority: CertificateAuthority, row: Row) -> None:
    """A certificate that is not to be trusted is ServiceUnavailable, which says so; nothing was sent."""
    hosts = ("example.com",) if wrong == "another host" else ()
    roots = CertificateAuthority().root if wrong == "unknown root" else authority.root
    script = ScriptEngine()
    with serve(script, credentials=authority.server(*hosts, expired=wrong == "expired")) as server:
        client = genai.Client("a-key", endpoint=server.endpoint, tls=types.TLS(root_certificates=roots), retry=QUICK)
        with pytest.raises(errors.ServiceUnavailable, match="(?i)ssl|handshake|verification|certificate"):
            colour.generate(genai.GenerativeModel(client=client), "Hi")
        colour.close_client(client)
    assert script.requests == ()
    row(f"TLS: {wrong}", "ServiceUnavailable, nothing sent", "")


def test_mutual_tls(colour: Colour, authority: CertificateAuthority) -> None:
    """A client shows its certificate to a server that asks for one, and fails without."""
    key, chain = authority.issue("client.example.com")
    with serve(ScriptEngine().reply("Hello"), credentials=authority.server(mutual=True)) as server:
        shown = types.TLS(root_certificates=authority.root, certificate_chain=chain, private_key=key)
        for tls in (shown, types.TLS(root_certificates=authority.root)):
            client = genai.Client(endpoint=server.endpoint, tls=tls, retry=QUICK)
            model = genai.GenerativeModel(client=client)
            if tls is shown:
                assert colour.generate(model, "Hi").text == "Hello"
            else:
                with pytest.raises(errors.ServiceUnavailable):
                    colour.generate(model, "Hi")
            colour.close_client(client)


def test_a_reply_of_64_mib(colour: Colour, row: Row) -> None:
    """A reply has no limit of its own."""
    size = 64 * 1024 * 1024
    with serve(Echo("x" * size)) as server, stopwatch() as seconds:
        client = genai.Client(endpoint=server.endpoint)
        assert len(colour.generate(genai.GenerativeModel(client=client), "Hi").text) == size
        colour.close_client(client)
    row("a reply of 64 MiB", "the reply", f"{seconds():.1f} s")


def test_a_throttled_connection(
    colour: Colour, proxy: FaultProxy, model: genai.GenerativeModel, script: ScriptEngine, row: Row
) -> None:
    """A slow network takes its time, and loses nothing."""
    words = [f"word {number} " * 20 for number in range(50)]
    script.reply(*words)
    proxy.throttle(40_000)
    response: Any = colour.generate(model, "Count", stream=True)
    with stopwatch() as seconds:
        colour.resolve(response)
    assert response.text == "".join(words)
    row("40 kB/s", "the whole stream", f"{seconds():.1f} s for 10 kB of text in 50 chunks")
