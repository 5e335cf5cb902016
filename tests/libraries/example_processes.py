"""The examples as processes of their own: HTTP servers on loopback, and HTTP clients that read as the bytes arrive."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from tests.libraries.environments import folder_of, interpreter_of

__all__ = ["EXAMPLES", "HttpServer", "environment_of", "post", "request", "serve_http", "start", "stop", "wait_for"]

EXAMPLES: Final = Path(__file__).parents[2] / "examples" / "python"
SECONDS: Final = 30


def environment_of(framework: str, endpoint: str) -> dict[str, str]:
    """The environment variables of an example that calls this endpoint."""
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(folder_of(framework)),
        "PYTHONDONTWRITEBYTECODE": "1",
        "GENAI_GRPC_ENDPOINT": endpoint,
    }


def start(environment: Mapping[str, str], *arguments: str, fd: int | None = None) -> subprocess.Popen[str]:
    """Start Python with the arguments, in the folder of the examples."""
    return subprocess.Popen(
        [interpreter_of("genai_grpc"), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=EXAMPLES,
        env=environment,
        pass_fds=() if fd is None else (fd,),
        start_new_session=True,  # a group of its own, with its workers
    )


class HttpServer:
    """An HTTP server that runs an example.

    Attributes:
        port: Its port on loopback.
    """

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.port = port
        self._process = process

    def terminate(self) -> None:
        """Ask it to shut down."""
        self._process.send_signal(signal.SIGTERM)

    def wait(self) -> tuple[str, str, int]:
        """Wait for its end; stdout, stderr and the exit status."""
        stdout, stderr = self._process.communicate(timeout=SECONDS)
        return stdout, stderr, self._process.returncode


@contextmanager
def serve_http(framework: str, endpoint: str, *arguments: str) -> Iterator[HttpServer]:
    """Run an HTTP server with the arguments, in which `{fd}` is its listening socket; it takes connections at once."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        fd = listener.fileno()
        command = [argument.format(fd=fd) for argument in arguments]
        process = start(environment_of(framework, endpoint), "-m", *command, fd=fd)
        port = listener.getsockname()[1]
    try:
        yield HttpServer(process, port)
    finally:
        stop(process)


def stop(process: subprocess.Popen[str]) -> None:
    """End a process and its workers, if it still runs."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def request(server: HttpServer, path: str, body: Any) -> http.client.HTTPConnection:
    """Send a request."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=SECONDS)
    connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json", "Connection": "close"})
    return connection


def post(server: HttpServer, path: str, body: Any) -> http.client.HTTPResponse:
    """The response to a request, when its headers have arrived; it has the connection, and closes it."""
    return request(server, path, body).getresponse()


def wait_for(condition: Callable[[], object]) -> None:
    """Wait until the condition holds."""
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
