"""Published libraries for google.generativeai do their jobs on this package, and send and return the same.

Each job runs on the predecessor, on this package under its alias, and on it beside Google's lower-level package; in an
environment of its own, against the local server over TLS, with the same replies.
"""

from __future__ import annotations

import json
import os
import subprocess
from contextlib import ExitStack
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from genai_grpc.local import ScriptEngine, serve
from genai_grpc.testing import CertificateAuthority
from tests.installed.differential.runs import Program, Run, describe
from tests.libraries.differences import DIFFERENCES, normalise
from tests.libraries.environments import LIBRARIES, PACKAGES, folder_of, interpreter_of
from tests.libraries.replies import REPLIES, Reply

if TYPE_CHECKING:
    from collections.abc import Callable

    from genai_grpc.local.server import Server

    RunLibrary = Callable[[str], dict[str, dict[str, Run]]]

pytestmark = [pytest.mark.libraries, pytest.mark.venv, pytest.mark.timeout(600)]

RUN: Final = Path(__file__).with_name("programs") / "run.py"
KEY: Final = "right-key"
PREDECESSOR, *OURS = PACKAGES
PROGRAMS: Final = {library: library.replace("-", "_") for library in LIBRARIES} | dict.fromkeys(
    ("instructor", "instructor-1.14"), "instructor_from_gemini"
)
# This release gives pydantic the arguments of a call as they are, and those of the predecessor are no dict.
BROKEN_ON_PREDECESSOR: Final = {("instructor", job) for job in ("tools", "retry_tools", "stream_tools", "async_tools")}
JOBS: Final = [
    (library, job)
    for library, program in PROGRAMS.items()
    for job in REPLIES[program]
    if (library, job) not in BROKEN_ON_PREDECESSOR
]
# Libraries that report home, or write into the home of the user, unless told otherwise.
SETTINGS: Final = {"HAYSTACK_TELEMETRY_ENABLED": "False", "MEM0_TELEMETRY": "False", "PHI_MONITORING": "false"}


class JobRun(Run):
    """What a job sent, yielded and raised."""

    def lines(self) -> list[str]:
        """Everything that is compared, line by line."""
        sent = Run(self.requests, [], None).lines()
        return [*sent, *json.dumps(self.observed, indent=1, sort_keys=True).splitlines()]


@dataclass
class Process:
    """A program that runs, and the engines that reply to its jobs."""

    process: subprocess.Popen[str]
    engines: dict[str, ScriptEngine]
    output: Path

    def wait(self) -> dict[str, Run]:
        """Return the run of each job; of those that a failed program did not reach, its errors."""
        errors, _ = self.process.communicate()
        written = self.output.read_text() if self.output.exists() else ""
        transcripts = {line["job"]: line["transcript"] for line in map(json.loads, written.splitlines())}
        return {
            job: JobRun(
                [*script.requests, *script.embed_requests],
                transcripts.get(job, ["not run", *errors.splitlines()]),
                None,
            )
            for job, script in self.engines.items()
        }


@pytest.fixture(scope="module")
def interpreters() -> dict[str, Path]:
    """The interpreter of each package."""
    return {package: interpreter_of(package) for package in PACKAGES}


@pytest.fixture(scope="module")
def run_library(interpreters: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> RunLibrary:
    """Run all jobs of a library once with each package; the runs by package and job."""
    authority = CertificateAuthority()

    def start(library: str, package: str, server: Server, engines: dict[str, ScriptEngine]) -> Process:
        home = tmp_path_factory.mktemp("home")
        (home / "root.pem").write_bytes(authority.root)
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "PYTHONPATH": str(folder_of(library)),
            "PACKAGE": package.partition("+")[0],
            "GENAI_GRPC_ENDPOINT": server.endpoint,
            "GOOGLE_API_KEY": KEY,
            "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": str(home / "root.pem"),
        }
        command: list[str | Path] = [interpreters[package], RUN, PROGRAMS[library], home / "output.jsonl"]
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=home,
            env=environment | SETTINGS,
        )
        return Process(process, engines, home / "output.jsonl")

    @cache
    def run(library: str) -> dict[str, dict[str, Run]]:
        with ExitStack() as servers:
            processes = {}
            for package in PACKAGES:
                # A model for each job, so that a job that fails leaves its replies to no other.
                engines = {job: engine(job, replies) for job, replies in REPLIES[PROGRAMS[library]].items()}
                server = serve(*engines.values(), credentials=authority.server(), api_key=KEY)
                server.start()
                servers.callback(server.stop)
                processes[package] = start(library, package, server, engines)
            return {package: process.wait() for package, process in processes.items()}

    return run


def engine(job: str, replies: list[Reply]) -> ScriptEngine:
    """An engine with the replies to a job, whose name is that of its model."""
    script = ScriptEngine(name=job)
    for reply in replies:
        script.reply(*(reply if isinstance(reply, tuple) else (reply,)))
    return script


@pytest.mark.parametrize("package", OURS)
@pytest.mark.parametrize(("library", "job"), JOBS)
def test_job(run_library: RunLibrary, library: str, job: str, package: str) -> None:
    """A job sends and returns what it does on the predecessor, except for the listed differences."""
    program = _program(run_library, library, job, package)
    normalise(program)
    assert program.theirs.lines() == program.ours.lines(), describe(program)


@pytest.mark.parametrize("library", LIBRARIES)
def test_jobs_end_well_on_the_predecessor(run_library: RunLibrary, library: str) -> None:
    """No job ends with an exception on the predecessor, except the one that the model stops for safety."""
    runs = run_library(library)[PREDECESSOR]
    raised = {job for name, job in JOBS if name == library and any(map(_is_exception, runs[job].observed))}
    assert raised <= {"stopped_by_safety"}


def test_differences_occur(run_library: RunLibrary) -> None:
    """Each listed difference occurs in some job."""
    programs = [_program(run_library, *job, package) for job in JOBS for package in OURS]
    applied = set[str]().union(*map(normalise, programs))
    assert applied == {difference.__name__ for difference in DIFFERENCES}


def _program(run_library: RunLibrary, library: str, job: str, package: str) -> Program:
    """A job as a program with two runs, which the differences may edit."""
    runs = run_library(library)
    theirs, ours = deepcopy((runs[PREDECESSOR][job], runs[package][job]))
    return Program(library, job, theirs, ours)


def _is_exception(item: object) -> bool:
    return isinstance(item, dict) and "raised" in item
