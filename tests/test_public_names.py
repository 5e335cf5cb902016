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


# The modules that programs import from; test_documents.py runs their examples.
PUBLIC = (
    "genai_grpc",
    *(f"genai_grpc.{name}" for name in ("caching", "embeddings", "errors", "local", "models", "responses", "types")),
)


def sort_key(name: str) -> tuple[bool, bool, str]:
    """The order of ruff's RUF022: constants, classes, functions."""
    return not name.isupper(), not name[0].isupper(), name


def test_package_names() -> None:
    """The names of the package are sorted, and each exists."""
    assert genai_grpc.__all__ == sorted(genai_grpc.__all__, key=sort_key)
    for name in genai_grpc.__all__:
        assert getattr(genai_grpc, name) is not None


def test_names_of_google_generativeai() -> None:
    """The package has the names of google-generativeai that it supports so far."""
    assert {"configure", "GenerativeModel", "ChatSession", "GenerationConfig", "list_models", "get_model"} <= {
        *genai_grpc.__all__
    }
    assert {"embed_content", "embed_content_async"} <= {*genai_grpc.__all__}
    assert {"protos", "types"} <= {*genai_grpc.__all__}


@pytest.mark.parametrize("name", MODULES)
def test_module_names(name: str) -> None:
    """`__all__` of a module is sorted, and each name exists; a module without `__all__` has a docstring only."""
    module = importlib.import_module(name)
    names = getattr(module, "__all__", None)
    if names is None:
        assert module.__doc__, "a module without names has at least a docstring"
        assert not [
            attribute
            for attribute, value in vars(module).items()
            if getattr(value, "__module__", None) == name and not attribute.startswith("_")
        ]
        return
    assert list(names) == sorted(names, key=sort_key)
    assert [each for each in names if not hasattr(module, each)] == []


def documented() -> Iterator[tuple[str, Any]]:
    """The public classes, functions and modules, with their qualified names."""
    for module in map(importlib.import_module, PUBLIC):
        for name in module.__all__:
            value = getattr(module, name)
            if inspect.isclass(value) or inspect.isfunction(value) or inspect.ismodule(value):
                yield f"{module.__name__}.{name}", value


@pytest.mark.parametrize(("name", "value"), [pytest.param(*pair, id=pair[0]) for pair in documented()])
def test_docstrings(name: str, value: Any) -> None:
    """A public name has an example, or names its sync twin, which has one; a public method has a docstring."""
    docstring = value.__doc__ or ""
    assert ">>> " in docstring or "The async twin of `" in docstring
    if inspect.isclass(value) and value.__module__.startswith("genai_grpc."):
        for method, member in vars(value).items():
            if not method.startswith("_") and (inspect.isroutine(member) or isinstance(member, property)):
                assert member.__doc__, f"{name}.{method}"


# Runs in an interpreter of its own, and reports what `import genai_grpc` does to the process.
IMPORT_REPORT = """
import json, os, sys

variables, events = [], []

class Environment(type(os.environ)):
    def __getitem__(self, key):
        variables.append(key)
        return super().__getitem__(key)

# What the standard library and protobuf read at their own import is not reported.
import copyreg, dataclasses, enum, importlib.resources, ipaddress, threading, typing, urllib.parse
import mimetypes, random, inspect, json, contextlib
import google.protobuf.message, google.protobuf.descriptor_pool, google.protobuf.message_factory
import google.protobuf.descriptor_pb2, google.protobuf.json_format
import google.protobuf.internal.enum_type_wrapper

os.environ.__class__ = Environment

def hook(event, arguments):
    if event.startswith(("socket.", "subprocess.", "os.system", "os.fork", "urllib.", "http.")):
        events.append([event, ""])
    elif event == "open":
        events.append([event, str(arguments[0])])

sys.addaudithook(hook)
before = set(sys.modules)
import genai_grpc
for name in genai_grpc.__all__:
    getattr(genai_grpc, name)  # imported at its first use
print(json.dumps({
    "variables": sorted(set(variables)),
    "events": list(events),
    "imported": sorted(set(sys.modules) - before),
    "threads": threading.active_count(),
}))
"""


def environment(**variables: str) -> dict[str, str]:
    """The environment of an interpreter with the import path of this one, and these variables."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **variables}


@pytest.fixture(scope="module")
def import_report() -> dict[str, Any]:
    """What happens when a fresh interpreter imports the package, with a key in its environment."""
    variables = environment(
        GEMINI_API_KEY="not-a-key",
        GENAI_GRPC_ENDPOINT="nowhere",
        PYTHONDONTWRITEBYTECODE="1",  # bytecode files would be opened, too
    )
    completed = subprocess.run(
        [sys.executable, "-c", IMPORT_REPORT], env=variables, check=True, capture_output=True, text=True, timeout=60
    )
    assert completed.stderr == ""
    report: dict[str, Any] = json.loads(completed.stdout)
    return report


def test_import_reads_no_environment(import_report: dict[str, Any]) -> None:
    """Importing the package reads no environment variable."""
    assert import_report["variables"] == []


def test_import_opens_nothing(import_report: dict[str, Any]) -> None:
    """Importing the package opens no socket, and no file but modules and the descriptor set."""
    others = [
        (event, path)
        for event, path in import_report["events"]
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
def test_import_is_light(import_report: dict[str, Any], name: str) -> None:
    """Importing the package imports neither gRPC nor an engine, nor what only some programs use."""
    assert [module for module in import_report["imported"] if module == name or module.startswith(f"{name}.")] == []


@pytest.mark.parametrize(
    "name",
    [
        "google.protobuf.descriptor_pool",
        "dataclasses",
        "genai_grpc.caching",
        "genai_grpc.embeddings",
        "genai_grpc.types._contents",
        "grpc",
        "inspect",
        "pathlib",
        "pickle",
        "PIL",
    ],
)
def test_import_of_generative_model_is_light(name: str) -> None:
    """Importing GenerativeModel imports neither protobuf's pure Python runtime nor modules that it does not use."""
    if name.startswith("google") and api_implementation.Type() != "upb":
        pytest.skip("this is the pure Python runtime")
    program = f"from genai_grpc import GenerativeModel; import sys; sys.exit({name!r} in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-S", "-c", program], env=environment(), check=False, timeout=60).returncode
        == 0
    )


def test_import_starts_no_thread(import_report: dict[str, Any]) -> None:
    """Importing the package starts no thread."""
    assert import_report["threads"] == 1
