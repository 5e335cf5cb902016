"""Whether a transport that is cheaper than gRPC's keeps gRPC's promises: asked of each, against grpcio's server."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Final

import grpc

from benchmarks.environments import python_of
from benchmarks.peers import TRANSPORTS

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["fitness_table"]

PROBED: Final = ("pycurl", "pyqwest", "wreq")
AGING: Final = (("grpc.max_connection_age_ms", 1000), ("grpc.max_connection_age_grace_ms", 5000))
NARROW: Final = (("grpc.max_concurrent_streams", 100),)
MESSAGE: Final = bytes(100_000)


def fitness_table() -> str:
    """What was probed and what came of it, for each transport, as a table in Markdown."""
    found = {peer: _probe(peer) for peer in PROBED}
    lines = [f"| | {' | '.join(TRANSPORTS[peer].title for peer in PROBED)} |", "|---|" + "---|" * len(PROBED)]
    lines += [f"| {what} | {' | '.join(found[peer][what] for peer in PROBED)} |" for what in found[PROBED[0]]]
    return "\n".join(lines)


def _probe(peer: str) -> dict[str, str]:
    with ExitStack() as stack:
        addresses = [stack.enter_context(_server(options)) for options in ((), AGING, NARROW)]
        words = [python_of(peer), "-m", "benchmarks.peers.probe", peer, *addresses]
        environment = {**os.environ, "PYTHONPATH": "generated/python"}
        done = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True, env=environment, timeout=120)  # noqa: S603
        found: dict[str, str] = json.loads(done.stdout)
        return found


@contextmanager
def _server(options: tuple[tuple[str, int], ...]) -> Iterator[str]:
    server = grpc.server(ThreadPoolExecutor(120), options=options)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("fitness.Server", _Methods().handlers()),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None)


class _Methods:
    """What the server does, on messages that are bytes, and what it saw of the last call that was to be ended."""

    def __init__(self) -> None:
        self._ended: float | None = None
        self._sent = 0

    def handlers(self) -> dict[str, Any]:
        unary = {"Wait": self._wait, "Tell": self._tell, "Refuse": self._refuse, "Pause": self._pause}
        streams = {"Break": self._break, "Flood": self._flood}
        return {
            **{name: grpc.unary_unary_rpc_method_handler(method) for name, method in unary.items()},
            **{name: grpc.unary_stream_rpc_method_handler(method) for name, method in streams.items()},
        }

    def _watch(self, context: Any) -> threading.Event:
        self._ended, ended = None, threading.Event()

        def end() -> None:
            self._ended = time.monotonic()
            ended.set()

        context.add_callback(end)
        return ended

    def _wait(self, request: bytes, context: Any) -> bytes:
        self._watch(context).wait(10)
        return request

    def _pause(self, request: bytes, _: Any) -> bytes:
        time.sleep(0.05)
        return request

    def _tell(self, _: bytes, __: Any) -> bytes:
        return json.dumps({"ended": self._ended, "sent": self._sent}).encode()

    def _refuse(self, _: bytes, context: Any) -> bytes:
        context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "no more")
        return b""

    def _break(self, _: bytes, context: Any) -> Iterator[bytes]:
        yield b"one"
        context.abort(grpc.StatusCode.UNAVAILABLE, "no more")

    def _flood(self, _: bytes, context: Any) -> Iterator[bytes]:
        self._watch(context)
        self._sent = 0
        while context.is_active():
            self._sent += len(MESSAGE)
            yield MESSAGE
