"""What the tests share: a scripted server on loopback, a client of it, and one body for both colours."""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import TYPE_CHECKING, Any, Protocol

import pytest

import genai_grpc as genai
from genai_grpc.local import ScriptEngine, serve

if TYPE_CHECKING:
    from collections.abc import Iterator

    from genai_grpc.local.server import Server


def pytest_configure() -> None:
    """Have Ctrl-C work in the programs that tests start: a shell starts what runs in its background without it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


class Api(Protocol):
    """The public calls, sync or async, each called from a sync test and waited for."""

    def generate(self, model: genai.GenerativeModel, *args: Any, **kwargs: Any) -> Any:
        """`generate_content`."""

    def count(self, model: genai.GenerativeModel, *args: Any, **kwargs: Any) -> Any:
        """`count_tokens`."""

    def send(self, chat: genai.ChatSession, *args: Any, **kwargs: Any) -> Any:
        """`send_message`."""

    def next(self, chunks: Any) -> Any:
        """The next chunk of `chunks(response)`; None at its end."""

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

    def close_client(self, client: genai.Client) -> None:
        """Close a client of the test's own."""

    def call(self, owner: Any, name: str, *args: Any, **kwargs: Any) -> Any:
        """The method of that name, or its async twin."""

    def items(self, owner: Any, name: str, *args: Any, **kwargs: Any) -> list[Any]:
        """What the method of that name, or its async twin, iterates over."""


class SyncApi:
    """The sync methods."""

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

    def close_client(self, client: genai.Client) -> None:
        client.close()

    def call(self, owner: Any, name: str, *args: Any, **kwargs: Any) -> Any:
        return getattr(owner, name)(*args, **kwargs)

    def items(self, owner: Any, name: str, *args: Any, **kwargs: Any) -> list[Any]:
        return list(getattr(owner, name)(*args, **kwargs))


class AsyncApi:
    """The async methods, on one event loop for the whole test."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()

    def generate(self, model: genai.GenerativeModel, *args: Any, **kwargs: Any) -> Any:
        return self._wait(model.generate_content_async(*args, **kwargs))

    def count(self, model: genai.GenerativeModel, *args: Any, **kwargs: Any) -> Any:
        return self._wait(model.count_tokens_async(*args, **kwargs))

    def send(self, chat: genai.ChatSession, *args: Any, **kwargs: Any) -> Any:
        return self._wait(chat.send_message_async(*args, **kwargs))

    def chunks(self, response: Any) -> Any:
        return aiter(response)

    def next(self, chunks: Any) -> Any:
        async def step() -> Any:
            try:
                return await chunks.__anext__()
            except StopAsyncIteration:
                return None

        return self._wait(step())

    def resolve(self, response: Any) -> None:
        self._wait(response.resolve())

    def close(self, response: Any) -> None:
        self._wait(response.aclose())

    def get_model(self, *args: Any, **kwargs: Any) -> Any:
        return self._wait(genai.get_model_async(*args, **kwargs))

    def list_models(self, **kwargs: Any) -> list[Any]:
        async def all_of_them() -> list[Any]:
            return [model async for model in genai.list_models_async(**kwargs)]

        models: list[Any] = self._wait(all_of_them())
        return models

    def call(self, owner: Any, name: str, *args: Any, **kwargs: Any) -> Any:
        return self._wait(getattr(owner, f"{name}_async")(*args, **kwargs))

    def items(self, owner: Any, name: str, *args: Any, **kwargs: Any) -> list[Any]:
        async def all_of_them() -> list[Any]:
            return [item async for item in getattr(owner, f"{name}_async")(*args, **kwargs)]

        found: list[Any] = self._wait(all_of_them())
        return found

    def close_client(self, client: genai.Client) -> None:
        self._wait(client.aclose())

    def end(self, client: genai.Client) -> None:
        """Close what the loop holds, as asyncio.run would."""
        self._wait(client.aclose())
        self._wait(self.loop.shutdown_asyncgens())
        self.loop.close()

    def _wait(self, awaitable: Any) -> Any:
        return self.loop.run_until_complete(awaitable)


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of our own."""
    parser.addoption("--rewrite", action="store_true", help="write what comes now into the tables of test_golden.py")


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No key or endpoint of the machine that runs the tests."""
    for name in ("GEMINI_API_KEY", "GOOGLE_API_KEY", "GENAI_GRPC_ENDPOINT", "GOOGLE_APPLICATION_CREDENTIALS"):
        monkeypatch.delenv(name, raising=False)
    # google-auth looks for credentials in the user's home, and on the network of Google's machines.
    monkeypatch.setenv("CLOUDSDK_CONFIG", "/nowhere")
    monkeypatch.setenv("NO_GCE_CHECK", "true")


@pytest.fixture
def no_api_core(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that has not loaded google.api_core, though another test may have."""
    monkeypatch.delitem(sys.modules, "google.api_core.exceptions", raising=False)


@pytest.fixture
def script() -> ScriptEngine:
    """The engine whose replies a test queues."""
    return ScriptEngine()


@pytest.fixture
def server(script: ScriptEngine) -> Iterator[Server]:
    """A server on loopback that answers from `script`."""
    with serve(script) as running:
        yield running


@pytest.fixture
def client(server: Server) -> Iterator[genai.Client]:
    """A client of `server`."""
    with genai.Client(endpoint=server.endpoint) as connected:
        yield connected


@pytest.fixture
def model(client: genai.Client) -> genai.GenerativeModel:
    """A model of `client`."""
    return genai.GenerativeModel("gemini-pro", client=client)


@pytest.fixture(params=["sync", "async"])
def api(request: pytest.FixtureRequest, client: genai.Client) -> Iterator[Api]:
    """Each of the two colours in turn."""
    if request.param == "sync":
        yield SyncApi()
    else:
        asynchronous = AsyncApi()
        yield asynchronous
        asynchronous.end(client)
