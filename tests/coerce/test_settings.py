from __future__ import annotations

import copy
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from genai_grpc import protos, types
from genai_grpc._call import Options
from genai_grpc._coerce.settings import (
    to_generation_config,
    to_generation_settings,
    to_options,
    to_safety_map,
    to_safety_settings,
)
from genai_grpc._retry import NEVER, RetryPolicy
from genai_grpc._status import error_class


@pytest.mark.parametrize(
    "value",
    [
        pytest.param({"temperature": 0, "max_output_tokens": 5}, id="dict"),
        pytest.param({"temperature": 0, "maxOutputTokens": 5}, id="camelCase"),
        pytest.param({"temperature": 0, "max_output_tokens": 5, "top_k": None}, id="None is absent"),
        pytest.param(types.GenerationConfig(temperature=0, max_output_tokens=5), id="GenerationConfig"),
        pytest.param(protos.GenerationConfig(temperature=0, max_output_tokens=5), id="proto"),
    ],
)
def test_generation_settings(value: Any) -> None:
    """A config of any form is the fields it sets, zero included."""
    settings = to_generation_settings(value)
    assert settings == {"temperature": 0, "max_output_tokens": 5}
    assert to_generation_config(settings) == protos.GenerationConfig(temperature=0, max_output_tokens=5)


def test_no_generation_settings() -> None:
    """No config sets nothing."""
    assert to_generation_settings(None) == to_generation_settings({}) == {}


def test_foreign_generation_config(foreign: Callable[[str], Any]) -> None:
    """A config of another package is as good as ours."""
    theirs = foreign("GenerationConfig")(temperature=0.0, stop_sequences=["x"])
    assert to_generation_config(to_generation_settings(theirs)) == protos.GenerationConfig(
        temperature=0.0, stop_sequences=["x"]
    )


FIELDS: dict[str, tuple[Any, Any]] = {
    "candidate_count": (2, 2),
    "stop_sequences": (("a", "b"), ["a", "b"]),
    "max_output_tokens": (3, 3),
    "temperature": (0, 0),
    "top_p": (0.5, 0.5),
    "top_k": (4, 4),
    "seed": (0, 0),
    "response_mime_type": ("application/json", "application/json"),
    "response_schema": ({"type": "string"}, protos.Schema(type=protos.Type.STRING)),
    "presence_penalty": (-0.5, -0.5),
    "frequency_penalty": (0.5, 0.5),
    "response_logprobs": (False, False),
    "logprobs": (0, 0),
    "enable_enhanced_civic_answers": (True, True),
    "response_modalities": (["text", "AUDIO"], [1, 3]),
    "thinking_config": (
        {"thinking_budget": 0, "include_thoughts": True},
        protos.ThinkingConfig(thinking_budget=0, include_thoughts=True),
    ),
    "image_config": ({"aspect_ratio": "16:9"}, protos.ImageConfig(aspect_ratio="16:9")),
    "media_resolution": ("MEDIA_RESOLUTION_LOW", protos.GenerationConfig.MEDIA_RESOLUTION_LOW),
}


@pytest.mark.parametrize("name", FIELDS)
def test_each_setting(name: str) -> None:
    """Each setting reaches its field, through a dict and through a GenerationConfig."""
    given, expected = FIELDS[name]
    for form in ({name: given}, types.GenerationConfig(**{name: given})):
        made: Any = to_generation_config(to_generation_settings(form))
        assert getattr(made, name) == expected
        if made.DESCRIPTOR.fields_by_name[name].has_presence:
            assert made.HasField(name)


def test_json_schema() -> None:
    """A JSON Schema goes as it is."""
    made = to_generation_config({"response_json_schema": {"type": "array", "items": {"type": "integer"}}})
    fields = made.response_json_schema.struct_value.fields
    assert fields["type"].string_value == "array"
    assert fields["items"].struct_value.fields["type"].string_value == "integer"


