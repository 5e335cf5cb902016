"""Build the example program of each language, from Debian's and npm's packages only."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "build" / "polyglot"
DEBIAN_GO = Path("/usr/share/gocode")
DEBIAN_MAVEN = Path("/usr/share/maven-repo")
BUF = Path(sys.executable).with_name("buf")


@dataclass(frozen=True, slots=True)
class Language:
    """What the build needs, programs on the PATH and folders of installed packages, and the build itself."""

    needs: tuple[str, ...]
    build: Callable[[], list[str]]


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


def compile_googleapis(plugin: dict[str, str], output: Path, *paths: str) -> None:
    """Compile some of the googleapis files in the descriptor set, as Debian's package of them is too old."""
    template = json.dumps({"version": "v2", "plugins": [plugin]})
    only = [f"--path={path}" for path in paths]
    run(BUF, "generate", "generated/descriptors.binpb", *only, "--template", template, "--output", output)


def go() -> list[str]:
    """Build in a GOPATH, as Debian packages Go libraries."""
    source = BUILD / "go" / "src"
    shutil.rmtree(source, ignore_errors=True)
    for module, folder in (("go", "generated/go"), ("examples/go", "examples/go")):
        shutil.copytree(ROOT / folder, source / "genai-grpc.internal" / module)
    compile_googleapis(
        {"local": "protoc-gen-go", "out": "."}, source, "google/longrunning", "google/type/interval.proto"
    )
    path = os.pathsep.join([str(BUILD / "go"), str(DEBIAN_GO)])
    package = "genai-grpc.internal/examples/go"
    program = BUILD / "go" / "demo"
    run("go", "vet", package, GO111MODULE="off", GOPATH=path, GOFLAGS="")
    run("go", "build", "-o", program, package, GO111MODULE="off", GOPATH=path, GOFLAGS="")
    return [str(program)]


def typescript() -> list[str]:
    """Build with the TypeScript compiler, which also checks the types of the package."""
    example = ROOT / "examples" / "typescript"
    run("npm", "ci", "--silent", "--ignore-scripts", "--prefix", example)
    run("npm", "run", "--silent", "--prefix", example, "build")
    return ["node", str(example / "dist" / "main.js")]


def java() -> list[str]:
    """Build with Maven, which resolves all artefacts but one from Debian's repository."""
    shutil.rmtree(BUILD / "java" / "src", ignore_errors=True)
    folders = [f"google/{name}" for name in ("api", "longrunning", "rpc", "type")]
    compile_googleapis({"protoc_builtin": "java", "out": "."}, BUILD / "java" / "src", *folders)
    classpath = "org.apache.maven.plugins:maven-dependency-plugin:build-classpath"
    maven = ["mvn", "--quiet", "--offline", "--batch-mode", f"-Dmaven.repo.local={DEBIAN_MAVEN}"]
    run(*maven, "--file", "tests/polyglot/java", "compile", classpath, "-Dmdep.outputFile=target/classpath")
    target = ROOT / "examples" / "java" / "target"
    jars = (target / "classpath").read_text().strip()
    return ["java", "-classpath", os.pathsep.join([str(target / "classes"), jars]), "Demo"]


def cpp() -> list[str]:
    """Build with CMake, the package as a part of the program."""
    run("cmake", "-S", "examples/cpp", "-B", BUILD / "cpp")
    run("cmake", "--build", BUILD / "cpp", "--parallel", "2")
    return [str(BUILD / "cpp" / "demo")]


LANGUAGES = {
    "go": Language(("go", "protoc-gen-go", str(DEBIAN_GO / "src/google.golang.org/grpc")), go),
    "typescript": Language(("node", "npm"), typescript),
    "java": Language(("java", "javac", "mvn", "protoc", str(DEBIAN_MAVEN / "io/grpc/grpc-netty")), java),
    "cpp": Language(("cmake", "protoc", "grpc_cpp_plugin"), cpp),
}
