"""Virtual environments of their own, for what depends on what else is installed."""

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
        """What `python *arguments` prints, run away from the repository; its errors fail the test."""
        python = self.folder / "bin" / "python"
        # Only what is installed may be found.
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        done = subprocess.run(
            [python, *arguments],
            check=False,
            capture_output=True,
            text=True,
            cwd=self.folder,
            env=inherited | environment,
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout


@pytest.fixture(scope="session")
def repository() -> Path:
    """The repository that these tests are in."""
    return Path(__file__).parents[2]


@pytest.fixture(scope="session")
def make_venv(tmp_path_factory: pytest.TempPathFactory) -> MakeVenv:
    """Make a virtual environment with these requirements, as pip resolves them."""

    def make(*requirements: str) -> Venv:
        venv = Venv(tmp_path_factory.mktemp("venv"))
        subprocess.run([sys.executable, "-m", "venv", venv.folder], check=True)
        venv.run("-m", "pip", "install", "--quiet", *requirements)
        return venv

    return make
