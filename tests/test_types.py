from __future__ import annotations

from dataclasses import fields
from enum import IntEnum
from typing import Any

import pytest

from genai_grpc import errors, protos, types


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        pytest.param(types.HarmCategory, protos.HarmCategory, id="HarmCategory"),
        pytest.param(types.HarmBlockThreshold, protos.SafetySetting.HarmBlockThreshold, id="HarmBlockThreshold"),
    ],
)
def test_enums_agree_with_the_protos(ours: type[IntEnum], theirs: Any) -> None:
    """An enum for people has the names and numbers of the wire."""
    assert {member.name: member.value for member in ours} == dict(theirs.items())


def test_every_field_of_the_wire_is_a_setting() -> None:
    """Every field of a generation config can be set, but the one that a Python dict makes needless."""
    wire = set(protos.GenerationConfig.DESCRIPTOR.fields_by_name) - {"response_json_schema_ordered"}
    assert {setting.name for setting in fields(types.GenerationConfig)} == wire


def test_nothing_is_set_by_default() -> None:
    """A config of nothing sets nothing; zero, False and the empty list are values."""
    assert types.GenerationConfig().to_dict() == {}
    assert types.GenerationConfig(temperature=0, response_logprobs=False, stop_sequences=[]).to_dict() == {
        "temperature": 0,
        "response_logprobs": False,
        "stop_sequences": [],
    }


def test_positional_settings() -> None:
    """The settings that the old package has may be passed by position, in its order."""
    schema = protos.Schema(type=protos.Type.STRING)
    made = types.GenerationConfig(1, ["END"], 3, 0.5, 0.25, 6, "application/json", schema, 0.1, 0.2)
    assert made == types.GenerationConfig(
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


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"max_rounds": 0}, "^max_rounds is at least 1; got 0$"),
        ({"on_error": "ignore"}, "^on_error is 'raise' or 'model'; got 'ignore'$"),
    ],
)
def test_wrong_bounds(how: dict[str, Any], words: str) -> None:
    """Automatic function calling that could not begin, or would hide errors, is refused."""
    with pytest.raises(ValueError, match=words):
        types.AutomaticFunctionCalling(**how)


@pytest.mark.parametrize(
    "name",
    ["BlockedPromptException", "BrokenResponseError", "IncompleteIterationError", "StopCandidateException"],
)
def test_errors(name: str) -> None:
    """The errors of responses are found here too, as in the old package."""
    assert getattr(types, name) is getattr(errors, name)
