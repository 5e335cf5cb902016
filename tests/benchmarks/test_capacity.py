from __future__ import annotations

import json
import random
import statistics
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from benchmarks import pages
from benchmarks.capacity import measured, page
from benchmarks.capacity.runs import formula, waits
from benchmarks.capacity.service import Answers, Bucket, Minutes, Quota, Room, Service, ServiceQuota
from benchmarks.capacity.simulation import Clock, Costs, Run, Setting, simulate
from benchmarks.peers import PEERS
from genai_grpc.errors import DeadlineExceeded, ResourceExhausted, ServiceUnavailable
from genai_grpc.types import AdaptiveLimit, RateLimit, RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).parents[2]
QUICK = Answers(first=0.01, spread=0.0)


def run(
    setting: Setting,
    rates: Sequence[float] = (50.0,),
    seconds: float = 60.0,
    answers: Answers = QUICK,
    *,
    quota: ServiceQuota | None = None,
    room: Room | None = None,
    outage: tuple[float, float] = (0.0, 0.0),
    seed: int = 1,
) -> Run:
    """What comes of a client at a service."""

    def service(clock: Clock, draw: random.Random) -> Service:
        return Service(clock, draw, answers, quota, room, outage)

    return simulate(setting, service, rates, seconds, seed)


def test_a_core_is_a_queue() -> None:
    """Calls of one length wait for their core as M/D/1 has it, at every utilisation."""
    for wait in waits(100e-6, (0.2, 0.5, 0.7, 0.85), calls=15_000):
        assert wait.mean == pytest.approx(wait.formula, rel=0.06)


def test_two_halves_wait_as_one() -> None:
    """Work before the request and after the reply waits, taken together, as long as if it were done at once."""
    cost = 1e-3
    found = run(Setting(costs=Costs(cost)), [700.0], 20.0, Answers(first=0.05, spread=1.0))
    [process] = found.processes
    assert sum(process.core.waits) / found.arrived == pytest.approx(formula(found.utilisation, cost), rel=0.06)


def test_streams_cost_their_chunks() -> None:
    """A stream takes a core for its call and its chunks, a connection for a place, and ends with its last chunk."""
    answers = Answers(first=0.5, spread=0.0, chunks=20, pace=10.0)
    found = run(Setting(costs=Costs(1e-3, 1e-4), streaming=True), [100.0], 20.0, answers)
    [process] = found.processes
    assert found.answered == 1
    assert process.core.busy == pytest.approx(found.arrived * (1e-3 + 19e-4))
    assert statistics.fmean(found.latencies) == pytest.approx(0.5 + 1.9, rel=0.02)
    assert process.admission.limiter.in_flight == 0
    # A hundred a second for 2.4 s are 240 at once, of which a connection carries 90.
    assert len(process.pool.connections) in (3, 4)


def test_a_stream_past_its_deadline() -> None:
    """A stream that takes too long ends at its deadline."""
    found = run(Setting(timeout=1.0, streaming=True), [10.0], 5.0, Answers(first=0.5, spread=0.0, chunks=50))
    assert {call.error for call in found.ended} == {DeadlineExceeded}
    assert all(call.at - call.arrived == pytest.approx(1.0) for call in found.ended)


SETTINGS = {
    "default": Setting(timeout=10.0),
    "streaming": Setting(timeout=10.0, streaming=True),
    "narrow": Setting(max_in_flight=3, timeout=5.0),
    "adaptive": Setting(max_in_flight=AdaptiveLimit(initial_limit=5), timeout=5.0),
    "rate": Setting(rate=RateLimit(requests_per_minute=600), timeout=5.0),
    "bounded": Setting(begun=5),
    "learned": Setting(rate=RateLimit(), retry=RetryPolicy(budget_ratio=None), timeout=90.0),
}


