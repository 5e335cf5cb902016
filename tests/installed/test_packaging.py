"""The wheel and the sdist."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from pathlib import PurePath
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.installed.conftest import MakeVenv

pytestmark = [pytest.mark.venv, pytest.mark.slow, pytest.mark.timeout(600)]

ANSWER = """
import genai_grpc as genai
from genai_grpc import local

script = local.ScriptEngine()
with local.serve(script) as server:
    script.reply("hello")
    genai.configure(client_options={"api_endpoint": server.endpoint})
    print(genai.GenerativeModel("gemini-pro").generate_content("hi").text)
"""


@pytest.fixture(scope="session")
def dist(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the sdist, and the wheel built from that sdist."""
    folder = tmp_path_factory.mktemp("dist")
    build: list[str | Path] = [sys.executable, "-m", "build", "--outdir", folder, repository]
    completed = subprocess.run(build, check=False, capture_output=True, text=True)
    assert completed.returncode == 0, f"{completed.stdout}\n{completed.stderr}"
    return folder


@pytest.fixture(scope="session")
def wheel(dist: Path) -> Path:
    """The wheel in `dist`."""
    [wheel] = dist.glob("*.whl")
    return wheel


def test_wheel_has_only_our_names(wheel: Path) -> None:
    """The wheel has our two packages and their metadata at the top, and nothing named google at any depth."""
    files = [PurePath(name) for name in zipfile.ZipFile(wheel).namelist()]
    metadata = "-".join([*wheel.name.split("-")[:2]]) + ".dist-info"
    assert {file.parts[0] for file in files} == {"genai_grpc", "genai_grpc_protos", metadata}
    assert not [file for file in files if "google" in file.parts]


@pytest.mark.parametrize(
    "file",
    [
        "genai_grpc/py.typed",
        "genai_grpc_protos/py.typed",
        "genai_grpc_protos/descriptors.binpb",
        "genai_grpc_protos/aiplatform_v1/descriptors.binpb",
    ],
)
def test_wheel_has_types_and_descriptors(wheel: Path, file: str) -> None:
    """The wheel has the markers for type checkers, and the descriptor sets that the stubs load."""
    assert file in zipfile.ZipFile(wheel).namelist()


def test_sdist_has_the_sources(dist: Path) -> None:
    """The sdist has the protos, their compiler script and the compiled code."""
    [sdist] = dist.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"LICENSE", "pyproject.toml", "protos/generate.py", "generated/descriptors.binpb"} <= names


def test_wheel_runs_in_empty_environment(wheel: Path, make_venv: MakeVenv) -> None:
    """With only the `server` extra, the embedded server answers the client, without a warning."""
    venv = make_venv(f"{wheel}[server]")
    assert venv.run("-W", "error", "-c", ANSWER) == "hello\n"
