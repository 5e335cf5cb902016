"""Each fault of the proxy, as a plain socket, a plain gRPC client and ours see it."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from typing import Any

import grpc
import pytest

import genai_grpc as genai
from genai_grpc import errors, protos
from genai_grpc.local import STALL, ScriptEngine, serve
from genai_grpc.testing import CertificateAuthority, FaultProxy
from genai_grpc_protos.v1beta.generative_service_pb2_grpc import GenerativeServiceStub

REQUEST = protos.GenerateContentRequest(
    model="models/script", contents=[protos.Content(parts=[protos.Part(text="Hello there")])]
)
NEVER = {"retry": None, "timeout": 60}
SOON = {"retry": None, "timeout": 0.5}


@pytest.fixture
def proxy(server: Any) -> Iterator[FaultProxy]:
    """A proxy of the scripted server."""
    with FaultProxy(server.endpoint) as running:
        yield running


@pytest.fixture
def client(proxy: FaultProxy) -> Iterator[genai.Client]:
    """A client of the proxy, which `model` and `colour` use."""
    with genai.Client(endpoint=proxy.endpoint) as connected:
        yield connected


@pytest.fixture
def echo() -> Iterator[str]:
    """A target that sends back what it is sent, and ends when its client does."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer(connection: socket.socket) -> None:
            with connection:
                try:
                    while data := connection.recv(65536):
                        connection.sendall(data)
                except OSError:
                    pass  # a reset, or a client that is gone

        def welcome() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                threading.Thread(target=answer, args=(connection,), daemon=True).start()

        thread = threading.Thread(target=welcome)
        thread.start()
        yield f"127.0.0.1:{listening.getsockname()[1]}"
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()


def connect(proxy: FaultProxy) -> socket.socket:
    host, port = proxy.address.split(":")
    return socket.create_connection((host, int(port)), timeout=60)


def read(connection: socket.socket, count: int) -> bytes:
    """Exactly so many bytes, or those before the end."""
    data = b""
    while len(data) < count and (piece := connection.recv(count - len(data))):
        data += piece
    return data


def exchange(connection: socket.socket, data: bytes) -> bytes:
    connection.sendall(data)
    return read(connection, len(data))


def test_passes_bytes_on(echo: str) -> None:
    """Bytes, and the ends of both directions, pass as they are, and are counted."""
    data = bytes(range(256)) * 8192
    with FaultProxy(echo) as proxy, connect(proxy) as connection:
        sending = threading.Thread(target=connection.sendall, args=(data,))
        sending.start()
        assert read(connection, len(data)) == data
        sending.join()
        assert (proxy.connections, proxy.alive) == (1, 1)
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1) == b""
        proxy.wait_until(lambda proxy: proxy.alive == 0)
        assert (proxy.bytes_up, proxy.bytes_down) == (len(data), len(data))


def test_cut(echo: str) -> None:
    """A cut is an end in good order for the client, and the next connection passes."""
    with FaultProxy(echo) as proxy:
        with connect(proxy) as connection:
            assert exchange(connection, b"hello") == b"hello"
            proxy.cut()
            assert proxy.alive == 0
            assert connection.recv(1) == b""
        with connect(proxy) as connection:
            assert exchange(connection, b"hello") == b"hello"
        assert proxy.connections == 2


def test_reset(echo: str) -> None:
    """A reset is ECONNRESET for the client."""
    with FaultProxy(echo) as proxy, connect(proxy) as connection:
        assert exchange(connection, b"hello") == b"hello"
        proxy.reset()
        with pytest.raises(ConnectionResetError):
            connection.recv(1)


@pytest.mark.parametrize("direction", ["up", "down", "both"])
def test_stall(echo: str, direction: Any) -> None:
    """In a stall nothing comes back, however far it gets; afterwards all of it does."""
    with FaultProxy(echo) as proxy, connect(proxy) as connection:
        assert exchange(connection, b"hello") == b"hello"
        proxy.stall(direction)
        connection.sendall(b"again")
        if direction == "down":
            proxy.wait_until(lambda proxy: proxy.bytes_up == 10)
        connection.settimeout(0.2)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        assert proxy.bytes_down == 5
        connection.settimeout(60)
        proxy.resume()
        assert read(connection, 5) == b"again"


def test_a_stall_keeps_little(echo: str) -> None:
    """A sender feels a stall once the buffers are full."""
    with FaultProxy(echo) as proxy, connect(proxy) as connection:
        proxy.stall()
        connection.settimeout(0.5)
        with pytest.raises(TimeoutError):
            connection.sendall(bytes(256 * 2**20))


