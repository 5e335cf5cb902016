"""The service of the simulation: how long it takes, what its limits are, when it is out of order.

What is not published is a parameter: whether a quota is counted by the minute of the clock or evenly, and how soon a
refusal comes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import log
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from genai_grpc import protos
from genai_grpc.errors import ResourceExhausted, ServiceUnavailable
from genai_grpc_protos.rpc import QuotaFailure, RetryInfo

if TYPE_CHECKING:
    import random

    from benchmarks.capacity.simulation import Clock
    from genai_grpc.errors import APIError

__all__ = ["Answers", "Bucket", "Minutes", "Outcome", "Quota", "Room", "Service", "ServiceQuota"]


class Outcome(NamedTuple):
    """What becomes of a request.

    Attributes:
        seconds: To the reply, the first chunk or the error.
        error: What it fails with.
        chunks: Of the stream.
        gap: Seconds between chunks, on average.
        tokens: Of the prompt and the answer.
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
class Answers:
    """How the service answers when nothing is wrong.

    Attributes:
        first: Seconds to the reply or the first chunk: the median of a log-normal distribution.
        spread: The standard deviation of its logarithm; 0.5 puts the 99th percentile at 3.2 times the median.
        chunks: Of a stream, each of which has so many.
        pace: Chunks a second; they come after half to one and a half times the time that is theirs, drawn evenly.
        tokens: A call, prompt and answer: the median of a log-normal distribution of the same spread.
        refusal: Seconds to a 429 or 503.
        unavailable: The part of the requests that get a 503 at any time.
    """

    first: float = 1.0
    spread: float = 0.5
    chunks: int = 1
    pace: float = 10.0
    tokens: float = 2000.0
    refusal: float = 0.05
    unavailable: float = 0.0


class Quota(NamedTuple):
    """Requests and tokens a minute."""

    requests: float
    tokens: float = float("inf")


class ServiceQuota(Protocol):
    """How a quota is counted."""

    def refuse(self, now: float, tokens: float) -> ResourceExhausted | None:
        """The refusal of a request of so many tokens; where there is none, it counts."""
        ...


class Minutes:
    """A quota that is counted anew in each minute of the clock; past it, one is asked to come back in the next."""

    def __init__(self, quota: Quota) -> None:
        self._quota = quota
        self._minute = -1
        self._used = [0.0, 0.0]

    def refuse(self, now: float, tokens: float) -> ResourceExhausted | None:
        """As `ServiceQuota` has it."""
        if (minute := int(now // 60)) != self._minute:
            self._minute, self._used = minute, [0.0, 0.0]
        for number, limit in enumerate(self._quota):
            if self._used[number] + (1 - number) > limit:
                return _refusal(number, limit, (minute + 1) * 60 - now)
        self._used[0] += 1
        self._used[1] += tokens
        return None


class Bucket:
    """A quota that flows in evenly, and of which so many seconds' worth may be saved up."""

    def __init__(self, quota: Quota, saved: float = 5.0) -> None:
        self._quota = quota
        self._saved = saved
        self._left = [limit * saved / 60 for limit in quota]
        self._seen = 0.0

    def refuse(self, now: float, tokens: float) -> ResourceExhausted | None:
        """As `ServiceQuota` has it."""
        passed, self._seen = now - self._seen, now
        for number, limit in enumerate(self._quota):
            self._left[number] = min(limit * self._saved / 60, self._left[number] + passed * limit / 60)
        for number, limit in enumerate(self._quota):
            if (short := (1 - number) - self._left[number]) > 0:
                return _refusal(number, limit, short * 60 / limit)
        self._left[0] -= 1
        self._left[1] -= tokens
        return None


def _refusal(number: int, limit: float, seconds: float) -> ResourceExhausted:
    """A 429 as the service says it, with the quota and when to come back."""
    retry = RetryInfo()
    retry.retry_delay.FromNanoseconds(int(seconds * 1e9))
    violation = QuotaFailure.Violation(quota_id=_IDS[number], quota_value=int(limit))
    return ResourceExhausted("over quota", details=[QuotaFailure(violations=[violation]), retry])


_IDS: Final = ("GenerateRequestsPerMinutePerProjectPerModel", "GenerateContentInputTokensPerModelPerMinute")


class Room:
    """A bound on what the service can do, which refusing uses up as well.

    Args:
        answers: Requests a second that it can answer.
        refusal: What refusing one costs, in answers.
    """

    def __init__(self, answers: float, refusal: float = 0.5) -> None:
        self._answers = answers
        self._refusal = refusal
        self._left = answers
        self._seen = 0.0

    def has(self, now: float) -> bool:
        """Whether there is room for one more; it is used, then."""
        self._left = min(self._answers, self._left + (now - self._seen) * self._answers)
        self._seen = now
        has = self._left >= 1
        self._left -= 1 if has else self._refusal
        # What is more than a second late is not even refused: it costs nothing more.
        self._left = max(self._left, -self._answers)
        return has


@dataclass
class Service:
    """The service.

    Attributes:
        clock: Its clock.
        draw: Its chance.
        answers: How it answers.
        quota: What it lets a project do.
        room: What it can do; None for whatever comes.
        outage: From when to when it answers nothing but 503, in seconds of the clock.
        asked: When each request came.
        served: When those came that were answered, or began to be.
        tokens: Of the answered ones in all.
    """

    clock: Clock
    draw: random.Random
    answers: Answers = Answers()
    quota: ServiceQuota | None = None
    room: Room | None = None
    outage: tuple[float, float] = (0.0, 0.0)
    asked: list[float] = field(default_factory=list)
    served: list[float] = field(default_factory=list)
    tokens: float = 0.0

    def ask(self) -> Outcome:
        """What becomes of a request that comes now."""
        now, answers = self.clock.now, self.answers
        self.asked.append(now)
        tokens = int(self._about(answers.tokens))
        if (error := self._error(now, tokens)) is not None:
            return Outcome(answers.refusal, error)
        self.served.append(now)
        self.tokens += tokens
        return Outcome(self._about(answers.first), None, answers.chunks, 1 / answers.pace, tokens)

    def pause(self, outcome: Outcome) -> float:
        """Seconds to the next chunk of a stream."""
        return outcome.gap * (0.5 + self.draw.random())

    def _error(self, now: float, tokens: int) -> Any:
        begin, end = self.outage
        if self.room is not None and not self.room.has(now):
            return ServiceUnavailable("the model is overloaded")
        if begin <= now < end or (self.answers.unavailable and self.draw.random() < self.answers.unavailable):
            return ServiceUnavailable("the service is out of order")
        return None if self.quota is None else self.quota.refuse(now, tokens)

    def _about(self, median: float) -> float:
        return self.draw.lognormvariate(log(median), self.answers.spread) if self.answers.spread else median
