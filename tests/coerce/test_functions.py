from __future__ import annotations

import dataclasses
import datetime
import enum
import functools
import math
import sys
import types
from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any, Literal

import annotated_types
import pydantic
import pytest
from google.protobuf.json_format import MessageToDict

from genai_grpc import protos
from genai_grpc._coerce.functions import to_declaration
from genai_grpc._coerce.struct import to_plain
from genai_grpc._coerce.tools import CallableFunctionDeclaration


def bind_arguments(function: Callable[..., Any], arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments that a call of the model is bound to."""
    call = protos.FunctionCall(args=arguments)
    return CallableFunctionDeclaration(name="declared", function=function).arguments(call)


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


def keywords(**numbers: int) -> dict[str, int]:
    return numbers


def image() -> bytes:
    raise AssertionError  # it is not called


async def pages() -> AsyncIterator[str]:
    yield ""


def positional(a: int, b: int = 2, /, c: int = 3) -> list[int]:
    return [a, b, c]


def for_type_checkers() -> Nowhere:  # type: ignore[name-defined]  # undefined on purpose  # noqa: F821
    return 1


def literal_bytes(kind: Literal[b"a"]) -> None: ...


def missing_attribute(what: enum.Nothing) -> None: ...  # type: ignore[name-defined]  # undefined on purpose


def limited(number: Annotated[int, pydantic.Field(ge=1)], lamp: Lamp | None = None) -> None: ...


@dataclasses.dataclass
class Lamp:
    """A lamp.

    Args:
        watts: Its power.
    """

    watts: Annotated[int, annotated_types.Le(100)]
    factor: dataclasses.InitVar[int] = 1

    def __post_init__(self, factor: int) -> None:
        self.watts *= factor


@dataclasses.dataclass
class DeskLamp(Lamp):
    """A lamp for desks."""

    arms: int = dataclasses.field(default=1, metadata={"description": "How many arms."})


class Thermostat:
    def __init__(self, degrees: int) -> None:
        """Create one.

        Args:
            degrees: In Celsius.
        """


class Purchase(pydantic.BaseModel):
    count: int = pydantic.Field(ge=1, alias="n", description="How many.")


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
        # The docstring that Python generates, whose wording differs between versions.
        pytest.param(Place, "Place", Place.__doc__, None, id="class"),
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


@pytest.mark.parametrize(
    ("cls", "expected"),
    [
        (DeskLamp, {"watts": "Its power.", "factor": "", "arms": "How many arms."}),
        (Thermostat, {"degrees": "In Celsius."}),
        (Purchase, {"n": "How many."}),
    ],
)
def test_descriptions_of_classes(cls: type, expected: dict[str, str]) -> None:
    """A class's parameters are described by its bases, its `__init__` and its fields too."""
    properties = to_declaration(cls, {}).parameters.properties
    assert {name: properties[name].description for name in properties} == expected


def test_inherited_annotations(monkeypatch: pytest.MonkeyPatch) -> None:
    """The inherited fields of a dataclass are resolved in the module of the class that declares them."""
    base = types.ModuleType("base")
    monkeypatch.setitem(sys.modules, "base", base)
    source = """
from __future__ import annotations
import dataclasses
Number = int
@dataclasses.dataclass
class Base:
    number: Number
class Plain:
    def __init__(self, number: Number): ...
"""
    exec(source, vars(base))  # noqa: S102 -- a constant

    @dataclasses.dataclass
    class Derived(base.Base):  # type: ignore[misc,name-defined]  # made above
        name: str

    class PlainDerived(base.Plain): ...  # type: ignore[misc,name-defined]  # made above

    for cls in (Derived, PlainDerived):
        properties = to_declaration(cls, {}).parameters.properties
        assert properties["number"].type == protos.Type.INTEGER


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
        (Light.dim, r"Light\.dim is a method without its object; .*, such as Light\(\.\.\.\)\.dim"),
        (functools.partial(Light.dim, brightness=1), r"Light\.dim is a method without its object"),
        (decorated(Light.dim), r"Light\.dim is a method without its object"),
        (str.upper, r"str\.upper is a method without its object; .*, such as str\(\.\.\.\)\.upper"),
        (Unit, "Unit is an Enum, not a function; pass a function that takes one"),
        (literal_bytes, r"literal_bytes\(kind\): a Literal of bytes has no JSON form"),
        (missing_attribute, "missing_attribute: cannot resolve the annotations: module .* has no attribute 'Nothing'"),
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
        (unannotated, {"x": 1.0, "y": [2.0, {"z": 2.5}]}, {"x": 1, "y": [2, {"z": 2.5}]}),
        (variadic, {"a": 1.0, "c": 2}, {"a": 1, "c": 2.0}),
        (optional, {"n": None, "m": None}, {"n": None, "m": None}),
        (optional, {"n": 1.0}, {"n": 1}),
        (unsupported, {"number": [1.0]}, {"number": [1]}),
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
    assert {name: type(value) for name, value in result.items()} == {name: type(value) for name, value in bound.items()}


@pytest.mark.parametrize(
    ("function", "arguments", "error", "message"),
    [
        (add, {"c": 1, "d": 2}, TypeError, "add has no parameter c, d; it has a, user, b"),
        (lambda: None, {"c": 1}, TypeError, "has no parameter c; it has none"),
        (functools.partial(add, user="me"), {"user": "you"}, TypeError, "add has no parameter user; it has a, b"),
        (add, {"a": "x"}, ValueError, r"add\(a\): expected int, got 'x'"),
        (add, {"a": None}, ValueError, r"add\(a\): expected int, got None"),
        (weather, {"place": {"town": ""}}, ValueError, r"weather\(place\) has no town; it has city, district"),
        (cook, {"order": {}}, ValueError, r"cook\(order\): 1 validation error"),
        (limited, {"number": 0}, ValueError, r"limited\(number\): 0 must be at least 1"),
        (limited, {"lamp": {"watts": 101}}, ValueError, r"limited\(lamp\)\.watts: 101 must be at most 100"),
        (DeskLamp, {"watts": 101}, ValueError, r"DeskLamp\(watts\): 101 must be at most 100"),
        (keywords, {"a": "x"}, ValueError, r"keywords\(a\): expected int, got 'x'"),
    ],
)
def test_wrong_arguments(
    function: Callable[..., Any], arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    """Arguments that do not match raise an error that names the parameter."""
    with pytest.raises(error, match=message):
        bind_arguments(function, arguments)


def call(function: Callable[..., Any], arguments: dict[str, Any]) -> Any:
    """The result of a call of the model, for a declaration by hand."""
    declaration = CallableFunctionDeclaration(name="declared", function=function)
    response = declaration(protos.FunctionCall(args=arguments)).response
    return to_plain(response).get("result", to_plain(response))


@pytest.mark.parametrize(
    ("function", "arguments", "result"),
    [
        (positional, {"a": 1, "c": 5}, [1, 2, 5]),
        (positional, {"a": 1, "b": 4}, [1, 4, 3]),
        (functools.partial(positional, 1), {"b": 4}, [1, 4, 3]),
        (keywords, {"a": 1, "b": 2}, {"a": 1, "b": 2}),
        (math.sqrt, {"x": 4}, 2),
        ("text".upper, {}, "TEXT"),
        (divmod, {"x": 7, "y": 2}, [3, 1]),
        (DeskLamp, {"watts": 2, "factor": 3}, {"watts": 6, "arms": 1}),
        (Purchase, {"n": 2}, {"n": 2}),
        (Light.make, {"watts": 1}, None),
        (for_type_checkers, {}, 1),
        (datetime.date(2024, 2, 29).isoformat, {}, "2024-02-29"),
    ],
)
def test_results(function: Callable[..., Any], arguments: dict[str, Any], result: Any) -> None:
    """Functions with positional-only parameters, functions in C and classes answer calls."""
    assert call(function, arguments) == result


@pytest.mark.parametrize(
    ("function", "arguments", "message"),
    [
        (positional, {"b": 1}, "positional lacks the argument a"),
        (image, {}, "the result of image: JSON has no bytes; return a str"),
        (functools.partial(image), {}, "the result of image: JSON has no bytes; return a str"),
        (UndocumentedClass, {}, "the result of UndocumentedClass: cannot make JSON of UndocumentedClass"),
        (pages, {}, "cannot make JSON of async_generator: it yields asynchronously; return a list of its items"),
    ],
)
def test_failing_calls(function: Callable[..., Any], arguments: dict[str, Any], message: str) -> None:
    """What cannot be called, or whose return type has no JSON form, raises a TypeError."""
    with pytest.raises(TypeError, match=message):
        call(function, arguments)


def test_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A function's signature is read once, and again only if the declaration gets another function."""
    declaration = CallableFunctionDeclaration(name="declared", function=add)
    arguments = protos.FunctionCall(args={"a": 1, "user": "me"})
    assert declaration.run(arguments) == 2
    with monkeypatch.context() as patch:
        patch.setattr("genai_grpc._coerce.functions.FunctionCaller", None)
        assert declaration.run(arguments) == 2
    declaration.function = lambda a, user: [a, user]
    assert declaration.run(arguments) == [1, "me"]
