"""The reference of the site describes every public name."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import genai_grpc
from genai_grpc_protos import aiplatform_v1, v1beta

sys.path.append(str(Path(__file__).parents[2] / "docs" / "_site"))

# Modules of the site generator's folder, which is on the path of its hooks only.
messages: Any = importlib.import_module("messages")
reference: Any = importlib.import_module("reference")
sources: Any = importlib.import_module("sources")

# Those that programs import from: the others are parts of a package, or have no names.
MODULES = [
    name
    for name in ("genai_grpc", *(each.name for each in pkgutil.walk_packages(genai_grpc.__path__, "genai_grpc.")))
    if not any(part.startswith("_") for part in name.split("."))
    and not name.startswith(reference.PARTS)
    and name not in (*reference.WITHOUT_NAMES, "genai_grpc.protos", "genai_grpc.generativeai.protos")
]
PAGES = {page.module.name: page for page in reference.pages()}


@pytest.mark.parametrize("name", MODULES)
def test_module(name: str) -> None:
    """The reference has the names of a module that its `__all__` has."""
    names = set(getattr(importlib.import_module(name), "__all__", ()))
    if page := PAGES.get(name):
        assert {*page.described, *page.linked} == names
    else:
        old = name.replace("genai_grpc.types.", "genai_grpc.generativeai.types.")
        assert old.startswith(reference.OLD), f"the reference has no page for {name}"
        assert {each for each in names if f'id="{old}.{each}"' not in reference.old_names()} == set()


@pytest.mark.parametrize("name", PAGES)
def test_summaries(name: str) -> None:
    """Functions, classes and modules have a line of description, in the tables too."""
    page, module = PAGES[name], importlib.import_module(name)
    places = {each: f"{name}.{each}" for each in page.described} | page.linked
    described = {each: place for each, place in places.items() if callable(getattr(module, each)) and each[0] != "_"}
    aliases = {each for each in described if type(getattr(module, each)).__module__ == "typing"}
    blank = [each for each in described if not sources.summary(reference.owner_origin(places[each]))]
    assert [each for each in blank if each not in aliases] == []


def test_each_name_is_described_once() -> None:
    """A name is described on one page; where a page only links to it, the other page is there."""
    described = [f"{name}.{each}" for name, page in PAGES.items() for each in page.described]
    assert [name for name, times in Counter(described).items() if times > 1] == []
    targets = {*described, *PAGES, reference.MESSAGES}
    assert {owner for page in PAGES.values() for owner in page.linked.values()} - targets == set()


@pytest.mark.parametrize("module", [v1beta, aiplatform_v1])
def test_messages(module: Any) -> None:
    """Each message and enum has a heading, a comment, and a comment for each field or value."""
    package, names = module.__name__, module.__all__
    pages = messages.pages(package)
    assert sorted(name for page in pages for name in page.names) == sorted(names)
    for page in pages:
        assert [name for name in page.names if f"## {name} {{#{package}.{name}}}" not in page.text] == []
        assert [line for line in page.text.splitlines() if line.endswith("|  |")] == []
