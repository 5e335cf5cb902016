"""Each fault of the proxy, as a socket, a plain gRPC client and a genai_grpc client see it."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Literal

import grpc
import pytest

import genai_grpc as genai
from genai_grpc import errors, protos
from genai_grpc.local import STALL, ScriptEngine, Server, serve
from genai_grpc.testing import CertificateAuthority, FaultProxy
from genai_grpc_protos.v1beta.generative_service_pb2_grpc import GenerativeServiceStub
from tests.conftest import Api

REQUEST = protos.GenerateContentRequest(
    model="models/script", contents=[protos.Content(parts=[protos.Part(text="Hello there")])]
)
NO_RETRY = {"retry": None, "timeout": 60}
SHORT_TIMEOUT = {"retry": None, "timeout": 0.5}


@pytest.fixture
def proxy(server: Server) -> Iterator[FaultProxy]:
    """A proxy in front of the scripted server."""
    with FaultProxy(server.endpoint) as running:
        yield running


@pytest.fixture
def client(proxy: FaultProxy) -> Iterator[genai.Client]:
    """A client of the proxy, which `model` and `api` use."""
    with genai.Client(endpoint=proxy.endpoint) as connected:
        yield connected


@pytest.fixture
def echo() -> Iterator[str]:
    """The address of a TCP echo server, which closes a connection when its client does."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def echo_bytes(connection: socket.socket) -> None:
            with connection:
                try:
                    while data := connection.recv(65536):
                        connection.sendall(data)
                except OSError:
                    pass  # the client has reset or closed the connection

        def accept_connections() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=echo_bytes, args=(connection,), daemon=True).start()

        thread = threading.Thread(target=accept_connections)
        thread.start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def connect(proxy: FaultProxy) -> socket.socket:
    host, port = proxy.address.split(":")
    return socket.create_connection((host, int(port)), timeout=60)


def read(connection: socket.socket, count: int) -> bytes:
    """Read `count` bytes, or fewer at the end of the stream."""
    data = b""
    while len(data) < count and (chunk := connection.recv(count - len(data))):
        data += chunk
    return data


def exchange(connection: socket.socket, data: bytes) -> bytes:
    connection.sendall(data)
    return read(connection, len(data))


def test_forwards_bytes(echo: str) -> None:
    """Bytes and end of stream are forwarded unchanged in both directions, and the bytes are counted."""
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
    """A cut is an end of stream for the client, and the next connection works."""
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
def test_stall(echo: str, direction: Literal["up", "down", "both"]) -> None:
    """A stall in either direction stops the echo; after `resume` all bytes arrive."""
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


def test_stall_applies_backpressure(echo: str) -> None:
    """A sender blocks during a stall once the buffers are full."""
    with FaultProxy(echo) as proxy, connect(proxy) as connection:
        proxy.stall()
        connection.settimeout(0.5)
        with pytest.raises(TimeoutError):
            connection.sendall(bytes(256 * 2**20))


def test_throttle(echo: str) -> None:
    """Throttled data arrives complete, in small chunks."""
    data = bytes(range(256)) * 64
    with FaultProxy(echo) as proxy, connect(proxy) as connection:
        proxy.throttle(64 * 1024, "down")
        connection.sendall(data)
        chunks: list[bytes] = []
        while sum(map(len, chunks)) < len(data):
            chunks.append(connection.recv(len(data)))
        assert b"".join(chunks) == data
        assert len(chunks) > 1
        assert max(map(len, chunks)) < len(data)
        proxy.throttle(None)
        assert exchange(connection, data) == data


def test_delay(echo: str) -> None:
    """Delayed data arrives later, and at once after the delay is set to 0."""
    with FaultProxy(echo) as proxy, connect(proxy) as connection:
        proxy.delay(0.01)
        assert exchange(connection, b"hello") == b"hello"
        proxy.delay(3600, "down")
        connection.sendall(b"again")
        proxy.wait_until(lambda proxy: proxy.bytes_up == 10)
        assert proxy.bytes_down == 5
        proxy.delay(0)
        assert read(connection, 5) == b"again"


def test_blackhole(echo: str) -> None:
    """Connections in a blackhole are accepted and get no data; `restore` resets them, and new ones work."""
    with FaultProxy(echo) as proxy, connect(proxy) as old:
        assert exchange(old, b"hello") == b"hello"
        proxy.blackhole()
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
    """New connections are refused while open ones go on; `accept` listens on the same port again."""
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
    """`cut_after(n)` forwards exactly n bytes before it cuts, once."""
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


def test_restore_ends_every_fault(echo: str) -> None:
    """After `restore` all data is forwarded, whatever faults there were before it."""
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


