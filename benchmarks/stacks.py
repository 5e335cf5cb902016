"""Stacks that py-spy sampled, and whose code each frame of them is.

A frame is a name with its file behind it, as py-spy writes it: `SyncShell._try (genai_grpc/_sync.py:121)`, or without a
name where a library has none left: `0x7fc524e33d9a (grpc/_cython/cygrpc.cpython-311-x86_64-linux-gnu.so)`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

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

# The first that is found in a frame owns it. What none is found in, such as malloc or a dataclass's __init__, works
# for its caller.
_SIGNS: Final = (
    (re.compile(r"^gc_collect"), GARBAGE),
    (re.compile(r"\(benchmarks/"), PROGRAM),
    (re.compile(r"\(genai_grpc/"), OURS),
    (re.compile(r"\((genai_grpc_protos|google/protobuf)/|\(_message\."), MESSAGES),
    (re.compile(r"\(grpc/_cython/"), CORE),
    (re.compile(r"\(grpc/"), STUB),
    (re.compile(r"\((asyncio|concurrent)/|\((_asyncio|select|threading|selectors)"), WAITING),
)
# The functions of the C library that do nothing but enter the kernel.
_CALLS: Final = frozenset(
    {"epoll_wait", "epoll_pwait", "epoll_ctl", "poll", "read", "recv", "recvmsg", "write", "send", "sendmsg"}
    | {"getpid", "madvise", "sched_yield", "syscall"}
)
_KERNEL_ENTRIES: Final = {2: b"\x0f\x05", 4: b"\x01\x00\x00\xd4"}  # x86-64, and AArch64: by their lengths


class Frame(NamedTuple):
    """A function on a stack, its name and file, and whose it is; None for its caller's."""

    name: str
    file: str
    owner: str | None


class Sample(NamedTuple):
    """A stack from its root to its leaf, how often it was seen, and whether its last frame is the kernel."""

    thread: str
    frames: tuple[Frame, ...]
    seen: int
    in_kernel: bool

    @property
    def owner(self) -> Frame:
        """The frame that the time is spent for."""
        return next((frame for frame in reversed(self.frames) if frame.owner), Frame("", "", WAITING))


def read_samples(lines: Iterable[str], enters_kernel: Callable[[int], bool]) -> Iterator[Sample]:
    """The samples of py-spy's raw format; `enters_kernel` tells it of an address that has no name."""
    for line in lines:
        stack, _, count = line.rpartition(" ")
        thread, *words = stack.split(";")
        frames = [_frame(word) for word in words]
        leaf = frames[-1]
        in_kernel = leaf.name in _CALLS or (leaf.name.startswith("0x") and enters_kernel(int(leaf.name, 16)))
        if in_kernel:
            name = leaf.name if leaf.name in _CALLS else "futex"
            frames[-1] = Frame(name, leaf.file, KERNEL)
        yield Sample(thread.partition(": ")[2], tuple(frames), int(count), in_kernel)


def _frame(word: str) -> Frame:
    name, _, file = word.rpartition(" (")
    owner = next((owner for sign, owner in _SIGNS if sign.search(word)), None)
    return Frame(name, re.sub(r"(:\d+)?\)$", "", file), owner)


def in_system_call(pid: int, address: int) -> bool:
    """Whether a thread at that address of a process waits for the kernel: the instruction before it entered it."""
    with open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for length, instruction in _KERNEL_ENTRIES.items():
            memory.seek(address - length)
            if memory.read(length) == instruction:
                return True
    return False
