"""Results of functions as the JSON of function responses."""

from __future__ import annotations

import collections
import dataclasses
import datetime
import decimal
import enum
import math
import pathlib
import uuid
from collections.abc import Iterator
from typing import Annotated, Any, NamedTuple, TypedDict

import pydantic
import pydantic_core
import pytest
from google.protobuf.json_format import MessageToDict
from hypothesis import given
from hypothesis import strategies as st

from genai_grpc import protos
from genai_grpc._coerce.function_results import result_type_refusal, to_json_value
from genai_grpc._coerce.schema.parse import parse_as
from genai_grpc._coerce.struct import to_plain
from genai_grpc._coerce.tools import to_function_response

UTC = datetime.timezone.utc
CALL = protos.FunctionCall(name="find", id="c1")


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1


class Shape(enum.Enum):
    ROUND = object()


@dataclasses.dataclass
class Event:
    day: datetime.date
    at: datetime.datetime
    length: datetime.timedelta
    price: decimal.Decimal
    key: uuid.UUID
    colour: Colour = Colour.RED
    again: list[Event] = dataclasses.field(default_factory=list)


class Point(NamedTuple):
    x: int
    y: float


class Film(TypedDict):
    title: str
    years: set[int]
    points: tuple[Point, ...]


class Order(pydantic.BaseModel):
    count: int = pydantic.Field(alias="n")
    day: datetime.date
    event: Event | None = None


@pydantic.dataclasses.dataclass
class Item:
    day: datetime.date


class Celsius:
    """A type that describes itself to pydantic."""

    def __init__(self, degrees: float) -> None:
        self.degrees = degrees

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        return pydantic_core.core_schema.no_info_plain_validator_function(
            cls,
            serialization=pydantic_core.core_schema.plain_serializer_function_ser_schema(lambda value: value.degrees),
        )


class Table:
    """Iterable, but not a sequence."""

    def __iter__(self) -> Iterator[str]:
        return iter(["column"])


def unserializable() -> pydantic.BaseModel:
    """A model with a value that pydantic cannot write."""

    class Raw(pydantic.BaseModel):
        data: bytes

    return Raw(data=b"\xff")


DAY = datetime.date(2024, 2, 29)


@pytest.mark.parametrize(
    ("value", "json"),
    [
        (None, None),
        (True, True),
        ("text", "text"),
        (3, 3),
        (2.5, 2.5),
        (math.nan, None),
        (-math.inf, None),
        (2**53, 2**53),
        (2**53 + 1, "9007199254740993"),
        (-(10**400), "-1" + "0" * 400),
        (DAY, "2024-02-29"),
        (datetime.datetime(2024, 2, 29, 12, tzinfo=UTC), "2024-02-29T12:00:00Z"),
        (datetime.datetime(2024, 2, 29, 12, 0, 0, 5), "2024-02-29T12:00:00.000005"),
        (datetime.time(12, 30, tzinfo=UTC), "12:30:00Z"),
        (datetime.timedelta(0), "PT0S"),
        (-datetime.timedelta(days=1, hours=2), "-P1DT2H"),
        (datetime.timedelta(days=400, microseconds=5), "P400DT0.000005S"),
        (decimal.Decimal("0.10"), "0.10"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (Colour.RED, "red"),
        (Level.LOW, 1),
        (Shape.ROUND, "ROUND"),
        (pathlib.PurePosixPath("/a/b"), "/a/b"),
        ((1, DAY), [1, "2024-02-29"]),
        ({DAY}, ["2024-02-29"]),
        (collections.deque([1]), [1]),
        ((number for number in (1, 2)), [1, 2]),
        ({"a": 1}.values(), [1]),
        (Point(1, 2.5), [1, 2.5]),
        ({1: "a", None: "b", DAY: "c"}, {"1": "a", "None": "b", "2024-02-29": "c"}),
        ({(1, Colour.RED): "a", False: "b"}, {"1,red": "a", "false": "b"}),
        (Order(n=1, day=DAY), {"n": 1, "day": "2024-02-29", "event": None}),
        (Item(DAY), {"day": "2024-02-29"}),
        ([Celsius(20.5)], [20.5]),
        (protos.FunctionCall(name="f", args={"a": [1]}).args, {"a": [1]}),
        (protos.Blob(mime_type="a/b", data=b"\x00"), {"mimeType": "a/b", "data": "AA=="}),
    ],
)
def test_forms(value: Any, json: Any) -> None:
    """Every supported type has one JSON form, at any depth."""
    converted = to_json_value(value)
    assert converted == json
    assert type(converted) is type(json)


def test_numpy() -> None:
    """Arrays and scalars of numpy are lists and numbers."""
    numpy = pytest.importorskip("numpy")
    matrix = numpy.array([[1, 2], [3, 4]])
    converted = to_json_value([matrix, matrix[0, 0], numpy.float32(0.5), numpy.float64("nan"), numpy.bool_(True)])
    assert converted == [[[1, 2], [3, 4]], 1, 0.5, None, True]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (b"\x00", "the result of find: cannot make JSON of bytes: JSON has no bytes; return a str"),
        ({"image": [bytearray(1)]}, r"the result of find\['image'\]\[0\]: cannot make JSON of bytearray"),
        (memoryview(b"\x00"), "cannot make JSON of memoryview: JSON has no bytes"),
        (1j, "cannot make JSON of complex: JSON has no complex numbers; return two floats"),
        (object(), "cannot make JSON of object: return a str, number"),
        (Table(), "cannot make JSON of Table: return a list of its items"),
        ([Event], r"the result of find\[0\]: cannot make JSON of type"),
        ({1: "a", "1": "b"}, "two keys have the JSON form '1'"),
        ({frozenset(): 1}, "a key of the result of find: cannot make a str of frozenset"),
        ("\ud800", "the str is not valid Unicode"),
        (unserializable(), "pydantic cannot make JSON of .*Raw: .*invalid utf-8"),
        (Event(DAY, b"", datetime.timedelta(0), decimal.Decimal(0), uuid.UUID(int=0)), r"the result of find\.at: "),  # type: ignore[arg-type]
    ],
)
def test_without_json_form(value: Any, message: str) -> None:
    """A result that JSON cannot express raises a TypeError with the location, the type and what to return."""
    with pytest.raises(TypeError, match=message):
        to_function_response(CALL, value)


