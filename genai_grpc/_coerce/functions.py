"""Python functions as declarations for the model, and the model's arguments as theirs."""

from __future__ import annotations

import functools
import inspect
import sys
from dataclasses import replace
from inspect import Parameter
from typing import TYPE_CHECKING, Any, Final

from genai_grpc import protos
from genai_grpc._coerce.messages import to_message
from genai_grpc._coerce.schema.docstrings import parameter_descriptions
from genai_grpc._coerce.schema.model import Definitions, Field, Outline, Record
from genai_grpc._coerce.schema.parse import build
from genai_grpc._coerce.schema.proto_schema import to_form
from genai_grpc._coerce.schema.python_types import note_of, read_type, resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["bind_arguments", "to_declaration"]

VARIADIC: Final = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)


def to_declaration(function: Callable[..., Any], descriptions: Mapping[str, str]) -> protos.FunctionDeclaration:
    """The declaration of a function: its name, docstring and annotated parameters.

    A parameter without an annotation takes anything; one without a default is required. Left out are those that a
    `functools.partial` sets already, `*args` and `**kwargs`. What they are about is said by `descriptions`, by an
    `Annotated` type, or by the docstring where the `docstring-parser` package is installed.

    Args:
        function: A function, a method, a coroutine function, a partial or a callable object.
        descriptions: Of its parameters, by name.

    Raises:
        TypeError: A parameter is of a type of which no schema can be made; the function has no signature.
    """
    docstring = _docstring(function)
    said = parameter_descriptions(docstring)
    definitions, fields = Definitions(), []
    for name, parameter in _parameters(function).items():
        if parameter.kind not in VARIADIC:
            shape = read_type(parameter.annotation, f"{_name(function)}({name})", definitions).root
            note = descriptions.get(name) or note_of(parameter.annotation) or said.get(name) or shape.description
            fields.append(Field(name, replace(shape, description=note), parameter.default is Parameter.empty))
    declared: dict[str, Any] = {"name": _name(function), "description": docstring}
    if fields:
        form = to_form(Outline(Record(tuple(fields)), definitions.named))
        declared |= form.fields("parameters", "parameters_json_schema")
    return to_message(protos.FunctionDeclaration, declared)


def bind_arguments(function: Callable[..., Any], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The keyword arguments for a call: of the types that the annotations say, made of plain JSON.

    Whole numbers are int again where the annotation says so, dicts are instances of the classes that it names. A value
    stays as it is if there is no annotation, or one that no JSON can be made into; so does null for a default of None.

    Raises:
        TypeError: The function has no such parameter, or takes it by position only.
        ValueError: A value does not fit its parameter's type; the message says where.
    """
    parameters = _parameters(function)
    by_name = {name: one for name, one in parameters.items() if one.kind not in VARIADIC}
    rest = next((one for one in parameters.values() if one.kind is Parameter.VAR_KEYWORD), None)
    if rest is None and (unknown := arguments.keys() - by_name.keys()):
        has = f"it has {', '.join(by_name)}" if by_name else "it has none"
        raise TypeError(f"{_name(function)} has no parameter {', '.join(sorted(unknown))}; {has}")
    return {name: _bind(function, name, by_name.get(name, rest), value) for name, value in arguments.items()}


def _bind(function: Callable[..., Any], name: str, parameter: Parameter | None, value: Any) -> Any:
    if parameter is None or (value is None and parameter.default is None):
        return value
    path = f"{_name(function)}({name})"
    if parameter.kind is Parameter.POSITIONAL_ONLY:
        raise TypeError(f"{path} is by position only, and models name their arguments; take the '/' out")
    try:
        outline = read_type(parameter.annotation, path)
    except TypeError:
        return value  # it was declared by hand, so its author knows what comes
    return build(outline, value, path)


def _parameters(function: Callable[..., Any]) -> dict[str, Parameter]:
    """The parameters that a caller may set, their annotations resolved."""
    try:
        signature = inspect.signature(function)
    except ValueError as error:
        raise TypeError(f"cannot read the parameters of {_name(function)}: {error}; wrap it in a function") from None
    bound = function.keywords if isinstance(function, functools.partial) else {}
    parameters = {name: one for name, one in signature.parameters.items() if name not in bound}
    annotations = {name: one.annotation for name, one in parameters.items() if one.annotation is not Parameter.empty}
    hints = resolve(annotations, _names(function), _name(function))
    return {name: one.replace(annotation=hints.get(name, Parameter.empty)) for name, one in parameters.items()}


def _names(function: Any) -> Mapping[str, Any]:
    """The names that a function's annotations may use: the globals of where it was written."""
    while True:
        if isinstance(function, functools.partial):
            function = function.func
        elif hasattr(function, "__wrapped__"):
            function = function.__wrapped__
        elif inspect.isroutine(function) or isinstance(function, type):
            break
        else:
            function = type(function).__call__
    return getattr(function, "__globals__", None) or vars(sys.modules[function.__module__])


def _name(function: Any) -> str:
    if not hasattr(function, "__name__") and isinstance(function, functools.partial):
        return _name(function.func)
    return getattr(function, "__name__", type(function).__name__)


def _docstring(function: Any) -> str:
    if isinstance(function, functools.partial):
        return _docstring(function.func)
    if isinstance(function, type):
        return inspect.cleandoc(function.__dict__.get("__doc__") or "")  # its own, not that of a library's base
    if hasattr(function, "__name__"):
        return inspect.getdoc(function) or ""
    # Not `getdoc` of the method, which falls back to what Python says of calling objects.
    return inspect.cleandoc(type(function).__call__.__doc__ or inspect.getdoc(type(function)) or "")
