from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from genai_grpc import protos, types
from genai_grpc._coerce.settings import WordAnswer, answer_type, merge_generation_settings, to_options
from genai_grpc._rpc.options import CallOptions
from genai_grpc._rpc.retry_policy import NO_RETRY, RetryPolicy
from genai_grpc._rpc.status import error_class

POLICY = RetryPolicy(max_attempts=2)
SCHEMAS = {
    "response_schema": int,
    "response_json_schema": {"type": "string"},
    "response_json_schema_ordered": {"type": "boolean"},
}


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, None),
        ({"response_schema": int}, int),
        ({"response_schema": {"type": "integer"}}, None),
        ({"response_schema": protos.Schema(type=protos.Type.INTEGER)}, None),
        ({"response_json_schema": {"type": "integer"}}, None),
        ({"response_schema": bool, "response_mime_type": "application/json"}, bool),
        ({"response_schema": bool, "response_mime_type": "text/x.enum"}, WordAnswer(bool)),
        ({"response_schema": {"enum": ["a"]}, "response_mime_type": "text/x.enum"}, WordAnswer(None)),
    ],
    ids=str,
)
def test_answer_type(settings: dict[str, Any], expected: Any) -> None:
    """An answer is read by its schema if that is a Python type, and as a word if its MIME type is text/x.enum."""
    assert answer_type(settings) == expected


@pytest.mark.parametrize("default", SCHEMAS)
@pytest.mark.parametrize("override", SCHEMAS)
def test_schema_of_a_call(default: str, override: str) -> None:
    """The schema of a call replaces that of the model, whichever field holds each; other defaults stay."""
    defaults = {"temperature": 0.5, default: SCHEMAS[default]}
    assert merge_generation_settings(defaults, {override: SCHEMAS[override]}) == {
        "temperature": 0.5,
        override: SCHEMAS[override],
    }
    assert merge_generation_settings(defaults, {"temperature": 1}) == {**defaults, "temperature": 1}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(None, CallOptions(), id="None"),
        pytest.param({}, CallOptions(), id="empty"),
        pytest.param({"timeout": 3}, CallOptions(timeout=3.0), id="timeout only"),
        pytest.param({"timeout": None}, CallOptions(), id="timeout None"),
        pytest.param({"idle_timeout": 2}, CallOptions(idle_timeout=2.0), id="idle timeout"),
        pytest.param({"retry": POLICY}, CallOptions(retry=POLICY), id="policy only"),
        pytest.param({"retry": None}, CallOptions(retry=NO_RETRY), id="retry None"),
        pytest.param({"metadata": [("X-Trace", "1")]}, CallOptions(metadata=(("x-trace", "1"),)), id="metadata"),
        pytest.param({"metadata": {"X-Trace": "1"}}, CallOptions(metadata=(("x-trace", "1"),)), id="metadata dict"),
        pytest.param({"metadata": None}, CallOptions(), id="metadata None"),
        pytest.param(types.RequestOptions(), CallOptions(), id="RequestOptions"),
        pytest.param(types.RequestOptions(timeout=3), CallOptions(timeout=3.0), id="RequestOptions with a timeout"),
        pytest.param(types.RequestOptions(retry=POLICY), CallOptions(retry=POLICY), id="RequestOptions with a policy"),
        pytest.param(types.RequestOptions(retry=None), CallOptions(retry=NO_RETRY), id="RequestOptions retry None"),
        pytest.param(SimpleNamespace(timeout=0.5), CallOptions(timeout=0.5), id="other object"),
    ],
)
def test_options(value: Any, expected: CallOptions) -> None:
    """CallOptions that are not set are left to the client."""
    assert to_options(value) == expected


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        pytest.param(
            {"wait": 1, "time_out": 3},
            ValueError,
            "takes timeout, idle_timeout, retry, metadata; got time_out, wait$",
            id="unknown keys",
        ),
        pytest.param({"timeout": "3"}, TypeError, "a timeout is a number of seconds; got str", id="str"),
        pytest.param({"timeout": True}, TypeError, "a timeout is a number of seconds; got bool", id="bool"),
        pytest.param({"timeout": 0}, ValueError, "a timeout must be finite and above 0 seconds; got 0$", id="zero"),
        pytest.param(
            {"timeout": -1}, ValueError, "a timeout must be finite and above 0 seconds; got -1", id="negative"
        ),
        pytest.param({"timeout": float("inf")}, ValueError, "must be finite .*; got inf", id="infinite"),
        pytest.param({"timeout": float("nan")}, ValueError, "must be finite .*; got nan", id="NaN"),
        pytest.param(
            {"retry": 3},
            TypeError,
            r"retry is a RetryPolicy, a google.api_core.retry.Retry, or None .*; got int",
            id="retry",
        ),
        pytest.param(3, TypeError, "request_options takes timeout, idle_timeout, retry, metadata", id="int"),
    ],
)
def test_invalid_options(value: Any, error: type[Exception], message: str) -> None:
    """Invalid options raise an error with what was passed and what is accepted."""
    with pytest.raises(error, match=message):
        to_options(value)


def test_api_core_retry_policy() -> None:
    """A policy of google.api_core keeps its backoff, timeout and predicate, which matches our errors too."""
    retry = pytest.importorskip("google.api_core.retry")
    exceptions = pytest.importorskip("google.api_core.exceptions")
    api_core_policy = retry.Retry(
        predicate=retry.if_exception_type(exceptions.Aborted), initial=2, multiplier=3, maximum=9, timeout=50
    )
    options = to_options({"retry": api_core_policy})
    assert options.timeout == 50
    assert to_options({"retry": api_core_policy, "timeout": 7}).timeout == 7
    policy = options.retry
    assert policy is not None
    backoffs = [policy.backoff(error_class(10)("lost"), attempt, jitter=lambda: 1.0) for attempt in (1, 2, 3, 99)]
    assert backoffs == [2, 6, 9, 9]
    assert policy.backoff(error_class(14)("no"), 1) is None
