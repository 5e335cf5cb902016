"""Cost of the messages' conveniences (genai_grpc_protos/_idioms.py) beside the same messages without them."""

from __future__ import annotations

import statistics
import timeit
from collections.abc import Callable
from importlib import resources
from typing import Any, Final

from google.protobuf import descriptor_pb2
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

from genai_grpc import protos

__all__ = ["conveniences_table"]

CALLS: Final = 100_000
ROUNDS: Final = 11
PACKAGE: Final = "google.ai.generativelanguage.v1beta"


def conveniences_table() -> str:
    """Nanoseconds per operation, as the median of interleaved rounds, as a Markdown table."""
    plain = _plain_classes()
    rows = ["| operation | plain | with conveniences | difference |", "|---|--:|--:|--:|"]
    for name, prepare in OPERATIONS.items():
        operations = [prepare(plain), prepare(_ours)]
        rounds = [
            [timeit.timeit(operation, number=CALLS) / CALLS * 1e9 for operation in operations] for _ in range(ROUNDS)
        ]
        before, now = (statistics.median(times) for times in zip(*rounds, strict=True))
        rows.append(f"| {name} | {before:.0f} ns | {now:.0f} ns | {now - before:+.0f} ns |")
    return "\n".join(rows)


def _ours(name: str) -> Any:
    return getattr(protos, name)


def _plain_classes() -> Callable[[str], Any]:
    """The classes of the same descriptors in a pool of their own, as protobuf builds them."""
    pool = DescriptorPool()
    raw = resources.files("genai_grpc_protos").joinpath("descriptors.binpb").read_bytes()
    for file in descriptor_pb2.FileDescriptorSet.FromString(raw).file:
        pool.AddSerializedFile(file.SerializeToString())
    return lambda name: GetMessageClass(pool.FindMessageTypeByName(f"{PACKAGE}.{name}"))


def _construction(classes: Callable[[str], Any]) -> Callable[[], Any]:
    part = classes("Part")
    return lambda: part(text="Hello")


def _nested_construction(classes: Callable[[str], Any]) -> Callable[[], Any]:
    content, part = classes("Content"), classes("Part")
    return lambda: content(role="user", parts=[part(text="Hello")])


def _read(message: str, field: str) -> Callable[[Callable[[str], Any]], Callable[[], Any]]:
    def prepare(classes: Callable[[str], Any]) -> Callable[[], Any]:
        value = classes(message)()
        return lambda: getattr(value, field)

    return prepare


def _assignment(classes: Callable[[str], Any]) -> Callable[[], Any]:
    part = classes("Part")()
    return lambda: setattr(part, "text", "Hello")


def _truth(classes: Callable[[str], Any]) -> Callable[[], Any]:
    content = classes("Content")(role="user")
    return lambda: bool(content)


def _parsing(classes: Callable[[str], Any]) -> Callable[[], Any]:
    content, part = classes("Content"), classes("Part")
    data = content(role="user", parts=[part(text="Hello")]).SerializeToString()
    return lambda: content.FromString(data)


OPERATIONS: Final[dict[str, Callable[[Callable[[str], Any]], Callable[[], Any]]]] = {
    '`Part(text="Hello")`': _construction,
    '`Content(role="user", parts=[Part(text="Hello")])`': _nested_construction,
    "read a field of a class without enum fields": _read("Content", "role"),
    "read another field of a class with enum fields": _read("Candidate", "index"),
    "read an enum field (an int before, a member now)": _read("Candidate", "finish_reason"),
    "assign a str": _assignment,
    "truth (always true before)": _truth,
    "parse": _parsing,
}
