"""Experiments: the wait for a core, and calls at the service's limits."""

from __future__ import annotations

import random
import statistics
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from benchmarks.capacity.clock import Clock
from benchmarks.capacity.service import (
    FixedWindowQuota,
    Quota,
    Responses,
    Service,
    ServiceCapacity,
    TokenBucketQuota,
)
from benchmarks.capacity.simulation import CallRecord, ClientSettings, Costs, Run, simulate
from genai_grpc.types import AdaptiveLimit, RateLimit, RetryPolicy

__all__ = [
    "FLEET_LOADS",
    "LOADS",
    "OUTAGE",
    "QUOTA_KINDS",
    "SHARES",
    "STREAMS",
    "Load",
    "Share",
    "Timeline",
    "Wait",
    "adaptive",
    "binding",
    "fleet",
    "md1_wait",
    "outages",
    "streams",
    "waits",
]

RESPONSES: Final = Responses(first=2.0, spread=0.5, tokens=2000.0, refusal=0.05)
STREAMS: Final = Responses(first=0.5, spread=0.5, chunks=50, pace=10.0)


class Wait(NamedTuple):
    """Wait of calls for their core.

    Attributes:
        utilisation: Utilisation asked for.
        rate: Calls per second.
        mean: Mean wait in seconds.
        p99: 99th percentile of the wait in seconds.
        formula: Mean wait by `md1_wait`, in seconds.
    """

    utilisation: float
    rate: float
    mean: float
    p99: float
    formula: float


def md1_wait(utilisation: float, cost: float) -> float:
    """Mean wait in seconds in an M/D/1 queue (Pollaczek-Khinchine formula)."""
    return utilisation * cost / (2 * (1 - utilisation))


def waits(cost: float, utilisations: Sequence[float], calls: int = 20_000) -> list[Wait]:
    """Simulate the wait for a core at each utilisation, for calls of `cost` seconds of CPU."""
    found = []
    settings = ClientSettings(costs=Costs(call=cost, sending=1.0))
    quick = Responses(first=0.01, spread=0.0)
    for utilisation in utilisations:
        rate = utilisation / cost
        run = simulate(settings, lambda clock, rng: Service(clock, rng, quick), [rate], calls / rate)
        waited = run.processes[0].core.waits
        p99 = statistics.quantiles(waited, n=100)[-1]
        # By the utilisation of the run, which by chance differs a little from the one asked for.
        found.append(Wait(utilisation, rate, statistics.fmean(waited), p99, md1_wait(run.utilisation, cost)))
    return found


def streams(call: float, chunk: float, utilisation: float) -> tuple[Run, float]:
    """Simulate a minute of streams on a core; returns the run and the mean number of open streams (Little's law)."""
    cost = call + (STREAMS.chunks - 1) * chunk
    rate = utilisation / cost
    settings = ClientSettings(costs=Costs(call, chunk), streaming=True)
    run = simulate(settings, lambda clock, rng: Service(clock, rng, STREAMS), [rate], 60.0)
    return run, rate * statistics.fmean(run.latencies)


class Load(NamedTuple):
    """Result of one load.

    Attributes:
        answered: Share of the calls that succeeded before their deadline.
        attempts: Requests sent per call.
        used: Share of the quota used by responses, late ones included.
        median: Median latency of the calls that succeeded, in seconds; None if none did.
    """

    answered: float
    attempts: float
    used: float
    median: float | None


LOADS: Final = (0.5, 0.9, 1.0, 1.1, 1.5, 2.0)
MINUTE_QUOTA: Final = Quota(1000)
START, END = 300.0, 900.0
BINDING: Final = {
    "default": ClientSettings(),
    "RateLimit(requests_per_minute=quota)": ClientSettings(
        rate_limit=RateLimit(requests_per_minute=MINUTE_QUOTA.requests)
    ),
    "RateLimit(), learned": ClientSettings(rate_limit=RateLimit()),
    "AdaptiveLimit()": ClientSettings(max_in_flight=AdaptiveLimit()),
    # 300 calls at 1,000 per minute are a wait of 18 seconds.
    "RateLimit(requests_per_minute=quota), 300 open calls": ClientSettings(
        rate_limit=RateLimit(requests_per_minute=MINUTE_QUOTA.requests), max_open_calls=300
    ),
}


