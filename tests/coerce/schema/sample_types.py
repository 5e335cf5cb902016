"""Types whose schemas several tests expect, and those schemas."""

from __future__ import annotations

import collections
import dataclasses
import enum
from typing import Annotated, Any, Literal, NamedTuple, NewType, Optional

import pydantic
from typing_extensions import NotRequired, Required, TypedDict

UserId = NewType("UserId", int)
Plain = collections.namedtuple("Plain", "a b")
INT, STR = {"type": "INTEGER"}, {"type": "STRING"}


class Colour(enum.Enum):
    """What things look like."""

    RED = "red"
    BLUE = "blue"


class Size(enum.IntEnum):
    SMALL = 1
    LARGE = 2


class Film(TypedDict):
    """A film."""

    title: str
    year: NotRequired[Annotated[int, "of the first showing"]]


class Partly(TypedDict, total=False):
    title: Required[str]
    year: int


@dataclasses.dataclass
class Person:
    """Somebody.

    Attributes:
        name: The full
            name.
        age: In years.
    """

    name: str
    age: Annotated[int, "Whole years."] = 0
    films: list[Film] = dataclasses.field(default_factory=list, metadata={"description": "Seen ones."})
    id: int = dataclasses.field(default=0, init=False)


@dataclasses.dataclass
class Point:
    x: float
    y: float | None


class Pair(NamedTuple):
    first: int
    second: str = ""


class Recipe(pydantic.BaseModel):
    """What to cook."""

    name: str = pydantic.Field(alias="theName", max_length=40)
    minutes: int = pydantic.Field(gt=0, lt=100, description="On the stove.")
    colours: list[Colour] = []
    first: Film | None = None
    kind: Literal["cake"] = "cake"


class Switch(pydantic.BaseModel):
    level: Literal[1, 2]
    at: int | str | None


@dataclasses.dataclass
class Node:
    value: int
    children: list[Node] = dataclasses.field(default_factory=list)


class Tree(pydantic.BaseModel):
    left: Optional[Tree] = None  # noqa: UP045


@dataclasses.dataclass
class Husband:
    wife: Wife | None = None


@dataclasses.dataclass
class Wife:
    husband: Husband | None = None


def object_schema(required: list[str], **properties: Any) -> dict[str, Any]:
    """The JSON of an object's Schema."""
    order = {"propertyOrdering": list(properties)} if len(properties) > 1 else {}
    return {"type": "OBJECT", "properties": properties, **({"required": required} if required else {}), **order}


COLOUR = {"type": "STRING", "enum": ["red", "blue"], "description": "What things look like."}
FILM = object_schema(["title"], title=STR, year={**INT, "description": "of the first showing"}) | {
    "description": "A film."
}
