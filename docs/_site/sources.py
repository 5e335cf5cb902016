"""What the sources say of the package's public names: `__all__` of each module, imports, and docstrings.

The sources are parsed, not imported, so that the site is built without the extras.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
SOURCES: Final = (ROOT, ROOT / "generated" / "python")


@dataclass(frozen=True)
class Module:
    """A module with a list of public names.

    Attributes:
        name: Its dotted name.
        names: What its `__all__` lists.
        origins: For each name, the dotted name of its definition.
        summary: The first line of its docstring.
    """

    name: str
    names: tuple[str, ...]
    origins: Mapping[str, str]
    summary: str


@cache
def source(module: str) -> ast.Module | None:
    """The source of a module, or None if there is no such module."""
    for root in SOURCES:
        path = root.joinpath(*module.split("."))
        for file in (path.with_suffix(".py"), path / "__init__.py"):
            if file.exists():
                return ast.parse(file.read_text())
    return None


def read_module(name: str) -> Module | None:
    """A module with its names, or None if it lists none."""
    tree = source(name)
    names = _listed_names(name) if tree else ()
    return Module(name, names, {each: origin(name, each) for each in names}, summary(name)) if names else None


def submodules(package: str) -> Iterator[str]:
    """The public modules of a package, and those of its public packages."""
    for path in sorted(ROOT.joinpath(*package.split(".")).iterdir()):
        if not path.name.startswith("_") and (path.suffix == ".py" or (path / "__init__.py").exists()):
            yield f"{package}.{path.stem}"
            if path.is_dir():
                yield from submodules(f"{package}.{path.stem}")


def origin(module: str, name: str) -> str:
    """The dotted name of what a module calls `name`: its own, or that of where it is imported from."""
    imported = _imports(module).get(name)
    if imported is None:
        return f"{module}.{name}"
    parent, _, last = imported.rpartition(".")
    return imported if parent == module or source(imported) or not source(parent) else origin(parent, last)


def definition(place: str) -> str:
    """The dotted name under which the docstring of a name is: its own, or that of the method that a module binds to it.

    In `configure = _DEFAULT.configure`, where `_DEFAULT = DefaultClient(...)`, it is that of `DefaultClient.configure`.
    """
    module, _, name = place.rpartition(".")
    values = {
        target.id: node.value
        for node in (source(module) or ast.Module([], [])).body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    match values.get(name):
        case ast.Attribute(value=ast.Name(id=instance), attr=method):
            match values.get(instance):
                case ast.Call(func=ast.Name(id=owner)):
                    return f"{origin(module, owner)}.{method}"
    return place


def summary(place: str) -> str:
    """The first line of the docstring of a module, class or function."""
    if tree := source(place):
        return (ast.get_docstring(tree) or "").partition("\n")[0]
    *module_and_class, name = definition(place).split(".")
    module = ".".join(module_and_class)
    if not source(module):
        module = module.rpartition(".")[0]  # of a class
    docstrings = (
        ast.get_docstring(node)
        for node in ast.walk(source(module) or ast.Module([], []))
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name
    )  # overloads have none
    return (next(filter(None, docstrings), None) or "").partition("\n")[0]


def _listed_names(module: str) -> tuple[str, ...]:
    """The value of a module's `__all__`, which may be that of another module."""
    for node in (source(module) or ast.Module([], [])).body:
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["__all__"]:
            return tuple(ast.literal_eval(node.value)) if isinstance(node.value, ast.List | ast.Tuple) else ()
    imported = _imports(module).get("__all__")
    return _listed_names(imported.removesuffix(".__all__")) if imported else ()


@cache
def _imports(module: str) -> Mapping[str, str]:
    """The dotted name of each name that a module imports."""
    return {
        alias.asname or alias.name: f"{node.module}.{alias.name}"
        for node in ast.walk(source(module) or ast.Module([], []))
        if isinstance(node, ast.ImportFrom) and node.module and not node.level
        for alias in node.names
    }
