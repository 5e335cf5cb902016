"""Python functions to declarations for the model, and the model's arguments to theirs."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import sys
from collections.abc import Callable, Mapping
from enum import Enum
from inspect import Parameter
from typing import Any, Final

from genai_grpc import protos
from genai_grpc._coerce.function_results import class_refusal, result_type_refusal
from genai_grpc._coerce.limits import check_limits, has_limits
from genai_grpc._coerce.schema.annotations import field_names, resolve_annotations, signature
from genai_grpc._coerce.schema.docstrings import own_docstring, parameter_descriptions
from genai_grpc._coerce.schema.model import Definitions, Field, ObjectType, TypeSchema
from genai_grpc._coerce.schema.parse import build
from genai_grpc._coerce.schema.proto_schema import to_wire_schema
from genai_grpc._coerce.schema.python_types import description_of, read_type
from genai_grpc_protos._convert import to_message

__all__ = ["FunctionCaller", "to_declaration"]

VARIADIC: Final = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
# Of a function in C without a signature, whose parameters were declared by hand.
ANY_PARAMETERS: Final = {"arguments": Parameter("arguments", Parameter.VAR_KEYWORD)}


def to_declaration(function: Callable[..., Any], descriptions: Mapping[str, str]) -> protos.FunctionDeclaration:
    """Declare a function: its name, docstring and annotated parameters.

    A parameter without an annotation accepts any JSON; one without a default is required. `*args`, `**kwargs` and
    parameters bound by a `functools.partial` are left out. A parameter's description comes from `descriptions`, from
    an `Annotated` type, from the metadata of a dataclass's field, or from the docstring if the `docstring-parser`
    package is installed, in this order. A class is described by its bases and its `__init__` too.

    Args:
        function: A function, a method, a coroutine function, a partial, a callable object or a class.
        descriptions: Descriptions of its parameters, by name.

    Raises:
        TypeError: A parameter's type is not supported; the function has no signature; it is a method without its
            object, or an Enum.
    """
    _check_callable(function)
    documented = _parameter_descriptions(function)
    definitions, fields = Definitions(), []
    for name, parameter in _parameters(function).items():
        if parameter.kind not in VARIADIC:
            hint = parameter.annotation
            node = read_type(hint, f"{_name(function)}({name})", definitions).root
            description = descriptions.get(name) or description_of(hint) or documented.get(name) or node.description
            fields.append(
                Field(name, dataclasses.replace(node, description=description), parameter.default is Parameter.empty)
            )
    declaration: dict[str, Any] = {"name": _name(function), "description": _docstring(function)}
    if fields:
        schema = to_wire_schema(TypeSchema(ObjectType(tuple(fields)), definitions.by_name))
        declaration |= schema.fields("parameters", "parameters_json_schema")
    return to_message(protos.FunctionDeclaration, declaration)


class FunctionCaller:
    """A function that is called with plain JSON. Its parameters are read once.

    Args:
        function: As `to_declaration` takes it.

    Raises:
        TypeError: Its annotations cannot be resolved.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function, self._name = function, _name(function)
        parameters = _parameters(function) if _has_signature(function) else ANY_PARAMETERS
        self._parameters = {
            name: _CallParameter.read(parameter, f"{self._name}({name})")
            for name, parameter in parameters.items()
            if parameter.kind not in VARIADIC
        }
        self._positional_only = [
            parameter for parameter in parameters.values() if parameter.kind is Parameter.POSITIONAL_ONLY
        ]
        var_keyword = next((each for each in parameters.values() if each.kind is Parameter.VAR_KEYWORD), None)
        self._var_keyword = (
            None if var_keyword is None else _CallParameter.read(var_keyword, f"{self._name}(**{var_keyword.name})")
        )
        self._refusal = (
            class_refusal(function) if isinstance(function, type) else result_type_refusal(_return_annotation(function))
        )

    def check_result(self) -> None:
        """Raise if values of the declared return type have no JSON form, before the function runs in vain.

        Raises:
            TypeError: They have none.
        """
        if self._refusal is not None:
            raise TypeError(f"the result of {self._name}: {self._refusal}")

    def bind(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Convert plain JSON arguments to arguments of the annotated types, by name.

        Numbers become float and dicts become instances of classes, as annotated. A value is unchanged if its parameter
        has no annotation, or an unsupported one; and if it is null and the default is None. Declared limits are
        checked.

        Raises:
            TypeError: The function has no such parameter.
            ValueError: A value does not match its parameter's type or limits; the message names the location.
        """
        bound = {}
        for name, value in arguments.items():
            parameter = self._parameters.get(name, self._var_keyword)
            if parameter is None:
                raise self._unknown(arguments)
            bound[name] = parameter.convert(value, f"{self._name}({name})")
        return bound

    def call(self, arguments: Mapping[str, Any]) -> Any:
        """Call the function with plain JSON arguments; returns its result, or its awaitable.

        Raises:
            TypeError: The function has no such parameter, or the declared type of its result has no JSON form.
            ValueError: A value does not match its parameter's type or limits.
        """
        self.check_result()
        keywords = self.bind(arguments)
        given = [parameter.name in keywords for parameter in self._positional_only]
        last = max((number for number, is_given in enumerate(given) if is_given), default=-1)
        positional = []
        for parameter in self._positional_only[: last + 1]:
            if parameter.name not in keywords and parameter.default is Parameter.empty:
                raise TypeError(f"{self._name} lacks the argument {parameter.name}")
            positional.append(keywords.pop(parameter.name, parameter.default))
        return self._function(*positional, **keywords)

    def _unknown(self, arguments: Mapping[str, Any]) -> TypeError:
        known = f"it has {', '.join(self._parameters)}" if self._parameters else "it has none"
        unknown = ", ".join(sorted(arguments.keys() - self._parameters.keys()))
        return TypeError(f"{self._name} has no parameter {unknown}; {known}")


@dataclasses.dataclass(frozen=True, slots=True)
class _CallParameter:
    """A parameter as calls need it.

    Attributes:
        schema: The schema of its type; None if the type is unsupported: the author declared the parameter by hand, and
            converts its values.
        is_limited: Whether the schema has limits to check.
        accepts_null: Whether its default is None.
    """

    schema: TypeSchema | None
    is_limited: bool
    accepts_null: bool

    @classmethod
    def read(cls, parameter: Parameter, path: str) -> _CallParameter:
        try:
            schema = read_type(parameter.annotation, path, Definitions())
        except TypeError:
            return cls(None, is_limited=False, accepts_null=True)
        return cls(schema, has_limits(schema), parameter.default is None)

    def convert(self, value: Any, path: str) -> Any:
        if self.schema is None or (value is None and self.accepts_null):
            return value
        if self.is_limited:
            check_limits(self.schema, value, path)
        return build(self.schema, value, path)


def _check_callable(function: Any) -> None:
    """Raise for what is callable, but cannot be called with the arguments that its signature has."""
    if isinstance(function, type) and issubclass(function, Enum):
        raise TypeError(f"{function.__qualname__} is an Enum, not a function; pass a function that takes one")
    method = _behind_partials(function)
    if not inspect.isroutine(method) or inspect.ismethod(method):
        return
    owner = method.__qualname__.rpartition(".")[0]
    if owner and not owner.endswith("<locals>") and next(iter(_signature(function).parameters), "") in ("self", "cls"):
        raise TypeError(
            f"{method.__qualname__} is a method without its object; pass the method of an object, "
            f"such as {owner.rpartition('.')[2]}(...).{_name(method)}"
        )


def _behind_partials(function: Any) -> Any:
    while isinstance(function, functools.partial):
        function = function.func
    return function


def _has_signature(function: Any) -> bool:
    try:
        signature(function)
    except ValueError:
        return False
    return True


def _signature(function: Any) -> inspect.Signature:
    try:
        return signature(function)
    except (TypeError, ValueError) as error:
        raise TypeError(f"cannot read the parameters of {_name(function)}: {error}; wrap it in a function") from None


def _parameters(function: Callable[..., Any]) -> dict[str, Parameter]:
    """Return the parameters that are not bound by a partial, with resolved annotations."""
    bound = function.keywords if isinstance(function, functools.partial) else {}
    parameters = {name: parameter for name, parameter in _signature(function).parameters.items() if name not in bound}
    annotations = {
        name: parameter.annotation
        for name, parameter in parameters.items()
        if parameter.annotation is not Parameter.empty
    }
    hints = _resolve(function, annotations)
    return {
        name: parameter.replace(annotation=hints.get(name, Parameter.empty)) for name, parameter in parameters.items()
    }


def _resolve(function: Any, annotations: Mapping[str, Any]) -> dict[str, Any]:
    """Evaluate annotations, those of an inherited field of a dataclass in the module of its own class."""
    hints: dict[str, Any] = {}
    owners = function.__mro__ if isinstance(function, type) and dataclasses.is_dataclass(function) else ()
    scopes = [(vars(sys.modules[owner.__module__]), field_names(owner)) for owner in owners]
    for names, annotated in [*scopes, (_globals(function), annotations.keys())]:
        unresolved = {name: annotations[name] for name in annotations if name in annotated and name not in hints}
        try:
            hints |= resolve_annotations(unresolved, names, _name(function))
        except (AttributeError, SyntaxError) as error:
            raise TypeError(f"{_name(function)}: cannot resolve the annotations: {error}") from None
    return hints


def _return_annotation(function: Any) -> Any:
    """Return the resolved annotation of a function's result; Any if it has none, or one for type checkers only."""
    try:
        annotation = _signature(function).return_annotation
        if annotation is Parameter.empty:
            return Any
        return _resolve(function, {"return": annotation})["return"]
    except TypeError:
        return Any


def _globals(function: Any) -> Mapping[str, Any]:
    """Return the globals of the module that defines the function, behind partials and decorators."""
    while True:
        function = _behind_partials(function)
        if hasattr(function, "__wrapped__"):
            function = function.__wrapped__
        elif isinstance(function, type) and inspect.isfunction(
            constructor := inspect.getattr_static(function, "__init__")
        ):
            function = constructor  # which may be inherited from another module
        elif inspect.isroutine(function) or isinstance(function, type):
            break
        else:
            function = type(function).__call__
    names: Mapping[str, Any] | None = getattr(function, "__globals__", None)
    if names is not None:
        return names
    module = sys.modules.get(getattr(function, "__module__", None) or "builtins")  # methods in C have None there
    return {} if module is None else vars(module)


def _name(function: Any) -> str:
    if not hasattr(function, "__name__") and isinstance(function, functools.partial):
        return _name(function.func)
    return str(getattr(function, "__name__", type(function).__name__))


def _docstring(function: Any) -> str:
    if isinstance(function, functools.partial):
        return _docstring(function.func)
    if isinstance(function, type):
        return own_docstring(function)
    if hasattr(function, "__name__"):
        return inspect.getdoc(function) or ""
    # Not `getdoc` of the method, which falls back to the docstring of `object.__call__`.
    return inspect.cleandoc(type(function).__call__.__doc__ or inspect.getdoc(type(function)) or "")


def _parameter_descriptions(function: Any) -> dict[str, str]:
    """Return the descriptions of parameters in a docstring; of a class, also of its bases, `__init__` and fields."""
    if not isinstance(function, type):
        return parameter_descriptions(_docstring(function))
    documented: dict[str, str] = {}
    for owner in reversed(function.__mro__[:-1]):  # the last one is object
        documented |= parameter_descriptions(own_docstring(owner))
        if inspect.isfunction(constructor := vars(owner).get("__init__")):
            documented |= parameter_descriptions(own_docstring(constructor))
    if dataclasses.is_dataclass(function):
        fields = {field.name: field.metadata.get("description", "") for field in dataclasses.fields(function)}
        documented |= {name: description for name, description in fields.items() if description}
    for name, field in getattr(function, "model_fields", {}).items():  # of a pydantic model
        if field.description:
            documented[field.alias or name] = field.description
    return documented
