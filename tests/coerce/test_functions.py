from __future__ import annotations

import dataclasses
import enum
import functools
import sys
from collections.abc import Callable
from typing import Annotated, Any, Literal

import pydantic
import pytest
from google.protobuf.json_format import MessageToDict

from genai_grpc._coerce.functions import bind_arguments, to_declaration

INT, STR = {"type": "INTEGER"}, {"type": "STRING"}


class Unit(enum.Enum):
    CELSIUS = "celsius"
    KELVIN = "kelvin"


@dataclasses.dataclass
class Place:
    city: str
    district: str | None = None


@dataclasses.dataclass
class Node:
    value: int
    next: Node | None = None


class Order(pydantic.BaseModel):
    count: int


def weather(place: Place, days: int = 1, unit: Annotated[Unit, "Of the answer."] = Unit.CELSIUS) -> None:
    """Tell the weather.

    Args:
        place: Where.
        days: How many days
            ahead.
        unit: Of temperature.
    """


async def later(number: int) -> None:
    """Wait."""


def add(a: int, user: str, b: int = 1) -> int:
    """Add."""
    return a + b


def unannotated(x, y=2): ...  # type: ignore[no-untyped-def]  # on purpose


def variadic(a: int, *numbers: int, b: str = "", **more: float) -> None: ...


def positional_only(a: int, /, b: int) -> None: ...


def optional(n: int = None, m: str | None = None) -> None: ...  # type: ignore[assignment]  # a common form  # noqa: RUF013


def walk(tree: Node, level: Literal[1, 2] = 1) -> None: ...


def cook(order: Order) -> None: ...


def unsupported(number: list[complex]) -> None: ...


def unresolvable(what: Nowhere) -> None: ...  # type: ignore[name-defined]  # undefined on purpose  # noqa: F821


