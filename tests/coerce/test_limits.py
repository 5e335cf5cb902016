"""Limits that types declare, checked in plain JSON."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Annotated, Any, Literal, NamedTuple

import annotated_types
import pydantic
import pytest
from annotated_types import Ge, Gt, Le, Len, Lt, MaxLen, MultipleOf
from hypothesis import given
from hypothesis import strategies as st

from genai_grpc._coerce.limits import check_limits, has_limits
from genai_grpc._coerce.schema.parse import build
from genai_grpc._coerce.schema.python_types import read_type

Percent = Annotated[int, Ge(0), Le(100)]


@dataclasses.dataclass
class Lamp:
    brightness: Percent
    next: Lamp | None = None


class Pair(NamedTuple):
    first: Percent
    second: int


class Model(pydantic.BaseModel):
    number: Percent


@pytest.mark.parametrize(
    ("python_type", "value", "message"),
    [
        (Percent, 101, "x: 101 must be at most 100"),
        (Annotated[int, pydantic.Field(ge=1)], 0, "x: 0 must be at least 1"),
        (pydantic.PositiveInt, 0, "x: 0 must be greater than 0"),
        (Annotated[float, Lt(1)], 1.0, "x: 1.0 must be less than 1"),
        (Annotated[Decimal, Gt(1)], "1", "x: '1' must be greater than 1"),
        (Annotated[float, MultipleOf(0.1)], 0.25, "x: 0.25 must be a multiple of 0.1"),
        (Annotated[str, Len(2)], "a", "x: 'a' must have at least 2 characters"),
        (Annotated[str, MaxLen(1)], "ab", "x: 'ab' must have at most 1 characters"),
        (Annotated[str, pydantic.Field(pattern="^a+$")], "ab", r"x: 'ab' must match '\^a\+\$'"),
        (Annotated[list[int], Len(1, 2)], [], r"x: \[\] must have at least 1 items"),
        (list[Percent], [1, -1], r"x\[1\]: -1 must be at least 0"),
        (tuple[str, Percent], ["", -1], r"x\[1\]: -1"),
        (dict[str, Percent], {"a": -1}, r"x\['a'\]: -1"),
        (Lamp, {"brightness": 1, "next": {"brightness": -1}}, r"x\.next\.brightness: -1"),
        (Pair, [-1, 1], r"x\.first: -1"),
        (Percent | str, -1, "x: -1 must be at least 0"),
        (Annotated[int, Ge(10)] | Annotated[float, Ge(5)], 1, "must be at least 10 and .*must be at least 5"),
        (Percent | None, -1, "x: -1 must be at least 0"),
        (list[Lamp | Literal["off"]], [{"brightness": -1}], r"x\[0\]\.brightness: -1"),
    ],
)
def test_beyond(python_type: Any, value: Any, message: str) -> None:
    """A value beyond a limit raises a ValueError with its location, the value and the limit."""
    schema = read_type(python_type, "x")
    assert has_limits(schema)
    with pytest.raises(ValueError, match=message):
        check_limits(schema, value, "x")


@pytest.mark.parametrize(
    ("python_type", "value"),
    [
        (Percent, 100),
        (Percent, "text"),
        (Percent, True),
        (Percent | None, None),
        (Percent | str, "text"),
        (Percent | list[int] | Literal[-1], -1),
        (Annotated[float, MultipleOf(0.1)], 0.3),
        (Annotated[Decimal, Gt(1)], "text"),
        (Annotated[str, Len(2)], "ab"),
        (tuple[str, Percent], [""]),
        (Lamp, {"brightness": 1}),
        (list[Lamp | Literal["off"]], ["off"]),
        (Model, {"number": -1}),
        (int, -1),
    ],
)
def test_within(python_type: Any, value: Any) -> None:
    """Values within limits pass; so do values of other types and of pydantic models, which are checked elsewhere."""
    check_limits(read_type(python_type, "x"), value, "x")


def test_has_limits() -> None:
    """A type without limits, or whose limits pydantic checks, has none."""
    assert not has_limits(read_type(list[int], "x"))
    assert has_limits(read_type(Lamp, "x"))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 12) | st.sampled_from([0.5, 2.5, 11.5]) | st.text("ab", max_size=4),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("ab"), inner, max_size=3),
)
LIMITED: list[Any] = [
    Annotated[int, Ge(0), Lt(10)],
    Annotated[float, Gt(0), annotated_types.MultipleOf(0.5)],
    Annotated[str, Len(1, 3)],
    Annotated[list[Annotated[int, Ge(2)]], Len(1, 2)],
    list[Annotated[int, Ge(2)] | Annotated[str, Len(2)]],
    dict[str, Annotated[int, Ge(2)]],
]


def check_and_build(python_type: Any, value: Any) -> None:
    schema = read_type(python_type, "x")
    check_limits(schema, value, "x")
    build(schema, value, "x")


def validate(python_type: Any, value: Any) -> None:
    pydantic.TypeAdapter(python_type).validate_json(json.dumps(value), strict=True)


def accepts(check: Callable[[Any, Any], None], python_type: Any, value: Any) -> bool:
    """Whether a check raises no ValueError."""
    try:
        check(python_type, value)
    except ValueError:
        return False
    return True


@given(st.sampled_from(LIMITED), JSON)
def test_as_pydantic(python_type: Any, value: Any) -> None:
    """A value is accepted exactly if pydantic accepts it, strictly, for the same type."""
    assert accepts(check_and_build, python_type, value) is accepts(validate, python_type, value)
