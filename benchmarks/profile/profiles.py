"""Profile of the CPU per call, by owner: this client, gRPC, protobuf, the kernel; and the same for the plain stub.

py-spy samples the stacks of a worker's Python threads, with their native frames. proc(5) has the CPU of gRPC's own
threads, which run no Python, and the time that each thread spent in the kernel. That also corrects a bias of sampling:
py-spy takes a thread that was woken, and waits for a core, for a running one, and finds it where it slept, in the
kernel. So the samples only distribute the time within a kind of thread, in the kernel or out of it; the amount of that
time is measured, in rounds without py-spy.

The worker shares its core with py-spy at real-time priority, so that a thread is stopped where it was sampled and not
some microseconds later. That needs root. Checked with perf, which does not see Python here: of the main thread's time
outside the kernel, both gave gRPC's Cython and C core 50 % (unary) and 34 % (stream); py-spy alone 63 % of unary.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.profile.flame_graph import Box, svg
from benchmarks.profile.stacks import (
    CORE,
    GARBAGE,
    KERNEL,
    MESSAGES,
    OURS,
    OWNERS,
    WAITING,
    Frame,
    Sample,
    in_system_call,
    read_samples,
)
from benchmarks.rounds import Worker
from benchmarks.serving import SCENARIOS, serve
from benchmarks.workloads import WORKLOADS

__all__ = ["Profile", "profile_tables", "profiles", "write_flame_graphs"]

PEERS: Final = ("genai_grpc", "plain")
PROFILED: Final = ("unary", "stream", "async")
ENTRY_POINT: Final = "benchmarks/workloads.py"  # frames below it are the harness
IMAGES: Final = Path("docs/images")
SECONDS: Final = 12
SAMPLES_PER_SECOND: Final = 300
CORE_NUMBER: Final = max(os.sched_getaffinity(0))
TICK: Final = 1 / os.sysconf("SC_CLK_TCK")


class CpuTime(NamedTuple):
    """Seconds of CPU, outside the kernel and in it."""

    user: float
    system: float

    def since(self, before: CpuTime) -> CpuTime:
        return CpuTime(self.user - before.user, self.system - before.system)


class ThreadTimes(NamedTuple):
    """CPU of the main thread, of gRPC's own threads, and of the whole process, ended threads included."""

    main: CpuTime
    core: CpuTime
    total: CpuTime


class WeightedSample(NamedTuple):
    """A sample, and the microseconds per operation that it represents."""

    sample: Sample
    weight: float


class Profile(NamedTuple):
    """CPU of one peer at one kind of work, in microseconds per operation.

    Attributes:
        workload: Name of the workload.
        stacks: CPU of its Python threads.
        core: CPU of gRPC's own threads.
    """

    workload: str
    stacks: list[WeightedSample]
    core: CpuTime

    def shares(self) -> dict[str, float]:
        """CPU by owner."""
        found = dict.fromkeys(OWNERS, 0.0)
        found[CORE], found[KERNEL] = self.core
        for sample, weight in self.stacks:
            found[str(sample.owner.owner)] += weight
        return found

    def modules(self) -> dict[str, float]:
        """CPU of this project's code, by module."""
        found: dict[str, float] = defaultdict(float)
        for sample, weight in self.stacks:
            if sample.owner.owner == OURS:
                found[sample.owner.file.removesuffix(".py").replace("/", ".")] += weight
        return found


def profiles() -> dict[str, dict[str, Profile]]:
    """Profile each of the two peers at each kind of work."""
    found = {}
    for workload in PROFILED:
        print(f"  {workload}", flush=True)
        with ExitStack() as stack:
            endpoint = stack.enter_context(serve(SCENARIOS[WORKLOADS[workload].scenario]))
            workers = {peer: stack.enter_context(Worker(peer, workload, endpoint)) for peer in PEERS}
            times = _measure(workers)
            found[workload] = {
                peer: _profile(workload, times[peer], _samples(worker)) for peer, worker in workers.items()
            }
    return found


