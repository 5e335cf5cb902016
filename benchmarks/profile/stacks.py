"""Stacks sampled by py-spy, and the owner of each frame.

py-spy writes a frame as a name and a file: `SyncTransport.call (genai_grpc/_transport/sync.py:121)`; or as an address,
where a library has no symbols: `0x7fc524e33d9a (grpc/_cython/cygrpc.cpython-311-x86_64-linux-gnu.so)`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple

__all__ = [
    "CORE",
    "GARBAGE",
    "KERNEL",
    "MESSAGES",
    "OURS",
    "OWNERS",
    "WAITING",
    "Frame",
    "Sample",
    "in_system_call",
    "read_samples",
]

PROGRAM: Final = "the program"
OURS: Final = "genai_grpc"
STUB: Final = "grpcio, Python"
CORE: Final = "grpcio, Cython and C core"
MESSAGES: Final = "protobuf (upb)"
WAITING: Final = "asyncio, threading"
GARBAGE: Final = "garbage collector"
KERNEL: Final = "the kernel"
OWNERS: Final = (OURS, STUB, CORE, MESSAGES, WAITING, GARBAGE, KERNEL, PROGRAM)

# The first pattern that matches a frame names its owner. A frame that none matches, such as malloc or a dataclass's
# __init__, counts for its caller.
_PATTERNS: Final = (
    (re.compile(r"^gc_collect"), GARBAGE),
    (re.compile(r"\(benchmarks/"), PROGRAM),
    (re.compile(r"\(genai_grpc/"), OURS),
    (re.compile(r"\((genai_grpc_protos|google/protobuf)/|\(_message\."), MESSAGES),
    (re.compile(r"\(grpc/_cython/"), CORE),
    (re.compile(r"\(grpc/"), STUB),
    (re.compile(r"\((asyncio|concurrent)/|\((_asyncio|select|threading|selectors)"), WAITING),
)
# Functions of the C library that only enter the kernel.
_SYSTEM_CALLS: Final = frozenset(
    {"epoll_wait", "epoll_pwait", "epoll_ctl", "poll", "read", "recv", "recvmsg", "write", "send", "sendmsg"}
    | {"getpid", "madvise", "sched_yield", "syscall"}
)
_KERNEL_ENTRIES: Final = {2: b"\x0f\x05", 4: b"\x01\x00\x00\xd4"}  # by length: syscall (x86-64), svc (AArch64)


class Frame(NamedTuple):
    """A function on a stack: its name, its file and its owner; None if it counts for its caller."""

    name: str
    file: str
    owner: str | None


class Sample(NamedTuple):
    """A sampled stack.

    Attributes:
        thread: Name of the thread.
        frames: Frames from the root to the leaf.
        samples: Number of samples.
        in_kernel: Whether the leaf is in the kernel.
    """

    thread: str
    frames: tuple[Frame, ...]
    samples: int
    in_kernel: bool

    @property
    def owner(self) -> Frame:
        """The frame that the time counts for."""
        return next((frame for frame in reversed(self.frames) if frame.owner), Frame("", "", WAITING))


def read_samples(lines: Iterable[str], enters_kernel: Callable[[int], bool]) -> Iterator[Sample]:
    """Parse py-spy's raw format; `enters_kernel` decides about an address without a symbol."""
    for line in lines:
        stack, _, count = line.rpartition(" ")
        thread, *words = stack.split(";")
        frames = [_frame(word) for word in words]
        leaf = frames[-1]
        in_kernel = leaf.name in _SYSTEM_CALLS or (leaf.name.startswith("0x") and enters_kernel(int(leaf.name, 16)))
        if in_kernel:
            name = leaf.name if leaf.name in _SYSTEM_CALLS else "futex"
            frames[-1] = Frame(name, leaf.file, KERNEL)
        yield Sample(thread.partition(": ")[2], tuple(frames), int(count), in_kernel)


def _frame(word: str) -> Frame:
    name, _, file = word.rpartition(" (")
    owner = next((owner for pattern, owner in _PATTERNS if pattern.search(word)), None)
    return Frame(name, re.sub(r"(:\d+)?\)$", "", file), owner)


def in_system_call(pid: int, address: int) -> bool:
    """Whether a thread at that address of a process is in a system call: the instruction before it made one."""
    with open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for length, instruction in _KERNEL_ENTRIES.items():
            memory.seek(address - length)
            if memory.read(length) == instruction:
                return True
    return False
