"""Simulated service: response times, quota, capacity and outages.

What is not published is a parameter: whether a quota is a fixed window or a token bucket, and how soon an error is
returned.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from math import log
from typing import Final, NamedTuple, Protocol

from benchmarks.capacity.clock import Clock
from genai_grpc import protos
from genai_grpc.errors import APIError, ResourceExhausted, ServiceUnavailable
from genai_grpc_protos.rpc import QuotaFailure, RetryInfo

__all__ = [
    "FixedWindowQuota",
    "Outcome",
    "Quota",
    "Responses",
    "Service",
    "ServiceCapacity",
    "ServiceQuota",
    "TokenBucketQuota",
]


class Outcome(NamedTuple):
    """Outcome of a request.

    Attributes:
        seconds: Time to the reply, the first chunk or the error.
        error: The error; None on success.
        chunks: Number of chunks of a stream.
        gap: Mean seconds between chunks.
        tokens: Tokens of prompt and reply.
    """

    seconds: float
    error: APIError | None = None
    chunks: int = 1
    gap: float = 0.0
    tokens: int = 0

    def reply(self) -> protos.GenerateContentResponse:
        """The reply, or the last chunk."""
        usage = protos.GenerateContentResponse.UsageMetadata(total_token_count=self.tokens)
        return protos.GenerateContentResponse(usage_metadata=usage)


@dataclass(frozen=True, slots=True)
class Responses:
    """Distribution of the service's responses.

    Attributes:
        first: Seconds to the reply or the first chunk: the median of a log-normal distribution.
        spread: The standard deviation of its logarithm; 0.5 puts the 99th percentile at 3.2 times the median.
        chunks: Chunks of each stream.
        pace: Chunks per second; the gap before each is 0.5 to 1.5 times the mean, uniformly distributed.
        tokens: Tokens per call, prompt and reply: the median of a log-normal distribution of the same spread.
        refusal: Seconds to a 429 or 503.
        unavailable: Share of the requests that get a 503 at any time.
    """

    first: float = 1.0
    spread: float = 0.5
    chunks: int = 1
    pace: float = 10.0
    tokens: float = 2000.0
    refusal: float = 0.05
    unavailable: float = 0.0


class Quota(NamedTuple):
    """Requests and tokens per minute."""

    requests: float
    tokens: float = float("inf")


class ServiceQuota(Protocol):
    """Enforcement of a quota."""

    def charge(self, now: float, tokens: float) -> ResourceExhausted | None:
        """Charge a request of so many tokens; returns the error, and charges nothing, if it is over quota."""
        ...


class FixedWindowQuota:
    """Quota per minute of the clock (fixed window); over quota, RetryInfo names the start of the next minute."""

    def __init__(self, quota: Quota) -> None:
        self._quota = quota
        self._minute = -1
        self._used = [0.0, 0.0]

    def charge(self, now: float, tokens: float) -> ResourceExhausted | None:
        """See `ServiceQuota`."""
        if (minute := int(now // 60)) != self._minute:
            self._minute, self._used = minute, [0.0, 0.0]
        for number, limit in enumerate(self._quota):
            if self._used[number] + (1 - number) > limit:
                return _over_quota(number, limit, (minute + 1) * 60 - now)
        self._used[0] += 1
        self._used[1] += tokens
        return None


class TokenBucketQuota:
    """Quota as a token bucket that holds `burst_seconds` of the rate; over quota, RetryInfo names the refill time."""

    def __init__(self, quota: Quota, burst_seconds: float = 5.0) -> None:
        self._quota = quota
        self._burst_seconds = burst_seconds
        self._left = [limit * burst_seconds / 60 for limit in quota]
        self._refilled_at = 0.0

    def charge(self, now: float, tokens: float) -> ResourceExhausted | None:
        """See `ServiceQuota`."""
        elapsed, self._refilled_at = now - self._refilled_at, now
        for number, limit in enumerate(self._quota):
            self._left[number] = min(limit * self._burst_seconds / 60, self._left[number] + elapsed * limit / 60)
        for number, limit in enumerate(self._quota):
            if (missing := (1 - number) - self._left[number]) > 0:
                return _over_quota(number, limit, missing * 60 / limit)
        self._left[0] -= 1
        self._left[1] -= tokens
        return None


def _over_quota(number: int, limit: float, seconds: float) -> ResourceExhausted:
    """A 429 in the service's form, with the quota (QuotaFailure) and the delay (RetryInfo)."""
    retry = RetryInfo()
    retry.retry_delay.FromNanoseconds(int(seconds * 1e9))
    violation = QuotaFailure.Violation(quota_id=_QUOTA_IDS[number], quota_value=int(limit))
    return ResourceExhausted("over quota", details=[QuotaFailure(violations=[violation]), retry])


