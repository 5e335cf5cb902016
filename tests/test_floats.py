from __future__ import annotations

from array import array

from google.protobuf.json_format import MessageToDict
from hypothesis import given
from hypothesis import strategies as st

from genai_grpc import protos
from genai_grpc._floats import to_shortest


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=20))
def test_as_protobuf(values: list[float]) -> None:
    """The decimals are those of protobuf's JSON, which google.generativeai reads."""
    found = MessageToDict(protos.ContentEmbedding(values=values))["values"]
    assert to_shortest(array("f", values)) == found


def test_special_values() -> None:
    """No values give none; an infinity and a NaN stay what they are."""
    assert to_shortest([]) == []
    assert list(map(repr, to_shortest([float("inf"), 0.5, float("nan"), -0.0]))) == ["inf", "0.5", "nan", "-0.0"]
