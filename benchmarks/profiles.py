"""Whose the CPU of a call is: this client's, gRPC's, protobuf's, the kernel's; and the same for the plain stub.

py-spy samples the stacks of a worker's Python threads, those of C code included; gRPC's own threads, which run no
Python, and how much of each thread's time was the kernel's, are told by proc(5). That also sets right what sampling
gets wrong: py-spy takes a thread that was woken and waits for a core for one that runs, and finds it where it slept, in
the kernel. So samples say how the time within a kind of thread, in the kernel or out of it, is shared out; how much
time that is was counted, in rounds that nobody looked into.

To be stopped where it was, and not a few microseconds on, a worker shares its core with a py-spy of real-time
priority. That is root's to ask for. Checked with perf, which sees no Python here: of the main thread's time outside the
kernel it gave gRPC's Cython and C core 50 % (unary) and 34 % (stream), this way the same; py-spy alone 63 % of unary.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from benchmarks.flame import Box, svg
from benchmarks.rounds import Worker
from benchmarks.serving import SCENARIOS, serve
from benchmarks.stacks import (
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
from benchmarks.workloads import WORKLOADS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["Profile", "profile_tables", "profiles", "write_pictures"]

PEERS: Final = ("genai_grpc", "plain")
PROFILED: Final = ("unary", "stream", "async")
PLACE_OF_WORK: Final = "benchmarks/workloads.py"  # what is below it on a stack is the harness
PICTURES: Final = Path("docs/images")
SECONDS: Final = 12
SAMPLES_A_SECOND: Final = 300
CORE_NUMBER: Final = max(os.sched_getaffinity(0))
TICK: Final = 1 / os.sysconf("SC_CLK_TCK")


class Spent(NamedTuple):
    """Seconds of CPU, in the kernel and out of it."""

    user: float
    system: float

    def since(self, before: Spent) -> Spent:
        return Spent(self.user - before.user, self.system - before.system)


class Accounts(NamedTuple):
    """What the threads of a process have spent: the main one, gRPC's own, and all of them, ended ones included."""

    main: Spent
    core: Spent
    whole: Spent


class Weighted(NamedTuple):
    """A sample, and the microseconds an operation that it stands for."""

    sample: Sample
    weight: float


class Profile(NamedTuple):
    """What one peer spends at one kind of work, in microseconds of CPU an operation.

    Attributes:
        workload: Its name.
        stacks: What its Python threads do.
        core: What gRPC's own threads do.
    """

    workload: str
    stacks: list[Weighted]
    core: Spent

    def shares(self) -> dict[str, float]:
        """By owner."""
        found = dict.fromkeys(OWNERS, 0.0)
        found[CORE], found[KERNEL] = self.core
        for sample, weight in self.stacks:
            found[str(sample.owner.owner)] += weight
        return found

    def modules(self) -> dict[str, float]:
        """This project's own, by module."""
        found: dict[str, float] = defaultdict(float)
        for sample, weight in self.stacks:
            if sample.owner.owner == OURS:
                found[sample.owner.file.removesuffix(".py").replace("/", ".")] += weight
        return found


def profiles() -> dict[str, dict[str, Profile]]:
    """Of each kind of work, by each of the two."""
    found = {}
    for workload in PROFILED:
        print(f"  {workload}", flush=True)
        with ExitStack() as stack:
            endpoint = stack.enter_context(serve(SCENARIOS[WORKLOADS[workload].scenario]))
            workers = {peer: stack.enter_context(Worker(peer, workload, endpoint)) for peer in PEERS}
            counted = _count(workers)
            found[workload] = {
                peer: _profile(workload, counted[peer], _samples(worker)) for peer, worker in workers.items()
            }
    return found


def _count(workers: dict[str, Worker]) -> dict[str, Accounts]:
    """What the threads of each spend an operation, in seconds, in interleaved rounds."""
    for worker in workers.values():
        worker.round()
    before = {peer: _accounts(worker.pid) for peer, worker in workers.items()}
    spent = dict.fromkeys(workers, 0.0)
    rounds = 0
    while min(spent.values()) < SECONDS / 2:
        rounds += 1
        for peer, worker in workers.items():
            spent[peer] += worker.round().cpu
    return {
        peer: _an_operation(_accounts(worker.pid), before[peer], spent[peer], rounds * worker.count)
        for peer, worker in workers.items()
    }


def _an_operation(now: Accounts, then: Accounts, spent: float, operations: int) -> Accounts:
    """What was spent between the two, by an operation."""
    main, core, whole = (after.since(before) for after, before in zip(now, then, strict=True))
    # The collection of garbage before each round is none of the work, and all of the harness that can be seen.
    beside = Spent(sum(whole) - spent, 0.0)
    parts = main.since(beside), core, whole.since(beside)
    return Accounts(*(Spent(part.user / operations, part.system / operations) for part in parts))


def _accounts(pid: int) -> Accounts:
    core = Spent(0.0, 0.0)
    for task in Path(f"/proc/{pid}/task").iterdir():
        # gRPC names the threads of its C core; Python's have the process's name.
        if re.match(r"event_engine|grpc_|lifeguard", (task / "comm").read_text()):
            core = Spent(*(sum(pair) for pair in zip(core, _spent(task), strict=True)))
    return Accounts(_spent(Path(f"/proc/{pid}/task/{pid}")), core, _spent(Path(f"/proc/{pid}")))


