"""Attributes that a package imports when they are first used."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

__all__ = ["attach"]


def attach(package: str, homes: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """The `__getattr__` and `__dir__` of a package whose names are imported when they are first used (PEP 562).

    Args:
        package: The `__name__` of the package, which defines `__all__`.
        homes: The module that defines each name, absolute or relative to the package (`.chat`). A module that has the
            name of the attribute is the attribute itself.
    """

    def getattr_(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module = import_module(homes[name], package)
        value = module if homes[name] == f".{name}" else getattr(module, name)
        return vars(sys.modules[package]).setdefault(name, value)

    def dir_() -> list[str]:
        return list(sys.modules[package].__all__)

    return getattr_, dir_
