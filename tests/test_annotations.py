"""typing.get_type_hints evaluates the annotations of every public function, method and property."""

from __future__ import annotations

import importlib
import inspect
import subprocess
import sys
import typing
from collections.abc import Iterator
from typing import Any

import pytest

MODULES = ("caching", "chat", "errors", "generative_model", "models", "responses", "types")
# Its type is that of grpc, which is imported at the first call.
UNRESOLVED = {"APIError.grpc_status_code"}


def functions_of(value: Any) -> Iterator[tuple[str, Any]]:
    """A function, or the functions of a class of ours."""
    if inspect.isfunction(value):
        yield value.__name__, value
    elif inspect.isclass(value) and value.__module__.startswith("genai_grpc."):
        for name, member in vars(value).items():
            function = getattr(member, "fget", None) or getattr(member, "__func__", member)
            if inspect.isfunction(function) and (name == "__init__" or not name.startswith("_")):
                yield f"{value.__name__}.{name}", function


FUNCTIONS = dict(
    pair
    for module in (importlib.import_module(f"genai_grpc.{name}") for name in MODULES)
    for name in module.__all__
    for pair in functions_of(getattr(module, name))
)


@pytest.mark.parametrize("name", sorted(FUNCTIONS.keys() - UNRESOLVED))
def test_hints(name: str) -> None:
    """The annotations of a function evaluate to types."""
    hints = typing.get_type_hints(FUNCTIONS[name])
    assert hints.keys() == FUNCTIONS[name].__annotations__.keys()


def test_hints_in_a_fresh_interpreter() -> None:
    """They do before anything has imported the types, and import neither Pillow nor gRPC."""
    program = (
        "import sys, typing; from genai_grpc import GenerativeModel; "
        "assert 'genai_grpc.types._contents' not in sys.modules; "
        "assert 'contents' in typing.get_type_hints(GenerativeModel.generate_content); "
        "assert not {'PIL', 'grpc'} & sys.modules.keys()"
    )
    environment = {"PYTHONPATH": ":".join(filter(None, sys.path))}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True, timeout=60)
