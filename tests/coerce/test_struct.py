"""Structs as plain JSON."""

from __future__ import annotations

from typing import Any

from google.protobuf import struct_pb2
from google.protobuf.json_format import ParseDict
from hypothesis import given
from hypothesis import strategies as st

from genai_grpc._coerce.struct import to_plain

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False).filter(lambda number: not number.is_integer())
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def typed(value: Any) -> Any:
    """A value with the types in it, as 3 == 3.0 == True."""
    match value:
        case dict():
            return {name: typed(item) for name, item in value.items()}
        case list():
            return [typed(item) for item in value]
    return type(value), value


@given(st.dictionaries(st.text(), JSON))
def test_round_trip(value: dict[str, Any]) -> None:
    """JSON returns from a Struct unchanged, whole numbers as int."""
    assert typed(to_plain(ParseDict(value, struct_pb2.Struct()))) == typed(value)


def test_empty_value() -> None:
    """A Value without a kind is None, and a ListValue is a list."""
    assert to_plain(struct_pb2.Value()) is None
    assert to_plain(struct_pb2.ListValue(values=[struct_pb2.Value(number_value=3)])) == [3]
