"""Worker process: one client at one kind of work, in an environment of its own; runs a round per line of its input.

python -m benchmarks.worker PEER WORKLOAD COUNT SIZE ENDPOINT...

Prints each round's cost as a line of JSON: `cpu` and `wall` in seconds; `peak`, the peak memory in bytes beyond that
before the round; `latencies` in seconds, if the workload measures them.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.peers import Endpoint, connect
from benchmarks.workloads import WORKLOADS, Rounds


def main() -> None:
    name, workload, count, size, *endpoint = sys.argv[1:]
    make_peer = partial(connect, name, Endpoint(*endpoint))
    rounds = WORKLOADS[workload].run(make_peer, int(count), int(size))
    print("ready", flush=True)
    for _ in sys.stdin:
        print(json.dumps(measure(rounds)), flush=True)


def measure(rounds: Rounds) -> dict[str, Any]:
    """Run one round and measure its cost."""
    gc.collect()
    reset_peak()
    before, wall, cpu = memory("VmRSS"), time.perf_counter(), time.process_time()
    latencies = next(rounds)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return {"cpu": cpu, "wall": wall, "peak": memory("VmHWM") - before, "latencies": latencies}


def reset_peak() -> None:
    """Reset the peak of the resident memory (proc(5), clear_refs)."""
    Path("/proc/self/clear_refs").write_text("5")


def memory(field: str) -> int:
    """Resident memory of this process in bytes: VmRSS is the current one, VmHWM its peak."""
    lines = Path("/proc/self/status").read_text().splitlines()
    [line] = [line for line in lines if line.startswith(field)]
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    main()