@pytest.mark.parametrize("setting", SETTINGS.values(), ids=list(SETTINGS))
def test_every_call_ends_once(setting: Setting) -> None:
    """Whatever the limits and the faults, each call that arrives ends once, and leaves nothing behind."""
    answers = Answers(first=0.3, chunks=3, unavailable=0.1)
    found = run(setting, [10.0, 20.0], 40.0, answers, quota=Minutes(Quota(900, 3e6)), outage=(20.0, 25.0))
    assert found.arrived == len(found.ended) > 1000
    assert len({call.arrived for call in found.ended}) == found.arrived
    for process in found.processes:
        assert process.admission.limiter.in_flight == process.admission.limiter.waiting == 0
        assert sum(connection.in_flight for connection in process.pool.connections) == 0
        assert process.arrived == len(process.ended)
    # Beyond its deadline a call is only for the work that is under way.
    assert max(call.at - call.arrived for call in found.ended) <= setting.timeout + 0.1


def test_the_same_seed() -> None:
    """A seed gives the same run, another seed another one; chance elsewhere in the program has no part in it."""

    def once(seed: int) -> list[object]:
        random.seed()
        return list(run(SETTINGS["learned"], [20.0], 30.0, Answers(unavailable=0.2), seed=seed).ended)

    assert once(1) == once(1) != once(2)


@pytest.mark.parametrize("burst", [0.0, 1.0])
def test_a_rate_limit_keeps_the_quota(burst: float) -> None:
    """At twice the quota, a rate limit of the quota has no request refused, but for what its burst allows."""
    quota = Quota(600)
    setting = Setting(rate=RateLimit(requests_per_minute=quota.requests, burst_seconds=burst), timeout=20.0)
    found = run(setting, [20.0], 240.0, quota=Bucket(quota, saved=burst + 0.2))
    assert len(found.service.asked) == len(found.service.served)
    busiest = max(sum(start <= when < start + 60 for when in found.service.asked) for start in range(0, 240, 5))
    assert busiest <= quota.requests * (60 + burst) / 60 + 1


BOUNDS = {
    "rate": Setting(rate=RateLimit(requests_per_minute=600), timeout=20.0),
    "in flight": Setting(max_in_flight=10, timeout=20.0),
}


@pytest.mark.parametrize("setting", BOUNDS.values(), ids=list(BOUNDS))
def test_more_than_there_is_room_for(setting: Setting) -> None:
    """At one and a half times what a bound lets through, as many calls are answered as it does let through."""
    found = run(setting, [15.0], 300.0, Answers(first=1.0, spread=0.3))
    late = [call for call in found.ended if call.arrived >= 100]
    assert 0.55 < sum(call.error is None for call in late) / len(late) < 0.75
    assert {call.error for call in found.ended} == {None, DeadlineExceeded}
    # Hardly a request is sent for nothing.
    assert sum(call.attempts for call in late if call.error) < 0.05 * len(late)


TROUBLES = {
    "none": (20, 0.0, (0.0, 0.0)),
    "an outage of 2 s": (150, 0.0, (30.0, 32.0)),
    "an outage of 30 s": (150, 0.0, (30.0, 60.0)),
    "some failures": (150, 0.02, (0.0, 0.0)),
}


@pytest.mark.parametrize(("initial", "unavailable", "outage"), TROUBLES.values(), ids=list(TROUBLES))
def test_an_adaptive_limit_finds_the_load(initial: int, unavailable: float, outage: tuple[float, float]) -> None:
    """From a low start, after an outage, and with a few failures at all times, every call is answered."""
    setting = Setting(max_in_flight=AdaptiveLimit(initial_limit=initial))
    found = run(setting, [50.0], 150.0, Answers(first=2.0, unavailable=unavailable), outage=outage)
    after = [call for call in found.ended if call.arrived >= outage[1]]
    assert sum(call.error is None for call in after) > 0.999 * len(after)


