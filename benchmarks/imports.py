"""Cost of importing a client, and of everything up to its first reply, beyond a bare interpreter."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from typing import Final

from benchmarks.environments import python_of
from benchmarks.peers import VERTEX, spec_of
from benchmarks.rounds import Cost
from benchmarks.serving import SCENARIOS, serve

__all__ = ["first_calls", "imports"]

# The process reports its own cost: a child's rusage includes what its parent was before the child's exec.
REPORT: Final = """
import time  # built in; json would be imported by the bare interpreter, too, and hide a client's import of it
cpu = time.process_time()
peak = [int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")]
print([cpu, peak[0] * 1024])
"""
FIRST_CALL: Final = """
from benchmarks.peers import Endpoint, connect
connect({peer!r}, Endpoint(*{endpoint!r})).ask()
"""


def imports(peers: Sequence[str], rounds: int) -> list[dict[str, Cost]]:
    """Cost of importing each peer, for each round."""
    return _rounds({peer: spec_of(peer).imports for peer in peers}, rounds)


def first_calls(peers: Sequence[str], rounds: int) -> list[dict[str, Cost]]:
    """Cost of everything up to the first reply of each peer, for each round."""
    with serve(SCENARIOS["short"], vertex=peers[0] in VERTEX) as endpoint:
        programs = {peer: FIRST_CALL.format(peer=peer, endpoint=tuple(endpoint)) for peer in peers}
        return _rounds(programs, rounds)


def _rounds(programs: dict[str, str], rounds: int) -> list[dict[str, Cost]]:
    for peer, program in programs.items():
        _run(peer, program)  # writes the bytecode
    return [{peer: _beyond_bare(peer, program) for peer, program in programs.items()} for _ in range(rounds)]


def _beyond_bare(peer: str, program: str) -> Cost:
    bare, full = _run(peer, ""), _run(peer, program)
    return Cost(full[0] - bare[0], 0, int(full[1] - bare[1]), None)


def _run(peer: str, program: str) -> tuple[float, float]:
    """Seconds of CPU and peak memory in bytes of a process that runs the program."""
    command = [python_of(peer), "-W", "ignore", "-c", program + REPORT]
    # The second start of a program is measured, with bytecode written by the first.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)  # noqa: S603
    cpu, peak = json.loads(done.stdout.splitlines()[-1])
    return cpu, peak
