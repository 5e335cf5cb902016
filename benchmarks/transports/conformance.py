"""Conformance of cheaper transports with gRPC's guarantees, tested against grpcio's server."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any, Final

import grpc

from benchmarks.environments import python_of
from benchmarks.peers import TRANSPORTS

__all__ = ["conformance_table"]

PROBED: Final = ("pycurl", "pyqwest", "wreq")
# The server's channel arguments: by default, with a GOAWAY per second, with a low limit of streams.
DEFAULT: Final = ()
MAX_AGE: Final = (("grpc.max_connection_age_ms", 1000), ("grpc.max_connection_age_grace_ms", 5000))
MAX_STREAMS: Final = (("grpc.max_concurrent_streams", 100),)
MESSAGE: Final = bytes(100_000)


def conformance_table() -> str:
    """Probe each transport; returns a Markdown table with a row per probe."""
    found = {peer: _probe(peer) for peer in PROBED}
    lines = [f"| | {' | '.join(TRANSPORTS[peer].title for peer in PROBED)} |", "|---|" + "---|" * len(PROBED)]
    lines += [f"| {probe} | {' | '.join(found[peer][probe] for peer in PROBED)} |" for probe in found[PROBED[0]]]
    return "\n".join(lines)


def _probe(peer: str) -> dict[str, str]:
    with ExitStack() as stack:
        addresses = [stack.enter_context(_server(options)) for options in (DEFAULT, MAX_AGE, MAX_STREAMS)]
        command = [python_of(peer), "-m", "benchmarks.peers.probe", peer, *addresses]
        environment = {**os.environ, "PYTHONPATH": "generated/python"}
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment, timeout=120)  # noqa: S603
        found: dict[str, str] = json.loads(done.stdout)
        return found


@contextmanager
def _server(options: tuple[tuple[str, int], ...]) -> Iterator[str]:
    server = grpc.server(ThreadPoolExecutor(120), options=options)
    handlers = grpc.method_handlers_generic_handler("conformance.Server", _Methods().handlers())
    server.add_generic_rpc_handlers((handlers,))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None)


class _Methods:
    """Methods of the server, whose messages are bytes; `Report` returns what it observed of the last probed call."""

    def __init__(self) -> None:
        self._ended: float | None = None
        self._sent = 0

    def handlers(self) -> dict[str, Any]:
        unary = {"Wait": self._wait, "Report": self._report, "Refuse": self._refuse, "Pause": self._pause}
        streams = {"Break": self._break, "Flood": self._flood}
        return {
            **{name: grpc.unary_unary_rpc_method_handler(method) for name, method in unary.items()},
            **{name: grpc.unary_stream_rpc_method_handler(method) for name, method in streams.items()},
        }

    def _observe_end(self, context: Any) -> threading.Event:
        self._ended, ended = None, threading.Event()

        def on_end() -> None:
            self._ended = time.monotonic()
            ended.set()

        context.add_callback(on_end)
        return ended

    def _wait(self, request: bytes, context: Any) -> bytes:
        self._observe_end(context).wait(10)
        return request

    def _pause(self, request: bytes, _: Any) -> bytes:
        time.sleep(0.05)
        return request

    def _report(self, _: bytes, __: Any) -> bytes:
        return json.dumps({"ended": self._ended, "sent": self._sent}).encode()

    def _refuse(self, _: bytes, context: Any) -> bytes:
        context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "no more")
        return b""

    def _break(self, _: bytes, context: Any) -> Iterator[bytes]:
        yield b"one"
        context.abort(grpc.StatusCode.UNAVAILABLE, "no more")

    def _flood(self, _: bytes, context: Any) -> Iterator[bytes]:
        self._observe_end(context)
        self._sent = 0
        while context.is_active():
            self._sent += len(MESSAGE)
            yield MESSAGE
