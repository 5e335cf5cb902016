"""The pytest plugin: `genai_server`, `genai_script`, `genai_client`, `genai_cassette`. Nothing starts before its use.

While a test uses one of them, GENAI_GRPC_ENDPOINT names its server and the default client is reset, so that code which
passes no client, or calls `configure()` without an endpoint, uses the server. After the test the variable is restored,
and what `configure` had set is discarded.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import pytest

# pytest loads this module in every run, so the imports of gRPC and of the server are in the fixtures.
if TYPE_CHECKING:
    from genai_grpc import Client
    from genai_grpc.local import ScriptEngine, Server
    from genai_grpc.testing import CassetteServer

__all__ = ["genai_cassette", "genai_client", "genai_script", "genai_server"]

_ENDPOINT: Final = "GENAI_GRPC_ENDPOINT"
_MARKER: Final = "genai_cassette"
_FINALIZERS: Final = pytest.StashKey["list[Callable[[], None]]"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --genai-record."""
    parser.getgroup("genai-grpc").addoption(
        "--genai-record",
        action="store_true",
        help="record the cassettes of tests from the real service, or from the one that GENAI_GRPC_ENDPOINT names",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line(
        "markers", f"{_MARKER}(name): replay the cassette of this name, or record it with --genai-record"
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give tests with the marker the fixture."""
    for item in items:
        if isinstance(item, pytest.Function) and item.get_closest_marker(_MARKER) and _MARKER not in item.fixturenames:
            item.fixturenames.insert(0, _MARKER)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """After a test that passed, verify its script or cassette, or write its recording, which may fail the test."""
    result = yield
    for finalize in item.stash.get(_FINALIZERS, []):
        finalize()
    return result


@pytest.fixture
def genai_server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A local server with a `ScriptEngine`, for one test. The test fails if a queued reply was not requested."""
    from genai_grpc.local import ScriptEngine, serve

    script = ScriptEngine()
    server = serve(script)
    try:
        server.start()
    except ImportError as error:
        pytest.fail(f"{error} or 'genai-grpc[testing]'", pytrace=False)
    _finalize_after_success(request, script.verify)
    with _default_endpoint(server.endpoint):
        yield server
    server.stop()


@pytest.fixture
def genai_script(genai_server: Server) -> ScriptEngine:
    """The `ScriptEngine` of `genai_server`: `genai_script.reply(...)`, `genai_script.requests`."""
    from genai_grpc.local import ScriptEngine

    script = genai_server.engines[0]
    assert isinstance(script, ScriptEngine)  # noqa: S101 -- genai_server started it
    return script


@pytest.fixture
def genai_client(genai_server: Server) -> Iterator[Client]:
    """A client of `genai_server`."""
    from genai_grpc import Client

    with Client(endpoint=genai_server.endpoint) as client:
        yield client


@pytest.fixture
def genai_cassette(request: pytest.FixtureRequest) -> Iterator[CassetteServer]:
    """A server that replays `cassettes/NAME.jsonl` in the directory of the test, or records it with --genai-record.

    NAME is the argument of the marker, `@pytest.mark.genai_cassette("name")`, or the name of the test.
    """
    from genai_grpc.testing import CassetteError, record, replay

    marker = request.node.get_closest_marker(_MARKER)
    name = marker.args[0] if marker and marker.args else re.sub(r"[^\w.-]+", "-", request.node.name).strip("-")
    path = request.path.parent / "cassettes" / f"{name}.jsonl"
    if request.config.getoption("--genai-record"):
        server = record(path, upstream=os.environ.get(_ENDPOINT))
    else:
        try:
            server = replay(path)
        except FileNotFoundError:
            pytest.fail(f"there is no cassette {path}; record it with pytest --genai-record", pytrace=False)
        except CassetteError as error:
            pytest.fail(str(error), pytrace=False)
    server.start()
    _finalize_after_success(request, server.finalize)
    with _default_endpoint(server.endpoint):
        yield server
    server.stop()


def _finalize_after_success(request: pytest.FixtureRequest, finalize: Callable[[], None]) -> None:
    request.node.stash.setdefault(_FINALIZERS, []).append(finalize)


@contextmanager
def _default_endpoint(endpoint: str) -> Iterator[None]:
    """Make this the endpoint of the default client."""
    from genai_grpc import configure

    with pytest.MonkeyPatch.context() as patched:
        patched.setenv(_ENDPOINT, endpoint)
        configure()
        yield
    configure()
