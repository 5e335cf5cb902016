from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

from genai_grpc import errors, protos
from genai_grpc._rpc.retry_policy import NO_RETRY, RetryPolicy
from genai_grpc._services.generative_language import CREATE_CACHED_CONTENT
from genai_grpc_protos.rpc import RetryInfo


def retry_info(seconds: float) -> RetryInfo:
    """The detail with which a service asks for a delay."""
    info = RetryInfo()
    info.retry_delay.FromNanoseconds(round(seconds * 1e9))
    return info


UNAVAILABLE = errors.ServiceUnavailable("no")
EXHAUSTED = errors.ResourceExhausted("no", details=[retry_info(1.5)])
HALF_JITTER: Any = {"jitter": lambda: 0.5}


@pytest.mark.parametrize(
    ("error", "backoff"),
    [
        pytest.param(UNAVAILABLE, 0.25, id="unavailable"),
        pytest.param(errors.Cancelled("no"), 0.25, id="cancelled by the server"),
        pytest.param(errors.ClientClosed("no"), None, id="cancelled by closing the client"),
        pytest.param(
            errors.ServiceUnavailable("no", details=[retry_info(2)]), 2.25, id="unavailable with a retry delay"
        ),
        pytest.param(EXHAUSTED, 1.75, id="exhausted with a retry delay"),
        pytest.param(
            errors.ResourceExhausted("no", details=[retry_info(0)]), 0.25, id="exhausted with a retry delay of 0"
        ),
        pytest.param(errors.ResourceExhausted("no"), None, id="exhausted without details"),
        pytest.param(errors.ResourceExhausted("no", details=[protos.Part()]), None, id="exhausted with other details"),
        *(
            pytest.param(error_type("no", details=[retry_info(1)]), None, id=error_type.status)
            for error_type in errors.APIError.__subclasses__()
            if error_type not in (errors.ServiceUnavailable, errors.Cancelled, errors.ResourceExhausted)
        ),
    ],
)
def test_retried_errors(error: errors.APIError, backoff: float | None) -> None:
    """Transient errors are retried, after the delay that the service asks for and a backoff; others are not."""
    assert RetryPolicy().backoff(error, 1, **HALF_JITTER) == backoff


def test_not_idempotent() -> None:
    """A call that is not idempotent is retried only if the status says that it had no effect."""
    policy = RetryPolicy()
    assert policy.backoff(UNAVAILABLE, 1, idempotent=False) is None
    assert policy.backoff(EXHAUSTED, 1, idempotent=False, **HALF_JITTER) == 1.75
    assert not CREATE_CACHED_CONTENT.idempotent


def test_exponential_backoff() -> None:
    """The bound of the backoff grows from attempt to attempt up to its maximum, until the attempts are used up."""
    policy = RetryPolicy(max_attempts=6, initial_backoff=1, backoff_multiplier=3, max_backoff=20)
    backoffs = [policy.backoff(UNAVAILABLE, attempt, jitter=lambda: 1.0) for attempt in range(1, 8)]
    assert backoffs == [1, 3, 9, 20, 20, None, None]


def test_full_jitter() -> None:
    """The backoff is drawn between 0 and its bound."""
    policy = RetryPolicy(max_attempts=3, initial_backoff=2)
    backoffs = [policy.backoff(UNAVAILABLE, 1) for _ in range(50)]
    assert all(backoff is not None and 0 <= backoff <= 2 for backoff in backoffs)
    assert len(set(backoffs)) > 1


def test_backoff_of_many_attempts() -> None:
    """The bound of the backoff stays at its maximum, however many attempts there were."""
    policy = RetryPolicy(max_attempts=5000, max_backoff=20)
    assert policy.backoff(UNAVAILABLE, 4999, jitter=lambda: 1.0) == 20


@pytest.mark.parametrize(("elapsed", "backoff"), [(0, 0.5), (9.5, 0.5), (9.6, None), (11, None)])
def test_timeout_of_policy(elapsed: float, backoff: float | None) -> None:
    """No retry starts after the timeout of the policy."""
    policy = RetryPolicy(timeout=10)
    assert policy.backoff(UNAVAILABLE, 1, elapsed=elapsed, jitter=lambda: 1.0) == backoff


@pytest.mark.parametrize("policy", [NO_RETRY, RetryPolicy(max_attempts=1)], ids=["NO_RETRY", "1"])
def test_no_retry(policy: RetryPolicy) -> None:
    """A policy of one attempt has no retries."""
    assert policy.backoff(UNAVAILABLE, 1) is None


@pytest.mark.parametrize(
    "invalid",
    [
        {"max_attempts": 0},
        {"max_attempts": -1},
        {"initial_backoff": -0.1},
        {"initial_backoff": float("nan")},
        {"max_backoff": float("inf")},
        {"backoff_multiplier": 0.5},
        {"budget_ratio": -1},
    ],
    ids=str,
)
def test_invalid_policy(invalid: dict[str, float]) -> None:
    """A number out of range is a ValueError that names it."""
    [name] = invalid
    with pytest.raises(ValueError, match=f"^{name} .*got "):
        RetryPolicy(**invalid)  # type: ignore[arg-type]


def test_copies_of_a_policy() -> None:
    """A policy is equal to its copies, and can be changed by _replace."""
    policy = RetryPolicy(max_attempts=3)
    assert pickle.loads(pickle.dumps(policy)) == copy.deepcopy(policy) == policy
    assert policy._replace(max_attempts=4) == RetryPolicy(max_attempts=4)


def test_closed_client_never_retried() -> None:
    """No predicate makes a call of a closed client be attempted again."""
    assert RetryPolicy(predicate=lambda error: True).backoff(errors.ClientClosed("no"), 1) is None