def binding() -> dict[str, dict[float, Load]]:
    """Each of the settings at each load, a multiple of the quota: ten minutes, after five of the same load."""
    return {
        name: {
            load: _at_load(settings, MINUTE_QUOTA, FixedWindowQuota, [load * MINUTE_QUOTA.requests / 60])
            for load in LOADS
        }
        for name, settings in BINDING.items()
    }


def _at_load(
    settings: ClientSettings,
    quota: Quota,
    kind: Callable[[Quota], FixedWindowQuota | TokenBucketQuota],
    rates: Sequence[float],
    start: float = START,
    end: float = END,
) -> Load:
    run = simulate(settings, lambda clock, rng: Service(clock, rng, RESPONSES, kind(quota)), rates, end)
    answered, attempts, median = _summary(run.records, start, end)
    used = sum(start <= when < end for when in run.service.accepted) / ((end - start) * quota.requests / 60)
    return Load(answered, attempts, used, median)


def _summary(calls: Sequence[CallRecord], start: float, end: float) -> tuple[float, float, float | None]:
    """Share answered, attempts per call and median latency, of the calls that arrived between `start` and `end`."""
    selected = [call for call in calls if start <= call.arrived < end]
    latencies = [call.latency for call in selected if call.error is None]
    attempts = sum(call.attempts for call in selected) / len(selected)
    return len(latencies) / len(selected), attempts, statistics.median(latencies) if latencies else None


class Timeline(NamedTuple):
    """An outage and the recovery from it.

    Attributes:
        attempts: Requests sent per call that arrived in the outage.
        recovered: Seconds from the end of the outage until 99 % of the arriving calls are answered from then on; None
            for never.
        requests: Requests per second at the service, for each interval of `step` seconds.
        answered: Calls per second that succeeded, by the time of their arrival.
        step: Seconds.
    """

    attempts: float
    recovered: float | None
    requests: list[float]
    answered: list[float]
    step: float


OUTAGE: Final = (60.0, 120.0)
DURATION: Final = 300.0
# Recovery is a matter of chance where retries keep the service near its capacity.
SEEDS: Final = (1, 2, 3)
CALL_RATE: Final = 100.0
CAPACITY: Final = 1.2
PROCESSES: Final = {
    "one process of 100 calls per second": [CALL_RATE],
    "100 processes of one call per second": [1.0] * 100,
}
# One and a half times what the load needs in flight, at two seconds per call.
ADAPTIVE_LIMIT: Final = AdaptiveLimit(initial_limit=int(CALL_RATE * 3))
OUTAGES: Final = {
    "RetryPolicy(budget_ratio=0.2)": ClientSettings(retry=RetryPolicy(budget_ratio=0.2)),
    "RetryPolicy(budget_ratio=None)": ClientSettings(retry=RetryPolicy(budget_ratio=None)),
    "RetryPolicy(max_attempts=2)": ClientSettings(retry=RetryPolicy(max_attempts=2)),
    "RetryPolicy(), AdaptiveLimit(300)": ClientSettings(max_in_flight=ADAPTIVE_LIMIT),
}


def outages() -> dict[str, dict[str, list[Timeline]]]:
    """For each number of processes, each of the settings in an outage of a minute, once per seed."""
    return {
        processes: {name: [_outage(settings, rates, seed) for seed in SEEDS] for name, settings in OUTAGES.items()}
        for processes, rates in PROCESSES.items()
    }


