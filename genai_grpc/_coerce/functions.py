"""Python functions as declarations for the model, and the model's arguments as theirs."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Final, get_args, get_origin, get_type_hints

from genai_grpc import protos
from genai_grpc._coerce.messages import to_message

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["bind_arguments", "to_declaration"]

TYPES: Final = {int: "INTEGER", float: "NUMBER", str: "STRING", bool: "BOOLEAN", dict: "OBJECT"}


def to_declaration(function: Callable[..., Any], descriptions: Mapping[str, str]) -> protos.FunctionDeclaration:
    """The declaration of a function: its name, docstring and annotated parameters.

    Raises:
        TypeError: A parameter has no annotation, or one of which no schema can be made.
    """
    parameters = _parameters(function)
    hints = get_type_hints(_hinted(function))
    properties = {}
    for name in parameters:
        if name not in hints:
            raise TypeError(f"the parameter {name!r} of {_name(function)} has no annotation; say its type")
        properties[name] = _schema(hints[name], f"{_name(function)}({name})")
        if name in descriptions:
            properties[name]["description"] = descriptions[name]
    required = [name for name, parameter in parameters.items() if parameter.default is parameter.empty]
    declared: dict[str, Any] = {"name": _name(function), "description": inspect.getdoc(function) or ""}
    if properties:
        declared["parameters"] = {"type": "OBJECT", "properties": properties, "required": required}
    return to_message(protos.FunctionDeclaration, declared)


def bind_arguments(function: Callable[..., Any], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The keyword arguments for a call, whole numbers as int where the annotation says so.

    Raises:
        TypeError: The function has no such parameter.
    """
    parameters = _parameters(function)
    if unknown := arguments.keys() - parameters.keys():
        raise TypeError(
            f"{_name(function)} has no parameter {', '.join(sorted(unknown))}; it has {', '.join(parameters)}"
        )
    hints = get_type_hints(_hinted(function))
    return {name: _value(hints.get(name), value) for name, value in arguments.items()}


def _schema(hint: Any, where: str) -> dict[str, Any]:
    if hint in TYPES:
        return {"type": TYPES[hint]}
    if get_origin(hint) is list:
        return {"type": "ARRAY", "items": _schema(get_args(hint)[0], where)}
    raise TypeError(
        f"cannot make a schema of {hint!r} for {where}; annotate int, float, str, bool, dict or a list of these"
    )


def _value(hint: Any, value: Any) -> Any:
    if hint is int and isinstance(value, float) and value.is_integer():
        return int(value)
    if get_origin(hint) is list and isinstance(value, list):
        return [_value(get_args(hint)[0], item) for item in value]
    return value


def _parameters(function: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    return inspect.signature(function).parameters


def _hinted(function: Callable[..., Any]) -> Any:
    """What holds the annotations: the function itself, or a callable object's method."""
    function = inspect.unwrap(function)
    return function if inspect.isroutine(function) else type(function).__call__


def _name(function: Callable[..., Any]) -> str:
    return getattr(function, "__name__", type(function).__name__)