def test_speech() -> None:
    """Settings nest as dicts."""
    made = to_generation_config({"speech_config": {"voice_config": {"prebuilt_voice_config": {"voice_name": "Kore"}}}})
    assert made.speech_config.voice_config.prebuilt_voice_config.voice_name == "Kore"


def test_settings_are_not_changed() -> None:
    """The caller's dict and GenerationConfig stay as they are."""
    given = {"maxOutputTokens": 5, "response_schema": {"type": "object"}, "top_k": None}
    config = types.GenerationConfig(response_schema={"type": "object"})
    before = copy.deepcopy((given, config))
    to_generation_config(to_generation_settings(given))
    to_generation_config(to_generation_settings(config))
    assert (given, config) == before


@pytest.mark.parametrize(
    ("value", "error", "words"),
    [
        pytest.param(3, TypeError, "cannot make a GenerationConfig from int; pass a GenerationConfig or", id="int"),
        pytest.param({"temprature": 1}, ValueError, "no field 'temprature'; its fields are .*temperature", id="key"),
        pytest.param({"temperature": "hot"}, TypeError, "temperature takes a number; got str", id="str"),
        pytest.param({"top_k": 1.5}, TypeError, "top_k takes an int; got float", id="float"),
        pytest.param({"stop_sequences": "END"}, TypeError, "stop_sequences is repeated; pass a list", id="one stop"),
        pytest.param({"stop_sequences": [1]}, TypeError, "stop_sequences takes a str; got int", id="int stop"),
        pytest.param({"response_modalities": ["smell"]}, ValueError, "'smell' is no Modality; it is one of", id="enum"),
        pytest.param({"response_schema": complex}, TypeError, "schema: cannot make a schema of complex", id="schema"),
        pytest.param(protos.Part(), TypeError, "cannot make a GenerationConfig from Part", id="another message"),
    ],
)
def test_generation_config_refusals(value: Any, error: type[Exception], words: str) -> None:
    """A config that cannot be is refused with the setting and what it takes."""
    with pytest.raises(error, match=words):
        to_generation_config(to_generation_settings(value))


H, T = types.HarmCategory, types.HarmBlockThreshold
FOUR = (
    H.HARM_CATEGORY_HARASSMENT,
    H.HARM_CATEGORY_HATE_SPEECH,
    H.HARM_CATEGORY_SEXUALLY_EXPLICIT,
    H.HARM_CATEGORY_DANGEROUS_CONTENT,
)


@pytest.mark.parametrize(
    ("value", "threshold"),
    [
        ("low", T.BLOCK_LOW_AND_ABOVE),
        ("med", T.BLOCK_MEDIUM_AND_ABOVE),
        ("medium", T.BLOCK_MEDIUM_AND_ABOVE),
        ("HIGH", T.BLOCK_ONLY_HIGH),
        ("none", T.BLOCK_NONE),
        ("block_none", T.BLOCK_NONE),
        ("BLOCK_ONLY_HIGH", T.BLOCK_ONLY_HIGH),
        ("block_low_and_above", T.BLOCK_LOW_AND_ABOVE),
        ("off", T.OFF),
        ("unspecified", T.HARM_BLOCK_THRESHOLD_UNSPECIFIED),
        ("block_threshold_unspecified", T.HARM_BLOCK_THRESHOLD_UNSPECIFIED),
        ("harm_block_threshold_unspecified", T.HARM_BLOCK_THRESHOLD_UNSPECIFIED),
        (2, T.BLOCK_MEDIUM_AND_ABOVE),
        (T.BLOCK_NONE, T.BLOCK_NONE),
        (protos.SafetySetting.OFF, T.OFF),
    ],
)
def test_one_threshold(value: Any, threshold: int) -> None:
    """One threshold, by name, alias or number, is meant for the four categories."""
    assert to_safety_map(value) == dict.fromkeys(FOUR, threshold)