def _outage(settings: ClientSettings, rates: Sequence[float], seed: int, step: float = 5.0) -> Timeline:
    def make_service(clock: Clock, rng: random.Random) -> Service:
        return Service(clock, rng, RESPONSES, capacity=ServiceCapacity(CAPACITY * CALL_RATE), outage=OUTAGE)

    run = simulate(settings, make_service, rates, DURATION, seed)
    records = run.records
    start, end = OUTAGE
    arrived = Counter(int(call.arrived / step) for call in records)
    answered = Counter(int(call.arrived / step) for call in records if call.error is None)
    requests = Counter(int(when / step) for when in run.service.requests)
    steps = range(int(DURATION / step))
    short = [number for number in steps if number * step >= end and answered[number] < 0.99 * arrived[number]]
    back = (short[-1] + 1) * step if short else end
    return Timeline(
        # A call that arrives late in the outage has its last attempt after it.
        attempts=_summary(records, start, end - step)[1],
        recovered=back - end if back < DURATION else None,
        requests=[requests[number] / step for number in steps],
        answered=[answered[number] / step for number in steps],
        step=step,
    )


def adaptive() -> dict[str, tuple[float, float | None]]:
    """An adaptive limit at 100 calls per second: share of the calls answered, and their median latency in seconds.

    Where there is an outage, of the calls that arrive after it.
    """
    cases = {
        "initial_limit=20, no faults": (AdaptiveLimit(), RESPONSES, (0.0, 0.0)),
        "initial_limit=300, no faults": (ADAPTIVE_LIMIT, RESPONSES, (0.0, 0.0)),
        "initial_limit=300, outage of 2 s": (ADAPTIVE_LIMIT, RESPONSES, (60.0, 62.0)),
        "initial_limit=300, outage of a minute": (ADAPTIVE_LIMIT, RESPONSES, OUTAGE),
        "initial_limit=300, 0.5 % of 503 throughout": (
            ADAPTIVE_LIMIT,
            replace(RESPONSES, unavailable=0.005),
            (0.0, 0.0),
        ),
        "initial_limit=300, 3 % of 503 throughout, outage of 2 s": (
            ADAPTIVE_LIMIT,
            replace(RESPONSES, unavailable=0.03),
            (60.0, 62.0),
        ),
    }
    found = {}
    for name, (limit, responses, outage) in cases.items():

        def make_service(
            clock: Clock, rng: random.Random, responses: Responses = responses, outage: tuple[float, float] = outage
        ) -> Service:
            return Service(clock, rng, responses, outage=outage)

        run = simulate(ClientSettings(max_in_flight=limit), make_service, [CALL_RATE], DURATION)
        answered, _, median = _summary(run.records, outage[1], DURATION)
        found[name] = answered, median
    return found


class Share(NamedTuple):
    """Processes that share a quota, with even and with uneven loads."""

    even: Load
    uneven: Load


FLEET_SIZE: Final = 20
FLEET_QUOTA: Final = Quota(1200)
FLEET_LOADS: Final = (0.8, 1.2)
FLEET_END: Final = 600.0
QUOTA_KINDS: Final = {"fixed window of a minute": FixedWindowQuota, "token bucket": TokenBucketQuota}
SHARES: Final = {
    "default": ClientSettings(),
    "RateLimit(requests_per_minute=quota / n)": ClientSettings(
        rate_limit=RateLimit(requests_per_minute=FLEET_QUOTA.requests / FLEET_SIZE)
    ),
    "RateLimit(), learned": ClientSettings(rate_limit=RateLimit()),
    "AdaptiveLimit()": ClientSettings(max_in_flight=AdaptiveLimit()),
}


def fleet() -> dict[tuple[str, float], dict[str, Share]]:
    """For each kind of quota and each load: each of the settings, in processes that share the quota."""
    rng = random.Random(1)  # noqa: S311 -- no secret
    weights = [rng.lognormvariate(0, 1) for _ in range(FLEET_SIZE)]
    loads = {
        "even": [1 / FLEET_SIZE] * FLEET_SIZE,
        "uneven": [weight / sum(weights) for weight in weights],
    }
    found = {}
    for name, kind in QUOTA_KINDS.items():
        for load in FLEET_LOADS:
            rates = {each: [load * FLEET_QUOTA.requests / 60 * part for part in parts] for each, parts in loads.items()}
            found[name, load] = {
                setting: Share(*(_at_load(settings, FLEET_QUOTA, kind, rates[each], end=FLEET_END) for each in loads))
                for setting, settings in SHARES.items()
            }
    return found