def _spent(place: Path) -> Spent:
    user, system = (place / "stat").read_text().rpartition(")")[2].split()[11:13]
    return Spent(int(user) * TICK, int(system) * TICK)


def _samples(worker: Worker) -> list[Sample]:
    """What py-spy sees of a worker's rounds."""
    spy = shutil.which("py-spy", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if spy is None or os.geteuid() != 0:
        raise SystemExit(
            "a profile needs py-spy, which the extra `bench` installs, and root, to trace at real-time priority"
        )
    for task in Path(f"/proc/{worker.pid}/task").iterdir():
        os.sched_setaffinity(int(task.name), [CORE_NUMBER])
    with tempfile.TemporaryDirectory() as directory:
        raw = Path(directory, "raw")
        words = [spy, "record", "--native", "--threads", "--format", "raw", "--output", str(raw)]
        words += ["--rate", str(SAMPLES_A_SECOND), "--duration", str(SECONDS), "--pid", str(worker.pid)]
        with subprocess.Popen(  # noqa: S603
            words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, preexec_fn=_go_first
        ) as process:
            while process.poll() is None:
                worker.round()
            assert process.stdout is not None  # noqa: S101 -- it is a pipe
            said = process.stdout.read()
        if process.returncode:
            raise SystemExit(f"py-spy cannot sample a process here:\n{said}")
        return list(read_samples(raw.read_text().splitlines(), partial(in_system_call, worker.pid)))


def _go_first() -> None:
    os.sched_setaffinity(0, [CORE_NUMBER])
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))


def _profile(workload: str, counted: Accounts, samples: list[Sample]) -> Profile:
    main, core, whole = counted
    others = whole.since(main).since(core)
    kinds: dict[tuple[bool, bool], list[Sample]] = {}
    for sample in samples:
        is_main = sample.thread == "MainThread"
        if not is_main or any(frame.file == PLACE_OF_WORK for frame in sample.frames):
            kinds.setdefault((is_main, sample.in_kernel), []).append(sample)
    stacks = []
    for (is_main, in_kernel), found in kinds.items():
        spent = (main if is_main else others)[in_kernel] * 1e6
        count = sum(sample.seen for sample in found)
        stacks += [Weighted(sample, max(0.0, spent) * sample.seen / count) for sample in found]
    return Profile(workload, stacks, Spent(core.user * 1e6, core.system * 1e6))


# The picture


def write_pictures(found: dict[str, dict[str, Profile]]) -> None:
    """A flame graph of this client at each kind of work."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    for workload, peers in found.items():
        spec, profile = WORKLOADS[workload], peers["genai_grpc"]
        root = Box("", OWNERS[0])
        for sample, weight in profile.stacks:
            root.add(_path(sample), weight)
        threads = ("gRPC's own threads", CORE)
        root.add([threads], profile.core.user)
        root.add([threads, ("system calls", KERNEL)], profile.core.system)
        title = f"genai_grpc: {spec.title.replace('`', '')} — {root.weight:.3g} µs of CPU a {spec.unit}"
        text = svg(root, title, f"a {spec.unit}", profile.shares())
        (PICTURES / f"profile-{workload}.svg").write_text(text)


# Frames that stand for all in a row: of a library that has no names left, or names that say little to who uses it.
_MERGED: Final = {CORE: "cygrpc", MESSAGES: "upb", GARBAGE: "gc"}


def _path(sample: Sample) -> Iterator[tuple[str, str]]:
    """A sample's functions from where the work begins, without those that work for their callers."""
    frames: Iterable[Frame] = sample.frames
    if sample.thread == "MainThread":
        first = next(number for number, frame in enumerate(sample.frames) if frame.file == PLACE_OF_WORK)
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


# The tables


def profile_tables(found: dict[str, dict[str, Profile]]) -> str:
    """The owners, of this client and of the plain stub at each kind of work; then this project's modules."""
    columns = [profile for peers in found.values() for profile in peers.values()]
    heads = [f"{workload}, {title}" for workload in found for title in ("**genai_grpc**", "plain stub")]
    shares = [profile.shares() for profile in columns]
    lines = [f"| µs of CPU, and share | {' | '.join(heads)} |", "|---|" + "---:|" * len(heads)]
    lines += [
        f"| {owner} | {' | '.join(_cell(share[owner], sum(share.values())) for share in shares)} |" for owner in OWNERS
    ]
    lines.append(f"| together | {' | '.join(_digits(sum(share.values())) for share in shares)} |")
    return "\n".join([*lines, "", *_modules([peers["genai_grpc"] for peers in found.values()])])


def _modules(columns: list[Profile]) -> Iterator[str]:
    spent = [profile.modules() for profile in columns]
    yield f"| µs of CPU in genai_grpc's | {' | '.join(profile.workload for profile in columns)} |"
    yield "|---|" + "---:|" * len(columns)
    names = sorted({name for each in spent for name in each}, key=lambda name: -sum(each[name] for each in spent))
    for name in names:
        if any(each[name] >= 0.05 * sum(each.values()) for each in spent):
            yield f"| `{name}` | {' | '.join(_digits(each[name]) for each in spent)} |"


def _cell(weight: float, whole: float) -> str:
    return f"{_digits(weight)} ({weight / whole:.0%})" if weight else ""


def _digits(weight: float) -> str:
    return f"{weight:.0f}" if weight >= 20 else f"{weight:.1f}"