@pytest.mark.parametrize(
    ("name", "category"),
    [
        ("harassment", H.HARM_CATEGORY_HARASSMENT),
        ("hate", H.HARM_CATEGORY_HATE_SPEECH),
        ("hate_speech", H.HARM_CATEGORY_HATE_SPEECH),
        ("SEX", H.HARM_CATEGORY_SEXUALLY_EXPLICIT),
        ("sexual", H.HARM_CATEGORY_SEXUALLY_EXPLICIT),
        ("sexually_explicit", H.HARM_CATEGORY_SEXUALLY_EXPLICIT),
        ("harm_category_sexual", H.HARM_CATEGORY_SEXUALLY_EXPLICIT),
        ("danger", H.HARM_CATEGORY_DANGEROUS_CONTENT),
        ("dangerous", H.HARM_CATEGORY_DANGEROUS_CONTENT),
        ("dangerous_content", H.HARM_CATEGORY_DANGEROUS_CONTENT),
        ("harm_category_dangerous", H.HARM_CATEGORY_DANGEROUS_CONTENT),
        ("civic", H.HARM_CATEGORY_CIVIC_INTEGRITY),
        ("civic_integrity", H.HARM_CATEGORY_CIVIC_INTEGRITY),
        ("unspecified", H.HARM_CATEGORY_UNSPECIFIED),
        ("harm_category_harassment", H.HARM_CATEGORY_HARASSMENT),
        ("HARM_CATEGORY_CIVIC_INTEGRITY", H.HARM_CATEGORY_CIVIC_INTEGRITY),
        (8, H.HARM_CATEGORY_HATE_SPEECH),
        (H.HARM_CATEGORY_HATE_SPEECH, H.HARM_CATEGORY_HATE_SPEECH),
    ],
)
def test_categories(name: Any, category: int) -> None:
    """A category is named in full, by an alias, or by number, in a mapping and in a list."""
    expected = {category: T.BLOCK_ONLY_HIGH}
    assert to_safety_map({name: "high"}) == expected
    assert to_safety_map([{"category": name, "threshold": "high"}]) == expected


def test_safety_lists(foreign: Callable[[str], Any]) -> None:
    """Settings come as messages of any package, as dicts, and mixed."""
    ours = protos.SafetySetting(
        category=protos.HarmCategory.HARM_CATEGORY_HARASSMENT, threshold=protos.SafetySetting.BLOCK_NONE
    )
    theirs = foreign("SafetySetting")(category=8, threshold=1)
    made = to_safety_map(setting for setting in (ours, theirs, {"category": "sex", "threshold": 3}))
    assert made == {7: 4, 8: 1, 9: 3}
    assert [(s.category, s.threshold) for s in to_safety_settings(made)] == [(7, 4), (8, 1), (9, 3)]


def test_no_safety_settings() -> None:
    """No settings are none."""
    assert to_safety_map(None) == to_safety_map({}) == to_safety_map([]) == {}


@pytest.mark.parametrize(
    ("value", "error", "words"),
    [
        pytest.param(
            "sometimes", ValueError, "'sometimes' is no HarmBlockThreshold; it is one of .*BLOCK_NONE", id="str"
        ),
        pytest.param({"rudeness": "low"}, ValueError, "'rudeness' is no HarmCategory; it is one of", id="category"),
        pytest.param({"hate": None}, TypeError, "HarmBlockThreshold is given by name or number; got None", id="None"),
        pytest.param({None: "low"}, TypeError, "HarmCategory is given by name or number; got None", id="no category"),
        pytest.param(1.5, TypeError, "cannot read safety settings from float; pass a threshold", id="float"),
        pytest.param(
            [{"category": "hate"}], ValueError, r"has 'category' and 'threshold'; got .*\['category'\]", id="half"
        ),
        pytest.param(
            [{"category": "hate", "threshold": "low", "method": 1}], ValueError, "got the keys .*'method'", id="key"
        ),
        pytest.param([{1: 2, "category": "hate"}], ValueError, "got the keys", id="keys of two types"),
        pytest.param(["low"], TypeError, "cannot make a SafetySetting from str", id="str in a list"),
    ],
)
def test_safety_refusals(value: Any, error: type[Exception], words: str) -> None:
    """Settings that cannot be are refused with what came and what is taken."""
    with pytest.raises(error, match=words):
        to_safety_map(value)


