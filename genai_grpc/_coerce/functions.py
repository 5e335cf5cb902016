"""Python functions as declarations for the model, and the model's arguments as theirs."""

from __future__ import annotations

import functools
import inspect
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from genai_grpc import protos
from genai_grpc._coerce.docstrings import parameters_of
from genai_grpc._coerce.parse import parse_as
from genai_grpc._coerce.schema import form_of
from genai_grpc._coerce.shapes import Field, Reading, Record, read_fields

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["bind_arguments", "to_declaration"]

VARIADIC: Final = frozenset({inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD})


def to_declaration(function: Callable[..., Any], descriptions: Mapping[str, str]) -> protos.FunctionDeclaration:
    """The declaration of a function: its name, docstring and parameters; those with a default are not required.

    Args:
        function: A function, a method, a coroutine function, a partial or a callable object.
        descriptions: What to say of parameters; by default what their annotations or the docstring say.

    Raises:
        TypeError: A parameter is of a type of which no schema can be made, or positional only.

    >>> def add(a: int, b: int = 1) -> int:
    ...     "Add two numbers."
    ...     return a + b
    >>> list(to_declaration(add, {}).parameters.required)
    ['a']
    """
    name, docstring = _name(function), inspect.getdoc(_routine(function)) or ""
    hints, said = _hints(function), parameters_of(docstring)
    fields = [
        (item.name, hints.get(item.name, Any), item.default is item.empty, descriptions.get(item.name, ""))
        for item in _parameters(function).values()
    ]
    read, recursive = read_fields(fields, name)
    declared = protos.FunctionDeclaration(name=name, description=docstring)
    if not read:
        return declared
    described = tuple(_with_description(item, said) for item in read)
    form = form_of(Reading(Record("", described), recursive))
    if form.schema is None:
        from google.protobuf.json_format import ParseDict

        ParseDict(form.json_schema, declared.parameters_json_schema)
    else:
        declared.parameters.CopyFrom(form.schema)
    return declared


def bind_arguments(function: Callable[..., Any], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The keyword arguments of a call, of the types that the annotations say: numbers of the wire are all floats.

    Raises:
        TypeError: The function has no such parameter.
        ValueError: A value does not fit its parameter's type.
    """
    parameters = _parameters(function)
    if unknown := arguments.keys() - parameters.keys():
        wrong, known = ", ".join(sorted(unknown)), ", ".join(parameters)
        raise TypeError(f"{_name(function)} has no parameter {wrong}; it has {known}")
    hints = _hints(function)
    return {name: parse_as(hints.get(name, Any), value, name) for name, value in arguments.items()}


def _with_description(item: Field, said: Mapping[str, str]) -> Field:
    return item if item.description else replace(item, description=said.get(item.name, ""))


def _parameters(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """Those that the model may give: of `*args` and `**kwargs`, which may be left out, it knows nothing."""
    signature = inspect.signature(function).parameters
    parameters = {name: parameter for name, parameter in signature.items() if parameter.kind not in VARIADIC}
    for name, parameter in parameters.items():
        if parameter.kind is parameter.POSITIONAL_ONLY:
            raise TypeError(f"the parameter {name!r} of {_name(function)} is positional only; the model gives names")
    return parameters


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    # Not typing.get_type_hints: before Python 3.11 it makes an Optional of what has None for its default.
    return inspect.get_annotations(_routine(function), eval_str=True)


def _routine(function: Any) -> Any:
    """What holds the annotations and the docstring: the function under partials and wrappers, or an object's method."""
    while isinstance(function, functools.partial):
        function = function.func
    function = inspect.unwrap(function)
    return function if inspect.isroutine(function) else type(function).__call__


def _name(function: Any) -> str:
    while isinstance(function, functools.partial):
        function = function.func
    name: str = getattr(function, "__name__", type(function).__name__)
    return name
