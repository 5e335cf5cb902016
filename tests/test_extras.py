"""What errors say to install is what is missing."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
# "... needs click: pip install 'genai-grpc[cli]'", "... is not installed; pip install 'genai-grpc[local]'"
HINT = re.compile(r"(?:needs? (\w+)|(\w+) is not installed)\b.*?pip install 'genai-grpc\[(\w+)\]'", re.IGNORECASE)


def hints() -> Iterator[tuple[str, str]]:
    """The packages that errors say are missing, each with the extra they name."""
    for path in sorted((ROOT / "genai_grpc").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Raise):
                texts = [each.value for each in ast.walk(node) if isinstance(each, ast.Constant)]
                for found in HINT.finditer("".join(text for text in texts if isinstance(text, str))):
                    yield (found[1] or found[2]).lower(), found[3]


def packages_of(extra: str) -> set[str]:
    """The packages of an extra, and of the extras that it includes."""
    packages = set()
    for requirement in EXTRAS[extra]:
        included = re.match(r"genai-grpc\[(.*)\]", requirement)
        if included is None:
            packages.add(re.match(r"[\w-]+", requirement)[0].lower())  # type: ignore[index]
        else:
            packages.update(*map(packages_of, included[1].split(",")))
    return packages


@pytest.mark.parametrize(("package", "extra"), sorted(set(hints())))
def test_extra_of_an_error(package: str, extra: str) -> None:
    """The extra that an error names installs the package that the error misses."""
    assert package in packages_of(extra)
