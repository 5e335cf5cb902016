"""The examples of frameworks, each in real processes against the local server."""

from __future__ import annotations

import http.client
import json
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Final, TypeAlias

import pytest

from genai_grpc import testing
from genai_grpc.local import STALL, Delay, ScriptEngine, Server, serve
from tests.faults.conftest import Echo
from tests.libraries.example_processes import (
    EXAMPLES,
    HttpServer,
    environment_of,
    post,
    serve_http,
    start,
    stop,
    wait_for,
)
from tests.libraries.example_processes import (
    request as send_request,
)

pytestmark = [pytest.mark.libraries, pytest.mark.venv, pytest.mark.timeout(300)]

UVICORN: Final = ("uvicorn", "fastapi_app:app", "--fd={fd}", "--log-level=error", "--timeout-graceful-shutdown=30")
GUNICORN: Final = ("gunicorn", "flask_app:app", "--bind=fd://{fd}", "--log-level=error")
SERVERS: Final = {
    "fastapi": ("fastapi", *UVICORN),
    "flask": ("flask", *GUNICORN, "--config=gunicorn_threads.py"),
    "gevent": ("flask", *GUNICORN, "--config=gunicorn_gevent.py"),
}
HELLO: Final = {"prompt": "Hello"}
Start: TypeAlias = Callable[..., AbstractContextManager[HttpServer]]


@pytest.fixture(params=SERVERS)
def start_server(request: pytest.FixtureRequest, server: Server) -> Start:
    """Starts the HTTP server of an example, with further arguments."""
    return partial(serve_http, *SERVERS[request.param][:1], server.endpoint, *SERVERS[request.param][1:])


@pytest.fixture
def http_server(start_server: Start) -> Iterator[HttpServer]:
    """A running HTTP server of an example."""
    with start_server() as running:
        yield running


def test_reply(http_server: HttpServer, script: ScriptEngine) -> None:
    """A reply comes back as JSON; a prompt that is missing is the fault of the HTTP client."""
    script.reply("Hello", " to you")
    with post(http_server, "/generate", HELLO) as response:
        assert (response.status, json.load(response)) == (200, {"text": "Hello to you"})
    with post(http_server, "/generate", {}) as response:
        assert response.status in (400, 422)


def test_chunks_arrive_one_by_one(http_server: HttpServer, script: ScriptEngine) -> None:
    """A chunk arrives while the model still works on the next one."""
    script.reply("One", STALL)
    with post(http_server, "/stream", HELLO) as response:
        assert b"One" in response.read1()
        assert script.cancelled_calls == 0


def test_disconnect(http_server: HttpServer, script: ScriptEngine) -> None:
    """When the HTTP client disconnects during a stream, the model's stream is cancelled; WSGI notices it by a chunk."""
    script.reply(*(part for _ in range(300) for part in ("One", Delay(0.1))))
    with post(http_server, "/stream", HELLO) as response:
        assert b"One" in response.read1()
    script.wait_cancelled()


def test_disconnect_while_the_model_is_silent(server: Server, script: ScriptEngine) -> None:
    """ASGI notices a disconnection at once: before the first chunk, and between two chunks."""

    def received(number: int) -> Callable[[], bool]:
        return lambda: len(script.requests) == number

    with serve_http("fastapi", server.endpoint, *UVICORN) as http_server:
        for number, path in enumerate(("/generate", "/stream"), start=1):
            script.reply(STALL)
            connection = send_request(http_server, path, HELLO)
            wait_for(received(number))
            connection.close()
            script.wait_cancelled(number)
        script.reply("One", STALL)
        with post(http_server, "/stream", HELLO) as response:
            assert b"One" in response.read1()
        script.wait_cancelled(3)


ERRORS: Final = {
    429: (testing.api_error("RESOURCE_EXHAUSTED", "The quota is used up.", retry_after=600), "600"),
    503: (testing.api_error("UNAVAILABLE", "Overloaded.", retry_after=600), "600"),
    504: (testing.api_error("DEADLINE_EXCEEDED", "Too slow."), None),
    502: (testing.api_error("PERMISSION_DENIED", "The API key was blocked."), None),
}


def test_errors_before_a_chunk(http_server: HttpServer, script: ScriptEngine) -> None:
    """An error before the first chunk becomes an HTTP status, with Retry-After where another attempt may help."""
    for status, (error, retry_after) in ERRORS.items():
        script.reply(error)
        with post(http_server, "/stream", HELLO) as response:
            assert (response.status, response.getheader("Retry-After")) == (status, retry_after)
            assert error.message.encode() not in response.read()


@pytest.mark.parametrize("framework", ["fastapi", "flask"])
def test_call_that_was_not_sent(framework: str) -> None:
    """A call whose deadline passed in the queue is 503: this process is overloaded, not the service."""
    program = f"import {framework}_app as app; print(app.http_status(app.errors.DeadlineExceeded('', attempts=0)))"
    process = start(environment_of(framework, "http://127.0.0.1:1"), "-c", program)
    assert process.communicate(timeout=60) == ("503\n", "")


def test_errors_after_a_chunk(http_server: HttpServer, script: ScriptEngine) -> None:
    """An error after the first chunk is an event where there are events; else the response is incomplete."""
    script.reply("One", testing.api_error("UNAVAILABLE"))
    body, complete = b"", True
    with post(http_server, "/stream", HELLO) as response:
        try:
            body = response.read()
        except http.client.IncompleteRead as error:
            body, complete = error.partial, False
    assert body == b"One" if not complete else body.endswith(b'event: error\ndata: {"status": 503}\n\n')