def _measure(workers: dict[str, Worker]) -> dict[str, ThreadTimes]:
    """CPU of the threads of each worker, in seconds per operation, in interleaved rounds."""
    for worker in workers.values():
        worker.round()
    before = {peer: _thread_times(worker.pid) for peer, worker in workers.items()}
    spent = dict.fromkeys(workers, 0.0)
    rounds = 0
    while min(spent.values()) < SECONDS / 2:
        rounds += 1
        for peer, worker in workers.items():
            spent[peer] += worker.round().cpu
    return {
        peer: _per_operation(_thread_times(worker.pid), before[peer], spent[peer], rounds * worker.count)
        for peer, worker in workers.items()
    }


def _per_operation(after: ThreadTimes, before: ThreadTimes, spent: float, operations: int) -> ThreadTimes:
    """CPU per operation between two readings; `spent` is that of the rounds alone."""
    main, core, total = (end.since(start) for end, start in zip(after, before, strict=True))
    # The garbage collection before each round is no part of the work; the rest of the harness is negligible.
    harness = CpuTime(sum(total) - spent, 0.0)
    times = main.since(harness), core, total.since(harness)
    return ThreadTimes(*(CpuTime(time.user / operations, time.system / operations) for time in times))


def _thread_times(pid: int) -> ThreadTimes:
    core = CpuTime(0.0, 0.0)
    for task in Path(f"/proc/{pid}/task").iterdir():
        # gRPC names the threads of its C core; Python's threads have the name of the process.
        if re.match(r"event_engine|grpc_|lifeguard", (task / "comm").read_text()):
            core = CpuTime(*(sum(pair) for pair in zip(core, _cpu_time(task), strict=True)))
    return ThreadTimes(_cpu_time(Path(f"/proc/{pid}/task/{pid}")), core, _cpu_time(Path(f"/proc/{pid}")))


def _cpu_time(directory: Path) -> CpuTime:
    user, system = (directory / "stat").read_text().rpartition(")")[2].split()[11:13]
    return CpuTime(int(user) * TICK, int(system) * TICK)


def _samples(worker: Worker) -> list[Sample]:
    """Sample a worker's rounds with py-spy."""
    py_spy = shutil.which("py-spy", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if py_spy is None or os.geteuid() != 0:
        raise SystemExit(
            "a profile needs py-spy, which the extra `bench` installs, and root, to sample at real-time priority"
        )
    for task in Path(f"/proc/{worker.pid}/task").iterdir():
        os.sched_setaffinity(int(task.name), [CORE_NUMBER])
    with tempfile.TemporaryDirectory() as directory:
        raw = Path(directory, "raw")
        command = [py_spy, "record", "--native", "--threads", "--format", "raw", "--output", str(raw)]
        command += ["--rate", str(SAMPLES_PER_SECOND), "--duration", str(SECONDS), "--pid", str(worker.pid)]
        with subprocess.Popen(  # noqa: S603
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, preexec_fn=_set_real_time_priority
        ) as process:
            while process.poll() is None:
                worker.round()
            assert process.stdout is not None  # noqa: S101 -- it is a pipe
            output = process.stdout.read()
        if process.returncode:
            raise SystemExit(f"py-spy cannot sample a process here:\n{output}")
        return list(read_samples(raw.read_text().splitlines(), partial(in_system_call, worker.pid)))


def _set_real_time_priority() -> None:
    os.sched_setaffinity(0, [CORE_NUMBER])
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))


