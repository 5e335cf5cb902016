"""Python functions to declarations for the model, and the model's arguments to theirs."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from inspect import Parameter
from typing import Any, Final

from genai_grpc import protos
from genai_grpc._coerce.schema.annotations import resolve_annotations, signature
from genai_grpc._coerce.schema.docstrings import class_docstring, parameter_descriptions
from genai_grpc._coerce.schema.model import Definitions, Field, ObjectType, TypeSchema
from genai_grpc._coerce.schema.parse import build
from genai_grpc._coerce.schema.proto_schema import to_wire_schema
from genai_grpc._coerce.schema.python_types import description_of, read_type
from genai_grpc_protos._convert import to_message

__all__ = ["bind_arguments", "to_declaration"]

VARIADIC: Final = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)


def to_declaration(function: Callable[..., Any], descriptions: Mapping[str, str]) -> protos.FunctionDeclaration:
    """Declare a function: its name, docstring and annotated parameters.

    A parameter without an annotation accepts any JSON; one without a default is required. `*args`, `**kwargs` and
    parameters bound by a `functools.partial` are left out. A parameter's description comes from `descriptions`, from
    an `Annotated` type, or from the docstring if the `docstring-parser` package is installed, in this order.

    Args:
        function: A function, a method, a coroutine function, a partial or a callable object.
        descriptions: Descriptions of its parameters, by name.

    Raises:
        TypeError: A parameter's type is not supported; the function has no signature.
    """
    docstring = _docstring(function)
    documented = parameter_descriptions(docstring)
    definitions, fields = Definitions(), []
    for name, parameter in _parameters(function).items():
        if parameter.kind not in VARIADIC:
            hint = parameter.annotation
            node = read_type(hint, f"{_name(function)}({name})", definitions).root
            description = descriptions.get(name) or description_of(hint) or documented.get(name) or node.description
            fields.append(Field(name, replace(node, description=description), parameter.default is Parameter.empty))
    declaration: dict[str, Any] = {"name": _name(function), "description": docstring}
    if fields:
        schema = to_wire_schema(TypeSchema(ObjectType(tuple(fields)), definitions.by_name))
        declaration |= schema.fields("parameters", "parameters_json_schema")
    return to_message(protos.FunctionDeclaration, declaration)


def bind_arguments(function: Callable[..., Any], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Convert the plain JSON arguments of a call to keyword arguments of the annotated types.

    Integral floats become int and dicts become instances of classes, as annotated. A value is unchanged if its
    parameter has no annotation, or an unsupported one; and if it is null and the default is None.

    Raises:
        TypeError: The function has no such parameter, or it is positional-only.
        ValueError: A value does not match its parameter's type; the message names the location.
    """
    parameters = _parameters(function)
    by_name = {name: parameter for name, parameter in parameters.items() if parameter.kind not in VARIADIC}
    var_keyword = next((each for each in parameters.values() if each.kind is Parameter.VAR_KEYWORD), None)
    if var_keyword is None and (unknown := arguments.keys() - by_name.keys()):
        known = f"it has {', '.join(by_name)}" if by_name else "it has none"
        raise TypeError(f"{_name(function)} has no parameter {', '.join(sorted(unknown))}; {known}")
    return {name: _bind(function, name, by_name.get(name, var_keyword), value) for name, value in arguments.items()}


def _bind(function: Callable[..., Any], name: str, parameter: Parameter | None, value: Any) -> Any:
    if parameter is None or (value is None and parameter.default is None):
        return value
    path = f"{_name(function)}({name})"
    if parameter.kind is Parameter.POSITIONAL_ONLY:
        raise TypeError(f"{path} is positional-only, but models pass arguments by name; remove the '/'")
    try:
        schema = read_type(parameter.annotation, path)
    except TypeError:
        return value  # the author declared the parameter by hand, and converts it
    return build(schema, value, path)


def _parameters(function: Callable[..., Any]) -> dict[str, Parameter]:
    """Return the parameters that are not bound by a partial, with resolved annotations."""
    try:
        declared = signature(function).parameters
    except ValueError as error:
        raise TypeError(f"cannot read the parameters of {_name(function)}: {error}; wrap it in a function") from None
    bound = function.keywords if isinstance(function, functools.partial) else {}
    parameters = {name: parameter for name, parameter in declared.items() if name not in bound}
    annotations = {
        name: parameter.annotation
        for name, parameter in parameters.items()
        if parameter.annotation is not Parameter.empty
    }
    hints = resolve_annotations(annotations, _globals(function), _name(function))
    return {
        name: parameter.replace(annotation=hints.get(name, Parameter.empty)) for name, parameter in parameters.items()
    }


def _globals(function: Any) -> Mapping[str, Any]:
    """Return the globals of the module that defines the function, behind partials and decorators."""
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
        return class_docstring(function)
    if hasattr(function, "__name__"):
        return inspect.getdoc(function) or ""
    # Not `getdoc` of the method, which falls back to the docstring of `object.__call__`.
    return inspect.cleandoc(type(function).__call__.__doc__ or inspect.getdoc(type(function)) or "")
