"""Every public name of google.generativeai 0.8.6 is here, or its absence has a reason."""

from __future__ import annotations

import importlib
import inspect
import json
from pathlib import Path
from typing import Any, Final

import pytest

import genai_grpc
from genai_grpc import types
from genai_grpc.generativeai import _missing

# The public names by module, as tests/installed/test_names.py reads them from the installed package.
NAMES: Final[dict[str, list[str]]] = {
    module: names.split()
    for module, names in json.loads(Path(__file__).with_name("names_0_8_6.json").read_text()).items()
}
# Modules that are missing: it edits docstrings.
MISSING_MODULES: Final = {"string_utils"}
MODULES: Final = [module for module in NAMES if module not in MISSING_MODULES]
# Names with an underscore that programs use all the same.
PRIVATE: Final = {
    "client": ["_ClientManager", "_client_manager"],
    "types.content_types": ["_make_function_declaration", "_make_tool", "_schema_for_class"],
}


def module_of(name: str) -> Any:
    return importlib.import_module(".".join(filter(None, ("genai_grpc.generativeai", name))))


@pytest.mark.parametrize("module", MODULES)
def test_names_of_a_module(module: str) -> None:
    """A module has the names of the old one; an access to a missing one says where to go."""
    for name in NAMES[module] + PRIVATE.get(module, []):
        if name in _missing.REASONS:
            with pytest.raises(AttributeError, match=rf"has no attribute '{name}'; {_missing.REASONS[name]}"):
                getattr(module_of(module), name)
        else:
            assert getattr(module_of(module), name) is not None


@pytest.mark.parametrize("module", MODULES)
def test_star_import(module: str) -> None:
    """`from module import *` binds the names that programs may then use."""
    namespace: dict[str, Any] = {}
    exec(f"from {module_of(module).__name__} import *", namespace)  # noqa: S102 -- our own text
    others = {name for name in NAMES[module] if inspect.ismodule(getattr(module_of(module), name, None))}
    assert set(NAMES[module]) - others - set(_missing.REASONS) <= set(namespace)


def test_each_reason_is_of_a_missing_name() -> None:
    """Reasons are given for names that the old package has, and for no others."""
    assert set(_missing.REASONS) <= {name for names in NAMES.values() for name in names}


def test_unknown_name() -> None:
    """An unknown name is an ordinary AttributeError."""
    with pytest.raises(
        AttributeError, match=r"^module 'genai_grpc.generativeai.files' has no attribute 'uplaod_file'$"
    ):
        module_of("files").uplaod_file  # noqa: B018 -- the access raises


def test_names_of_the_package() -> None:
    """`genai_grpc` has the functions and classes itself; its error about an old module says where that is."""
    for name in NAMES[""]:
        if name not in NAMES:
            assert getattr(genai_grpc, name) is getattr(module_of(""), name)
        elif name not in genai_grpc.__all__:
            with pytest.raises(AttributeError, match="are in genai_grpc.generativeai$"):
                getattr(genai_grpc, name)


def test_types() -> None:
    """`genai_grpc.types` has the names of the old `types`, and its modules."""
    for name in NAMES["types"]:
        assert getattr(types, name) is not None
    assert importlib.import_module("genai_grpc.types.content_types") is types.content_types
    assert types.content_types.to_contents is module_of("types.content_types").to_contents
