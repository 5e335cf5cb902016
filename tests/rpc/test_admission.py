from __future__ import annotations

import pytest

from genai_grpc import errors
from genai_grpc._rpc.adaptive_limit import AdaptiveLimit
from genai_grpc._rpc.admission import Admission
from genai_grpc._services.generative_language import COUNT_TOKENS, GENERATE_CONTENT

EXHAUSTED = errors.ResourceExhausted("no")
LATE = errors.DeadlineExceeded("late")


def record(admission: Admission, seconds: float, error: errors.APIError | None = None) -> None:
    """Record a call that succeeded, or failed, after so many seconds."""
    assert admission.limiter.try_acquire()
    if error is None:
        admission.on_success(COUNT_TOKENS, 100, 100 + seconds, 100 + seconds)
    else:
        admission.on_failure(COUNT_TOKENS, 100, 100 + seconds, error)
    assert admission.limiter.in_flight == 0


def test_response_reserve() -> None:
    """The response reserve is min(3 * typical latency, timeout / 2), and at least the typical latency."""
    admission = Admission(9)
    assert (admission.typical_latency(COUNT_TOKENS), admission.response_reserve(COUNT_TOKENS, 60)) == (0, 0)
    record(admission, 2)
    assert admission.typical_latency(COUNT_TOKENS) == 2
    assert [admission.response_reserve(COUNT_TOKENS, timeout) for timeout in (60, 12, 10, 4, 3)] == [6, 6, 5, 2, 2]
    assert admission.response_reserve(GENERATE_CONTENT, 60) == 0
    record(admission, 3)
    assert 2 < admission.typical_latency(COUNT_TOKENS) < 3


def test_latency_samples() -> None:
    """Replies, and deadlines longer than the typical latency, are samples of latency; other errors are not."""
    admission = Admission(9)
    record(admission, 2)
    for seconds, error in (0.01, EXHAUSTED), (50, errors.InternalServerError("no")), (1, LATE):
        record(admission, seconds, error)
    assert admission.typical_latency(COUNT_TOKENS) == 2
    for _ in range(20):
        record(admission, 30, LATE)
    assert 25 < admission.typical_latency(COUNT_TOKENS) < 30


def test_latency_of_method_without_replies() -> None:
    """Where no call has succeeded, an exceeded deadline is the first sample."""
    admission = Admission(9)
    record(admission, 5, LATE)
    assert admission.typical_latency(COUNT_TOKENS) == 5


def limit_after(error: errors.APIError | None, seconds: float, latency_threshold: float | None = None) -> int:
    """A limit of 20 after 20 calls that ended with `error` after `seconds`; the typical latency is one second."""
    admission = Admission(AdaptiveLimit(initial_limit=20, backoff_ratio=0.5, latency_threshold=latency_threshold))
    admission.limiter.try_acquire()
    admission.on_success(COUNT_TOKENS, 0, 1, 1)
    for _ in range(20):
        admission.limiter.try_acquire()
    for _ in range(20):
        if error is None:
            admission.on_success(COUNT_TOKENS, 200, 200 + seconds, 200 + seconds)
        else:
            admission.on_failure(COUNT_TOKENS, 200, 200 + seconds, error)
    return admission.limiter.limit


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        pytest.param(EXHAUSTED, 0.1, id="resource exhausted"),
        pytest.param(errors.ServiceUnavailable("no"), 0.1, id="unavailable"),
        pytest.param(LATE, 30, id="deadline longer than the typical latency"),
    ],
)
def test_overload(error: errors.APIError, seconds: float) -> None:
    """Refused calls, and deadlines longer than the typical latency, reduce the limit."""
    assert limit_after(error, seconds) == 10


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        pytest.param(None, 30, id="success"),
        pytest.param(errors.NotFound("no"), 0.1, id="not found"),
        pytest.param(errors.Cancelled("no"), 30, id="cancelled"),
        pytest.param(LATE, 0.5, id="deadline shorter than the typical latency"),
    ],
)
def test_no_overload(error: errors.APIError | None, seconds: float) -> None:
    """Success, errors of the request, cancellation and short deadlines do not change the limit."""
    assert limit_after(error, seconds) == 20


def test_latency_threshold() -> None:
    """A latency above the threshold reduces the limit."""
    assert limit_after(None, 3, latency_threshold=2) == 10
    assert limit_after(None, 1.5, latency_threshold=2) == 20
