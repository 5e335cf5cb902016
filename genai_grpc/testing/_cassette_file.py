"""What a cassette holds: the calls of a real run, their bytes in order, as lines of JSON that people can review."""

from __future__ import annotations

import base64
import difflib
import json
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from google.protobuf.message import Message

__all__ = ["CassetteError", "End", "Event", "Recorded", "canonical", "difference", "load", "save"]

FORMAT: Final = 1
_NOTE: Final = "`bytes` is what is replayed; the JSON beside it is for reading, and is taken where `bytes` was deleted"
# A status travels in HTTP/2 headers, which clients limit to some 8 KiB, with each line end as three characters.
_LONGEST_DIFFERENCE: Final = 2_000

Kind = Literal["request", "reply", "requests_end"]


class CassetteError(Exception):
    """A cassette cannot be read, or must not be written."""


@dataclass(frozen=True, slots=True)
class Event:
    """A message of a call, or the end of its requests, so many seconds after the call began."""

    kind: Kind
    data: bytes
    after: float


@dataclass(frozen=True, slots=True)
class End:
    """How a call ended: with the name of a status code, or by the client, where it is None.

    Attributes:
        code: E.g. "OK".
        message: The status message.
        details: The serialized `google.rpc.Status` of the trailing metadata, if any.
        after: Seconds after the call began.
    """

    code: str | None
    message: str = ""
    details: bytes = b""
    after: float = 0.0


@dataclass(slots=True)
class Recorded:
    """One call, e.g. of the method "/google.ai.generativelanguage.v1beta.GenerativeService/GenerateContent"."""

    method: str
    events: list[Event] = field(default_factory=list)
    end: End = field(default_factory=lambda: End(None))

    @property
    def request(self) -> bytes:
        """The first request, by which a call is found again."""
        return next((event.data for event in self.events if event.kind == "request"), b"")

    @property
    def begun(self) -> bool:
        """Whether any request was sent; a call without one cannot be found again."""
        return any(event.kind == "request" for event in self.events)


def canonical(method: str, data: bytes) -> bytes:
    """A request's bytes in one order of fields and map entries; as they are where the method is not ours."""
    message = _parsed(method, "request", data)
    return data if message is None else message.SerializeToString(deterministic=True)


def difference(method: str, came: bytes, wanted: Sequence[bytes]) -> str:
    """The lines in which a request differs from the most similar one of those that were recorded."""
    mine = _readable(method, came)
    theirs = [_readable(method, data) for data in wanted]
    closest = max(theirs, key=lambda lines: difflib.SequenceMatcher(None, lines, mine, autojunk=False).ratio())
    lines = difflib.unified_diff(closest, mine, "recorded", "came", lineterm="", n=1)
    text = "\n".join(line if len(line) <= 200 else f"{line[:200]}…" for line in lines)
    return text if len(text) <= _LONGEST_DIFFERENCE else f"{text[:_LONGEST_DIFFERENCE]}\n…"


def save(path: Path, calls: Iterable[Recorded]) -> None:
    """Write a cassette, all of it or nothing."""
    lines: list[dict[str, Any]] = [{"cassette": FORMAT, "note": _NOTE}]
    for number, call in enumerate((call for call in calls if call.begun), 1):
        lines.append({"call": number, "method": call.method})
        lines.extend(_line(number, call.method, event) for event in call.events)
        lines.append(_end_line(number, call.end))
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name(f"{path.name}.{os.getpid()}")
    half.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
    half.replace(path)


def load(path: Path) -> list[Recorded]:
    """Read a cassette.

    Raises:
        CassetteError: It is none, or one of another format, saying in which line.
        FileNotFoundError: There is none.
    """
    calls: dict[int, Recorded] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            _read_line(number, json.loads(line), calls)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise CassetteError(f"{path}, line {number}: {type(error).__name__}: {error}; record it again") from error
    return list(calls.values())