_QUOTA_IDS: Final = ("GenerateRequestsPerMinutePerProjectPerModel", "GenerateContentInputTokensPerModelPerMinute")


class ServiceCapacity:
    """Capacity of the service, which refusals use up, too.

    Args:
        responses: Requests per second that it can serve.
        refusal_cost: Cost of a refusal, in responses.
    """

    def __init__(self, responses: float, refusal_cost: float = 0.5) -> None:
        self._responses = responses
        self._refusal_cost = refusal_cost
        self._left = responses
        self._refilled_at = 0.0

    def try_serve(self, now: float) -> bool:
        """Use capacity for one more request; False if there is none, which costs a refusal."""
        self._left = min(self._responses, self._left + (now - self._refilled_at) * self._responses)
        self._refilled_at = now
        served = self._left >= 1
        self._left -= 1 if served else self._refusal_cost
        # Requests more than a second behind are dropped at no further cost.
        self._left = max(self._left, -self._responses)
        return served


@dataclass
class Service:
    """The service.

    Attributes:
        clock: The simulated clock.
        rng: Source of randomness.
        responses: Distribution of its responses.
        quota: Quota of the project; None for none.
        capacity: Its capacity; None for an unlimited one.
        outage: Start and end of a time in which every request gets a 503, in seconds of the clock.
        requests: Times at which requests arrived.
        accepted: Times at which requests arrived that were served.
        tokens: Tokens of the accepted requests.
    """

    clock: Clock
    rng: random.Random
    responses: Responses = Responses()
    quota: ServiceQuota | None = None
    capacity: ServiceCapacity | None = None
    outage: tuple[float, float] = (0.0, 0.0)
    requests: list[float] = field(default_factory=list)
    accepted: list[float] = field(default_factory=list)
    tokens: float = 0.0

    def handle_request(self) -> Outcome:
        """Outcome of a request that arrives now."""
        now, responses = self.clock.now, self.responses
        self.requests.append(now)
        tokens = int(self._draw(responses.tokens))
        if (error := self._error(now, tokens)) is not None:
            return Outcome(responses.refusal, error)
        self.accepted.append(now)
        self.tokens += tokens
        return Outcome(self._draw(responses.first), None, responses.chunks, 1 / responses.pace, tokens)

    def chunk_gap(self, outcome: Outcome) -> float:
        """Seconds to the next chunk of a stream."""
        return outcome.gap * (0.5 + self.rng.random())

    def _error(self, now: float, tokens: int) -> APIError | None:
        start, end = self.outage
        if self.capacity is not None and not self.capacity.try_serve(now):
            return ServiceUnavailable("the model is overloaded")
        if start <= now < end or (self.responses.unavailable and self.rng.random() < self.responses.unavailable):
            return ServiceUnavailable("the service is unavailable")
        return None if self.quota is None else self.quota.charge(now, tokens)

    def _draw(self, median: float) -> float:
        return self.rng.lognormvariate(log(median), self.responses.spread) if self.responses.spread else median
