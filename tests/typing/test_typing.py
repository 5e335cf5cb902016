"""What type checkers see of the package."""

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
    """The lines in which mypy finds an error."""
    command = [sys.executable, "-m", "mypy", "--config-file", "pyproject.toml", "--output", "json", str(file)]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert not found.stderr, found.stderr
    reports = [json.loads(line) for line in found.stdout.splitlines() if line.startswith("{")]
    return {report["line"] for report in reports if report["severity"] == "error"}


def pyright(file: Path) -> set[int]:
    """The lines in which pyright finds an error."""
    command = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable, str(file)]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    reports = json.loads(found.stdout)["generalDiagnostics"]
    return {report["range"]["start"]["line"] + 1 for report in reports if report["severity"] == "error"}


@pytest.mark.parametrize("check", [mypy, pyright], ids=["mypy", "pyright"])
def test_a_right_program(check: object) -> None:
    """A right program has the types that it says, with no error."""
    assert callable(check)
    assert check(HERE / "right.py") == set()


@pytest.mark.parametrize("check", [mypy, pyright], ids=["mypy", "pyright"])
def test_wrong_programs(check: object) -> None:
    """Every wrong line is an error, and no other line is."""
    assert callable(check)
    file = HERE / "wrong.py"
    wrong = {number for number, line in enumerate(file.read_text().splitlines(), 1) if line.endswith("# wrong")}
    assert check(file) == wrong
