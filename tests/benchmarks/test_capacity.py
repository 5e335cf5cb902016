from __future__ import annotations

import json
import random
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from benchmarks import pages
from benchmarks.capacity import findings, measured, page
from benchmarks.capacity.clock import Clock
from benchmarks.capacity.runs import md1_wait, waits
from benchmarks.capacity.service import (
    FixedWindowQuota,
    Quota,
    Responses,
    Service,
    ServiceCapacity,
    ServiceQuota,
    TokenBucketQuota,
)
from benchmarks.capacity.simulation import ClientSettings, Costs, Run, simulate
from benchmarks.peers import PEERS
from genai_grpc.errors import DeadlineExceeded, ResourceExhausted, ServiceUnavailable
from genai_grpc.types import AdaptiveLimit, RateLimit, RetryPolicy

ROOT = Path(__file__).parents[2]
QUICK = Responses(first=0.01, spread=0.0)


def run(
    settings: ClientSettings,
    rates: Sequence[float] = (50.0,),
    seconds: float = 60.0,
    responses: Responses = QUICK,
    *,
    quota: ServiceQuota | None = None,
    capacity: ServiceCapacity | None = None,
    outage: tuple[float, float] = (0.0, 0.0),
    seed: int = 1,
) -> Run:
    """Simulate one client per rate against a service."""

    def make_service(clock: Clock, rng: random.Random) -> Service:
        return Service(clock, rng, responses, quota, capacity, outage)

    return simulate(settings, make_service, rates, seconds, seed)


def test_core_is_md1_queue() -> None:
    """Calls of one length wait for their core as in an M/D/1 queue, at every utilisation."""
    for wait in waits(100e-6, (0.2, 0.5, 0.7, 0.85), calls=15_000):
        assert wait.mean == pytest.approx(wait.formula, rel=0.06)


def test_split_work_waits_as_undivided() -> None:
    """Work before the request and after the reply waits, in total, as long as undivided work."""
    cost = 1e-3
    found = run(ClientSettings(costs=Costs(cost)), [700.0], 20.0, Responses(first=0.05, spread=1.0))
    [process] = found.processes
    assert sum(process.core.waits) / found.arrived == pytest.approx(md1_wait(found.utilisation, cost), rel=0.06)


def test_stream_costs() -> None:
    """A stream uses a core for its call and its chunks, and a slot of a connection, until its last chunk."""
    responses = Responses(first=0.5, spread=0.0, chunks=20, pace=10.0)
    found = run(ClientSettings(costs=Costs(1e-3, 1e-4), streaming=True), [100.0], 20.0, responses)
    [process] = found.processes
    assert found.answered == 1
    assert process.core.busy == pytest.approx(found.arrived * (1e-3 + 19e-4))
    assert statistics.fmean(found.latencies) == pytest.approx(0.5 + 1.9, rel=0.02)
    assert process.admission.limiter.in_flight == 0
    # A hundred per second for 2.4 s are 240 in flight, of which a connection carries 90.
    assert len(process.pool.channels) in (3, 4)


def test_stream_deadline() -> None:
    """A stream that takes too long ends at its deadline."""
    settings = ClientSettings(timeout=1.0, streaming=True)
    found = run(settings, [10.0], 5.0, Responses(first=0.5, spread=0.0, chunks=50))
    assert {call.error for call in found.records} == {DeadlineExceeded}
    assert all(call.latency == pytest.approx(1.0) for call in found.records)