def test_without_a_rate_limit() -> None:
    """Without one, what is above the quota is refused, and tried again as far as the balance of retries goes."""
    found = run(Setting(), [20.0], 240.0, quota=Minutes(Quota(600)))
    assert len(found.service.asked) > len(found.service.served)
    assert {call.error for call in found.ended} == {None, ResourceExhausted}
    assert 1.1 < found.tries < 1.4


def test_a_quota_of_tokens() -> None:
    """A quota of tokens refuses as one of requests does, whichever is used up first."""
    for quota in (Minutes(Quota(1e6, 60_000)), Bucket(Quota(1e6, 60_000), saved=60.0)):
        found = run(
            Setting(retry=RetryPolicy(max_attempts=1)), [10.0], 60.0, Answers(tokens=1000, spread=0.0), quota=quota
        )
        # One more may begin when there is still something left.
        assert 60 <= len(found.service.served) <= 121
        assert found.answered < 0.25


def test_the_balance_in_an_outage() -> None:
    """In an outage clients send little more than a request a call, many slow ones too; without a balance, all tries."""
    bounded = run(Setting(), [100.0], 60.0, outage=(0.0, 90.0))
    free = run(Setting(retry=RetryPolicy(budget_ratio=None)), [100.0], 60.0, outage=(0.0, 90.0))
    assert {call.error for call in bounded.ended + free.ended} == {ServiceUnavailable}
    assert bounded.tries < 1.3
    assert free.tries == 4
    fleet = run(Setting(), [1.0] * 20, 60.0, outage=(0.0, 90.0))
    assert fleet.tries < 1.6


def test_a_service_that_refusing_wears_out() -> None:
    """Where refusing costs as much as half an answer, twice the load and more leaves little or no answers."""
    some = run(Setting(retry=RetryPolicy(max_attempts=1)), [15.0], 120.0, room=Room(10.0))
    none = run(Setting(retry=RetryPolicy(max_attempts=1)), [40.0], 120.0, room=Room(10.0))
    assert 0.25 < some.answered < 0.45
    assert none.answered < 0.05


def test_costs_are_read(tmp_path: Path) -> None:
    """The costs are those of the page of measurements, or closer ones that a measurement has left here."""
    shown = measured.costs(tmp_path, ROOT / measured.PAGE)
    assert set(shown) == set(measured.KINDS)
    assert all(set(peers) == set(PEERS) and min(peers.values()) > 1e-6 for peers in shown.values())
    assert measured.memory_in_flight(tmp_path) == measured.IN_FLIGHT
    row = ["", "call", [1, 100, 1], {"genai_grpc": [1, 1.5, 2]}]
    (tmp_path / "table.json").write_text(json.dumps(dict.fromkeys(measured.KINDS, row)))
    held = {"10": {}, "1000": {"genai_grpc": [1, 1, 2e7, 1, 1]}}
    (tmp_path / "scale.json").write_text(json.dumps({"held": held}))
    found = measured.costs(tmp_path, tmp_path / "none")["async"]
    assert (found["plain"], found["genai_grpc"]) == pytest.approx((100e-6, 150e-6))
    assert measured.memory_in_flight(tmp_path) == 20_000


def test_a_page_without_its_rows(tmp_path: Path) -> None:
    """A page that lacks what the plan stands on is refused, with what it lacks."""
    (tmp_path / "page.md").write_text("| work | plain stub |\n|---|---:|\n")
    with pytest.raises(ValueError, match="async, stream"):
        measured.costs(tmp_path, tmp_path / "page.md")


def test_no_matplotlib() -> None:
    """The page can be computed where nothing is drawn: only drawing asks for matplotlib."""
    assert page.per_minute(1e-3) == page.UTILISATION * 60_000
    assert "benchmarks.capacity.plots" not in sys.modules


def test_marks_of_the_page() -> None:
    """The page has a place for each block that is written into it."""
    text = (ROOT / pages.CAPACITY).read_text()
    for name in page.BLOCKS:
        assert f"<!-- {name}: written by make bench-capacity -->\n" in text
        assert f"<!-- end of {name} -->\n" in text
