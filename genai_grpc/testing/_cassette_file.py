"""The cassette file: the recorded calls with their serialized messages, as JSON lines that people can review."""

from __future__ import annotations

import base64
import difflib
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from math import inf
from pathlib import Path
from typing import Any, Final, Literal

from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from genai_grpc._services.api_versions import PACKAGE
from genai_grpc.errors import BY_NUMBER
from genai_grpc_protos._by_name import MODULES
from genai_grpc_protos._json import from_json_dict, load_json, to_json_dict
from genai_grpc_protos._pool import POOL
from genai_grpc_protos.rpc import Status

__all__ = ["CallEnd", "CassetteError", "Event", "RecordedCall", "canonical_bytes", "load", "request_diff", "save"]

FORMAT: Final = 1
STATUS_CODES: Final = frozenset({"OK", *(cls.status for cls in BY_NUMBER.values())})
_NOTE: Final = "`bytes` is replayed; the JSON beside it is for reading, and is replayed where `bytes` was deleted"
# A status message travels in HTTP/2 headers, where clients accept about 8 KiB and a line end takes three characters.
_MAX_DIFF_CHARACTERS: Final = 2_000
_MAX_DIFF_LINE: Final = 200

Kind = Literal["request", "reply", "requests_end"]


class CassetteError(ValueError):
    """A cassette cannot be read, or must not be written."""


@dataclass(frozen=True, slots=True)
class Event:
    """A message of a call, or the end of its requests.

    Attributes:
        kind: What happened.
        data: The serialized message; empty for "requests_end".
        after: Seconds from the start of the call.
    """

    kind: Kind
    data: bytes
    after: float


@dataclass(frozen=True, slots=True)
class CallEnd:
    """The end of a call: its status, or the client's cancellation.

    Attributes:
        code: The name of the status code, e.g. "OK"; None if the client cancelled.
        message: The status message.
        details: The serialized `google.rpc.Status` of the trailing metadata, if any.
        after: Seconds from the start of the call.
    """

    code: str | None
    message: str = ""
    details: bytes = b""
    after: float = 0.0


@dataclass(slots=True)
class RecordedCall:
    """One call of a method such as "/google.ai.generativelanguage.v1beta.GenerativeService/GenerateContent"."""

    method: str
    events: list[Event] = field(default_factory=list)
    end: CallEnd = field(default_factory=lambda: CallEnd(None))

    @property
    def request(self) -> bytes:
        """The first request, which identifies the call in a replay."""
        return next((event.data for event in self.events if event.kind == "request"), b"")

    @property
    def has_request(self) -> bool:
        """Whether any request was sent; a call without one cannot be matched in a replay."""
        return any(event.kind == "request" for event in self.events)


def canonical_bytes(method: str, data: bytes) -> bytes:
    """A request with its fields and map entries in a fixed order; unchanged if the method is unknown."""
    message = _parse(method, "request", data)
    return data if message is None else message.SerializeToString(deterministic=True)


def request_diff(method: str, received: bytes, recorded: Sequence[bytes]) -> str:
    """The lines in which a request differs from the most similar recorded one."""
    received_lines = _json_lines(method, received)
    candidates = [_json_lines(method, data) for data in recorded]
    closest = max(
        candidates, key=lambda lines: difflib.SequenceMatcher(None, lines, received_lines, autojunk=False).ratio()
    )
    lines = difflib.unified_diff(closest, received_lines, "recorded", "received", lineterm="", n=1)
    text = "\n".join(line if len(line) <= _MAX_DIFF_LINE else f"{line[:_MAX_DIFF_LINE]}…" for line in lines)
    return text if len(text) <= _MAX_DIFF_CHARACTERS else f"{text[:_MAX_DIFF_CHARACTERS]}\n…"


def save(path: Path, calls: Iterable[RecordedCall]) -> None:
    """Write a cassette atomically."""
    lines: list[dict[str, Any]] = [{"cassette": FORMAT, "note": _NOTE}]
    for number, call in enumerate((call for call in calls if call.has_request), 1):
        lines.append({"call": number, "method": call.method})
        lines.extend(_event_line(number, call.method, event) for event in call.events)
        lines.append(_end_line(number, call.end))
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    temporary.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
    temporary.replace(path)


def load(path: Path) -> list[RecordedCall]:
    """Read a cassette.

    Raises:
        CassetteError: The file is not a cassette or has another format; the message names the line.
        FileNotFoundError: There is no such file.
    """
    calls: dict[int, RecordedCall] = {}
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise CassetteError(f"{path} is not UTF-8, as a cassette is: {error}; record it again") from error
    # Not splitlines(), which also splits at characters that JSON has inside a str, such as U+2028.
    for number, line in enumerate(text.removesuffix("\n").split("\n"), 1):
        try:
            _read_line(number, load_json(line), calls)
        except ValueError as error:
            raise CassetteError(f"{path}, line {number}: {error}; record it again") from error
    return list(calls.values())