def test_throttle(echo: str) -> None:
    """What is throttled arrives whole, in small pieces."""
    data = bytes(range(256)) * 64
    with FaultProxy(echo) as proxy, connect(proxy) as connection:
        proxy.throttle(64 * 1024, "down")
        connection.sendall(data)
        pieces: list[bytes] = []
        while sum(map(len, pieces)) < len(data):
            pieces.append(connection.recv(len(data)))
        assert b"".join(pieces) == data
        assert len(pieces) > 1
        assert max(map(len, pieces)) < len(data)
        proxy.throttle(None)
        assert exchange(connection, data) == data


def test_delay(echo: str) -> None:
    """What is delayed arrives later, and at once when the delay is taken back."""
    with FaultProxy(echo) as proxy, connect(proxy) as connection:
        proxy.delay(0.01)
        assert exchange(connection, b"hello") == b"hello"
        proxy.delay(3600, "down")
        connection.sendall(b"again")
        proxy.wait_until(lambda proxy: proxy.bytes_up == 10)
        assert proxy.bytes_down == 5
        proxy.delay(0)
        assert read(connection, 5) == b"again"


def test_black_hole(echo: str) -> None:
    """In a black hole connections are made and stay silent; restored, they are reset and new ones pass."""
    with FaultProxy(echo) as proxy, connect(proxy) as old:
        assert exchange(old, b"hello") == b"hello"
        proxy.black_hole()
        with connect(proxy) as new:
            for connection in old, new:
                connection.sendall(b"lost")
                connection.settimeout(0.2)
                with pytest.raises(TimeoutError):
                    connection.recv(1)
                connection.settimeout(60)
            assert (proxy.connections, proxy.bytes_up) == (2, 5)
            proxy.restore()
            for connection in old, new:
                with pytest.raises(ConnectionResetError):
                    connection.recv(1)
        with connect(proxy) as connection:
            assert exchange(connection, b"hello") == b"hello"


def test_refuse(echo: str) -> None:
    """New connections are refused while those there are go on; accepting again is on the same port."""
    with FaultProxy(echo) as proxy, connect(proxy) as old:
        assert exchange(old, b"hello") == b"hello"
        address = proxy.address
        proxy.refuse()
        with pytest.raises(ConnectionRefusedError):
            connect(proxy)
        assert exchange(old, b"still") == b"still"
        proxy.accept()
        assert proxy.address == address
        with connect(proxy) as new:
            assert exchange(new, b"hello") == b"hello"


def test_cut_after(echo: str) -> None:
    """A cut after so many bytes comes right behind the last of them, once."""
    data = bytes(range(256)) * 1024
    with FaultProxy(echo) as proxy:
        with connect(proxy) as connection:
            assert exchange(connection, b"hello") == b"hello"
            proxy.cut_after(100_001)
            sending = threading.Thread(target=connection.sendall, args=(data[:150_000],))
            sending.start()
            assert read(connection, len(data)) == data[:100_001]
            sending.join()
        assert proxy.bytes_down == 5 + 100_001
        with connect(proxy) as connection:
            assert exchange(connection, data[:1000]) == data[:1000]


def test_restore_takes_back_every_fault(echo: str) -> None:
    """After a restore everything passes, whatever there was before it."""
    with FaultProxy(echo) as proxy:
        proxy.stall()
        proxy.delay(3600)
        proxy.throttle(1)
        proxy.cut_after(1)
        proxy.refuse()
        proxy.restore()
        with connect(proxy) as connection:
            data = bytes(100_000)
            sending = threading.Thread(target=connection.sendall, args=(data,))
            sending.start()
            assert read(connection, len(data)) == data
            sending.join()


def test_a_target_that_is_not_there() -> None:
    """Where the target refuses, the client's connection is reset."""
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    with FaultProxy(f"127.0.0.1:{port}") as proxy:
        # The reset may come before the connecting thread has looked again.
        with pytest.raises(ConnectionResetError), connect(proxy) as connection:
            connection.recv(1)
        proxy.wait_until(lambda proxy: proxy.alive == 0)


@pytest.mark.parametrize("target", ["", "localhost", "http://localhost", "127.0.0.1:x"])
def test_a_target_that_cannot_be_read(target: str) -> None:
    """A target wants a host and a port."""
    with pytest.raises(ValueError, match="target|Port"):
        FaultProxy(target)


def test_wrong_values(echo: str) -> None:
    """What no fault can be is refused, saying what can."""
    with FaultProxy(echo) as proxy:
        for fault, value in (proxy.throttle, 0), (proxy.delay, -1), (proxy.cut_after, 0):
            with pytest.raises(ValueError, match="must"):
                fault(value)
        with pytest.raises(TimeoutError, match="0 connections, 0 alive"):
            proxy.wait_until(lambda proxy: proxy.connections > 0, timeout=0.01)


