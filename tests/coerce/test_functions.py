"""Functions as declarations, and arguments as theirs."""

from __future__ import annotations

import dataclasses
import enum
import functools
from collections.abc import Callable
from typing import Annotated, Any

import pytest
from google.protobuf.json_format import MessageToDict

from genai_grpc._coerce.functions import bind_arguments, to_declaration


class Unit(enum.Enum):
    """Of temperature."""

    CELSIUS = "celsius"
    KELVIN = "kelvin"


@dataclasses.dataclass
class Place:
    city: str
    district: str | None = None


@dataclasses.dataclass
class Node:
    value: int
    children: list[Node] = dataclasses.field(default_factory=list)


def weather(place: Place, days: int = 1, unit: Annotated[Unit, "of the answer"] = Unit.CELSIUS) -> str:
    """Tell the weather.

    Args:
        place: Where.
        days: How many days ahead.
    """
    return f"{place.city}: {days} {unit.value}"


async def later(number: int) -> int:
    """Wait for it."""
    return number


def nothing() -> None:
    """Do nothing."""


def untyped(anything):  # type: ignore[no-untyped-def]  # what is tested
    return anything


def walk(tree: Node) -> int:
    """Walk a tree."""
    return tree.value


def logged(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return call


class Light:
    """A lamp."""

    def dim(self, brightness: int) -> int:
        """Dim it."""
        return brightness

    def __call__(self, on: bool) -> bool:
        """Switch it."""
        return on


def loose(number: int, *numbers: int, **names: int) -> None: ...


def test_a_function() -> None:
    """A function is declared with its name, docstring and parameters; those with a default are not required."""
    made = to_declaration(weather, {"days": "Days to look ahead."})
    assert (made.name, made.description.splitlines()[0]) == ("weather", "Tell the weather.")
    assert list(made.parameters.required) == ["place"]
    assert list(made.parameters.property_ordering) == ["place", "days", "unit"]
    said = {name: schema.description for name, schema in made.parameters.properties.items()}
    assert said == {"place": "Where.", "days": "Days to look ahead.", "unit": "of the answer"}
    assert MessageToDict(made.parameters.properties["unit"])["enum"] == ["celsius", "kelvin"]
    assert list(made.parameters.properties["place"].required) == ["city"]


@pytest.mark.parametrize(
    ("function", "name", "parameters"),
    [
        pytest.param(nothing, "nothing", [], id="no parameters"),
        pytest.param(later, "later", ["number"], id="coroutine"),
        pytest.param(untyped, "untyped", ["anything"], id="no annotations"),
        pytest.param(Light().dim, "dim", ["brightness"], id="method"),
        pytest.param(Light(), "Light", ["on"], id="object"),
        pytest.param(logged(weather), "weather", ["days", "place", "unit"], id="wrapped"),
        pytest.param(loose, "loose", ["number"], id="any number of arguments"),
        pytest.param(functools.partial(later), "later", ["number"], id="partial"),
        pytest.param(functools.partial(weather, Place("Rome")), "weather", ["days", "unit"], id="partial with a value"),
    ],
)
def test_callables(function: Callable[..., Any], name: str, parameters: list[str]) -> None:
    """Whatever can be called is declared, without the parameters that are bound already."""
    made = to_declaration(function, {})
    assert made.name == name
    assert sorted(made.parameters.properties) == parameters
    assert made.HasField("parameters") is bool(parameters)


def test_a_recursive_parameter() -> None:
    """A type that contains itself is declared in JSON Schema."""
    made = to_declaration(walk, {})
    assert not made.HasField("parameters")
    assert MessageToDict(made.parameters_json_schema)["required"] == ["tree"]


def first(number: int, /) -> None: ...


def odd(number: complex) -> None: ...


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (first, "'number' of first is positional only"),
        (odd, r"complex for odd\.number"),
    ],
)
def test_refusals(function: Callable[..., Any], words: str) -> None:
    """A parameter that a model cannot fill is refused, by name."""
    with pytest.raises(TypeError, match=words):
        to_declaration(function, {})


def test_arguments() -> None:
    """Arguments come as the annotations say: whole numbers as int, words as Enum members, objects as records."""
    bound = bind_arguments(weather, {"place": {"city": "Rome"}, "days": 3.0, "unit": "kelvin"})
    assert bound == {"place": Place("Rome"), "days": 3, "unit": Unit.KELVIN}
    assert type(bound["days"]) is int
    assert weather(**bound) == "Rome: 3 kelvin"


def test_arguments_without_annotations() -> None:
    """What the annotations say nothing of stays as it is."""
    assert bind_arguments(untyped, {"anything": 3.0}) == {"anything": 3.0}


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"town": "Rome"}, TypeError, "weather has no parameter town; it has place, days, unit"),
        ({"days": "soon"}, ValueError, "days takes a whole number; got str"),
        ({"place": {"town": "Rome"}}, ValueError, "Place has no field town"),
        ({"unit": "fahrenheit"}, ValueError, "unit: 'fahrenheit' is none of"),
    ],
)
def test_wrong_arguments(arguments: dict[str, Any], error: type[Exception], words: str) -> None:
    """Wrong arguments are refused by name, before the function runs."""
    with pytest.raises(error, match=words):
        bind_arguments(weather, arguments)
