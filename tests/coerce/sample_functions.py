"""Functions that are declared and called."""

from __future__ import annotations

import dataclasses
import enum
import functools
from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any, Literal

import annotated_types
import pydantic

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
