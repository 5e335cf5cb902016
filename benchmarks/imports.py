"""What it costs to import a client, and to get its first answer, over a bare interpreter."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING, Final

from benchmarks.environments import python_of
from benchmarks.peers import PEERS
from benchmarks.rounds import Cost
from benchmarks.serving import SCENARIOS, serve

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["first_calls", "imports"]

# The process says what it cost itself: a parent's account of a child counts what the parent was before the child began.
TOLD: Final = """
import time  # built in: json would be imported by the bare interpreter too, and what it imports not be counted
cpu = time.process_time()
peak = [int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")]
print([cpu, peak[0] * 1024])
"""
FIRST_CALL: Final = """
from benchmarks.peers import Endpoint, connect
connect({peer!r}, Endpoint(*{endpoint!r})).ask()
"""


def imports(peers: Sequence[str], rounds: int) -> list[dict[str, Cost]]:
    """The cost of importing each peer, round by round."""
    return _rounds({peer: PEERS[peer].imports for peer in peers}, rounds)


def first_calls(peers: Sequence[str], rounds: int) -> list[dict[str, Cost]]:
    """The cost of everything up to the first answer of each peer, round by round."""
    with serve(SCENARIOS["short"]) as endpoint:
        programs = {peer: FIRST_CALL.format(peer=peer, endpoint=tuple(endpoint)) for peer in peers}
        return _rounds(programs, rounds)


def _rounds(programs: dict[str, str], rounds: int) -> list[dict[str, Cost]]:
    for peer, program in programs.items():
        _run(peer, program)  # writes what Python compiles
    return [{peer: _over_bare(peer, program) for peer, program in programs.items()} for _ in range(rounds)]


def _over_bare(peer: str, program: str) -> Cost:
    bare, full = _run(peer, ""), _run(peer, program)
    return Cost(full[0] - bare[0], 0, int(full[1] - bare[1]), None)


def _run(peer: str, program: str) -> tuple[float, float]:
    """Seconds of CPU and bytes of memory at their peak, of a process that runs the program."""
    words = [python_of(peer), "-W", "ignore", "-c", program + TOLD]
    # A program's second start is what is measured, when its modules are compiled.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(words, check=True, capture_output=True, text=True, env=environment)  # noqa: S603
    cpu, peak = json.loads(done.stdout.splitlines()[-1])
    return cpu, peak
