from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Any

import pytest

from genai_grpc import errors, protos, types


@pytest.mark.parametrize(
    ("enum", "wire_enum"),
    [
        pytest.param(types.HarmCategory, protos.HarmCategory, id="HarmCategory"),
        pytest.param(types.HarmBlockThreshold, protos.SafetySetting.HarmBlockThreshold, id="HarmBlockThreshold"),
    ],
)
def test_enums_match_protos(enum: type[IntEnum], wire_enum: Any) -> None:
    """A Python enum has the names and numbers of the wire."""
    assert {member.name: member.value for member in enum} == dict(wire_enum.items())


def test_every_wire_field_is_a_setting() -> None:
    """Every field of the generation config can be set, but the one that a Python dict makes unnecessary."""
    wire = set(protos.GenerationConfig.DESCRIPTOR.fields_by_name) - {"response_json_schema_ordered"}
    assert {setting.name for setting in fields(types.GenerationConfig)} == wire


def test_unset_by_default() -> None:
    """A generation config sets nothing by default; zero, False and the empty list are values."""
    assert types.GenerationConfig().to_dict() == {}
    assert types.GenerationConfig(temperature=0, response_logprobs=False, stop_sequences=[]).to_dict() == {
        "temperature": 0,
        "response_logprobs": False,
        "stop_sequences": [],
    }


def test_positional_settings() -> None:
    """The settings of google-generativeai may be passed by position, in its order."""
    schema = protos.Schema(type=protos.Type.STRING)
    config = types.GenerationConfig(1, ["END"], 3, 0.5, 0.25, 6, "application/json", schema, 0.1, 0.2)
    assert config == types.GenerationConfig(
        candidate_count=1,
        stop_sequences=["END"],
        max_output_tokens=3,
        temperature=0.5,
        top_p=0.25,
        top_k=6,
        response_mime_type="application/json",
        response_schema=schema,
        presence_penalty=0.1,
        frequency_penalty=0.2,
    )


def test_request_options_as_mapping() -> None:
    """RequestOptions is a mapping of its fields, as in google-generativeai."""
    options = types.RequestOptions(timeout=5, retry=None)
    assert isinstance(options, Mapping)
    assert dict(options) == {**options} == {"timeout": 5, "idle_timeout": None, "retry": None, "metadata": ()}
    assert (options["timeout"], options.get("wait", 3), len(options), "retry" in options) == (5, 3, 4, True)
    with pytest.raises(KeyError, match="'wait' is none of timeout, idle_timeout, retry, metadata"):
        options["wait"]


def test_subclass_of_request_options() -> None:
    """A subclass of RequestOptions has the same keys, whatever attributes it adds."""

    @dataclass
    class Traced(types.RequestOptions):
        trace: str = "on"

    assert [*Traced(timeout=5)] == ["timeout", "idle_timeout", "retry", "metadata"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_rounds": 0}, "^max_rounds is at least 1; got 0$"),
        ({"on_error": "ignore"}, "^on_error is 'raise' or 'model'; got 'ignore'$"),
    ],
)
def test_invalid_automatic_function_calling(settings: dict[str, Any], message: str) -> None:
    """Settings of automatic function calling that are out of range are refused."""
    with pytest.raises(ValueError, match=message):
        types.AutomaticFunctionCalling(**settings)


@pytest.mark.parametrize(
    "name",
    ["BlockedPromptException", "BrokenResponseError", "IncompleteIterationError", "StopCandidateException"],
)
def test_errors(name: str) -> None:
    """`types` has the errors of responses, as in google-generativeai."""
    assert getattr(types, name) is getattr(errors, name)
