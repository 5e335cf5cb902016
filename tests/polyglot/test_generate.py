"""`make generate`, run in a copy of its inputs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.polyglot.builds import ROOT, require

pytestmark = [pytest.mark.polyglot, pytest.mark.timeout(300)]

FIELD = "\n  // A field added by this test.\n  string proof_of_reach = 1000;\n}\n"
# The file with the new field of CitationSource in each language, and the field's declaration.
EXPECTED = {
    "python": ("python/genai_grpc_protos/v1beta/citation_pb2.pyi", r"proof_of_reach: builtins\.str"),
    "go": ("go/v1beta/generativelanguagepb/citation.pb.go", r"ProofOfReach +string"),
    "typescript": ("typescript/google/ai/generativelanguage/v1beta/citation_pb.d.ts", r"proofOfReach: string;"),
    "java": ("java/src/main/java/genaigrpc/v1beta/CitationSource.java", r"public java\.lang\.String getProofOfReach\("),
    "cpp": ("cpp/google/ai/generativelanguage/v1beta/citation.pb.h", r"const std::string& proof_of_reach\(\) const;"),
}
NEEDS = {
    "python": (),
    "go": ("protoc-gen-go", "protoc-gen-go-grpc"),
    "typescript": ("npm",),
    "java": ("protoc", "grpc_java_plugin"),
    "cpp": ("protoc", "grpc_cpp_plugin"),
}


def make_generate(folder: Path, **environment: str) -> str:
    """Run `make generate` in `folder`, on a copy of the protos with a new field; return its output."""
    shutil.copytree(ROOT / "protos", folder / "protos", dirs_exist_ok=True)
    for name in ("Makefile", "buf.yaml"):
        shutil.copy2(ROOT / name, folder)
    (folder / ".venv-generate").symlink_to(ROOT / ".venv-generate")
    for name in ("go", "typescript", "java", "cpp"):
        (folder / "generated" / name).mkdir(parents=True)
        shutil.copy2(ROOT / "generated" / name / "buf.gen.yaml", folder / "generated" / name)
    typescript = Path("generated", "typescript")
    shutil.copy2(ROOT / typescript / "package-lock.json", folder / typescript)
    (folder / typescript / "node_modules").symlink_to(ROOT / typescript / "node_modules")
    citation = folder / "protos/google/ai/generativelanguage/v1beta/citation.proto"
    citation.write_text(citation.read_text().rstrip().removesuffix("}").rstrip() + "\n" + FIELD)
    completed = subprocess.run(
        ["make", "generate"],  # noqa: S607 -- the make on the PATH
        check=False,
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, **environment},
    )
    assert completed.returncode == 0, f"{completed.stdout}\n{completed.stderr}"
    return completed.stdout


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that `make generate` writes for protos in which one message has a new field."""
    folder = tmp_path_factory.mktemp("copy")
    make_generate(folder)
    return folder / "generated"


@pytest.mark.parametrize("language", EXPECTED)
def test_new_field_in_every_language(language: str, generated: Path) -> None:
    """A field added to a proto is in the code of every language after one `make generate`."""
    require(language, NEEDS[language])
    file, declaration = EXPECTED[language]

    assert re.search(declaration, (generated / file).read_text())


def test_unusable_plugins_are_skipped(tmp_path: Path) -> None:
    """A language is skipped, with a message, if its plugin is missing or not of the version of its committed code."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("env", "make", "node", "sh", "touch"):
        if found := shutil.which(name):
            (programs / name).symlink_to(found)
    if real := shutil.which("protoc-gen-go"):
        (programs / "protoc-gen-go").write_text(f"#!/bin/sh\n{real} | {shutil.which('sed')} s/v1.28.1/v9.99.9/\n")
        (programs / "protoc-gen-go").chmod(0o755)
        (programs / "protoc-gen-go-grpc").symlink_to(shutil.which("protoc-gen-go-grpc") or "")
    output = make_generate(tmp_path, PATH=str(programs))

    assert "java: skipped, protoc and grpc_java_plugin not installed (make toolchains)" in output
    assert "cpp: skipped, protoc and grpc_cpp_plugin not installed (make toolchains)" in output
    assert "go: skipped, " in output
    if real:
        assert "the committed code needs protoc-gen-go v1.28.1" in output
    assert not (tmp_path / "generated" / "go" / "v1beta").exists()
