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


def bare(x, y=2): ...  # type: ignore[no-untyped-def]  # what is tested


def loose(a: int, *numbers: int, b: str = "", **more: float) -> None: ...


def first(a: int, /, b: int) -> None: ...


def optional(n: int = None, m: str | None = None) -> None: ...  # type: ignore[assignment]  # as many write it  # noqa: RUF013


def walk(tree: Node, level: Literal[1, 2] = 1) -> None: ...


def cook(order: Order) -> None: ...


def odd(number: list[complex]) -> None: ...


def hidden(what: Nowhere) -> None: ...  # type: ignore[name-defined]  # what is tested  # noqa: F821


def logged(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return call


def borrowed(function: Callable[..., Any]) -> Callable[..., Any]:
    """A decorator of another module, which knows none of the names here."""
    call: Callable[..., Any] = eval("lambda *args, **kwargs: None", {})  # noqa: S307 -- our own text
    return functools.wraps(function)(call)


class Mute:
    def __call__(self, on: bool) -> None: ...


class Empty: ...


class Light:
    """A lamp."""

    def dim(self, brightness: int) -> None:
        """Dim it."""

    @classmethod
    def make(cls, watts: int) -> None:
        """Make one."""

    def __call__(self, on: bool) -> None: ...


def declared(required: list[str], **properties: Any) -> dict[str, Any]:
    """The JSON of parameters."""
    order = {"propertyOrdering": list(properties)} if len(properties) > 1 else {}
    return {"type": "OBJECT", "properties": properties, **({"required": required} if required else {}), **order}


ADD = declared(["a", "user"], a=INT, user=STR, b=INT)


@pytest.mark.parametrize(
    ("function", "name", "description", "parameters"),
    [
        pytest.param(add, "add", "Add.", ADD, id="function"),
        pytest.param(later, "later", "Wait.", declared(["number"], number=INT), id="coroutine function"),
        pytest.param(bare, "bare", "", declared(["x"], x={}, y={}), id="no annotations"),
        pytest.param(loose, "loose", "", declared(["a"], a=INT, b=STR), id="*args and **kwargs"),
        pytest.param(first, "first", "", declared(["a", "b"], a=INT, b=INT), id="by position"),
        pytest.param(optional, "optional", "", declared([], n=INT, m={**STR, "nullable": True}), id="defaults of None"),
        pytest.param(lambda: None, "<lambda>", "", None, id="no parameters"),
        pytest.param(logged(logged(add)), "add", "Add.", ADD, id="decorated"),
        pytest.param(borrowed(add), "add", "Add.", ADD, id="decorated elsewhere"),
        pytest.param(functools.lru_cache(add), "add", "Add.", ADD, id="cached"),
        pytest.param(
            functools.partial(add, 1), "add", "Add.", declared(["user"], user=STR, b=INT), id="partial by position"
        ),
        pytest.param(
            functools.partial(add, user="me"), "add", "Add.", declared(["a"], a=INT, b=INT), id="partial by name"
        ),
        pytest.param(Light().dim, "dim", "Dim it.", declared(["brightness"], brightness=INT), id="method"),
        pytest.param(Light.make, "make", "Make one.", declared(["watts"], watts=INT), id="class method"),
        pytest.param(Light(), "Light", "A lamp.", declared(["on"], on={"type": "BOOLEAN"}), id="object"),
        pytest.param(Mute(), "Mute", "", declared(["on"], on={"type": "BOOLEAN"}), id="object without words"),
        pytest.param(Empty, "Empty", "", None, id="class without words"),
        pytest.param(Place, "Place", "Place(city: 'str', district: 'str | None' = None)", None, id="class"),
        pytest.param(len, "len", "Return the number of items in a container.", declared(["obj"], obj={}), id="builtin"),
    ],
)
def test_declarations(
    function: Callable[..., Any], name: str, description: str, parameters: dict[str, Any] | None
) -> None:
    """Whatever can be called is declared by its name, its docstring and the parameters that are still open."""
    made = MessageToDict(to_declaration(function, {}))
    if function is Place:
        made.pop("parameters")
    assert made == {
        "name": name,
        **({"description": description} if description else {}),
        **({"parameters": parameters} if parameters else {}),
    }


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, ["Where.", "How many days ahead.", "Of the answer."]),
        ({"days": "Ahead.", "unit": "Any."}, ["Where.", "Ahead.", "Any."]),
    ],
)
def test_descriptions(given: dict[str, str], said: list[str]) -> None:
    """Parameters are described by what is given, by Annotated, or by the docstring, in this order."""
    properties = to_declaration(weather, given).parameters.properties
    assert [properties[name].description for name in ("place", "days", "unit")] == said


