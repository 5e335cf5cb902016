"""What the simulation is asked: how long calls wait for a core, and what becomes of them at the service's limits."""

from __future__ import annotations

import random
import statistics
from collections import Counter
from typing import TYPE_CHECKING, Final, NamedTuple

from benchmarks.capacity.service import Answers, Bucket, Minutes, Quota, Room, Service
from benchmarks.capacity.simulation import Costs, Run, Setting, simulate
from genai_grpc.types import AdaptiveLimit, RateLimit, RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.capacity.simulation import Clock, Ended

__all__ = [
    "ANSWERS",
    "LOADS",
    "OUTAGE",
    "STREAMS",
    "Load",
    "Share",
    "Timeline",
    "Wait",
    "adaptive",
    "binding",
    "fleet",
    "formula",
    "outages",
    "streams",
    "waits",
]

ANSWERS: Final = Answers(first=2.0, spread=0.5, tokens=2000.0, refusal=0.05)
STREAMS: Final = Answers(first=0.5, spread=0.5, chunks=50, pace=10.0)


class Wait(NamedTuple):
    """How long calls waited for their core: calls a second, seconds."""

    utilisation: float
    rate: float
    mean: float
    p99: float
    formula: float


def formula(utilisation: float, cost: float) -> float:
    """Seconds that work of one length waits on average, arriving independently (M/D/1: Pollaczek and Khinchine)."""
    return utilisation * cost / (2 * (1 - utilisation))


def waits(cost: float, utilisations: Sequence[float], calls: int = 20_000) -> list[Wait]:
    """The wait for a core, of calls that cost so many seconds of it, at each utilisation."""
    found = []
    setting = Setting(costs=Costs(call=cost, sending=1.0))
    quick = Answers(first=0.01, spread=0.0)
    for utilisation in utilisations:
        rate = utilisation / cost
        run = simulate(setting, lambda clock, draw: Service(clock, draw, quick), [rate], calls / rate)
        waited = run.processes[0].core.waits
        p99 = statistics.quantiles(waited, n=100)[-1]
        # By the utilisation that came about, which chance makes a little different from what was asked for.
        found.append(Wait(utilisation, rate, statistics.fmean(waited), p99, formula(run.utilisation, cost)))
    return found


def streams(call: float, chunk: float, utilisation: float) -> tuple[Run, float]:
    """A minute of streams on a core; and how many are open at once, by Little's law."""
    each = call + (STREAMS.chunks - 1) * chunk
    rate = utilisation / each
    setting = Setting(costs=Costs(call, chunk), streaming=True)
    run = simulate(setting, lambda clock, draw: Service(clock, draw, STREAMS), [rate], 60.0)
    return run, rate * statistics.fmean(run.latencies)


class Load(NamedTuple):
    """What came of a load.

    Attributes:
        answered: The part of the calls that was answered before its deadline.
        tries: Requests sent for each call.
        used: The part of the quota that answers, late ones too, were charged to.
        median: Seconds to the answer, of the answered; None where none was.
    """

    answered: float
    tries: float
    used: float
    median: float | None


LOADS: Final = (0.5, 0.9, 1.0, 1.1, 1.5, 2.0)
MINUTE_QUOTA: Final = Quota(1000)
BEGIN, END = 300.0, 900.0
BINDING: Final = {
    "nothing set": Setting(),
    "RateLimit(requests_per_minute=quota)": Setting(rate=RateLimit(requests_per_minute=MINUTE_QUOTA.requests)),
    "RateLimit(), learned": Setting(rate=RateLimit()),
    "AdaptiveLimit()": Setting(max_in_flight=AdaptiveLimit()),
    # 300 calls at 1,000 a minute are 18 seconds of them.
    "RateLimit(requests_per_minute=quota), 300 begun": Setting(
        rate=RateLimit(requests_per_minute=MINUTE_QUOTA.requests), begun=300
    ),
}


def binding() -> dict[str, dict[float, Load]]:
    """Each setting at loads of so many times the quota, when a load has lasted for five minutes, for ten more."""
    return {
        name: {load: _at(setting, MINUTE_QUOTA, Minutes, [load * MINUTE_QUOTA.requests / 60]) for load in LOADS}
        for name, setting in BINDING.items()
    }


def _at(
    setting: Setting,
    quota: Quota,
    counted: Callable[[Quota], Minutes | Bucket],
    rates: Sequence[float],
    begin: float = BEGIN,
    end: float = END,
) -> Load:
    run = simulate(setting, lambda clock, draw: Service(clock, draw, ANSWERS, counted(quota)), rates, end)
    answered, tries, median = _summary(run.ended, begin, end)
    used = sum(begin <= when < end for when in run.service.served) / ((end - begin) * quota.requests / 60)
    return Load(answered, tries, used, median)


def _summary(calls: Sequence[Ended], begin: float, end: float) -> tuple[float, float, float | None]:
    """Of the calls that arrived in that time: the part answered, the tries of each, the median of seconds."""
    these = [call for call in calls if begin <= call.arrived < end]
    seconds = [call.at - call.arrived for call in these if call.error is None]
    tries = sum(call.attempts for call in these) / len(these)
    return len(seconds) / len(these), tries, statistics.median(seconds) if seconds else None


class Timeline(NamedTuple):
    """An outage.

    Attributes:
        tries: Requests sent for each call that arrived in it.
        recovered: Seconds from its end until 99 % of the calls that arrive are answered from then on; None for never.
        asked: Requests a second at the service, at each of the times of `step` seconds.
        answered: Calls a second that were answered, by when they arrived.
        step: Seconds.
    """

    tries: float
    recovered: float | None
    asked: list[float]
    answered: list[float]
    step: float


