"""Fixtures of all tests: a scripted server on loopback, its client, and the public API, sync and async."""

from __future__ import annotations

import asyncio
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import pytest

import genai_grpc as genai
from genai_grpc._services.messages import GEMINI, VERTEX, Protos
from genai_grpc._transport.proxy import VARIABLES
from genai_grpc.local import ScriptEngine, serve
from genai_grpc.local.server import Server


def pytest_configure() -> None:
    """Enable Ctrl-C in the programs that tests start: a shell's background jobs, and their children, ignore SIGINT."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


class Api(Protocol):
    """The public API, sync or async, for sync tests: an async method is run to its end.

    Attributes:
        is_async: Whether these are the async methods.
    """

    is_async: bool

    def generate(self, model: genai.GenerativeModel, *args: Any, **kwargs: Any) -> Any:
        """`generate_content`."""

    def count(self, model: genai.GenerativeModel, *args: Any, **kwargs: Any) -> Any:
        """`count_tokens`."""

    def send(self, chat: genai.ChatSession, *args: Any, **kwargs: Any) -> Any:
        """`send_message`."""

    def next(self, chunks: Any) -> Any:
        """The next chunk of an iterator that `chunks` returned; None at its end."""

    def chunks(self, response: Any) -> Any:
        """An iterator over the chunks of a response."""

    def resolve(self, response: Any) -> None:
        """Read a stream to its end."""

    def close(self, response: Any) -> None:
        """Cancel a stream."""

    def get_model(self, *args: Any, **kwargs: Any) -> Any:
        """`get_model`."""

    def list_models(self, **kwargs: Any) -> list[Any]:
        """`list_models`, read to its end."""

    def close_client(self, client: genai.Client, **kwargs: Any) -> None:
        """`close`, or `aclose`."""

    def call(self, owner: Any, name: str, /, *args: Any, **kwargs: Any) -> Any:
        """Call the method of that name, or its async twin."""

    def items(self, owner: Any, name: str, /, *args: Any, **kwargs: Any) -> list[Any]:
        """The items that the method of that name, or its async twin, yields."""


Connect: TypeAlias = Callable[..., genai.Client]
"""Takes a server, and the arguments of a Client but for its endpoint and its transport."""


over_grpc = pytest.mark.parametrize("transport", ["grpc"])
"""For a test of what only gRPC has."""


class SyncApi:
    """The sync methods."""

    is_async = False

    def generate(self, model: genai.GenerativeModel, *args: Any, **kwargs: Any) -> Any:
        return model.generate_content(*args, **kwargs)

    def count(self, model: genai.GenerativeModel, *args: Any, **kwargs: Any) -> Any:
        return model.count_tokens(*args, **kwargs)

    def send(self, chat: genai.ChatSession, *args: Any, **kwargs: Any) -> Any:
        return chat.send_message(*args, **kwargs)

    def chunks(self, response: Any) -> Any:
        return iter(response)

    def next(self, chunks: Any) -> Any:
        return next(chunks, None)

    def resolve(self, response: Any) -> None:
        response.resolve()

    def close(self, response: Any) -> None:
        response.close()

    def get_model(self, *args: Any, **kwargs: Any) -> Any:
        return genai.get_model(*args, **kwargs)

    def list_models(self, **kwargs: Any) -> list[Any]:
        return list(genai.list_models(**kwargs))

    def close_client(self, client: genai.Client, **kwargs: Any) -> None:
        client.close(**kwargs)

    def call(self, owner: Any, name: str, /, *args: Any, **kwargs: Any) -> Any:
        return getattr(owner, name)(*args, **kwargs)

    def items(self, owner: Any, name: str, /, *args: Any, **kwargs: Any) -> list[Any]:
        return list(getattr(owner, name)(*args, **kwargs))


class AsyncApi:
    """The async methods, on one event loop for the whole test."""

    is_async = True

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()

    def generate(self, model: genai.GenerativeModel, *args: Any, **kwargs: Any) -> Any:
        return self._run(model.generate_content_async(*args, **kwargs))

    def count(self, model: genai.GenerativeModel, *args: Any, **kwargs: Any) -> Any:
        return self._run(model.count_tokens_async(*args, **kwargs))

    def send(self, chat: genai.ChatSession, *args: Any, **kwargs: Any) -> Any:
        return self._run(chat.send_message_async(*args, **kwargs))

    def chunks(self, response: Any) -> Any:
        return aiter(response)

    def next(self, chunks: Any) -> Any:
        async def next_chunk() -> Any:
            return await anext(chunks, None)

        return self._run(next_chunk())

    def resolve(self, response: Any) -> None:
        self._run(response.resolve())

    def close(self, response: Any) -> None:
        self._run(response.aclose())

    def get_model(self, *args: Any, **kwargs: Any) -> Any:
        return self._run(genai.get_model_async(*args, **kwargs))

    def list_models(self, **kwargs: Any) -> list[Any]:
        async def collect() -> list[Any]:
            return [model async for model in genai.list_models_async(**kwargs)]

        models: list[Any] = self._run(collect())
        return models

    def call(self, owner: Any, name: str, /, *args: Any, **kwargs: Any) -> Any:
        return self._run(getattr(owner, f"{name}_async")(*args, **kwargs))

    def items(self, owner: Any, name: str, /, *args: Any, **kwargs: Any) -> list[Any]:
        async def collect() -> list[Any]:
            return [item async for item in getattr(owner, f"{name}_async")(*args, **kwargs)]

        items: list[Any] = self._run(collect())
        return items

    def close_client(self, client: genai.Client, **kwargs: Any) -> None:
        self._run(client.aclose(**kwargs))

    def shut_down(self) -> None:
        """Close the loop, as asyncio.run would."""
        self._run(self.loop.shutdown_asyncgens())
        while tasks := asyncio.all_tasks(self.loop):  # such as those that close dropped clients
            self._run(asyncio.wait(tasks))
        self.loop.close()

    def _run(self, awaitable: Any) -> Any:
        return self.loop.run_until_complete(awaitable)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add this project's options."""
    parser.addoption(
        "--rewrite", action="store_true", help="rewrite the expected values of tests/coerce/test_golden.py"
    )


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the machine's keys, endpoints, credentials and proxies."""
    for name in ("GEMINI_API_KEY", "GOOGLE_API_KEY", "GENAI_GRPC_ENDPOINT", "GENAI_GRPC_LOG"):
        monkeypatch.delenv(name, raising=False)
    for name in ("GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_GENAI_USE_ENTERPRISE", "GOOGLE_GENAI_USE_VERTEXAI"):
        monkeypatch.delenv(name, raising=False)
    for name in ("GOOGLE_CLOUD_PROJECT", "GOOGLE_CLOUD_LOCATION"):
        monkeypatch.delenv(name, raising=False)
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    # google-auth also looks in the user's home directory, and asks the metadata server of Google Cloud.
    monkeypatch.setenv("CLOUDSDK_CONFIG", "/nowhere")
    monkeypatch.setenv("NO_GCE_CHECK", "true")


