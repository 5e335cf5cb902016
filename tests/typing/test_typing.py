"""The package under type checkers."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(find_spec("pyright") is None, reason="the type checkers are not installed")

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


def mypy(file: Path) -> set[int]:
    """Return the lines in which mypy reports an error."""
    command = [sys.executable, "-m", "mypy", "--config-file", "pyproject.toml", "--output", "json", str(file)]
    completed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert not completed.stderr, completed.stderr
    reports = [json.loads(line) for line in completed.stdout.splitlines() if line.startswith("{")]
    return {report["line"] for report in reports if report["severity"] == "error"}


def pyright(file: Path) -> set[int]:
    """Return the lines in which pyright reports an error."""
    command = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable, str(file)]
    completed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    reports = json.loads(completed.stdout)["generalDiagnostics"]
    return {report["range"]["start"]["line"] + 1 for report in reports if report["severity"] == "error"}


@pytest.mark.parametrize("check", [mypy, pyright], ids=["mypy", "pyright"])
@pytest.mark.slow
def test_correct_program(check: object) -> None:
    """A correct program has no error, and the types that it asserts."""
    assert callable(check)
    assert check(HERE / "right.py") == set()


@pytest.mark.parametrize("check", [mypy, pyright], ids=["mypy", "pyright"])
@pytest.mark.slow
def test_incorrect_calls(check: object) -> None:
    """Every incorrect line is an error, and no other line is."""
    assert callable(check)
    file = HERE / "wrong.py"
    wrong = {number for number, line in enumerate(file.read_text().splitlines(), 1) if line.endswith("# wrong")}
    assert check(file) == wrong