def test_stopped_reply(http_server: HttpServer, script: ScriptEngine) -> None:
    """A reply that a safety filter stopped is 422."""
    script.reply(testing.response(finish_reason="SAFETY"))
    with post(http_server, "/generate", HELLO) as response:
        assert response.status == 422


def test_graceful_shutdown(http_server: HttpServer, script: ScriptEngine) -> None:
    """After SIGTERM a stream continues to its end, then the server ends without output."""
    script.reply("One", Delay(1), " and two")
    with post(http_server, "/stream", HELLO) as response:
        assert b"One" in response.read1()
        http_server.terminate()
        assert b" and two" in response.read()
    stdout, stderr, status = http_server.wait()
    # uvicorn ends by the signal itself.
    assert (stdout, stderr) == ("", "")
    assert status in (0, -signal.SIGTERM)


def test_uvicorn_workers() -> None:
    """Uvicorn's workers answer, those that replace others included."""
    with (
        serve(Echo()) as server,
        serve_http("fastapi", server.endpoint, *UVICORN, "--workers=2", "--limit-max-requests=5") as http_server,
    ):
        for _ in range(15):
            with post(http_server, "/generate", HELLO) as response:
                assert json.load(response) == {"text": "Hello"}
        http_server.terminate()
        assert http_server.wait()[:2] == ("", "")


@pytest.mark.parametrize("name", ["flask", "gevent"])
def test_gunicorn_workers(name: str, tmp_path: Path) -> None:
    """Gunicorn's workers answer, those that replace others included."""
    framework, *command = SERVERS[name]
    log = tmp_path / "process-ids"
    command += ["--max-requests=5", f"--access-logfile={log}", "--access-logformat=%(p)s"]
    with serve(Echo()) as server, serve_http(framework, server.endpoint, *command) as http_server:

        def three_processes_answered() -> bool:
            with post(http_server, "/generate", HELLO) as response:
                assert json.load(response) == {"text": "Hello"}
            return len(set(log.read_text().split())) >= 3

        wait_for(three_processes_answered)
        http_server.terminate()
        assert http_server.wait() == ("", "", 0)


CELERY: Final = ("-m", "celery", "--app", "celery_tasks", "--quiet", "worker", "--concurrency=2", "--loglevel=CRITICAL")
RESULT: Final = (
    "from celery_tasks import summarize; result = summarize.delay('The text.'); "
    "print(repr(result.get(timeout=60, interval=0.1, propagate=False)))"
)


@pytest.fixture
def celery_environment(server: Server, tmp_path: Path) -> dict[str, str]:
    """Environment variables of Celery programs with a queue of their own."""
    # Celery warns of a worker that runs as root, as in a container.
    return environment_of("celery", server.endpoint) | {
        "CELERY_FOLDER": str(tmp_path),
        "PYTHONWARNINGS": "ignore:You're running the worker with superuser privileges",
    }


def test_celery(celery_environment: dict[str, str], script: ScriptEngine) -> None:
    """Celery retries a task, and only Celery; a failure is the task's; after SIGTERM a worker ends with its task."""
    script.reply(testing.api_error("UNAVAILABLE")).reply("A summary.")
    script.reply(testing.api_error("INVALID_ARGUMENT", "Too long.")).reply(Delay(1), "Another.")
    worker = start(celery_environment, *CELERY)
    try:
        result, errors = start(celery_environment, "-c", RESULT).communicate(timeout=60)
        assert (result, errors) == ("'A summary.'\n", "")
        assert len(script.requests) == 2
        failure = start(celery_environment, "-c", RESULT).communicate(timeout=60)
        assert failure == ("InvalidArgument('Too long.')\n", "")
        second = start(celery_environment, "-c", RESULT)
        wait_for(lambda: len(script.requests) == 4)
        worker.terminate()
        assert second.communicate(timeout=60) == ("'Another.'\n", "")
        assert worker.communicate(timeout=60) == ("\nworker: Warm shutdown (MainProcess)\n", "")
        assert worker.returncode == 0
    finally:
        stop(worker)


def test_notebook(server: Server, script: ScriptEngine, tmp_path: Path) -> None:
    """Every cell of the notebook runs, and shows the reply."""
    script.reply("Call me Ishmael.").reply("Call me", " Ishmael.").reply("Hello, Ada.").reply("Ada.")
    environment = environment_of("jupyter", server.endpoint) | {"HOME": str(tmp_path)}
    output = tmp_path / "output.ipynb"
    program = "from nbclient.cli import main; main()"
    notebook = start(environment, "-c", program, str(EXAMPLES / "notebook.ipynb"), f"--output={output.with_suffix('')}")
    _, stderr = notebook.communicate(timeout=120)
    assert notebook.returncode == 0, stderr
    cells = json.loads(output.read_text())["cells"]
    outputs = [output for cell in cells for output in cell.get("outputs", ())]
    shown = ["".join(output.get("text") or output["data"]["text/plain"]) for output in outputs]
    assert "".join(shown) == "'Call me Ishmael.'Call me Ishmael.'Hello, Ada.''Ada.'4"
