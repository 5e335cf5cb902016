"""Build the example program of each language as examples/README.md says, from Debian's and npm's packages only."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "build" / "polyglot"
DEBIAN_GO = Path("/usr/share/gocode")
DEBIAN_MAVEN = Path("/usr/share/maven-repo")
BUF = Path(sys.executable).with_name("buf")


@dataclass(frozen=True, slots=True)
class Language:
    """Its section in examples/README.md, and what the build needs: programs on the PATH and folders of packages."""

    heading: str
    needs: tuple[str, ...]

    def build(self) -> list[str]:
        """Build the example program; return the command that runs it."""
        return build_as_printed(self.heading)


def require(name: str, needs: Iterable[str]) -> None:
    """Skip the test if something that it needs is not installed; fail it if POLYGLOT_REQUIRED lists `name`."""
    missing = [need for need in needs if not (Path(need).exists() if "/" in need else shutil.which(need))]
    if missing:
        reason = f"{name}: {', '.join(missing)} not installed (make toolchains)"
        if name in os.environ.get("POLYGLOT_REQUIRED", "").split():
            pytest.fail(reason)
        pytest.skip(reason)


def run(*command: str | Path, **environment: str) -> str:
    """Return the output of a command that must succeed."""
    completed = subprocess.run(
        command, check=False, capture_output=True, text=True, cwd=ROOT, env={**os.environ, **environment}
    )
    assert completed.returncode == 0, f"{completed.stdout}\n{completed.stderr}"
    return completed.stdout


def printed_commands(page: str, heading: str | None = None) -> list[str]:
    """The commands that a page prints, or a section of it, but for those that install or generate."""
    text = (ROOT / page).read_text()
    if heading is not None:
        text = text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    blocks = re.findall(r"^```console\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    commands = [line.removeprefix("$ ") for block in blocks for line in block.splitlines()]
    return [command for command in commands if not command.startswith(("make toolchains", "make generate"))]


def bash(commands: Iterable[str], folder: Path = ROOT) -> str:
    """Run commands in one shell, up to the first that fails."""
    return run("bash", "-euc", f"cd {folder}\n" + "\n".join(commands))


def build_as_printed(heading: str) -> list[str]:
    """Run the commands of examples/README.md but the last, which runs the program; return that, without its model."""
    *build, program = printed_commands("examples/README.md", heading)
    bash(build)
    return ["bash", "-c", program.removesuffix(" models/gemini-pro") + ' "$@"', "bash"]


LANGUAGES = {
    "go": Language("Go", ("go", "protoc", "protoc-gen-go", str(DEBIAN_GO / "src/google.golang.org/grpc"))),
    "typescript": Language("TypeScript", ("node", "npm")),
    "java": Language("Java", ("java", "javac", "mvn", "protoc", str(DEBIAN_MAVEN / "io/grpc/grpc-netty"))),
    "cpp": Language("C++", ("cmake", "protoc", "grpc_cpp_plugin")),
}
