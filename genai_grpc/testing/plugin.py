"""The pytest plugin: `genai_server`, `genai_script`, `genai_client`, `genai_cassette`. Nothing starts before its use.

While a test has one of them, programs that name no client, or call `configure()` without an endpoint, reach its server:
GENAI_GRPC_ENDPOINT points there, and the default client is made anew. Afterwards the variable is what it was, and what
`configure` had set is forgotten.
"""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from genai_grpc import Client
    from genai_grpc.local import ScriptEngine, Server
    from genai_grpc.testing import CassetteServer

__all__ = ["genai_cassette", "genai_client", "genai_script", "genai_server"]

_ENDPOINT: Final = "GENAI_GRPC_ENDPOINT"
_MARKER: Final = "genai_cassette"
_CONCLUDE: Final = pytest.StashKey["list[Callable[[], None]]"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option to record."""
    parser.getgroup("genai-grpc").addoption(
        "--genai-record",
        action="store_true",
        help="run tests with a cassette against the real service, which GENAI_GRPC_ENDPOINT may name, and record it",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Describe the marker."""
    config.addinivalue_line(
        "markers", f"{_MARKER}(name): replay the cassette of this name, or record it with --genai-record"
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Have tests with the marker use the fixture."""
    for item in items:
        if isinstance(item, pytest.Function) and item.get_closest_marker(_MARKER) and _MARKER not in item.fixturenames:
            item.fixturenames.insert(0, _MARKER)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """After a test that passed, check that what it queued was used, or write what it recorded; else it fails."""
    result = yield
    for conclude in item.stash.get(_CONCLUDE, []):
        conclude()
    return result


@pytest.fixture
def genai_server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A local server on a `ScriptEngine`, for this test; it fails the test if a reply was not asked for."""
    from genai_grpc.local import ScriptEngine, serve

    script = ScriptEngine()
    server = serve(script)
    try:
        server.start()
    except ImportError as error:
        pytest.fail(f"{error} or 'genai-grpc[testing]'", pytrace=False)
    _at_success(request, script.verify)
    with _default(server.endpoint):
        yield server
    server.stop()


@pytest.fixture
def genai_script(genai_server: Server) -> ScriptEngine:
    """The script of `genai_server`: `genai_script.reply(...)`, `genai_script.requests`."""
    from genai_grpc.local import ScriptEngine

    script = genai_server.engines[0]
    assert isinstance(script, ScriptEngine)  # noqa: S101 -- it was made so
    return script


@pytest.fixture
def genai_client(genai_server: Server) -> Iterator[Client]:
    """A client of `genai_server`."""
    from genai_grpc import Client

    with Client(endpoint=genai_server.endpoint) as client:
        yield client


@pytest.fixture
def genai_cassette(request: pytest.FixtureRequest) -> Iterator[CassetteServer]:
    """A server that replays `cassettes/NAME.jsonl` beside the test's file, or records it with --genai-record.

    The name is the marker's, `@pytest.mark.genai_cassette("name")`, or that of the test.
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
            pytest.fail(f"there is no cassette {path}; pytest --genai-record makes it", pytrace=False)
        except CassetteError as error:
            pytest.fail(str(error), pytrace=False)
    server.start()
    _at_success(request, server.conclude)
    with _default(server.endpoint):
        yield server
    server.stop()


def _at_success(request: pytest.FixtureRequest, conclude: Callable[[], None]) -> None:
    request.node.stash.setdefault(_CONCLUDE, []).append(conclude)


@contextmanager
def _default(endpoint: str) -> Iterator[None]:
    """Have the programs that name no client reach an endpoint."""
    from genai_grpc import configure

    with pytest.MonkeyPatch.context() as patched:
        patched.setenv(_ENDPOINT, endpoint)
        configure()
        yield
    configure()