OUTAGE: Final = (60.0, 120.0)
LASTS: Final = 300.0
# Recovery is a matter of chance where tries keep the service near its bound.
SEEDS: Final = (1, 2, 3)
CALLS: Final = 100.0
ROOM: Final = 1.2
PROCESSES: Final = {"one process of 100 calls a second": [CALLS], "100 processes of one call a second": [1.0] * 100}
# What the load needs in flight, two seconds of it and a half more.
HEIGHT: Final = AdaptiveLimit(initial_limit=int(CALLS * 3))
OUTAGES: Final = {
    "RetryPolicy(), budget of 0.2": Setting(),
    "RetryPolicy(budget_ratio=None)": Setting(retry=RetryPolicy(budget_ratio=None)),
    "RetryPolicy(max_attempts=2)": Setting(retry=RetryPolicy(max_attempts=2)),
    "RetryPolicy() and AdaptiveLimit": Setting(max_in_flight=HEIGHT),
}


def outages() -> dict[str, dict[str, list[Timeline]]]:
    """For each number of processes, each setting through an outage of a minute, once for each seed."""
    return {
        processes: {name: [_outage(setting, rates, seed) for seed in SEEDS] for name, setting in OUTAGES.items()}
        for processes, rates in PROCESSES.items()
    }


def _outage(setting: Setting, rates: Sequence[float], seed: int, step: float = 5.0) -> Timeline:
    def service(clock: Clock, draw: random.Random) -> Service:
        return Service(clock, draw, ANSWERS, room=Room(ROOM * CALLS), outage=OUTAGE)

    run = simulate(setting, service, rates, LASTS, seed)
    ended = run.ended
    begin, end = OUTAGE
    arrived = Counter(int(call.arrived / step) for call in ended)
    answered = Counter(int(call.arrived / step) for call in ended if call.error is None)
    asked = Counter(int(when / step) for when in run.service.asked)
    steps = range(int(LASTS / step))
    short = [number for number in steps if number * step >= end and answered[number] < 0.99 * arrived[number]]
    back = (short[-1] + 1) * step if short else end
    return Timeline(
        # A call that arrives late in the outage has its last try after it.
        tries=_summary(ended, begin, end - step)[1],
        recovered=back - end if back < LASTS else None,
        asked=[asked[number] / step for number in steps],
        answered=[answered[number] / step for number in steps],
        step=step,
    )


def adaptive() -> dict[str, tuple[float, float | None]]:
    """What an adaptive limit does to a load of 100 calls a second; the part answered, and the median of seconds.

    Of the calls that arrive when the outage is over, where there is one.
    """
    cases = {
        "begun at 20, nothing wrong": (AdaptiveLimit(), ANSWERS, (0.0, 0.0)),
        "begun at 300, nothing wrong": (HEIGHT, ANSWERS, (0.0, 0.0)),
        "begun at 300, an outage of 2 s": (HEIGHT, ANSWERS, (60.0, 62.0)),
        "begun at 300, an outage of a minute": (HEIGHT, ANSWERS, OUTAGE),
        "begun at 300, 0.5 % of 503 at all times": (HEIGHT, _with_503(0.005), (0.0, 0.0)),
        "begun at 300, 3 % of 503, an outage of 2 s": (HEIGHT, _with_503(0.03), (60.0, 62.0)),
    }
    found = {}
    for name, (limit, answers, outage) in cases.items():

        def service(
            clock: Clock, draw: random.Random, answers: Answers = answers, outage: tuple[float, float] = outage
        ) -> Service:
            return Service(clock, draw, answers, outage=outage)

        run = simulate(Setting(max_in_flight=limit), service, [CALLS], LASTS)
        answered, _, median = _summary(run.ended, outage[1], LASTS)
        found[name] = answered, median
    return found


def _with_503(part: float) -> Answers:
    return Answers(ANSWERS.first, ANSWERS.spread, tokens=ANSWERS.tokens, refusal=ANSWERS.refusal, unavailable=part)


class Share(NamedTuple):
    """A fleet's way to share a quota, and what came of it with even and with uneven loads."""

    even: Load
    uneven: Load


FLEET: Final = 20
FLEET_QUOTA: Final = Quota(1200)
FLEET_LOADS: Final = (0.8, 1.2)
FLEET_END: Final = 600.0
COUNTED: Final = {"by the minute of the clock": Minutes, "evenly": Bucket}
SHARES: Final = {
    "nothing set": Setting(),
    "RateLimit(requests_per_minute=quota / n)": Setting(
        rate=RateLimit(requests_per_minute=FLEET_QUOTA.requests / FLEET)
    ),
    "RateLimit(), learned": Setting(rate=RateLimit()),
    "AdaptiveLimit()": Setting(max_in_flight=AdaptiveLimit()),
}


def fleet() -> dict[tuple[str, float], dict[str, Share]]:
    """For each way to count a quota and each load: each setting of processes that share it."""
    draw = random.Random(1)  # noqa: S311 -- no secret
    weights = [draw.lognormvariate(0, 1) for _ in range(FLEET)]
    loads = {
        "even": [1 / FLEET] * FLEET,
        "uneven": [weight / sum(weights) for weight in weights],
    }
    found = {}
    for way, counted in COUNTED.items():
        for load in FLEET_LOADS:
            rates = {name: [load * FLEET_QUOTA.requests / 60 * part for part in parts] for name, parts in loads.items()}
            found[way, load] = {
                name: Share(*(_at(setting, FLEET_QUOTA, counted, rates[each], end=FLEET_END) for each in loads))
                for name, setting in SHARES.items()
            }
    return found
