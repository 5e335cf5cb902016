from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import json
import sys
import uuid
from types import GenericAlias
from typing import Any, Literal, NamedTuple, Optional, TypedDict

import pydantic
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from genai_grpc import protos
from genai_grpc._coerce.schema.parse import parse_as
from genai_grpc._coerce.schema.proto_schema import to_schema

UTC = datetime.timezone.utc


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Size(enum.Enum):
    SMALL = 1
    LARGE = 2


class Film(TypedDict, total=False):
    title: str
    year: int


@dataclasses.dataclass(frozen=True)
class Cat:
    name: str
    lives: int = 9


@dataclasses.dataclass(frozen=True)
class Dog:
    name: str
    owner: Cat | None = None


class Pair(NamedTuple):
    first: int
    second: str = ""


@dataclasses.dataclass
class Node:
    value: int
    next: Node | None = None


class Tree(pydantic.BaseModel):
    value: int = pydantic.Field(alias="theValue")
    day: datetime.date | None = None
    left: Optional[Tree] = None  # noqa: UP045


class Strict(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(strict=True)

    day: datetime.date
    count: int


@dataclasses.dataclass
class Even:
    number: int

    def __post_init__(self) -> None:
        if self.number % 2:
            raise ValueError(f"{self.number} is odd")


@pytest.mark.parametrize(
    ("python_type", "value", "parsed"),
    [
        (int, 3.0, 3),
        (float, 3, 3.0),
        (str, "a", "a"),
        (bool, True, True),
        (None, None, None),
        (Any, [1.0, {}], [1.0, {}]),
        (Colour, "red", Colour.RED),
        (Colour, "BLUE", Colour.BLUE),
        (Size, "LARGE", Size.LARGE),
        (Size, 2.0, Size.LARGE),
        (Literal["a", 1, True], 1.0, 1),
        (Literal["a", 1, True], True, True),
        (Literal["a", None], None, None),
        (Literal[Size.SMALL], "SMALL", Size.SMALL),
        (int | None, None, None),
        (int | str, "1", "1"),
        (int | float, 1.5, 1.5),
        (float | int, 2, 2),
        (datetime.date | str, "soon", "soon"),
        (datetime.timedelta | int, 1, 1),
        (decimal.Decimal | str, "1", "1"),
        (Colour | str, "RED", "RED"),
        (Size | int, 2, 2),
        (Cat | Dog, {"name": "Rex", "owner": {"name": "Tom"}}, Dog("Rex", Cat("Tom"))),
        (list[int], [1.0], [1]),
        (set[Cat], [{"name": "Tom"}], {Cat("Tom")}),
        (frozenset[int], [1.0], frozenset({1})),
        (tuple[int, ...], [1.0], (1,)),
        (tuple[int, str], [1.0, "a"], (1, "a")),
        (dict[str, int], {"a": 1.0}, {"a": 1}),
        (Film, {"year": 1931.0}, {"year": 1931}),
        (Cat, {"name": "Tom", "lives": 7.0}, Cat("Tom", 7)),
        (Pair, {"first": 1.0}, Pair(1)),
        (Pair, [1.0, "a"], Pair(1, "a")),
        (Node, {"value": 1.0, "next": {"value": 2.0}}, Node(1, Node(2))),
        (
            Tree,
            {"theValue": 1.0, "left": {"theValue": 2, "day": "2026-01-31"}},
            Tree(theValue=1, left=Tree(theValue=2, day=datetime.date(2026, 1, 31))),
        ),
        (list[Tree], [{"theValue": 1}], [Tree(theValue=1)]),
        (Strict, {"day": "2026-01-31", "count": 3.0}, Strict(day=datetime.date(2026, 1, 31), count=3)),
        (pydantic.RootModel[list[int]], [1.0], pydantic.RootModel[list[int]]([1])),
        (datetime.datetime, "2026-01-31T12:00:00.5Z", datetime.datetime(2026, 1, 31, 12, 0, 0, 500000, UTC)),
        (datetime.date, "2026-01-31", datetime.date(2026, 1, 31)),
        (datetime.date, "2026-01-31T12:00:00Z", datetime.date(2026, 1, 31)),
        (datetime.time, "12:00:00Z", datetime.time(12, tzinfo=UTC)),
        (datetime.timedelta, "P1DT2H3M4.5S", datetime.timedelta(days=1, hours=2, minutes=3, seconds=4.5)),
        (datetime.timedelta, "-PT1M", datetime.timedelta(minutes=-1)),
        (datetime.timedelta, 90.0, datetime.timedelta(seconds=90)),
        (decimal.Decimal, 0.1, decimal.Decimal("0.1")),
        (decimal.Decimal, "1.10", decimal.Decimal("1.10")),
        (uuid.UUID, "12345678-1234-5678-1234-567812345678", uuid.UUID(int=0x12345678123456781234567812345678)),
        ({"type": "object"}, {"a": 1.0}, {"a": 1.0}),
        (protos.Schema(type=protos.Type.INTEGER), 1.0, 1.0),
    ],
    ids=str,
)
def test_parse(python_type: Any, value: Any, parsed: Any) -> None:
    """JSON is converted to the type."""
    result = parse_as(python_type, value)
    assert result == parsed
    assert type(result) is type(parsed)


@pytest.mark.parametrize(
    ("python_type", "value", "message"),
    [
        (int, 1.5, "answer: expected int, got 1.5"),
        (int, True, "answer: expected int, got True"),
        (int, float("nan"), "answer: expected int, got nan"),
        (float, 10**400, "answer: expected float, got 1000"),
        (float, "1", "answer: expected float, got '1'"),
        (bool, 1, "answer: expected bool, got 1"),
        (str, None, "answer: expected str, got None"),
        (list[int], {}, "answer: expected list, got {}"),
        (list[int], [1, "2"], r"answer\[1\]: expected int, got '2'"),
        (dict[str, int], {"a": []}, r"answer\['a'\]: expected int, got \[\]"),
        (tuple[int, str], [1], "answer has 1 items; it must have 2"),
        (Pair, [1, "a", 2], "answer has no 2; it has first, second"),
        (Cat, {"lives": 3}, "answer lacks name"),
        (Cat, {"name": "Tom", "breed": "", "age": 2}, "answer has no age, breed; it has name, lives"),
        (Dog, {"name": "Rex", "owner": {"name": 3}}, "answer.owner.name: expected str, got 3"),
        (Node, {"value": 1, "next": {"value": "a"}}, "answer.next.value: expected int, got 'a'"),
        (Even, {"number": 3}, "answer: 3 is odd"),
        (set[Node], [{"value": 1}], "answer: .*unhashable type"),
        (Colour, "green", "answer: 'green' is not one of 'red', 'blue'"),
        (Colour, ["red"], "is not one of"),
        (Size, True, "True is not one of 'SMALL', 'LARGE'"),
        (
            int | Colour,
            "a",
            "answer matches none of its types: answer: expected int, got 'a'; answer: 'a' is not one of",
        ),
        (Tree, {"theValue": "a"}, r"answer: 1 validation error for Tree[\s\S]*theValue"),
        (datetime.date, "soon", "answer: expected date, got 'soon'"),
        (datetime.timedelta, "soon", "expected timedelta, got 'soon'"),
        (decimal.Decimal, "soon", "expected Decimal, got 'soon'"),
    ],
    ids=str,
)
def test_mismatches(python_type: Any, value: Any, message: str) -> None:
    """JSON that does not match raises a ValueError with the path and the expected type."""
    with pytest.raises(ValueError, match=message):
        parse_as(python_type, value)


def test_without_pydantic(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without pydantic, all other types are parsed."""
    monkeypatch.delitem(sys.modules, "pydantic")
    assert parse_as(list[Cat], [{"name": "Tom"}]) == [Cat("Tom")]


def plain(value: Any) -> Any:
    """The value as plain JSON."""
    match value:
        case enum.Enum():
            return value.value if isinstance(value.value, str) else value.name
        case tuple() if hasattr(value, "_asdict"):
            return plain(value._asdict())
        case list() | tuple() | set() | frozenset():
            return [plain(item) for item in value]
        case dict():
            return {key: plain(item) for key, item in value.items()}
        case pydantic.BaseModel():
            return value.model_dump(mode="json", by_alias=True)
        case datetime.datetime() | datetime.date() | datetime.time():
            return value.isoformat()
        case datetime.timedelta():
            return value.total_seconds()
        case uuid.UUID():
            return str(value)
        case decimal.Decimal():
            return str(value)
    if dataclasses.is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    return value


cats = st.builds(Cat, st.text(), st.integers())
nodes = st.recursive(st.builds(Node, st.integers()), lambda inner: st.builds(Node, st.integers(), inner), max_leaves=4)
trees = st.builds(lambda value, day: Tree(theValue=value, day=day), st.integers(-9, 9), st.none() | st.dates())
TYPES: list[tuple[Any, st.SearchStrategy[Any]]] = [
    (int, st.integers()),
    (float, st.floats(allow_nan=False, allow_infinity=False)),
    (str, st.text()),
    (bool, st.booleans()),
    (Colour, st.sampled_from(Colour)),
    (Size, st.sampled_from(Size)),
    (datetime.datetime, st.datetimes(timezones=st.none() | st.just(UTC))),
    (datetime.date, st.dates()),
    (datetime.time, st.times()),
    (datetime.timedelta, st.timedeltas(datetime.timedelta(days=-99), datetime.timedelta(days=99))),
    (uuid.UUID, st.uuids()),
    (decimal.Decimal, st.decimals(allow_nan=False, allow_infinity=False)),
    (Cat, cats),
    (Cat | Dog | None, st.none() | cats | st.builds(Dog, st.text(), cats)),
    (Pair, st.builds(Pair, st.integers(), st.text())),
    (Node, nodes),
    (Tree, trees),
    (Film, st.fixed_dictionaries({}, optional={"title": st.text(), "year": st.integers()})),
    (int | str | list[int], st.integers() | st.text() | st.lists(st.integers())),
    (tuple[int, str], st.tuples(st.integers(), st.text())),
]


@st.composite
def typed(draw: st.DrawFn) -> tuple[Any, Any]:
    """A type and a value of it."""
    python_type, values = draw(st.sampled_from(TYPES))
    match draw(st.sampled_from(["", "list", "tuple", "dict", "optional"])):
        case "list":
            return GenericAlias(list, (python_type,)), draw(st.lists(values, max_size=3))
        case "tuple":
            return GenericAlias(tuple, (python_type, ...)), draw(st.lists(values, max_size=3).map(tuple))
        case "dict":
            return GenericAlias(dict, (str, python_type)), draw(st.dictionaries(st.text(), values, max_size=3))
        case "optional":
            return python_type | None, draw(st.none() | values)
    return python_type, draw(values)


@settings(suppress_health_check=[HealthCheck.too_slow])  # drawing the first text builds Unicode tables
@given(typed())
def test_round_trip(pair: tuple[Any, Any]) -> None:
    """A value written as JSON and parsed as its type equals the original."""
    python_type, value = pair
    assert parse_as(python_type, json.loads(json.dumps(plain(value)))) == value


@dataclasses.dataclass
class Scaled:
    """A number.

    Args:
        number: To scale.
    """

    number: int
    factor: dataclasses.InitVar[int] = 1

    def __post_init__(self, factor: int) -> None:
        self.number *= factor


@dataclasses.dataclass
class Named(Scaled):
    """A number with a name."""

    name: str = ""


def test_init_variables() -> None:
    """An InitVar of a dataclass is a value of its schema, and reaches `__post_init__`."""
    assert parse_as(Named, {"number": 2, "factor": 3}) == Named(6, 1, "")


def test_inherited_descriptions() -> None:
    """An inherited field has the description in the docstring of its own class."""
    schema = to_schema(Named).schema
    assert schema is not None
    assert schema.properties["number"].description == "To scale."


@pytest.mark.parametrize("python_type", [datetime.date | datetime.datetime, datetime.datetime | datetime.date])
def test_date_or_datetime(python_type: Any) -> None:
    """Of date and datetime, a text with a time is a datetime, and one without is a date."""
    assert parse_as(python_type, "2024-02-29T12:30:00") == datetime.datetime(2024, 2, 29, 12, 30)
    assert type(parse_as(python_type, "2024-02-29")) is datetime.date
