"""Function calls whose arguments came in pieces."""

from __future__ import annotations

from typing import Any

import pytest

from genai_grpc._responses.merge import ResponseMerger
from genai_grpc._responses.partial_args import join_arguments
from genai_grpc.responses import GenerateContentResponse
from genai_grpc_protos import aiplatform_v1

vertex: Any = aiplatform_v1


def chunk(**call: Any) -> Any:
    return vertex.GenerateContentResponse(candidates=[{"content": {"parts": [{"function_call": call}]}}])


@pytest.mark.parametrize(
    ("pieces", "arguments"),
    [
        ([], {}),
        ([{"json_path": "$.a", "number_value": 1}, {"json_path": "$.b", "bool_value": False}], {"a": 1, "b": False}),
        ([{"json_path": "$.a[1].b", "string_value": "x"}], {"a": [None, {"b": "x"}]}),
        ([{"json_path": "$['a b'][\"c'd\"]", "null_value": 0}], {"a b": {"c'd": None}}),
        ([{"json_path": "$.a", "string_value": text} for text in ("New ", "", "York")], {"a": "New York"}),
    ],
)
def test_join(pieces: list[Any], arguments: dict[str, Any]) -> None:
    """Each value is at its path, and strings of one path are joined."""
    assert join_arguments(map(vertex.PartialArg, pieces)) == arguments


def test_stream() -> None:
    """The calls of a stream have all of their arguments at its end; the next call is another one."""
    chunks = [
        chunk(name="weather", will_continue=True),
        chunk(
            partial_args=[{"json_path": "$.city", "string_value": "New ", "will_continue": True}], will_continue=True
        ),
        chunk(partial_args=[{"json_path": "$.city", "string_value": "York"}], will_continue=True),
        chunk(),
        chunk(name="time", partial_args=[{"json_path": "$.zone", "number_value": -5}]),
        chunk(name="now", args={"zone": 1}),
    ]
    response = GenerateContentResponse.from_iterator(chunks)
    response.resolve()
    calls = [(call.name, dict(call.args)) for call in response.function_calls]
    assert calls == [("weather", {"city": "New York"}), ("time", {"zone": -5}), ("now", {"zone": 1})]
    first: Any = response.function_calls[0]
    assert (len(first.partial_args), first.will_continue) == (0, False)


def test_chunks_are_unchanged() -> None:
    """Merging leaves the chunks as they came."""
    merger = ResponseMerger(vertex.GenerateContentResponse)
    first = chunk(name="f", partial_args=[{"json_path": "$.a", "number_value": 1}], will_continue=True)
    merger.add(first)
    merger.add(chunk())
    assert dict(merger.result().candidates[0].content.parts[0].function_call.args) == {"a": 1}
    assert len(first.candidates[0].content.parts[0].function_call.partial_args) == 1
