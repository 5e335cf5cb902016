"""One peer at one kind of work, in a process and an environment of its own: a round for each line it reads.

python -m benchmarks.worker PEER WORKLOAD COUNT ENDPOINT...

Each round's cost is printed as a line of JSON: `cpu` and `wall` in seconds; `peak`, the bytes of memory beyond those
before the round; `seconds`, what the work itself measured.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.peers import Endpoint, connect
from benchmarks.workloads import WORKLOADS


def main() -> None:
    name, workload, count, *endpoint = sys.argv[1:]
    rounds = WORKLOADS[workload].run(connect(name, Endpoint(*endpoint)), int(count))
    print("ready", flush=True)
    for _ in sys.stdin:
        print(json.dumps(measured(rounds)), flush=True)


def measured(rounds: Any) -> dict[str, Any]:
    """One round and its cost."""
    gc.collect()
    forget_peak()
    before, wall, cpu = memory("VmRSS"), time.perf_counter(), time.process_time()
    seconds = next(rounds)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return {"cpu": cpu, "wall": wall, "peak": memory("VmHWM") - before, "seconds": seconds}


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