POLICY = RetryPolicy(tries=2)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(None, Options(), id="None"),
        pytest.param({}, Options(), id="empty"),
        pytest.param({"timeout": 3}, Options(timeout=3.0), id="timeout alone keeps the client's policy"),
        pytest.param({"timeout": None}, Options(), id="no timeout of its own"),
        pytest.param({"retry": POLICY}, Options(retry=POLICY), id="policy alone keeps the default timeout"),
        pytest.param({"retry": None}, Options(retry=NEVER), id="no retries"),
        pytest.param({"metadata": [("X-Trace", "1")]}, Options(metadata=(("x-trace", "1"),)), id="metadata"),
        pytest.param({"metadata": {"X-Trace": "1"}}, Options(metadata=(("x-trace", "1"),)), id="metadata as a dict"),
        pytest.param({"metadata": None}, Options(), id="no metadata"),
        pytest.param(types.RequestOptions(), Options(), id="RequestOptions"),
        pytest.param(types.RequestOptions(timeout=3), Options(timeout=3.0), id="RequestOptions with a timeout"),
        pytest.param(types.RequestOptions(retry=POLICY), Options(retry=POLICY), id="RequestOptions with a policy"),
        pytest.param(types.RequestOptions(retry=None), Options(retry=NEVER), id="RequestOptions without retries"),
        pytest.param(SimpleNamespace(timeout=0.5), Options(timeout=0.5), id="any object"),
    ],
)
def test_options(value: Any, expected: Options) -> None:
    """What one option says leaves the others to the client."""
    assert to_options(value) == expected


@pytest.mark.parametrize(
    ("value", "error", "words"),
    [
        pytest.param({"time_out": 3}, ValueError, "has timeout, idle_timeout, retry, metadata; got time_out", id="key"),
        pytest.param({"timeout": "3"}, TypeError, "a timeout is a number of seconds; got str", id="str"),
        pytest.param({"timeout": True}, TypeError, "a timeout is a number of seconds; got bool", id="bool"),
        pytest.param({"timeout": 0}, ValueError, "a timeout is above 0 seconds; got 0", id="zero"),
        pytest.param({"timeout": -1}, ValueError, "a timeout is above 0 seconds; got -1", id="negative"),
        pytest.param(
            {"retry": 3},
            TypeError,
            r"retry is a RetryPolicy, a google.api_core.retry.Retry, or None .*; got int",
            id="retry",
        ),
        pytest.param(3, TypeError, "request_options has timeout, idle_timeout, retry, metadata", id="int"),
    ],
)
def test_options_refusals(value: Any, error: type[Exception], words: str) -> None:
    """Options that cannot be are refused with what came and what is taken."""
    with pytest.raises(error, match=words):
        to_options(value)


def test_a_policy_of_api_core() -> None:
    """A policy of google.api_core is taken with its waits, its deadline and its choice of errors, ours included."""
    retry = pytest.importorskip("google.api_core.retry")
    kinds = pytest.importorskip("google.api_core.exceptions")
    given = retry.Retry(
        predicate=retry.if_exception_type(kinds.Aborted), initial=2, multiplier=3, maximum=9, timeout=50
    )
    options = to_options({"retry": given})
    assert options.timeout == 50
    assert to_options({"retry": given, "timeout": 7}).timeout == 7
    policy = options.retry
    assert policy is not None
    waits = [policy.delay(error_class(10)("lost"), tried, draw=lambda: 1.0) for tried in (1, 2, 3, 99)]
    assert waits == [2, 6, 9, 9]
    assert policy.delay(error_class(14)("no"), 1) is None