@pytest.fixture
def no_api_core(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide google.api_core, which another test may have imported."""
    monkeypatch.delitem(sys.modules, "google.api_core.exceptions", raising=False)


@pytest.fixture
def script() -> ScriptEngine:
    """The engine to which a test adds its replies."""
    return ScriptEngine()


@pytest.fixture
def server(script: ScriptEngine) -> Iterator[Server]:
    """A server on loopback that replies from `script`."""
    with serve(script) as running:
        yield running


@pytest.fixture
def transport() -> Any:
    """The transport of `client`; the tests of a folder may run over both."""
    return "grpc"


@pytest.fixture
def dialect() -> Any:
    """The API of `client`: "gemini" or "vertex"; the tests of a folder may run over both."""
    return "gemini"


@pytest.fixture
def messages(dialect: Any) -> Protos:
    """The message classes of that API."""
    return VERTEX if dialect == "vertex" else GEMINI


@pytest.fixture
def connect(transport: Any, dialect: Any) -> Connect:
    """Builds a client of a server, over the transport, for the API."""

    def build(server: Server, *args: Any, **options: Any) -> genai.Client:
        endpoint = server.endpoint if transport == "grpc" else server.http_endpoint
        vertex = genai.Vertex("my-project", "europe-west4") if dialect == "vertex" else None
        return genai.Client(*args, endpoint=endpoint, transport=transport, vertex=vertex, **options)

    return build


@pytest.fixture
def client(server: Server, connect: Connect) -> Iterator[genai.Client]:
    """A client of `server`."""
    with connect(server) as connected:
        yield connected


@pytest.fixture
def model(client: genai.Client) -> genai.GenerativeModel:
    """A model of `client`."""
    return genai.GenerativeModel("gemini-pro", client=client)


@pytest.fixture(params=["sync", "async"])
def api(request: pytest.FixtureRequest) -> Iterator[Api]:
    """The public API, once sync and once async."""
    if request.param == "sync":
        yield SyncApi()
    else:
        api = AsyncApi()
        yield api
        api.shut_down()


@pytest.fixture
def redis_url(tmp_path: Path) -> Iterator[str]:
    """A Redis server of the test's own; skips the test where Redis or its client is not installed."""
    pytest.importorskip("redis")
    if (program := shutil.which("redis-server")) is None:
        pytest.skip("redis-server is not installed (Debian: apt-get install redis-server)")
    path = tmp_path / "redis.sock"
    command = [program, "--port", "0", "--unixsocket", str(path), "--save", "", "--dir", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
        try:
            while not _accepts(path):
                time.sleep(0.01)
            yield f"unix://{path}"
        finally:
            server.terminate()


def _accepts(path: Path) -> bool:
    """Whether a server accepts connections on this socket."""
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(str(path)) == 0
