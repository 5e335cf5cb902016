"""Servers over HTTP/2 and HTTP/1.1 that are not gRPC servers, or whose replies are not those of one."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, NamedTuple

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import StreamEnded

__all__ = ["HttpReply", "frame", "http1_server", "http2_server"]

OK: Final = ((b"grpc-status", b"0"),)


class HttpReply(NamedTuple):
    """A reply over HTTP/2.

    Attributes:
        status: The HTTP status.
        content_type: None for no header.
        headers: Further headers.
        body: The body.
        trailers: None for none.
        ends: Whether it ends; otherwise the client resets it after the headers. gRPC may lose the HTTP status if the
            end of the reply comes in one packet with the headers.
    """

    status: int = 200
    content_type: str | None = "application/grpc"
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = b""
    trailers: tuple[tuple[bytes, bytes], ...] | None = OK
    ends: bool = True


def frame(message: bytes) -> bytes:
    """A message as gRPC frames it."""
    return b"\0" + struct.pack(">I", len(message)) + message


class _Http2Connection:
    """Answers the requests of one connection."""

    def __init__(self, connection: socket.socket, reply: HttpReply, on_request: Callable[[], None]) -> None:
        self._socket = connection
        self._reply = reply
        self._on_request = on_request
        config = H2Configuration(client_side=False, validate_outbound_headers=False)
        self._h2 = H2Connection(config)

    def serve(self) -> None:
        with self._socket, suppress(OSError):
            self._h2.initiate_connection()
            self._socket.sendall(self._h2.data_to_send())
            while data := self._socket.recv(65536):
                for event in self._h2.receive_data(data):
                    if isinstance(event, StreamEnded):
                        self._on_request()
                        self._send(event.stream_id)
                self._socket.sendall(self._h2.data_to_send())

    def _send(self, stream: int) -> None:
        reply = self._reply
        headers: list[tuple[bytes, bytes]] = [(b":status", str(reply.status).encode())]
        if reply.content_type is not None:
            headers.append((b"content-type", reply.content_type.encode()))
        last = reply.ends and not reply.body and reply.trailers is None
        self._h2.send_headers(stream, [*headers, *reply.headers], end_stream=last)
        if not reply.ends:
            return
        if reply.body:
            self._h2.send_data(stream, reply.body, end_stream=reply.trailers is None)
        if reply.trailers is not None:
            self._h2.send_headers(stream, list(reply.trailers), end_stream=True)


@contextmanager
def _accepting(serve: Callable[[socket.socket], None]) -> Iterator[str]:
    """The endpoint of a server that serves each connection on a thread."""
    listener = socket.create_server(("127.0.0.1", 0))
    connections: list[socket.socket] = []

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                connections.append(connection)
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()
        for connection in connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


@contextmanager
def http2_server(reply: HttpReply) -> Iterator[tuple[str, list[None]]]:
    """A server that gives each request the same reply: its endpoint, and a list that grows with each request."""
    requests: list[None] = []

    def serve(connection: socket.socket) -> None:
        _Http2Connection(connection, reply, lambda: requests.append(None)).serve()

    with _accepting(serve) as endpoint:
        yield endpoint, requests


@contextmanager
def http1_server(tls: tuple[str, str] | None = None) -> Iterator[int]:
    """The port of a server that speaks HTTP/1.1 only, and redirects every request.

    Args:
        tls: The files of a certificate chain and its key; None for plaintext.
    """

    class Redirect(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.send_response(302)
            self.send_header("Location", "http://portal.example.com/login")
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_PRI = do_POST  # noqa: N815 -- the method of HTTP/2's preface

        def log_message(self, *_: Any) -> None:
            """Log nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: Any) -> None:
            """Print nothing of a client that closed the connection."""

    with Server(("127.0.0.1", 0), Redirect) as server:
        if tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            context.set_alpn_protocols(["http/1.1"])
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()
