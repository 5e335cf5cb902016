"""A server that always replies, a fault proxy in front of the scripted server, and the tables of docs/faults.md."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeAlias

import pytest

import genai_grpc as genai
from genai_grpc import protos
from genai_grpc.local import ScriptEngine, Server, serve
from genai_grpc.testing import FaultProxy

AddRow: TypeAlias = Callable[[str, str, str], None]
EndpointOf: TypeAlias = Callable[[Server], str]

PAGE: Final = Path(__file__).parents[2] / "docs" / "faults.md"
BEGIN, END = "<!-- measured -->", "<!-- end -->"
# The figures that were observed for each fault, with what the program sees, by the heading of their table.
_ROWS: Final[dict[str, dict[str, list[tuple[str, str]]]]] = {}


class Echo(ScriptEngine):
    """An engine that sends the same reply to every request, without delay."""

    def __init__(self, *texts: str) -> None:
        super().__init__()
        self.texts = texts or ("Hello",)

    async def generate(self, request: protos.GenerateContentRequest) -> Any:
        del request
        for text in self.texts:
            content = protos.Content(role="model", parts=[protos.Part(text=text)])
            candidate = protos.Candidate(content=content, finish_reason=protos.Candidate.STOP)
            yield protos.GenerateContentResponse(candidates=[candidate])


@pytest.fixture
def echo() -> Iterator[Server]:
    """A server that replies "Hello" to every request."""
    with serve(Echo()) as running:
        yield running


@pytest.fixture(params=["grpc", "rest"])
def transport(request: pytest.FixtureRequest) -> Any:
    """The transport of the clients: the faults are those of both."""
    return request.param


@pytest.fixture
def endpoint_of(transport: Any) -> Callable[[Server], str]:
    """The endpoint of a server for the transport."""
    return lambda server: server.endpoint if transport == "grpc" else str(server.http_endpoint)


@pytest.fixture
def proxy(server: Server, endpoint_of: EndpointOf) -> Iterator[FaultProxy]:
    """A proxy in front of the scripted server."""
    with FaultProxy(endpoint_of(server)) as running:
        yield running


@pytest.fixture
def client(proxy: FaultProxy, transport: Any) -> Iterator[genai.Client]:
    """A client whose connections go through the proxy."""
    with genai.Client(endpoint=proxy.endpoint, transport=transport) as connected:
        yield connected


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--fault-table", action="store_true", help="write the results of the fault tests into docs/faults.md"
    )


@pytest.fixture
def add_row(request: pytest.FixtureRequest) -> AddRow:
    """Add a fault, its effect on the program and figures to the module's table; one row has all figures of a fault.

    The heading of the table is the docstring of the test module.
    """
    heading = request.module.__doc__.rstrip(".")
    if "transport" in request.fixturenames and request.getfixturevalue("transport") == "rest":
        heading += ", over HTTP/JSON"

    def add(fault: str, effect: str, figures: str) -> None:
        _ROWS.setdefault(heading, {}).setdefault(fault, []).append((effect, figures))

    return add


@contextmanager
def stopwatch() -> Iterator[Callable[[], float]]:
    """A function that returns the seconds since the start of the block."""
    started = time.perf_counter()
    yield lambda: time.perf_counter() - started


def pytest_sessionfinish(session: pytest.Session) -> None:
    if not session.config.getoption("--fault-table"):
        return
    lines = [BEGIN, ""]
    for heading, faults in _ROWS.items():
        lines += [f"## {heading}", "", "| fault | what the program sees | figures |", "|---|---|---|"]
        for fault, observed in faults.items():
            effects = "; ".join(dict.fromkeys(effect for effect, _ in observed))
            figures = "; ".join(dict.fromkeys(each for _, each in observed if each))
            lines.append(f"| {fault} | {effects} | {figures} |")
        lines.append("")
    lines.append(END)
    PAGE.write_text(re.sub(f"(?s){BEGIN}.*{END}", lambda _: "\n".join(lines), PAGE.read_text()))
