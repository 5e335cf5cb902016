from __future__ import annotations

import importlib
import inspect
import json
import os
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from google.protobuf.internal import api_implementation

import genai_grpc

MODULES = sorted(
    name for _, name, _ in pkgutil.walk_packages(genai_grpc.__path__, "genai_grpc.") if not name.endswith("__main__")
)


# Those that a program imports from; test_documents.py runs their examples.
PUBLIC = (
    "genai_grpc",
    *(f"genai_grpc.{name}" for name in ("caching", "errors", "local", "models", "responses", "types")),
)


def _constants_classes_functions(name: str) -> tuple[bool, bool, str]:
    """The order of names: that of ruff's RUF022."""
    return not name.isupper(), not name[0].isupper(), name


def test_names() -> None:
    """The package's names are sorted, and each is there."""
    assert genai_grpc.__all__ == sorted(genai_grpc.__all__, key=_constants_classes_functions)
    for name in genai_grpc.__all__:
        assert getattr(genai_grpc, name) is not None


def test_names_of_the_contract() -> None:
    """The names of the old package that this one serves so far are there."""
    assert {"configure", "GenerativeModel", "ChatSession", "GenerationConfig", "list_models", "get_model"} <= {
        *genai_grpc.__all__
    }
    assert {"protos", "types"} <= {*genai_grpc.__all__}


@pytest.mark.parametrize("name", MODULES)
def test_modules(name: str) -> None:
    """A module that others may import from lists its names, sorted, and each is there."""
    module = importlib.import_module(name)
    names = getattr(module, "__all__", None)
    if names is None:
        assert module.__doc__, "a module without names says at least what its package is"
        assert not [
            found
            for found, value in vars(module).items()
            if getattr(value, "__module__", None) == name and not found.startswith("_")
        ]
        return
    assert list(names) == sorted(names, key=_constants_classes_functions)
    assert [each for each in names if not hasattr(module, each)] == []


def documented() -> Iterator[tuple[str, Any]]:
    """The public classes, functions and modules, by where they are found."""
    for module in map(importlib.import_module, PUBLIC):
        for name in module.__all__:
            value = getattr(module, name)
            if inspect.isclass(value) or inspect.isfunction(value) or inspect.ismodule(value):
                yield f"{module.__name__}.{name}", value


@pytest.mark.parametrize(("name", "value"), [pytest.param(*pair, id=pair[0]) for pair in documented()])
def test_docstrings(name: str, value: Any) -> None:
    """A public name shows itself at work, or names the sync twin that does; a public method says what it does."""
    said = value.__doc__ or ""
    assert ">>> " in said or "The async twin of `" in said
    if inspect.isclass(value) and value.__module__.startswith("genai_grpc."):
        for method, member in vars(value).items():
            if not method.startswith("_") and (inspect.isroutine(member) or isinstance(member, property)):
                assert member.__doc__, f"{name}.{method}"


# Runs in an interpreter of its own: what `import genai_grpc` does to the process.
WATCH = """
import json, os, sys

asked, did = [], []

class Environment(type(os.environ)):
    def __getitem__(self, key):
        asked.append(key)
        return super().__getitem__(key)

# What the rest of the standard library reads at its own import is not ours to watch.
import copyreg, dataclasses, enum, importlib.resources, ipaddress, threading, typing, urllib.parse
import mimetypes, random, inspect, json, contextlib
import google.protobuf.message, google.protobuf.descriptor_pool, google.protobuf.message_factory
import google.protobuf.descriptor_pb2, google.protobuf.json_format
import google.protobuf.internal.enum_type_wrapper

os.environ.__class__ = Environment

def hook(event, arguments):
    if event.startswith(("socket.", "subprocess.", "os.system", "os.fork", "urllib.", "http.")):
        did.append([event, ""])
    elif event == "open":
        did.append([event, str(arguments[0])])

sys.addaudithook(hook)
before = set(sys.modules)
import genai_grpc
for name in genai_grpc.__all__:
    getattr(genai_grpc, name)  # imported when first asked for
taken = list(did)
print(json.dumps({
    "asked": sorted(set(asked)),
    "did": taken,
    "imported": sorted(set(sys.modules) - before),
    "threads": threading.active_count(),
}))
"""


def paths() -> dict[str, str]:
    """The environment of an interpreter that finds what this one does."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


@pytest.fixture(scope="module")
def imported() -> dict[str, Any]:
    """What happened when a fresh interpreter imported the package, with a key in its environment."""
    environment = {**paths(), "GEMINI_API_KEY": "not-a-key", "GENAI_GRPC_ENDPOINT": "nowhere"}
    environment["PYTHONDONTWRITEBYTECODE"] = "1"  # a cache of modules would be files that are opened, too
    done = subprocess.run(
        [sys.executable, "-c", WATCH], env=environment, check=True, capture_output=True, text=True, timeout=60
    )
    assert done.stderr == ""
    seen: dict[str, Any] = json.loads(done.stdout)
    return seen


def test_import_reads_no_environment(imported: dict[str, Any]) -> None:
    """Importing the package reads nothing of the environment."""
    assert imported["asked"] == []


def test_import_opens_nothing(imported: dict[str, Any]) -> None:
    """Importing the package opens no socket and no file beyond modules and the descriptor set."""
    others = [
        (event, path)
        for event, path in imported["did"]
        if event != "open" or not path.endswith((".py", ".pyc", ".so", "descriptors.binpb"))
    ]
    assert others == []


@pytest.mark.parametrize(
    "name",
    [
        "grpc",
        "PIL",
        "xllamacpp",
        "IPython",
        "pydantic",
        "click",
        "asyncio",
        "google.auth",
        "opentelemetry",
        "genai_grpc.local",
    ],
)
def test_import_is_light(imported: dict[str, Any], name: str) -> None:
    """Importing the package imports neither gRPC nor an engine, nor what only some programs use."""
    assert [module for module in imported["imported"] if module == name or module.startswith(f"{name}.")] == []


@pytest.mark.parametrize(
    "name",
    [
        "google.protobuf.descriptor_pool",
        "dataclasses",
        "genai_grpc.caching",
        "genai_grpc.types",
        "grpc",
        "inspect",
        "pathlib",
    ],
)
def test_a_model_imports_what_it_uses(name: str) -> None:
    """A program that imports the model pays for neither protobuf's pure Python runtime nor what it does not name."""
    if name.startswith("google") and api_implementation.Type() != "upb":
        pytest.skip("this is the pure Python runtime")
    program = f"from genai_grpc import GenerativeModel; import sys; sys.exit({name!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-S", "-c", program], env=paths(), check=False, timeout=60).returncode == 0


def test_import_starts_no_thread(imported: dict[str, Any]) -> None:
    """Importing the package starts no thread."""
    assert imported["threads"] == 1