def test_cycle() -> None:
    """A list that contains itself raises a TypeError."""
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(TypeError, match="contains itself"):
        to_function_response(CALL, endless)


@pytest.mark.parametrize(
    ("result", "response"),
    [
        ({"a": math.nan, "b": None}, {"a": None, "b": None}),
        ({}, {}),
        (Order(n=1, day=DAY), {"n": 1.0, "day": "2024-02-29", "event": None}),
        ([DAY], {"result": ["2024-02-29"]}),
        (None, {"result": None}),
        (2**60 + 1, {"result": "1152921504606846977"}),
    ],
)
def test_responses(result: Any, response: dict[str, Any]) -> None:
    """A JSON object is the response, other JSON is its "result"; the message has a JSON form in turn."""
    message = to_function_response(CALL, result)
    assert MessageToDict(message) == {"id": "c1", "name": "find", "response": response}


@pytest.mark.parametrize(
    ("annotation", "is_refused"),
    [
        (bytes, True),
        (Annotated[list[bytes], "Pages."], True),
        (dict[str, memoryview], True),
        (bytes | None, True),
        (bytes | str, False),
        (list[str], False),
        (Any, False),
        (object, False),
        (Event, False),
    ],
)
def test_return_types(annotation: Any, is_refused: bool) -> None:
    """A return type is refused only if none of its values but None has a JSON form."""
    assert (result_type_refusal(annotation) is not None) is is_refused


DURATIONS = st.timedeltas(datetime.timedelta(days=-300), datetime.timedelta(days=300))
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**53), 2**53),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(),
    st.dates(),
    st.times(),
    st.datetimes(timezones=st.sampled_from([None, UTC, datetime.timezone(datetime.timedelta(hours=-3.5))])),
    DURATIONS,  # pydantic writes years of 365 days
    st.decimals(),
    st.uuids(),
    st.sampled_from([*Colour, *Level]),
)
KEYS = st.one_of(st.text(), st.dates(), st.uuids(), st.sampled_from(Colour))


@given(st.recursive(SCALARS, lambda inner: st.lists(inner) | st.tuples(inner) | st.dictionaries(st.text(), inner)))
def test_pydantic_forms(value: Any) -> None:
    """The JSON forms of Python's own types are pydantic's."""
    assert to_json_value(value) == pydantic_core.to_jsonable_python(value)


@given(KEYS)
def test_pydantic_keys(key: Any) -> None:
    """The JSON forms of keys are pydantic's."""
    assert to_json_value({key: 1}) == pydantic_core.to_jsonable_python({key: 1})


PRICES = st.decimals(allow_nan=False, allow_infinity=False)
INTEGERS = st.integers(-(2**53), 2**53)
EVENTS = st.recursive(
    st.builds(Event, st.dates(), st.datetimes(), DURATIONS, PRICES, st.uuids(), st.sampled_from(Colour), st.just([])),
    lambda events: st.builds(
        Event, st.dates(), st.datetimes(), DURATIONS, PRICES, st.uuids(), st.sampled_from(Colour), st.lists(events)
    ),
    max_leaves=5,
)
POINTS = st.builds(Point, INTEGERS, st.floats(allow_nan=False, allow_infinity=False))
VALUES = st.one_of(
    st.tuples(st.just(Event), EVENTS),
    st.tuples(st.just(Point), POINTS),
    st.tuples(
        st.just(Film),
        st.fixed_dictionaries({"title": st.text(), "years": st.sets(INTEGERS), "points": st.lists(POINTS).map(tuple)}),
    ),
    st.tuples(st.just(Order), st.builds(Order, n=INTEGERS, day=st.dates(), event=st.none() | EVENTS)),
    st.tuples(st.just(dict[str, list[datetime.time]]), st.dictionaries(st.text(), st.lists(st.times()))),
    st.tuples(st.just(dict[str, Any]), st.dictionaries(st.text(), INTEGERS | st.text() | st.none())),
)


@given(VALUES)
def test_round_trip(typed_value: tuple[Any, Any]) -> None:
    """What a function returns reaches a parameter of the same type as an equal value."""
    python_type, value = typed_value
    plain = to_plain(to_function_response(CALL, [value]).response)
    assert parse_as(python_type, plain["result"][0]) == value
