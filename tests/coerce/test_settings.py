from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from genai_grpc import types
from genai_grpc._coerce.settings import to_options
from genai_grpc._rpc.options import CallOptions
from genai_grpc._rpc.retry_policy import NO_RETRY, RetryPolicy
from genai_grpc._rpc.status import error_class

POLICY = RetryPolicy(max_attempts=2)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(None, CallOptions(), id="None"),
        pytest.param({}, CallOptions(), id="empty"),
        pytest.param({"timeout": 3}, CallOptions(timeout=3.0), id="timeout alone keeps the client's policy"),
        pytest.param({"timeout": None}, CallOptions(), id="no timeout of its own"),
        pytest.param({"idle_timeout": 2}, CallOptions(idle_timeout=2.0), id="time between two chunks"),
        pytest.param({"retry": POLICY}, CallOptions(retry=POLICY), id="policy alone keeps the default timeout"),
        pytest.param({"retry": None}, CallOptions(retry=NO_RETRY), id="no retries"),
        pytest.param({"metadata": [("X-Trace", "1")]}, CallOptions(metadata=(("x-trace", "1"),)), id="metadata"),
        pytest.param(
            {"metadata": {"X-Trace": "1"}}, CallOptions(metadata=(("x-trace", "1"),)), id="metadata as a dict"
        ),
        pytest.param({"metadata": None}, CallOptions(), id="no metadata"),
        pytest.param(types.RequestOptions(), CallOptions(), id="RequestOptions"),
        pytest.param(types.RequestOptions(timeout=3), CallOptions(timeout=3.0), id="RequestOptions with a timeout"),
        pytest.param(types.RequestOptions(retry=POLICY), CallOptions(retry=POLICY), id="RequestOptions with a policy"),
        pytest.param(
            types.RequestOptions(retry=None), CallOptions(retry=NO_RETRY), id="RequestOptions without retries"
        ),
        pytest.param(SimpleNamespace(timeout=0.5), CallOptions(timeout=0.5), id="any object"),
    ],
)
def test_options(value: Any, expected: CallOptions) -> None:
    """What one option says leaves the others to the client."""
    assert to_options(value) == expected


@pytest.mark.parametrize(
    ("value", "error", "words"),
    [
        pytest.param(
            {"wait": 1, "time_out": 3},
            ValueError,
            "has timeout, idle_timeout, retry, metadata; got time_out, wait$",
            id="keys",
        ),
        pytest.param({"timeout": "3"}, TypeError, "a timeout is a number of seconds; got str", id="str"),
        pytest.param({"timeout": True}, TypeError, "a timeout is a number of seconds; got bool", id="bool"),
        pytest.param({"timeout": 0}, ValueError, "a timeout is above 0 seconds, and finite; got 0", id="zero"),
        pytest.param({"timeout": -1}, ValueError, "a timeout is above 0 seconds, and finite; got -1", id="negative"),
        pytest.param({"timeout": float("inf")}, ValueError, "finite; got inf", id="endless"),
        pytest.param({"timeout": float("nan")}, ValueError, "finite; got nan", id="no number"),
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
    """CallOptions that cannot be are refused with what came and what is taken."""
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
    waits = [policy.backoff(error_class(10)("lost"), tried, jitter=lambda: 1.0) for tried in (1, 2, 3, 99)]
    assert waits == [2, 6, 9, 9]
    assert policy.backoff(error_class(14)("no"), 1) is None
