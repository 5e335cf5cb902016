"""A server that always answers, a proxy that makes faults before it, and the table of what was seen."""

from __future__ import annotations

import re
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

import genai_grpc as genai
from genai_grpc import protos
from genai_grpc.local import ScriptEngine, serve
from genai_grpc.testing import FaultProxy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from genai_grpc.local.server import Server

TABLE: Final = Path(__file__).parents[2] / "docs" / "faults.md"
BEGIN, END = "<!-- measured -->", "<!-- end -->"


class Echo(ScriptEngine):
    """An engine that answers every request alike, at once, as often as it is asked."""

    def __init__(self, *texts: str) -> None:
        super().__init__()
        self.texts = texts or ("Hello",)

    async def generate(self, request: protos.GenerateContentRequest) -> Any:
        del request
        for text in self.texts:
            yield protos.GenerateContentResponse(
                candidates=[protos.Candidate(content={"role": "model", "parts": [{"text": text}]}, finish_reason="STOP")]
            )


@pytest.fixture
def echo() -> Iterator[Server]:
    """A server that answers "Hello" to everything."""
    with serve(Echo()) as running:
        yield running


@pytest.fixture
def proxy(server: Server) -> Iterator[FaultProxy]:
    """A proxy before the scripted server."""
    with FaultProxy(server.endpoint) as running:
        yield running


@pytest.fixture
def client(proxy: FaultProxy) -> Iterator[genai.Client]:
    """A client whose connections go through the proxy."""
    with genai.Client(endpoint=proxy.endpoint) as connected:
        yield connected


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fault-table", action="store_true", help="Write what the faults came to into docs/faults.md.")


_ROWS: Final[dict[str, list[tuple[str, str]]]] = {}


@pytest.fixture
def row() -> Callable[[str, str, str], None]:
    """Note a fault, what the program sees of it, and figures; the figures of one fault stand in one row."""

    def note(fault: str, seen: str, figures: str = "") -> None:
        _ROWS.setdefault(fault, []).append((seen, figures))

    return note


@contextmanager
def stopwatch() -> Iterator[Callable[[], float]]:
    """The seconds since the block began."""
    began = time.perf_counter()
    yield lambda: time.perf_counter() - began


def pytest_sessionfinish(session: pytest.Session) -> None:
    if not session.config.getoption("--fault-table"):
        return
    lines = ["| fault | what the program sees | figures |", "|---|---|---|"]
    for fault, found in _ROWS.items():
        seen = "; ".join(dict.fromkeys(each for each, _ in found))
        figures = "; ".join(dict.fromkeys(each for _, each in found if each))
        lines.append(f"| {fault} | {seen} | {figures} |")
    text = re.sub(f"(?s){BEGIN}.*{END}", lambda _: "\n".join([BEGIN, "", *lines, "", END]), TABLE.read_text())
    TABLE.write_text(text)
