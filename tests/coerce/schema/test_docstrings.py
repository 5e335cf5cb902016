from __future__ import annotations

import dataclasses
import enum
from typing import NamedTuple

import pytest

from genai_grpc._coerce.functions import to_declaration
from genai_grpc._coerce.schema.docstrings import own_docstring, parameter_descriptions
from genai_grpc._coerce.schema.model import ObjectType
from genai_grpc._coerce.schema.python_types import read_type


class Lazy:
    """A docstring that is generated when it is read, as that of a dataclass is from Python 3.15."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __get__(self, instance: object, owner: type) -> str:
        return self.text.format(owner.__name__)


class Documented:
    """Indented.

    Twice.
    """


class Inherits(Documented): ...


class Computed:
    __doc__ = property(lambda self: "Of an instance.")


@dataclasses.dataclass
class Point:
    x: int


@dataclasses.dataclass
class LazyPoint:
    __doc__ = Lazy("A point.")

    x: int


@dataclasses.dataclass
class LazyGenerated:
    __doc__ = Lazy("{}(x: int)")

    x: int


class Pair(NamedTuple):
    first: int


class Unit(enum.Enum):
    KELVIN = "kelvin"


def description(cls: type) -> str:
    """The description of a class with fields in its schema."""
    schema = read_type(cls, "answer").definitions[cls.__name__]
    assert isinstance(schema, ObjectType)
    return schema.description


@pytest.mark.parametrize(
    ("cls", "docstring"),
    [
        (Documented, "Indented.\n\nTwice."),
        (Inherits, ""),
        (Computed, ""),
        (LazyPoint, "A point."),
        (LazyGenerated, "LazyGenerated(x: int)"),
        (Pair, "Pair(first,)"),
    ],
)
def test_own_docstring(cls: type, docstring: str) -> None:
    """A class's docstring is its own, whether it is a str or generated when it is read."""
    assert own_docstring(cls) == docstring


@pytest.mark.parametrize("cls", [Point, LazyGenerated, Pair])
def test_generated_docstring(cls: type) -> None:
    """The docstring that Python generates of a class with fields does not describe its schema."""
    assert description(cls) == ""


def test_generated_docstring_of_an_enum() -> None:
    """The docstring that Python generates of an Enum does not describe its schema."""
    assert read_type(Unit, "answer").root.description == ""


def test_lazy_docstring() -> None:
    """A docstring that is generated when it is read describes the schema and the declaration of its class."""
    assert description(LazyPoint) == "A point."
    assert to_declaration(LazyPoint, {}).description == "A point."


def test_parameter_descriptions() -> None:
    """Descriptions are on one line; parameters without one are left out."""
    assert parameter_descriptions("Go.\n\nArgs:\n    speed: In\n        km/h.\n    where:") == {"speed": "In km/h."}