def _read_line(number: int, line: dict[str, Any], calls: dict[int, Recorded]) -> None:
    if number == 1:
        if line["cassette"] != FORMAT:
            raise ValueError(f"a cassette of format {line['cassette']}; this version reads {FORMAT}")
        return
    if "method" in line:
        calls[line["call"]] = Recorded(line["method"])
        return
    call = calls[line["call"]]
    match line:
        case {"status": code}:
            call.end = End(code, line.get("message", ""), _bytes(line.get("details_bytes", "")), line["after"])
        case {"cancelled": True}:
            call.end = End(None, after=line["after"])
        case {"requests_end": True}:
            call.events.append(Event("requests_end", b"", line["after"]))
        case {"request": shown} | {"reply": shown}:
            kind: Kind = "request" if "request" in line else "reply"
            data = _bytes(line["bytes"]) if "bytes" in line else _serialized(call.method, kind, shown)
            call.events.append(Event(kind, data, line["after"]))
        case _:
            raise ValueError("neither a request nor a reply nor an end")


def _line(number: int, method: str, event: Event) -> dict[str, Any]:
    head: dict[str, Any] = {"call": number, "after": round(event.after, 3)}
    if event.kind == "requests_end":
        return {**head, "requests_end": True}
    return {**head, event.kind: _shown(method, event.kind, event.data), "bytes": base64.b64encode(event.data).decode()}


def _end_line(number: int, end: End) -> dict[str, Any]:
    head: dict[str, Any] = {"call": number, "after": round(end.after, 3)}
    if end.code is None:
        return {**head, "cancelled": True}
    line = {**head, "status": end.code}
    if end.message:
        line["message"] = end.message
    if end.details:
        line["details"] = _shown_details(end.details)
        line["details_bytes"] = base64.b64encode(end.details).decode()
    return line


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def _message_class(method: str, kind: Kind) -> type[Message] | None:
    """The class of a method's requests or replies; None if the method is none of ours."""
    from google.protobuf.message_factory import GetMessageClass

    from genai_grpc_protos._pool import POOL

    service, _, name = method.removeprefix("/").partition("/")
    try:
        found = POOL.FindServiceByName(service).methods_by_name[name]
    except KeyError:
        return None
    return GetMessageClass(found.input_type if kind == "request" else found.output_type)


def _parsed(method: str, kind: Kind, data: bytes) -> Message | None:
    from google.protobuf.message import DecodeError

    cls = _message_class(method, kind)
    if cls is None:
        return None
    try:
        return cls.FromString(data)
    except DecodeError:
        return None


def _as_json(message: Message) -> Any:
    from google.protobuf import json_format

    from genai_grpc_protos._pool import POOL

    return json_format.MessageToDict(message, preserving_proto_field_name=True, descriptor_pool=POOL)


def _shown(method: str, kind: Kind, data: bytes) -> Any:
    message = _parsed(method, kind, data)
    return None if message is None else _as_json(message)


def _shown_details(details: bytes) -> Any:
    from google.protobuf.message import DecodeError

    from genai_grpc_protos.rpc import Status

    try:
        return _as_json(Status.FromString(details)).get("details")
    except (DecodeError, TypeError):  # TypeError: a detail of a type that we do not know
        return None


def _serialized(method: str, kind: Kind, shown: Any) -> bytes:
    from google.protobuf import json_format

    from genai_grpc_protos._pool import POOL

    cls = _message_class(method, kind)
    if cls is None:
        raise ValueError(f"no `bytes`, and {method} is none whose JSON can be read")
    return json_format.ParseDict(shown, cls(), descriptor_pool=POOL).SerializeToString(deterministic=True)


def _readable(method: str, data: bytes) -> list[str]:
    message = _parsed(method, "request", data)
    if message is None:
        return [base64.b64encode(data).decode()]
    return json.dumps(_as_json(message), indent=1, ensure_ascii=False).splitlines()
