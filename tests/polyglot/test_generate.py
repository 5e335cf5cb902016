"""`make generate`, run for real in a copy of what it stands on."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.polyglot.builds import ROOT, need

pytestmark = [pytest.mark.polyglot, pytest.mark.timeout(300)]

FIELD = "\n  // What this test adds.\n  string proof_of_reach = 1000;\n}\n"
# Where the new field of CitationSource is found, in each language's words.
REACHED = {
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
    """What `make generate` prints, in a copy of the repository's protos in `folder`."""
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
    done = subprocess.run(
        ["make", "generate"],  # noqa: S607 -- make of this machine
        check=False,
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `make generate` writes for protos in which one message has a new field."""
    folder = tmp_path_factory.mktemp("copy")
    make_generate(folder)
    return folder / "generated"


@pytest.mark.parametrize("language", REACHED)
def test_a_new_field_reaches_every_language(language: str, generated: Path) -> None:
    """A field that is added to a proto is in the code of every language after one `make generate`."""
    need(language, NEEDS[language])
    file, words = REACHED[language]

    assert re.search(words, (generated / file).read_text())


def test_other_plugins_are_skipped_by_name(tmp_path: Path) -> None:
    """A language is skipped by name where its plugin is missing, or of another version than its committed code."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("env", "make", "node", "sh", "touch"):
        if found := shutil.which(name):
            (programs / name).symlink_to(found)
    if real := shutil.which("protoc-gen-go"):
        (programs / "protoc-gen-go").write_text(f"#!/bin/sh\n{real} | {shutil.which('sed')} s/v1.28.1/v9.99.9/\n")
        (programs / "protoc-gen-go").chmod(0o755)
        (programs / "protoc-gen-go-grpc").symlink_to(shutil.which("protoc-gen-go-grpc") or "")
    said = make_generate(tmp_path, PATH=str(programs))

    assert "java: skipped, without protoc and grpc_java_plugin (make toolchains)" in said
    assert "cpp: skipped, without protoc and grpc_cpp_plugin (make toolchains)" in said
    assert "go: skipped, " in said
    if real:
        assert "as the committed code is of protoc-gen-go v1.28.1" in said
    assert not (tmp_path / "generated" / "go" / "v1beta").exists()
