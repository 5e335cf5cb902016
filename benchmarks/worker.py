"""One peer at one kind of work, in a process and an environment of its own: a round for each line it reads.

python -m benchmarks.worker PEER WORKLOAD COUNT SIZE ENDPOINT...

Each round's cost is printed as a line of JSON: `cpu` and `wall` in seconds; `peak`, the bytes of memory beyond those
before the round; `latencies` in seconds, where the work looks for them.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.peers import Endpoint, connect
from benchmarks.workloads import WORKLOADS

if TYPE_CHECKING:
    from benchmarks.workloads import Rounds


def main() -> None:
    name, workload, count, size, *endpoint = sys.argv[1:]
    make = partial(connect, name, Endpoint(*endpoint))
    rounds = WORKLOADS[workload].run(make, int(count), int(size))
    print("ready", flush=True)
    for _ in sys.stdin:
        print(json.dumps(measured(rounds)), flush=True)


def measured(rounds: Rounds) -> dict[str, Any]:
    """One round and its cost."""
    gc.collect()
    forget_peak()
    before, wall, cpu = memory("VmRSS"), time.perf_counter(), time.process_time()
    latencies = next(rounds)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return {"cpu": cpu, "wall": wall, "peak": memory("VmHWM") - before, "latencies": latencies}


def forget_peak() -> None:
    """Let the peak of memory be counted from here (proc(5), clear_refs)."""
    Path("/proc/self/clear_refs").write_text("5")


def memory(what: str) -> int:
    """Bytes of this process's memory: VmRSS for now, VmHWM for the peak."""
    lines = Path("/proc/self/status").read_text().splitlines()
    [line] = [line for line in lines if line.startswith(what)]
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    main()
