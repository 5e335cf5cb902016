"""The packages of other languages in `generated/` agree with the project."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from genai_grpc import __version__

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("language", ["go", "typescript", "java", "cpp"])
def test_licence(language: str) -> None:
    """Each package contains the licence of the project, and a README."""
    package = ROOT / "generated" / language
    assert (package / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
    assert (package / "README.md").is_file()


def test_versions() -> None:
    """Packages with a version have the project's version."""
    generated = ROOT / "generated"
    assert json.loads((generated / "typescript/package.json").read_text())["version"] == __version__
    assert f"<version>{__version__}</version>" in (generated / "java/pom.xml").read_text()
    assert f"(genai_grpc_protos VERSION {__version__} " in (generated / "cpp/CMakeLists.txt").read_text()


@pytest.mark.parametrize(
    ("folder", "go_package", "java_package"),
    [
        (
            "google/ai/generativelanguage/v1beta",
            "genai-grpc.internal/go/v1beta/generativelanguagepb",
            "genaigrpc.v1beta",
        ),
        (
            "google/cloud/aiplatform/v1",
            "genai-grpc.internal/go/aiplatform/v1/aiplatformpb",
            "genaigrpc.aiplatform.v1",
        ),
    ],
)
def test_names_in_other_languages(folder: str, go_package: str, java_package: str) -> None:
    """Every proto of a package has the same Go and Java packages, and a Java outer class of its own."""
    protos = sorted((ROOT / "protos" / folder).glob("*.proto"))
    assert protos
    options = [dict(re.findall(r'^option (\w+) = "?([^";]+)"?;$', proto.read_text(), re.MULTILINE)) for proto in protos]
    assert {option.pop("go_package") for option in options} == {go_package}
    assert {option.pop("java_package") for option in options} == {java_package}
    assert len({option.pop("java_outer_classname") for option in options}) == len(protos)