def decorated(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return call


def decorated_elsewhere(function: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate with a wrapper whose globals lack the names of this module."""
    call: Callable[..., Any] = eval("lambda *args, **kwargs: None", {})  # noqa: S307 -- a constant
    return functools.wraps(function)(call)


class Undocumented:
    def __call__(self, on: bool) -> None: ...


class UndocumentedClass: ...


class Light:
    """A lamp."""

    def dim(self, brightness: int) -> None:
        """Dim it."""

    @classmethod
    def make(cls, watts: int) -> None:
        """Make one."""

    def __call__(self, on: bool) -> None: ...


def parameters_json(required: list[str], **properties: Any) -> dict[str, Any]:
    """The JSON of the parameters of a declaration."""
    order = {"propertyOrdering": list(properties)} if len(properties) > 1 else {}
    return {"type": "OBJECT", "properties": properties, **({"required": required} if required else {}), **order}


ADD = parameters_json(["a", "user"], a=INT, user=STR, b=INT)


@pytest.mark.parametrize(
    ("function", "name", "description", "parameters"),
    [
        pytest.param(add, "add", "Add.", ADD, id="function"),
        pytest.param(later, "later", "Wait.", parameters_json(["number"], number=INT), id="coroutine function"),
        pytest.param(variadic, "variadic", "", parameters_json(["a"], a=INT, b=STR), id="*args and **kwargs"),
        pytest.param(
            positional_only,
            "positional_only",
            "",
            parameters_json(["a", "b"], a=INT, b=INT),
            id="positional-only",
        ),
        pytest.param(
            optional, "optional", "", parameters_json([], n=INT, m={**STR, "nullable": True}), id="defaults of None"
        ),
        pytest.param(lambda: None, "<lambda>", "", None, id="no parameters"),
        pytest.param(decorated(decorated(add)), "add", "Add.", ADD, id="decorated"),
        pytest.param(decorated_elsewhere(add), "add", "Add.", ADD, id="decorated in another module"),
        pytest.param(functools.lru_cache(add), "add", "Add.", ADD, id="cached"),
        pytest.param(
            functools.partial(add, 1),
            "add",
            "Add.",
            parameters_json(["user"], user=STR, b=INT),
            id="partial with a positional argument",
        ),
        pytest.param(
            functools.partial(add, user="me"),
            "add",
            "Add.",
            parameters_json(["a"], a=INT, b=INT),
            id="partial with a keyword argument",
        ),
        pytest.param(Light().dim, "dim", "Dim it.", parameters_json(["brightness"], brightness=INT), id="method"),
        pytest.param(Light.make, "make", "Make one.", parameters_json(["watts"], watts=INT), id="class method"),
        pytest.param(
            Light(), "Light", "A lamp.", parameters_json(["on"], on={"type": "BOOLEAN"}), id="callable object"
        ),
        pytest.param(
            Undocumented(),
            "Undocumented",
            "",
            parameters_json(["on"], on={"type": "BOOLEAN"}),
            id="callable object without docstring",
        ),
        pytest.param(UndocumentedClass, "UndocumentedClass", "", None, id="class without docstring"),
        pytest.param(Place, "Place", "Place(city: 'str', district: 'str | None' = None)", None, id="class"),
    ],
)
def test_declarations(
    function: Callable[..., Any], name: str, description: str, parameters: dict[str, Any] | None
) -> None:
    """A callable is declared with its name, its docstring and the parameters that are not bound."""
    declaration = MessageToDict(to_declaration(function, {}))
    if function is Place:
        declaration.pop("parameters")
    assert declaration == {
        "name": name,
        **({"description": description} if description else {}),
        **({"parameters": parameters} if parameters else {}),
    }


@pytest.mark.parametrize(
    ("descriptions", "expected"),
    [
        ({}, ["Where.", "How many days ahead.", "Of the answer."]),
        ({"days": "Ahead.", "unit": "Any."}, ["Where.", "Ahead.", "Any."]),
    ],
)
def test_descriptions(descriptions: dict[str, str], expected: list[str]) -> None:
    """A parameter's description comes from the argument, from Annotated, or from the docstring, in this order."""
    properties = to_declaration(weather, descriptions).parameters.properties
    assert [properties[name].description for name in ("place", "days", "unit")] == expected


def test_without_docstring_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without docstring-parser, the whole docstring describes the function."""
    monkeypatch.setitem(sys.modules, "docstring_parser", None)
    declaration = to_declaration(weather, {})
    assert [declaration.parameters.properties[name].description for name in ("place", "unit")] == ["", "Of the answer."]
    assert declaration.description.startswith("Tell the weather.\n\nArgs:\n    place: Where.")


@pytest.mark.parametrize(
    ("function", "schema"),
    [
        (
            unannotated,
            {"type": "object", "properties": {"x": {}, "y": {}}, "required": ["x"], "propertyOrdering": ["x", "y"]},
        ),
        (len, {"type": "object", "properties": {"obj": {}}, "required": ["obj"]}),
    ],
)
def test_parameters_of_any_type(function: Callable[..., Any], schema: dict[str, Any]) -> None:
    """Parameters without annotations are declared in JSON Schema, since the service refuses a Schema without a type."""
    assert MessageToDict(to_declaration(function, {}).parameters_json_schema) == schema


def test_json_schema() -> None:
    """Parameters that a Schema cannot express are declared in JSON Schema, with their definitions."""
    declaration = to_declaration(walk, {})
    assert not declaration.HasField("parameters")
    schema = MessageToDict(declaration.parameters_json_schema)
    assert schema["properties"] == {
        "tree": {"$ref": "#/$defs/Node"},
        "level": {"type": "integer", "enum": [1.0, 2.0]},
    }
    assert list(schema["$defs"]) == ["Node"]


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (unsupported, r"unsupported\(number\)\[\]: cannot make a schema of complex"),
        (unresolvable, "unresolvable: cannot resolve the annotations: name 'Nowhere'"),
        (max, "cannot read the parameters of max: .*; wrap it in a function"),
    ],
)
def test_unsupported_functions(function: Callable[..., Any], message: str) -> None:
    """A function that cannot be declared raises a TypeError with the parameter and the reason."""
    with pytest.raises(TypeError, match=message):
        to_declaration(function, {})


@pytest.mark.parametrize(
    ("function", "arguments", "bound"),
    [
        (add, {"a": 1.0, "b": 2.0}, {"a": 1, "b": 2}),
        (
            weather,
            {"place": {"city": "Rome"}, "days": 3.0, "unit": "kelvin"},
            {"place": Place("Rome"), "days": 3, "unit": Unit.KELVIN},
        ),
        (walk, {"tree": {"value": 1.0, "next": {"value": 2.0}}}, {"tree": Node(1, Node(2))}),
        (decorated_elsewhere(walk), {"tree": {"value": 1.0}}, {"tree": Node(1)}),
        (functools.partial(decorated_elsewhere(walk), level=1), {"tree": {"value": 1.0}}, {"tree": Node(1)}),
        (cook, {"order": {"count": 2.0}}, {"order": Order(count=2)}),
        (unannotated, {"x": 1.0}, {"x": 1.0}),
        (variadic, {"a": 1.0, "c": 2}, {"a": 1, "c": 2.0}),
        (optional, {"n": None, "m": None}, {"n": None, "m": None}),
        (optional, {"n": 1.0}, {"n": 1}),
        (unsupported, {"number": [1.0]}, {"number": [1.0]}),
        (decorated(add), {"a": 1.0}, {"a": 1}),
        (functools.partial(add, 1), {"b": 1.0}, {"b": 1}),
        (Light().dim, {"brightness": 5.0}, {"brightness": 5}),
        (Light(), {"on": True}, {"on": True}),
    ],
)
def test_arguments(function: Callable[..., Any], arguments: dict[str, Any], bound: dict[str, Any]) -> None:
    """The model's JSON is converted to arguments of the annotated types."""
    result = bind_arguments(function, arguments)
    assert result == bound
    assert list(map(type, result.values())) == list(map(type, bound.values()))


@pytest.mark.parametrize(
    ("function", "arguments", "error", "message"),
    [
        (add, {"c": 1, "d": 2}, TypeError, "add has no parameter c, d; it has a, user, b"),
        (lambda: None, {"c": 1}, TypeError, "has no parameter c; it has none"),
        (functools.partial(add, user="me"), {"user": "you"}, TypeError, "add has no parameter user; it has a, b"),
        (positional_only, {"a": 1}, TypeError, r"positional_only\(a\) is positional-only, .* remove the '/'"),
        (add, {"a": "x"}, ValueError, r"add\(a\): expected int, got 'x'"),
        (add, {"a": None}, ValueError, r"add\(a\): expected int, got None"),
        (weather, {"place": {"town": ""}}, ValueError, r"weather\(place\) has no town; it has city, district"),
        (cook, {"order": {}}, ValueError, r"cook\(order\): 1 validation error"),
    ],
)
def test_wrong_arguments(
    function: Callable[..., Any], arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    """Arguments that do not match raise an error that names the parameter."""
    with pytest.raises(error, match=message):
        bind_arguments(function, arguments)