def test_stops_with_connections_open(echo: str) -> None:
    """A proxy stops whatever its connections do, and leaves no thread, task or socket behind."""
    before = set(threading.enumerate())
    with FaultProxy(echo) as proxy:
        open_ones = [connect(proxy) for _ in range(4)]
        for connection in open_ones:
            assert exchange(connection, b"hello") == b"hello"
        proxy.stall()
        open_ones[0].sendall(bytes(100_000))
        proxy.cut()
        open_ones.append(connect(proxy))
        proxy.black_hole()
        open_ones.append(connect(proxy))
    for connection in open_ones:
        connection.close()
    assert "genai-grpc-proxy" not in {thread.name for thread in set(threading.enumerate()) - before}
    assert repr(proxy).endswith("stopped>")
    with pytest.raises(RuntimeError, match="does not run"):
        proxy.cut()


def test_in_an_async_block(echo: str) -> None:
    """`async with` runs it too."""

    async def main() -> bytes:
        async with FaultProxy(echo) as proxy:
            reader, writer = await asyncio.open_connection(*proxy.address.split(":"))
            writer.write(b"hello")
            data = await reader.readexactly(5)
            proxy.cut()
            assert await reader.read() == b""
            writer.close()
            return data

    assert asyncio.run(main()) == b"hello"


def test_tls_passes(script: ScriptEngine) -> None:
    """TLS goes through, and its endpoint is one of TLS."""
    authority = CertificateAuthority()
    script.reply("Hello")
    with serve(script, credentials=authority.server()) as server, FaultProxy(server.endpoint) as proxy:
        assert proxy.endpoint == f"https://{proxy.address}"
        trusted = grpc.ssl_channel_credentials(root_certificates=authority.root)
        with grpc.secure_channel(proxy.address, trusted) as channel:
            answer = GenerativeServiceStub(channel).GenerateContent(REQUEST, timeout=60)
    assert answer.candidates[0].content.parts[0].text == "Hello"


@pytest.mark.parametrize("end", [FaultProxy.cut, FaultProxy.reset])
def test_a_stream_that_is_ended(
    end: Any, proxy: FaultProxy, script: ScriptEngine, colour: Any, model: genai.GenerativeModel
) -> None:
    """A connection that ends in a stream is ServiceUnavailable behind the chunks before, and the server notices."""
    script.reply("One,", STALL).reply("Again")
    chunks = colour.chunks(colour.generate(model, "Count", stream=True))
    assert colour.next(chunks).text == "One,"
    end(proxy)
    with pytest.raises(errors.ServiceUnavailable):
        colour.next(chunks)
    script.wait_cancelled()
    assert colour.generate(model, "Count").text == "Again"


@pytest.mark.parametrize("silence", [FaultProxy.stall, FaultProxy.black_hole])
def test_a_silent_network(silence: Any, proxy: FaultProxy, colour: Any, model: genai.GenerativeModel) -> None:
    """Where nothing is answered any more, the deadline ends a call; restored, the next one is answered."""
    assert colour.count(model, "one two").total_tokens == 2
    silence(proxy)
    with pytest.raises(errors.DeadlineExceeded):
        colour.count(model, "one two", request_options=SOON)
    proxy.restore()
    assert colour.count(model, "one two").total_tokens == 2


def test_a_refusing_machine(proxy: FaultProxy, colour: Any, model: genai.GenerativeModel) -> None:
    """Where connections are refused a call is ServiceUnavailable."""
    proxy.refuse()
    with pytest.raises(errors.ServiceUnavailable):
        colour.count(model, "one two", request_options=NEVER)
    proxy.accept()
    assert colour.count(model, "one two").total_tokens == 2


def test_a_reply_that_is_cut(
    proxy: FaultProxy, script: ScriptEngine, colour: Any, model: genai.GenerativeModel
) -> None:
    """A reply cut half-way is ServiceUnavailable; retried, it is whole."""
    for _ in range(3):
        script.reply("x" * 1_000_000)
    assert len(colour.generate(model, "Hi").text) == 1_000_000
    proxy.cut_after(500_000)
    assert len(colour.generate(model, "Hi").text) == 1_000_000


def test_plain_grpc(proxy: FaultProxy, script: ScriptEngine) -> None:
    """A plain gRPC client sees UNAVAILABLE of a cut and a reset, and DEADLINE_EXCEEDED of a black hole."""
    codes = []
    with grpc.insecure_channel(proxy.address) as channel:
        stub = GenerativeServiceStub(channel)
        for end in FaultProxy.cut, FaultProxy.reset, FaultProxy.black_hole:
            script.reply("One,", STALL)
            stream = stub.StreamGenerateContent(REQUEST, timeout=2, wait_for_ready=True)
            next(stream)
            end(proxy)
            with pytest.raises(grpc.RpcError) as caught:
                next(stream)
            codes.append(caught.value.code())
    assert codes == [grpc.StatusCode.UNAVAILABLE] * 2 + [grpc.StatusCode.DEADLINE_EXCEEDED]