def _read_line(number: int, line: Any, calls: dict[int, RecordedCall]) -> None:
    if not isinstance(line, dict):
        raise ValueError(f"expected a JSON object; got {type(line).__name__}")  # noqa: TRY004 -- data, no argument
    if number == 1:
        if (version := line.get("cassette")) != FORMAT:
            raise ValueError(f"the cassette has format {version}; this version reads {FORMAT}")
        return
    call_number = _typed(line, "call", int)
    if "method" in line:
        calls[call_number] = RecordedCall(_typed(line, "method", str))
        return
    call, after = calls.get(call_number), _typed(line, "after", (int, float))
    if call is None:
        raise ValueError(f"there is no line before it that starts call {call_number}")
    if not 0 <= after < inf:
        raise ValueError(f"'after' is a finite number of seconds, 0 or more; got {after}")
    match line:
        case {"status": code}:
            if not isinstance(code, str) or code not in STATUS_CODES:
                raise ValueError(f"no status code has the name {code!r}")
            message, details = _typed(line, "message", str, ""), _decode(line, "details_bytes", "")
            call.end = CallEnd(code, message, details, after)
        case {"cancelled": True}:
            call.end = CallEnd(None, after=after)
        case {"requests_end": True}:
            call.events.append(Event("requests_end", b"", after))
        case {"request": fields} | {"reply": fields}:
            kind: Kind = "request" if "request" in line else "reply"
            data = _decode(line, "bytes") if "bytes" in line else _from_json(call.method, kind, fields)
            call.events.append(Event(kind, data, after))
        case _:
            raise ValueError("expected a request, a reply, or the end of a call")


def _typed(line: dict[str, Any], name: str, expected: Any, default: Any = None) -> Any:
    """A value of a line."""
    value = line.get(name, default)
    if not isinstance(value, expected) or isinstance(value, bool):
        found = "missing" if value is None else f"{value!r:.80}"
        raise ValueError(f"{name!r} is {found}; expected {_NAMES[expected]}")  # noqa: TRY004 -- as above
    if isinstance(value, str):
        value.encode()  # a lone surrogate, which JSON can escape, is a ValueError
    return value


_NAMES: Final[dict[Any, str]] = {int: "an integer", str: "a str", (int, float): "a number of seconds"}


def _event_line(number: int, method: str, event: Event) -> dict[str, Any]:
    head: dict[str, Any] = {"call": number, "after": round(event.after, 3)}
    if event.kind == "requests_end":
        return {**head, "requests_end": True}
    message = _parse(method, event.kind, event.data)
    fields = None if message is None else _to_json(message)
    return {**head, event.kind: fields, "bytes": base64.b64encode(event.data).decode()}


def _end_line(number: int, end: CallEnd) -> dict[str, Any]:
    head: dict[str, Any] = {"call": number, "after": round(end.after, 3)}
    if end.code is None:
        return {**head, "cancelled": True}
    line = {**head, "status": end.code}
    if end.message:
        line["message"] = end.message
    if end.details:
        line["details"] = _details_to_json(end.details)
        line["details_bytes"] = base64.b64encode(end.details).decode()
    return line


def _decode(line: dict[str, Any], name: str, default: str | None = None) -> bytes:
    text = _typed(line, name, str, default)
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as error:
        raise ValueError(f"{name!r} is not base64: {error}") from error


def _message_class(method: str, kind: Kind) -> type[Message] | None:
    """The class of a method's requests or replies; None if the method is unknown."""
    service, _, name = method.removeprefix("/").partition("/")
    service = service.replace(f"{PACKAGE}.v1.", f"{PACKAGE}.v1beta.")  # whose messages have all fields of v1
    if (module := MODULES.get(service.rpartition(".")[0])) is not None:
        import_module(module)  # its files may not be in the pool yet
    try:
        descriptor = POOL.FindServiceByName(service).methods_by_name[name]
    except KeyError:
        return None
    return GetMessageClass(descriptor.input_type if kind == "request" else descriptor.output_type)


def _parse(method: str, kind: Kind, data: bytes) -> Message | None:
    cls = _message_class(method, kind)
    if cls is None:
        return None
    try:
        return cls.FromString(data)
    except DecodeError:
        return None


def _to_json(message: Message) -> Any:
    return to_json_dict(message, preserving_proto_field_name=True)


def _details_to_json(details: bytes) -> Any:
    try:
        return _to_json(Status.FromString(details)).get("details")
    except DecodeError:
        return None


def _from_json(method: str, kind: Kind, fields: Any) -> bytes:
    cls = _message_class(method, kind)
    if cls is None:
        raise ValueError(f"`bytes` is missing, and cannot be made from JSON: {method} is unknown")
    return from_json_dict(cls, fields).SerializeToString(deterministic=True)


def _json_lines(method: str, data: bytes) -> list[str]:
    message = _parse(method, "request", data)
    if message is None:
        return [base64.b64encode(data).decode()]
    return json.dumps(_to_json(message), indent=1, ensure_ascii=False).splitlines()
