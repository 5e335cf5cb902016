"""A plain gRPC server at any address, and a proxy that records what it sees, for tests of what a client sends where."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc

from genai_grpc import testing

__all__ = ["RawServer", "RecordingProxy", "raw_server", "recording_proxy"]

Answer = Callable[[grpc.ServicerContext, dict[str, Any]], None]


class RawServer(grpc.GenericRpcHandler):
    """Answers every method with "Hello", at any address.

    Attributes:
        port: Its port; 0 for a Unix domain socket.
        calls: The metadata of its calls.
        answer: Called with the context and the metadata of each call; it may abort the call.
        answer_late: Whether a stream calls it after its first chunk.
    """

    def __init__(self, address: str, credentials: grpc.ServerCredentials | None, answer: Answer | None) -> None:
        self.calls: list[dict[str, Any]] = []
        self.answer = answer
        self.answer_late = False
        self._server = grpc.server(ThreadPoolExecutor(4), options=[("grpc.so_reuseport", 0)])
        self._server.add_generic_rpc_handlers((self,))
        if credentials is None:
            self.port = self._server.add_insecure_port(address)
        else:
            self.port = self._server.add_secure_port(address, credentials)
        self._server.start()

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes]:
        metadata = dict(handler_call_details.invocation_metadata or ())
        self.calls.append(metadata)
        reply = testing.response("Hello").SerializeToString()

        def handle(_: bytes, context: grpc.ServicerContext) -> bytes:
            if self.answer is not None:
                self.answer(context, metadata)
            return reply

        def handle_stream(request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
            if self.answer_late:
                yield reply
            yield handle(request, context)

        if "Stream" in handler_call_details.method:
            return grpc.unary_stream_rpc_method_handler(handle_stream)
        return grpc.unary_unary_rpc_method_handler(handle)

    def stop(self) -> None:
        self._server.stop(None).wait()


@contextlib.contextmanager
def raw_server(
    address: str = "127.0.0.1:0", credentials: grpc.ServerCredentials | None = None, answer: Answer | None = None
) -> Iterator[RawServer]:
    """A running `RawServer`."""
    server = RawServer(address, credentials, answer)
    try:
        yield server
    finally:
        server.stop()


class RecordingProxy(socketserver.ThreadingTCPServer):
    """An HTTP proxy that connects every CONNECT to one upstream, and records all bytes that its clients send.

    Attributes:
        upstream: The port that it connects to, on loopback.
        received: What each connection has sent.
    """

    daemon_threads = True
    upstream: int = 0

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _ConnectHandler)
        self.received: list[bytearray] = []

    @property
    def port(self) -> int:
        return int(self.server_address[1])


class _ConnectHandler(socketserver.BaseRequestHandler):
    server: RecordingProxy

    def handle(self) -> None:
        received = bytearray()
        self.server.received.append(received)
        client: socket.socket = self.request
        while b"\r\n\r\n" not in received:
            if not (data := client.recv(65536)):
                return
            received += data
            if not b"CONNECT ".startswith(received[:8]) and not received.startswith(b"CONNECT "):
                return  # whoever speaks to it without CONNECT has been recorded
        client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        with socket.create_connection(("127.0.0.1", self.server.upstream)) as upstream:
            replies = threading.Thread(target=_copy, args=(upstream, client, bytearray()))
            replies.start()
            _copy(client, upstream, received)
            replies.join()


def _copy(source: socket.socket, sink: socket.socket, received: bytearray) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            received += data
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def recording_proxy() -> Iterator[RecordingProxy]:
    """A running `RecordingProxy`."""
    with RecordingProxy() as proxy:
        threading.Thread(target=proxy.serve_forever, args=(0.01,), daemon=True).start()
        yield proxy
        proxy.shutdown()
