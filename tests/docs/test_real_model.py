"""The programs of the README and of the tutorial run on the local model, and print something worth reading."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

import genai_grpc as genai
from genai_grpc import errors, local
from tests.docs.test_pages import lines_of, promised
from tests.test_documents import execute, programs

pytestmark = [pytest.mark.llama, pytest.mark.timeout(300)]

ROOT: Final = Path(__file__).parents[2]
# What a comment says of a program that the local model does not answer.
EXCEPTIONS: Final = re.compile(r"<!-- model: (.+?) -->\n```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """A server with the real models."""
    with local.serve() as server:
        yield server.endpoint


@pytest.fixture(autouse=True)
def _environment(endpoint: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("PIL.Image").new("RGB", (8, 8), "brown").save(tmp_path / "scones.jpeg")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GENAI_GRPC_ENDPOINT", endpoint)
    genai.configure()


def test_readme() -> None:
    """Each program of the README answers its question."""
    answers = {
        "Stream a reply": r"sun.*\.\n$",
        "Chat": r"Tilly\.\n$",
        "Structured output": r"^Grace Hopper 85 New York\n$",
        "Function calling": r"green.*40",
        "Async": r"apples(.|\n)*sea",
        "Local server": r"^$",
    }
    namespace: dict[str, Any] = {}
    printed = {each.heading: execute(each.code, "README.md", namespace) for each in programs("README.md")}
    assert printed.keys() == answers.keys()
    assert {heading: text for heading, text in printed.items() if not re.search(answers[heading], text)} == {}


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_tutorial() -> None:
    """The programs of the tutorial run, and print what their comments say."""
    exceptions = {code: said for said, code in EXCEPTIONS.findall((ROOT / "docs" / "tutorial.md").read_text())}
    namespace: dict[str, Any] = {}
    for program in programs("docs/tutorial.md"):
        if exceptions.get(program.code) == "refuses":
            with pytest.raises(errors.InvalidArgument, match="image/jpeg"):
                execute(program.code, "docs/tutorial.md", namespace)
            continue
        printed = execute(program.code, "docs/tutorial.md", namespace)
        assert lines_of(printed, promised(program.code)) == promised(program.code), program.heading
        assert printed or "print(" not in program.code, program.heading
    assert exceptions.keys() <= {program.code for program in programs("docs/tutorial.md")}
    assert namespace["person"].name == "Grace Hopper"


def test_model_names() -> None:
    """The program of docs/model-names.md finds the local model."""
    [program] = programs("docs/model-names.md")
    assert "smollm2" in execute(program.code, "docs/model-names.md", {})