def test_target_refuses_connections() -> None:
    """If the target refuses, the client's connection is reset."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with FaultProxy(f"127.0.0.1:{port}") as proxy:
        # The reset may arrive before connect() has returned.
        with pytest.raises(ConnectionResetError), connect(proxy) as connection:
            connection.recv(1)
        proxy.wait_until(lambda proxy: proxy.alive == 0)


@pytest.mark.parametrize("target", ["", "localhost", "http://localhost", "127.0.0.1:x"])
def test_invalid_target(target: str) -> None:
    """A target without a host or a port is a ValueError."""
    with pytest.raises(ValueError, match="target|Port"):
        FaultProxy(target)


def test_invalid_arguments(echo: str) -> None:
    """An invalid rate, latency or count is a ValueError that names the valid values."""
    with FaultProxy(echo) as proxy:
        for fault, value in (proxy.throttle, 0), (proxy.delay, -1), (proxy.cut_after, 0):
            with pytest.raises(ValueError, match="must"):
                fault(value)
        with pytest.raises(TimeoutError, match="0 connections, 0 alive"):
            proxy.wait_until(lambda proxy: proxy.connections > 0, timeout=0.01)


def test_stops_with_connections_open(echo: str) -> None:
    """A proxy stops whatever state its connections are in, and leaves no thread, task or socket behind."""
    before = set(threading.enumerate())
    with FaultProxy(echo) as proxy:
        connections = [connect(proxy) for _ in range(4)]
        for connection in connections:
            assert exchange(connection, b"hello") == b"hello"
        proxy.stall()
        connections[0].sendall(bytes(100_000))
        proxy.cut()
        connections.append(connect(proxy))
        proxy.blackhole()
        connections.append(connect(proxy))
    for connection in connections:
        connection.close()
    assert "genai-grpc-proxy" not in {thread.name for thread in set(threading.enumerate()) - before}
    assert repr(proxy).endswith("stopped>")
    with pytest.raises(RuntimeError, match="does not run"):
        proxy.cut()


def test_async_with(echo: str) -> None:
    """`async with` runs the proxy too."""

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


def test_forwards_tls(script: ScriptEngine) -> None:
    """TLS is forwarded, and the endpoint of the proxy is an https URL."""
    authority = CertificateAuthority()
    script.reply("Hello")
    with serve(script, credentials=authority.server()) as server, FaultProxy(server.endpoint) as proxy:
        assert proxy.endpoint == f"https://{proxy.address}"
        credentials = grpc.ssl_channel_credentials(root_certificates=authority.root)
        with grpc.secure_channel(proxy.address, credentials) as channel:
            response = GenerativeServiceStub(channel).GenerateContent(REQUEST, timeout=60)
    assert response.candidates[0].content.parts[0].text == "Hello"


@pytest.mark.parametrize("end", [FaultProxy.cut, FaultProxy.reset])
def test_connection_lost_in_a_stream(
    end: Callable[[FaultProxy], None],
    proxy: FaultProxy,
    script: ScriptEngine,
    api: Api,
    model: genai.GenerativeModel,
) -> None:
    """A stream that loses its connection is ServiceUnavailable after its chunks, and cancelled on the server."""
    script.reply("One,", STALL).reply("Again")
    chunks = api.chunks(api.generate(model, "Count", stream=True))
    assert api.next(chunks).text == "One,"
    end(proxy)
    with pytest.raises(errors.ServiceUnavailable):
        api.next(chunks)
    script.wait_cancelled()
    assert api.generate(model, "Count").text == "Again"


@pytest.mark.parametrize("silence", [FaultProxy.stall, FaultProxy.blackhole])
def test_silent_network(
    silence: Callable[[FaultProxy], None], proxy: FaultProxy, api: Api, model: genai.GenerativeModel
) -> None:
    """A call over a silent network ends at its deadline; after `restore` the next call succeeds."""
    assert api.count(model, "one two").total_tokens == 2
    silence(proxy)
    with pytest.raises(errors.DeadlineExceeded):
        api.count(model, "one two", request_options=SHORT_TIMEOUT)
    proxy.restore()
    assert api.count(model, "one two").total_tokens == 2


def test_refused_connection(proxy: FaultProxy, api: Api, model: genai.GenerativeModel) -> None:
    """A call whose connection is refused is ServiceUnavailable."""
    proxy.refuse()
    with pytest.raises(errors.ServiceUnavailable):
        api.count(model, "one two", request_options=NO_RETRY)
    proxy.accept()
    assert api.count(model, "one two").total_tokens == 2


def test_reply_cut_half_way(proxy: FaultProxy, script: ScriptEngine, api: Api, model: genai.GenerativeModel) -> None:
    """A unary call whose reply is cut half-way is retried, and returns the whole reply."""
    for _ in range(3):
        script.reply("x" * 1_000_000)
    assert len(api.generate(model, "Hi").text) == 1_000_000
    proxy.cut_after(500_000)
    assert len(api.generate(model, "Hi").text) == 1_000_000


def test_plain_grpc(proxy: FaultProxy, script: ScriptEngine) -> None:
    """A plain gRPC client gets UNAVAILABLE after a cut or a reset, and DEADLINE_EXCEEDED in a blackhole."""
    codes = []
    with grpc.insecure_channel(proxy.address) as channel:
        stub = GenerativeServiceStub(channel)
        for end in FaultProxy.cut, FaultProxy.reset, FaultProxy.blackhole:
            script.reply("One,", STALL)
            stream = stub.StreamGenerateContent(REQUEST, timeout=2, wait_for_ready=True)
            next(stream)
            end(proxy)
            with pytest.raises(grpc.RpcError) as caught:
                next(stream)
            codes.append(caught.value.code())
    assert codes == [grpc.StatusCode.UNAVAILABLE] * 2 + [grpc.StatusCode.DEADLINE_EXCEEDED]
