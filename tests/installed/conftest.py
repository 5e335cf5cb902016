"""Virtual environments for tests that depend on what else is installed."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    MakeVenv = Callable[..., "Venv"]


@dataclass(frozen=True, slots=True)
class Venv:
    """A virtual environment in which to run Python."""

    folder: Path

    def run(self, *arguments: str, **environment: str) -> str:
        """Return the output of `python *arguments`, run outside the repository; fail the test if it fails."""
        python = self.folder / "bin" / "python"
        # Without PYTHONPATH and the like, only installed packages are found.
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        completed = subprocess.run(
            [python, *arguments],
            check=False,
            capture_output=True,
            text=True,
            cwd=self.folder,
            env=inherited | environment,
        )
        assert completed.returncode == 0, f"{completed.stdout}\n{completed.stderr}"
        return completed.stdout


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the repository."""
    return Path(__file__).parents[2]


@pytest.fixture(scope="session")
def make_venv(tmp_path_factory: pytest.TempPathFactory) -> MakeVenv:
    """Create a virtual environment with these requirements, as pip resolves them."""

    def make(*requirements: str) -> Venv:
        venv = Venv(tmp_path_factory.mktemp("venv"))
        subprocess.run([sys.executable, "-m", "venv", venv.folder], check=True)
        venv.run("-m", "pip", "install", "--quiet", *requirements)
        return venv

    return make