SETTINGS = {
    "default": ClientSettings(timeout=10.0),
    "streaming": ClientSettings(timeout=10.0, streaming=True),
    "low limit": ClientSettings(max_in_flight=3, timeout=5.0),
    "adaptive": ClientSettings(max_in_flight=AdaptiveLimit(initial_limit=5), timeout=5.0),
    "rate": ClientSettings(rate_limit=RateLimit(requests_per_minute=600), timeout=5.0),
    "open calls": ClientSettings(max_open_calls=5),
    "learned": ClientSettings(rate_limit=RateLimit(), retry=RetryPolicy(budget_ratio=None), timeout=90.0),
}


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=list(SETTINGS))
def test_every_call_ends_once(settings: ClientSettings) -> None:
    """With any limits and faults, each call that arrives ends once, and releases its slots."""
    responses = Responses(first=0.3, chunks=3, unavailable=0.1)
    quota = FixedWindowQuota(Quota(900, 3e6))
    found = run(settings, [10.0, 20.0], 40.0, responses, quota=quota, outage=(20.0, 25.0))
    assert found.arrived == len(found.records) > 1000
    assert len({call.arrived for call in found.records}) == found.arrived
    for process in found.processes:
        assert process.admission.limiter.in_flight == process.admission.limiter.waiting == 0
        assert sum(channel.in_flight for channel in process.pool.channels) == 0
        assert process.arrived == len(process.records)
    # Only work in progress may end a call after its deadline.
    assert max(call.latency for call in found.records) <= settings.timeout + 0.1


def test_seed_determines_run() -> None:
    """A seed gives the same run, another seed another one, whatever the state of the global random numbers."""

    def once(seed: int) -> list[object]:
        random.seed()
        return list(run(SETTINGS["learned"], [20.0], 30.0, Responses(unavailable=0.2), seed=seed).records)

    assert once(1) == once(1) != once(2)


@pytest.mark.parametrize("burst", [0.0, 1.0])
def test_rate_limit_stays_within_quota(burst: float) -> None:
    """At twice the quota, with a rate limit of the quota no request is refused, beyond what its burst allows."""
    quota = Quota(600)
    settings = ClientSettings(
        rate_limit=RateLimit(requests_per_minute=quota.requests, burst_seconds=burst), timeout=20.0
    )
    found = run(settings, [20.0], 240.0, quota=TokenBucketQuota(quota, burst_seconds=burst + 0.2))
    requests = found.service.requests
    assert len(requests) == len(found.service.accepted)
    busiest = max(sum(start <= when < start + 60 for when in requests) for start in range(0, 240, 5))
    assert busiest <= quota.requests * (60 + burst) / 60 + 1


LIMITS = {
    "rate": ClientSettings(rate_limit=RateLimit(requests_per_minute=600), timeout=20.0),
    "in flight": ClientSettings(max_in_flight=10, timeout=20.0),
}


@pytest.mark.parametrize("settings", LIMITS.values(), ids=list(LIMITS))
def test_load_above_limit(settings: ClientSettings) -> None:
    """At one and a half times what a limit admits, as many calls are answered as it admits."""
    found = run(settings, [15.0], 300.0, Responses(first=1.0, spread=0.3))
    late = [call for call in found.records if call.arrived >= 100]
    assert 0.55 < sum(call.error is None for call in late) / len(late) < 0.75
    assert {call.error for call in found.records} == {None, DeadlineExceeded}
    # Hardly a request is sent in vain.
    assert sum(call.attempts for call in late if call.error) < 0.05 * len(late)


FAULTS = {
    "none": (20, 0.0, (0.0, 0.0)),
    "an outage of 2 s": (150, 0.0, (30.0, 32.0)),
    "an outage of 30 s": (150, 0.0, (30.0, 60.0)),
    "some failures": (150, 0.02, (0.0, 0.0)),
}


@pytest.mark.parametrize(("initial_limit", "unavailable", "outage"), FAULTS.values(), ids=list(FAULTS))
def test_adaptive_limit_follows_load(initial_limit: int, unavailable: float, outage: tuple[float, float]) -> None:
    """From a low start, after an outage, and with a few failures throughout, every call is answered."""
    settings = ClientSettings(max_in_flight=AdaptiveLimit(initial_limit=initial_limit))
    found = run(settings, [50.0], 150.0, Responses(first=2.0, unavailable=unavailable), outage=outage)
    after = [call for call in found.records if call.arrived >= outage[1]]
    assert sum(call.error is None for call in after) > 0.999 * len(after)


