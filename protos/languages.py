"""Compile the protos for Go, TypeScript, Java and C++ with `buf generate` and the plugins installed here.

The plugins and options of a language are in `generated/<language>/buf.gen.yaml`. A language whose plugins are missing,
or have another version than its committed code, is skipped with a message: `make toolchains` installs them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent
GENERATED: Final = ROOT / "generated"
NODE_PROGRAMS: Final = GENERATED / "typescript" / "node_modules" / ".bin"
# The parts of googleapis that our files import and that error details consist of.
GOOGLEAPIS: Final = ("api", "longrunning", "rpc", "type")


@dataclass(frozen=True, slots=True)
class Language:
    """How a language is generated.

    Attributes:
        name: Its folder in `generated/`.
        code: The folders within it that hold the code, and nothing else.
        programs: The plugins and compilers that `buf generate` runs.
        version: The plugin's name and version as its files state them; only for code that is committed.
        googleapis: Whether to generate the google/api, rpc, type and longrunning code too, which no package has.
    """

    name: str
    code: tuple[str, ...]
    programs: tuple[str, ...]
    version: str = ""
    googleapis: bool = False


LANGUAGES: Final = (
    Language("go", ("aiplatform", "v1beta"), ("protoc-gen-go", "protoc-gen-go-grpc"), version="protoc-gen-go v1.28.1"),
    Language("typescript", ("google",), ("protoc-gen-es",), version="protoc-gen-es v2.13.0", googleapis=True),
    Language("java", ("src",), ("protoc", "grpc_java_plugin")),
    Language("cpp", ("google",), ("protoc", "grpc_cpp_plugin"), googleapis=True),
)
# The folders of `generated/` whose code is committed; the others are compiled on demand.
COMMITTED: Final = tuple(f"{each.name}/{folder}" for each in LANGUAGES if each.version for folder in each.code)


def generate(output: Path) -> None:
    """Write the code of each language whose programs are installed into `output`, which has the descriptor set.

    The googleapis protos are in `build/googleapis`, which buf.yaml names.
    """
    path = os.pathsep.join([str(NODE_PROGRAMS), os.environ.get("PATH", os.defpath)])
    for language in LANGUAGES:
        if missing := [program for program in language.programs if not shutil.which(program, path=path)]:
            print(f"  {language.name}: skipped, {' and '.join(missing)} not installed (make toolchains)")
            continue
        with tempfile.TemporaryDirectory() as folder:
            compile_into(Path(folder), language, output / "descriptors.binpb", path)
            files = contents(Path(folder), language.code)
            if not any(language.version.encode() in content for content in files.values()):
                print(f"  {language.name}: skipped, the committed code needs {language.version} (make toolchains)")
                continue
            package = output / language.name
            if files != contents(package, language.code):  # otherwise the files keep their times: nothing is rebuilt
                for code in language.code:
                    shutil.rmtree(package / code, ignore_errors=True)
                    shutil.copytree(Path(folder) / code, package / code)
            print(f"  {language.name}: {len(files)} files, {sum(map(len, files.values())) / 1e6:.1f} MB")


def contents(package: Path, folders: tuple[str, ...]) -> dict[Path, bytes]:
    """Return the contents of the files in these folders of a package, by their paths in it."""
    files = [file for folder in folders for file in (package / folder).rglob("*") if file.is_file()]
    return {file.relative_to(package): file.read_bytes() for file in files}


def compile_into(folder: Path, language: Language, descriptors: Path, path: str) -> None:
    """Run `buf generate` for our protos and, if the language has no package of it, for googleapis.

    The latter is compiled from the descriptor set, which has no comments.
    """
    template = str(GENERATED / language.name / "buf.gen.yaml")
    run = [str(Path(sys.executable).with_name("buf")), "generate", "--template", template, "--output", str(folder)]
    inputs = [["protos"]]
    if language.googleapis:
        inputs.append([str(descriptors.resolve()), *(f"--path=google/{name}" for name in GOOGLEAPIS)])
    for arguments in inputs:
        # buf and the plugins print their own errors.
        if subprocess.run([*run, *arguments], cwd=ROOT, env={**os.environ, "PATH": path}, check=False).returncode:  # noqa: S603 -- our own arguments
            sys.exit(f"buf generate failed for {language.name}: see its messages above")
