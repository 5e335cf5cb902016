"""The names and conversions of google.generativeai, compared with the package itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.installed.conftest import MakeVenv, Venv

pytestmark = [pytest.mark.venv, pytest.mark.libraries, pytest.mark.timeout(600)]

# Prints the public names by module: those that the package defines or re-exports, not what it imports from elsewhere.
NAMES = """
import importlib, inspect, json, pkgutil, sys

import google.generativeai as package

FOREIGN = [module for name, module in list(sys.modules.items()) if name.split(".")[0] in sys.stdlib_module_names]
FOREIGN.append(sys.modules["typing_extensions"])


def is_own(name, value):
    if inspect.ismodule(value):
        return value.__name__.startswith(package.__name__)
    return not any(getattr(module, name, None) is value for module in FOREIGN)


modules = [package]
for folder in (package, package.types):
    for _, name, is_package in pkgutil.iter_modules(folder.__path__, folder.__name__ + "."):
        if not is_package:
            modules.append(importlib.import_module(name))
modules.append(package.types)
print(json.dumps({
    module.__name__.removeprefix(package.__name__).removeprefix("."): sorted(
        name for name, value in vars(module).items() if not name.startswith("_") and is_own(name, value)
    )
    for module in modules
}))
"""

CONVERSIONS = """
from tests.generativeai.conversions import CONVERSIONS, result

for call, expected in CONVERSIONS.items():
    found = result(call, "google.generativeai")
    assert found == expected, (call, found, expected)
print(len(CONVERSIONS))
"""

ALIAS = """
import sys
import genai_grpc.as_google_generativeai
import google.generativeai as genai
from google.generativeai.types import content_types
from google.ai import generativelanguage as glm

assert genai.__file__ == genai_grpc.generativeai.__file__, genai.__file__
assert glm.__name__ == "google.ai.generativelanguage"
turn = glm.Content(role="model", parts=[glm.Part(text="hello")])
assert content_types.to_contents([turn])[0].parts[0].text == "hello"
"""

TOO_LATE = """
import google.generativeai
try:
    import genai_grpc.as_google_generativeai
except ImportError as error:
    print(error)
"""


@pytest.fixture(scope="module")
def venv(repository: Path, make_venv: MakeVenv) -> Venv:
    """A virtual environment with both packages."""
    return make_venv(str(repository), "google-generativeai==0.8.6")


def test_names(venv: Venv, repository: Path) -> None:
    """The list of names is that of the installed package."""
    listed = json.loads((repository / "tests/generativeai/names_0_8_6.json").read_text())
    assert {name: names.split() for name, names in listed.items()} == json.loads(venv.run("-W", "ignore", "-c", NAMES))


def test_conversions(venv: Venv, repository: Path) -> None:
    """The results that the conversions are tested for are those of the installed package."""
    assert int(venv.run("-W", "ignore", "-c", CONVERSIONS, PYTHONPATH=str(repository))) > 80


def test_alias(venv: Venv) -> None:
    """`google.generativeai` is this package although the other is installed; `google.ai.generativelanguage` is not."""
    venv.run("-W", "ignore", "-c", ALIAS)


def test_alias_after_the_package(venv: Venv) -> None:
    """After the other package was imported, the alias is refused, and the error says where that was found."""
    printed = venv.run("-W", "ignore", "-c", TOO_LATE)
    assert printed.startswith(f"google.generativeai has been imported already, from {venv.folder}")