def test_without_docstring_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without docstring-parser the docstring describes the function alone, in full."""
    monkeypatch.setitem(sys.modules, "docstring_parser", None)
    made = to_declaration(weather, {})
    assert [made.parameters.properties[name].description for name in ("place", "unit")] == ["", "Of the answer."]
    assert made.description.startswith("Tell the weather.\n\nArgs:\n    place: Where.")


def test_json_schema() -> None:
    """Parameters that a Schema cannot say are declared in JSON Schema, those of one name told apart."""
    made = to_declaration(walk, {})
    assert not made.HasField("parameters")
    schema = MessageToDict(made.parameters_json_schema)
    assert schema["properties"] == {
        "tree": {"$ref": "#/$defs/Node"},
        "level": {"type": "integer", "enum": [1.0, 2.0]},
    }
    assert list(schema["$defs"]) == ["Node"]


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (odd, r"odd\(number\)\[\]: cannot make a schema of complex"),
        (hidden, "hidden: cannot resolve the annotations: name 'Nowhere'"),
        (max, "cannot read the parameters of max: .*; wrap it in a function"),
    ],
)
def test_refusals(function: Callable[..., Any], words: str) -> None:
    """What cannot be declared is refused with the parameter and the reason."""
    with pytest.raises(TypeError, match=words):
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
        (borrowed(walk), {"tree": {"value": 1.0}}, {"tree": Node(1)}),
        (functools.partial(borrowed(walk), level=1), {"tree": {"value": 1.0}}, {"tree": Node(1)}),
        (cook, {"order": {"count": 2.0}}, {"order": Order(count=2)}),
        (bare, {"x": 1.0}, {"x": 1.0}),
        (loose, {"a": 1.0, "c": 2}, {"a": 1, "c": 2.0}),
        (optional, {"n": None, "m": None}, {"n": None, "m": None}),
        (optional, {"n": 1.0}, {"n": 1}),
        (odd, {"number": [1.0]}, {"number": [1.0]}),
        (logged(add), {"a": 1.0}, {"a": 1}),
        (functools.partial(add, 1), {"b": 1.0}, {"b": 1}),
        (Light().dim, {"brightness": 5.0}, {"brightness": 5}),
        (Light(), {"on": True}, {"on": True}),
    ],
)
def test_arguments(function: Callable[..., Any], arguments: dict[str, Any], bound: dict[str, Any]) -> None:
    """The model's JSON becomes arguments of the types that the annotations say."""
    made = bind_arguments(function, arguments)
    assert made == bound
    assert list(map(type, made.values())) == list(map(type, bound.values()))


@pytest.mark.parametrize(
    ("function", "arguments", "error", "words"),
    [
        (add, {"c": 1, "d": 2}, TypeError, "add has no parameter c, d; it has a, user, b"),
        (lambda: None, {"c": 1}, TypeError, "has no parameter c; it has none"),
        (functools.partial(add, user="me"), {"user": "you"}, TypeError, "add has no parameter user; it has a, b"),
        (first, {"a": 1}, TypeError, r"first\(a\) is by position only, .* take the '/' out"),
        (add, {"a": "x"}, ValueError, r"add\(a\): 'x' is no int"),
        (add, {"a": None}, ValueError, r"add\(a\): None is no int"),
        (weather, {"place": {"town": ""}}, ValueError, r"weather\(place\) has no town; it has city, district"),
        (cook, {"order": {}}, ValueError, r"cook\(order\): 1 validation error"),
    ],
)
def test_wrong_arguments(
    function: Callable[..., Any], arguments: dict[str, Any], error: type[Exception], words: str
) -> None:
    """Arguments that do not fit are refused by name."""
    with pytest.raises(error, match=words):
        bind_arguments(function, arguments)
