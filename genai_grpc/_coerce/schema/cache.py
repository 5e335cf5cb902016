"""Cache of what was read from types, which does not keep the types alive."""

from __future__ import annotations

import typing
from collections import OrderedDict
from collections.abc import Callable, Hashable
from enum import Enum
from typing import Any, Final, TypeVar, get_args, get_origin

__all__ = ["cached"]

T = TypeVar("T")

# The results for a class of a program, and for types composed of it, are an attribute of the class, as in msgspec: what
# is read from a class refers to it, so in a WeakKeyDictionary it would keep the class alive.
ATTRIBUTE: Final = "__genai_grpc_types__"
# The results for types without such a class, such as `list[int]`; and for classes that refuse an attribute.
MAX_OTHERS: Final = 256
_others: OrderedDict[Hashable, Any] = OrderedDict()
# The modules of Python's own classes that have a schema.
PYTHON_MODULES: Final = frozenset({"builtins", "collections.abc", "datetime", "decimal", "uuid"})


class _Results(dict[Hashable, Any]):
    """The results of a class. A copy is empty, since programs may pickle a class by value, and results cannot be."""

    def __reduce__(self) -> tuple[type[_Results], tuple[()]]:
        return _Results, ()


class _Identity:
    """A key for an object that cannot be hashed."""

    def __init__(self, target: object) -> None:
        self._target = target

    def __hash__(self) -> int:
        return id(self._target)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Identity) and other._target is self._target


def cached(python_type: Any, read: Callable[[], T]) -> T:
    """Return the result of `read` for a type, which is called once; more often for types that cannot be hashed."""
    classes: list[type] = []
    try:
        key = _key(python_type, classes)
        hash(key)
    except TypeError:
        return read()
    results = _results(classes)
    if (result := results.get(key)) is None:
        result = results[key] = read()
        if results is _others and len(_others) > MAX_OTHERS:
            _others.popitem(last=False)
    return typing.cast("T", result)


def _results(classes: list[type]) -> dict[Hashable, Any]:
    for owner in classes:
        if (results := owner.__dict__.get(ATTRIBUTE)) is not None:
            return typing.cast("dict[Hashable, Any]", results)
        try:
            setattr(owner, ATTRIBUTE, _Results())
        except (AttributeError, TypeError):
            continue
        return typing.cast("dict[Hashable, Any]", owner.__dict__[ATTRIBUTE])
    return _others


def _key(python_type: Any, classes: list[type]) -> Hashable:
    """Return a key of the type, and collect the classes in it that are not Python's own.

    Equal types have different keys if they are read differently: `int | str` equals `str | int`.
    """
    origin = get_origin(python_type)
    if origin is None:
        if isinstance(python_type, type) and python_type.__module__ not in PYTHON_MODULES:
            classes.append(python_type)
        return typing.cast("Hashable", python_type)
    if origin is typing.Annotated:
        inner, *_ = get_args(python_type)
        return origin, _key(inner, classes), tuple(map(_metadata_key, python_type.__metadata__))
    arguments = []
    for each in get_args(python_type):
        if isinstance(each, Enum):
            classes.append(type(each))
        arguments.append((type(each), each) if _is_value(each) else _key(each, classes))
    return origin, tuple(arguments)


def _metadata_key(item: Any) -> Hashable:
    return (type(item), item) if type(item).__hash__ is not None else _Identity(item)


def _is_value(argument: Any) -> bool:
    """Whether an argument of a generic type is a value of Literal, such as 1, which equals True."""
    return isinstance(argument, (str, int, bytes, Enum))
