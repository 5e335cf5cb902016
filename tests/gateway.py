"""An HTTP server with scripted replies, which is none of the Gemini API."""

from __future__ import annotations

import http.server
import threading
from typing import Any

__all__ = ["Gateway"]


class Gateway:
    """An HTTP server with scripted replies.

    Attributes:
        replies: Status, content type and body of the next replies; the last one is repeated.
        headers: Further headers of all replies.
        requests: Verb, path, headers and body of those that have arrived.
    """

    def __init__(self) -> None:
        self.replies: list[tuple[int, str, bytes]] = []
        self.headers: dict[str, str] = {}
        self.requests: list[tuple[str, str, Any, bytes]] = []
        gateway = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                gateway.requests.append((self.command, self.path, self.headers, body))
                status, kind, reply = gateway.replies.pop(0) if len(gateway.replies) > 1 else gateway.replies[0]
                self.send_response(status)
                self.send_header("content-type", kind)
                self.send_header("x-request-id", "r-1")
                if status == 302:
                    self.send_header("location", "https://portal.example.com")
                for name, value in gateway.headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(reply)))
                self.end_headers()
                self.wfile.write(reply)

            do_GET = do_HEAD = do_POST  # noqa: N815 -- http.server's

            def log_message(self, *args: object) -> None:
                """Nothing is logged."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self) -> Gateway:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()
        self._thread.join()