def _profile(workload: str, times: ThreadTimes, samples: list[Sample]) -> Profile:
    main, core, total = times
    others = total.since(main).since(core)
    groups: dict[tuple[bool, bool], list[Sample]] = {}
    for sample in samples:
        is_main = sample.thread == "MainThread"
        if not is_main or any(frame.file == ENTRY_POINT for frame in sample.frames):
            groups.setdefault((is_main, sample.in_kernel), []).append(sample)
    stacks = []
    for (is_main, in_kernel), group in groups.items():
        spent = (main if is_main else others)[in_kernel] * 1e6
        count = sum(sample.samples for sample in group)
        stacks += [WeightedSample(sample, max(0.0, spent) * sample.samples / count) for sample in group]
    return Profile(workload, stacks, CpuTime(core.user * 1e6, core.system * 1e6))


# Flame graphs


def write_flame_graphs(found: dict[str, dict[str, Profile]]) -> None:
    """Write a flame graph of this client for each kind of work."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    for workload, peers in found.items():
        spec, profile = WORKLOADS[workload], peers["genai_grpc"]
        root = Box("", OWNERS[0])
        for sample, weight in profile.stacks:
            root.add(_path(sample), weight)
        threads = ("gRPC's own threads", CORE)
        root.add([threads], profile.core.user)
        root.add([threads, ("system calls", KERNEL)], profile.core.system)
        title = f"genai_grpc: {spec.title.replace('`', '')} — {root.weight:.3g} µs of CPU per {spec.unit}"
        text = svg(root, title, f"per {spec.unit}", profile.shares())
        (IMAGES / f"profile-{workload}.svg").write_text(text)


# Names for runs of frames of libraries without symbols, or whose symbols mean little to their users.
_MERGED: Final = {CORE: "cygrpc", MESSAGES: "upb", GARBAGE: "gc"}


def _path(sample: Sample) -> Iterator[tuple[str, str]]:
    """Functions of a sample from its entry point, without those that count for their callers."""
    frames: Iterable[Frame] = sample.frames
    if sample.thread == "MainThread":
        first = next(number for number, frame in enumerate(sample.frames) if frame.file == ENTRY_POINT)
        frames = sample.frames[first:]
    else:
        yield re.sub(r"-?\d+", "", sample.thread), WAITING
    last = None
    for name, file, owner in frames:
        found = _MERGED.get(str(owner), name.replace(".<locals>", "")), owner
        if (
            owner
            and found != last
            and not file.endswith((".c", "threading.py") if name.startswith("Thread.") else ".c")
        ):
            yield found[0], owner
            last = found


# Tables


def profile_tables(found: dict[str, dict[str, Profile]]) -> str:
    """CPU by owner, of this client and of the plain stub at each kind of work; then by module of this project."""
    columns = [profile for peers in found.values() for profile in peers.values()]
    heads = [f"{workload}, {title}" for workload in found for title in ("**genai_grpc**", "plain stub")]
    shares = [profile.shares() for profile in columns]
    lines = [f"| owner: µs of CPU, share | {' | '.join(heads)} |", "|---|" + "---:|" * len(heads)]
    lines += [
        f"| {owner} | {' | '.join(_cell(share[owner], sum(share.values())) for share in shares)} |" for owner in OWNERS
    ]
    lines.append(f"| total | {' | '.join(_digits(sum(share.values())) for share in shares)} |")
    return "\n".join([*lines, "", *_modules([peers["genai_grpc"] for peers in found.values()])])


def _modules(columns: list[Profile]) -> Iterator[str]:
    spent = [profile.modules() for profile in columns]
    yield f"| module: µs of CPU | {' | '.join(profile.workload for profile in columns)} |"
    yield "|---|" + "---:|" * len(columns)
    names = sorted({name for each in spent for name in each}, key=lambda name: -sum(each[name] for each in spent))
    for name in names:
        if any(each[name] >= 0.05 * sum(each.values()) for each in spent):
            yield f"| `{name}` | {' | '.join(_digits(each[name]) for each in spent)} |"


def _cell(weight: float, total: float) -> str:
    return f"{_digits(weight)} ({weight / total:.0%})" if weight else ""


def _digits(weight: float) -> str:
    return f"{weight:.0f}" if weight >= 20 else f"{weight:.1f}"
