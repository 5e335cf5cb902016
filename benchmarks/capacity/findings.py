"""Assumptions and results that the tables and the diagrams of docs/capacity.md share."""

from __future__ import annotations

from typing import Final, NamedTuple

from benchmarks.capacity import runs
from benchmarks.capacity.measured import costs, memory_in_flight
from benchmarks.capacity.runs import Load, Timeline, Wait
from benchmarks.capacity.service import Quota
from benchmarks.peers import PEERS

__all__ = [
    "BASE",
    "CLIENTS",
    "HOURS",
    "OURS",
    "PRICE",
    "SECONDS",
    "TIERS",
    "TITLES",
    "TOKENS",
    "UTILISATION",
    "Findings",
    "find",
    "per_minute",
    "rounded",
]

CLIENTS: Final = ("plain", "genai_grpc", "generativeai", "generativeai_key", "google_genai")
BASE: Final = "plain"
OURS: Final = "genai_grpc"
TITLES: Final = {peer: PEERS[peer].title for peer in CLIENTS}

# Assumptions; replace them by your own.
UTILISATION: Final = 0.6
PRICE: Final = 0.04  # US dollars per core-hour: about the on-demand price of general-purpose cloud machines
HOURS: Final = 730.0  # per month
SECONDS: Final = 2.0  # that a call is in flight
TOKENS: Final = 2000.0  # per call, prompt and reply
# A flash model in 2025; of the order that https://ai.google.dev/gemini-api/docs/rate-limits published then.
TIERS: Final = {
    "free": Quota(10, 250_000),
    "tier 1": Quota(1_000, 1_000_000),
    "tier 2": Quota(2_000, 3_000_000),
    "tier 3": Quota(10_000, 8_000_000),
}
UTILISATIONS: Final = (0.3, 0.5, 0.7, 0.8, 0.9)


class Findings(NamedTuple):
    """Measured costs and simulated results.

    Attributes:
        costs: Seconds of CPU, by kind of work and client.
        memory: Bytes per call in flight.
        waits: Waits for a core, by client.
        binding: Results at the quota, by settings and load.
        outages: Outages, by number of processes and settings.
    """

    costs: dict[str, dict[str, float]]
    memory: float
    waits: dict[str, list[Wait]]
    binding: dict[str, dict[float, Load]]
    outages: dict[str, dict[str, list[Timeline]]]


def find() -> Findings:
    """Read the costs, and run the simulations."""
    found = costs()
    waits = {peer: runs.waits(found["async"][peer], UTILISATIONS) for peer in CLIENTS}
    return Findings(found, memory_in_flight(), waits, runs.binding(), runs.outages())


def per_minute(cost: float) -> float:
    """Calls per minute of a core at the planned utilisation, for calls of `cost` seconds of CPU."""
    return UTILISATION * 60 / cost


def rounded(value: float) -> str:
    """Two significant digits: the precision of the measurements."""
    if value >= 10:
        digits = len(f"{value:.0f}") - 2
        return f"{round(value, -digits):,.0f}"
    return f"{value:.2g}"