def test_no_rate_limit() -> None:
    """Without a rate limit, calls above the quota are refused, and retried as far as the retry budget allows."""
    found = run(ClientSettings(), [20.0], 240.0, quota=FixedWindowQuota(Quota(600)))
    assert len(found.service.requests) > len(found.service.accepted)
    assert {call.error for call in found.records} == {None, ResourceExhausted}
    assert 1.1 < found.attempts < 1.4


def test_token_quota() -> None:
    """A quota of tokens refuses as one of requests does, whichever is used up first."""
    for quota in (FixedWindowQuota(Quota(1e6, 60_000)), TokenBucketQuota(Quota(1e6, 60_000), burst_seconds=60.0)):
        settings = ClientSettings(retry=RetryPolicy(max_attempts=1))
        found = run(settings, [10.0], 60.0, Responses(tokens=1000, spread=0.0), quota=quota)
        # The last call that starts may exceed what is left.
        assert 60 <= len(found.service.accepted) <= 121
        assert found.answered < 0.25


def test_retry_budget_in_outage() -> None:
    """In an outage, a budget allows little more than one attempt per call, also for clients that call rarely."""
    bounded = run(ClientSettings(), [100.0], 60.0, outage=(0.0, 90.0))
    unbounded = run(ClientSettings(retry=RetryPolicy(budget_ratio=None)), [100.0], 60.0, outage=(0.0, 90.0))
    assert {call.error for call in bounded.records + unbounded.records} == {ServiceUnavailable}
    assert bounded.attempts < 1.3
    assert unbounded.attempts == 4
    fleet = run(ClientSettings(), [1.0] * 20, 60.0, outage=(0.0, 90.0))
    assert fleet.attempts < 1.6


def test_refusals_use_capacity() -> None:
    """If a refusal costs half a response, twice the load and more leaves few or no responses."""
    settings = ClientSettings(retry=RetryPolicy(max_attempts=1))
    some = run(settings, [15.0], 120.0, capacity=ServiceCapacity(10.0))
    none = run(settings, [40.0], 120.0, capacity=ServiceCapacity(10.0))
    assert 0.25 < some.answered < 0.45
    assert none.answered < 0.05


def test_costs(tmp_path: Path) -> None:
    """Costs are those on the page of results, or the more precise ones of saved results."""
    from_page = measured.costs(tmp_path, ROOT / measured.PAGE)
    assert set(from_page) == set(measured.KINDS)
    assert all(set(peers) == set(PEERS) and min(peers.values()) > 1e-6 for peers in from_page.values())
    assert measured.memory_in_flight(tmp_path) == measured.IN_FLIGHT
    row = ["", "call", [1, 100, 1], {"genai_grpc": [1, 1.5, 2]}]
    (tmp_path / "table.json").write_text(json.dumps(dict.fromkeys(measured.KINDS, row)))
    held = {"10": {}, "1000": {"genai_grpc": [1, 1, 2e7, 1, 1]}}
    (tmp_path / "scale.json").write_text(json.dumps({"held": held}))
    found = measured.costs(tmp_path, tmp_path / "none")["async"]
    assert (found["plain"], found["genai_grpc"]) == pytest.approx((100e-6, 150e-6))
    assert measured.memory_in_flight(tmp_path) == 20_000


def test_page_without_rows(tmp_path: Path) -> None:
    """A page that lacks rows is rejected, and the error names them."""
    (tmp_path / "page.md").write_text("| work | plain stub |\n|---|---:|\n")
    with pytest.raises(ValueError, match="async, stream"):
        measured.costs(tmp_path, tmp_path / "page.md")


def test_no_matplotlib() -> None:
    """The page can be computed without matplotlib: only drawing imports it."""
    assert findings.per_minute(1e-3) == findings.UTILISATION * 60_000
    assert "benchmarks.capacity.plots" not in sys.modules


def test_page_has_every_block() -> None:
    """The page has markers for each generated block."""
    text = (ROOT / pages.CAPACITY).read_text()
    for name in page.BLOCKS:
        assert f"<!-- {name}: written by make bench ARGS=capacity -->\n" in text
        assert f"<!-- end of {name} -->\n" in text
