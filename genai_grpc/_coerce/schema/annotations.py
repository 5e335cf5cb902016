"""Annotations of functions and classes, evaluated to types.

A module with `from __future__ import annotations` has annotations that are str, and from Python 3.14 every other one
evaluates them when they are read (PEP 649): either way, a name in them need not be defined at runtime. Only annotations
that are needed are evaluated here, so a function whose return type exists for type checkers only can be declared.
"""

from __future__ import annotations

import inspect
import sys
import types
import typing
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

__all__ = ["field_names", "resolve_annotations", "signature", "type_hints"]

if sys.version_info >= (3, 14):
    from annotationlib import Format, get_annotations

    _signature: Callable[..., inspect.Signature] = partial(inspect.signature, annotation_format=Format.FORWARDREF)
    _annotations: Callable[[type], Mapping[str, Any]] = partial(get_annotations, format=Format.FORWARDREF)
else:
    _signature = inspect.signature
    _annotations = inspect.get_annotations


def signature(function: Callable[..., Any]) -> inspect.Signature:
    """Return the signature of a callable, whose annotations are for `resolve_annotations`.

    Raises:
        ValueError: The callable has no signature.

    >>> list(signature(lambda city: None).parameters)
    ['city']
    """
    return _signature(function)


def field_names(cls: type) -> list[str]:
    """Return the annotated names of a class in their order, and those of its bases too if it is a TypedDict.

    >>> field_names(typing.TypedDict("Film", {"title": str}))
    ['title']
    """
    return list(_annotations(cls))


def resolve_annotations(annotations: Mapping[str, Any], names: Mapping[str, Any], path: str) -> dict[str, Any]:
    """Evaluate the annotations that are str or references.

    Args:
        annotations: Types, str or references, by name.
        names: The global names that such a str may use.
        path: What is annotated, for errors.

    Raises:
        TypeError: An annotation uses a name that is not defined at runtime.

    >>> resolve_annotations({"days": "int"}, {}, "weather")
    {'days': <class 'int'>}
    """
    # Not the function itself: up to Python 3.10, a default of None would make the type optional.
    return type_hints(types.SimpleNamespace(__annotations__=dict(annotations)), path, dict(names))


def type_hints(owner: Any, path: str, names: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the types of a class's fields, inherited ones included, or of another object with annotations.

    Args:
        owner: The class or object.
        path: Location of the class, for errors.
        names: The global names that annotations may use; those of the class's module without this argument.

    Raises:
        TypeError: An annotation uses a name that is not defined at runtime.

    >>> type_hints(typing.NamedTuple("Pair", [("first", int)]), "answer")
    {'first': <class 'int'>}
    """
    # A class that is not global may refer to itself too.
    local_names = {owner.__name__: owner} if isinstance(owner, type) else None
    try:
        return typing.get_type_hints(owner, names, local_names, include_extras=True)
    except NameError as error:
        raise TypeError(
            f"{path}: cannot resolve the annotations: {error}; import or define it at the top of its module, "
            "and not for type checkers only"
        ) from None
