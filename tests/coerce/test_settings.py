from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from genai_grpc import errors, protos, types
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


def to_retry_policy(api_core_policy: Any) -> RetryPolicy:
    """The retry policy of a call with this policy of google.api_core."""
    policy = to_options({"retry": api_core_policy}).retry
    assert policy is not None
    return policy


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
        pytest.param({"metadata": {"x-bin": b"\xe9"}}, CallOptions(metadata=(("x-bin", b"\xe9"),)), id="binary"),
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
            "takes timeout, idle_timeout, retry, metadata, extra_body, on_attempt; got time_out, wait$",
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
        pytest.param(
            {"metadata": {"x-user": "Zoé"}}, ValueError, "'x-user' has characters that are not printable ASCII", id="é"
        ),
        pytest.param({"metadata": [("x-user", "a\n")]}, ValueError, "'x-user' has characters", id="newline"),
        pytest.param({"metadata": {"x user": "a"}}, ValueError, "letters, digits, .* got 'x user'$", id="name"),
        pytest.param({"metadata": {"": "a"}}, ValueError, "letters, digits, .* got ''$", id="empty name"),
        pytest.param({"metadata": {"x-user": 3}}, TypeError, "'x-user' is a str, .* -bin; got int$", id="number"),
        pytest.param({"metadata": {"x-user": b"3"}}, TypeError, "'x-user' is a str, .*; got bytes$", id="bytes"),
        pytest.param(3, TypeError, "request_options takes timeout, idle_timeout, retry, metadata", id="int"),
    ],
)
def test_invalid_options(value: Any, error: type[Exception], message: str) -> None:
    """Invalid options raise an error with what was passed and what is accepted."""
    with pytest.raises(error, match=message):
        to_options(value)


@pytest.mark.parametrize("name", ["Retry", "AsyncRetry"])
def test_api_core_retry_policy(name: str) -> None:
    """A policy of google.api_core keeps its backoff and its predicate, which matches our errors too."""
    retry = pytest.importorskip("google.api_core.retry")
    exceptions = pytest.importorskip("google.api_core.exceptions")
    policy = to_retry_policy(
        getattr(retry, name)(retry.if_exception_type(exceptions.Aborted), initial=2, multiplier=3, maximum=9)
    )
    backoffs = [policy.backoff(error_class(10)("lost"), attempt, jitter=lambda: 1.0) for attempt in (1, 2, 3, 2000)]
    assert backoffs == [2, 6, 9, 9]
    assert policy.backoff(error_class(14)("no"), 1) is None


def test_api_core_retry_timeout() -> None:
    """The timeout of a google.api_core policy bounds its retries; the timeout of the call is another one."""
    retry = pytest.importorskip("google.api_core.retry")
    options = to_options({"retry": retry.Retry(timeout=50)})
    assert options.timeout is None
    assert options.retry is not None
    assert (options.retry.timeout, options.retry.budget_ratio) == (50, None)
    assert to_options({"retry": retry.Retry(timeout=50), "timeout": 7}).timeout == 7
    assert to_retry_policy(retry.Retry(timeout=None)).timeout is None


def test_api_core_on_error() -> None:
    """The `on_error` of a google.api_core policy is called with each error that its predicate accepts."""
    retry = pytest.importorskip("google.api_core.retry")
    seen: list[Exception] = []
    policy = to_retry_policy(retry.Retry(retry.if_exception_type(errors.Aborted), on_error=seen.append))
    aborted = errors.Aborted("lost")
    assert policy.backoff(aborted, 1) is not None
    assert policy.backoff(errors.NotFound("no"), 2) is None
    assert seen == [aborted]


@pytest.mark.parametrize("name", ["TimeToDeadlineTimeout", "ConstantTimeout"])
def test_api_core_timeout(name: str) -> None:
    """A timeout object of google.api_core stands for its seconds."""
    timeout = pytest.importorskip("google.api_core.timeout")
    assert to_options({"timeout": getattr(timeout, name)(7)}).timeout == 7
    assert to_options({"timeout": getattr(timeout, name)(None)}).timeout is None


@pytest.mark.parametrize(
    "given",
    [{"timeout": 7}, {"timeout": 7, "metadata": [("a", "1")]}, {"timeout": 7, "retry": None}, {"retry": POLICY}, {}],
    ids=str,
)
def test_same_options_in_each_form(given: dict[str, Any]) -> None:
    """A dict, RequestOptions, RequestOptions as a dict, and any object with these attributes mean the same."""
    options = types.RequestOptions(**given)
    forms = [options, dict(options), {**options}, *([SimpleNamespace(**given)] if given else [])]
    assert [to_options(form) for form in forms] == [to_options(given)] * len(forms)
