"""The behaviour of programs with both packages, as recorder.py printed it."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import unified_diff
from typing import Any, Final

from google.protobuf import text_format

from genai_grpc import protos

__all__ = ["Program", "ProgramError", "Run", "describe", "to_programs"]

BUILTIN_ERRORS: Final = ("TypeError", "KeyError", "ValueError", "AttributeError", "NotImplementedError")


@dataclass
class ProgramError:
    """The error that ended a program: the number of the statement, the names of its classes, its first line."""

    statement: int
    classes: tuple[str, ...]
    message: str

    @property
    def builtin(self) -> str:
        """The builtin class that a program would catch."""
        return next((cls for cls in self.classes if cls in BUILTIN_ERRORS), self.classes[0])


@dataclass
class Run:
    """The behaviour of a program with one of the packages."""

    requests: list[Any]
    observed: list[Any]
    error: ProgramError | None

    @property
    def outcome(self) -> str:
        """The error in one line; "" without one."""
        return "" if self.error is None else f"{self.error.classes[0]}: {self.error.message}"

    def lines(self) -> list[str]:
        """Everything that is compared, line by line."""
        lines = [
            line
            for request in self.requests
            for line in (f"== {request.DESCRIPTOR.name}", *text_format.MessageToString(request).splitlines())
        ]
        lines += [f"observed: {line}" for item in self.observed for line in str(item).splitlines()]
        if self.error is not None:
            lines.append(f"statement {self.error.statement} raises {self.error.builtin}")
        return lines

    def generate_requests(self) -> Iterator[protos.GenerateContentRequest]:
        """Requests for content, including those in a token count."""
        for request in self.requests:
            if isinstance(request, protos.GenerateContentRequest):
                yield request
            elif isinstance(request, protos.CountTokensRequest):
                yield request.generate_content_request

    def histories(self) -> Iterator[protos.Content]:
        """Turns observed by the program."""
        for item in self.observed:
            yield from (turn for turn in (item if isinstance(item, list) else ()) if isinstance(turn, protos.Content))

    def turns(self) -> Iterator[protos.Content]:
        """Turns sent or observed by the program."""
        for request in self.generate_requests():
            yield from request.contents
        yield from self.histories()

    def blobs(self) -> Iterator[protos.Blob]:
        """Blobs sent or observed by the program."""
        for message in (*self.requests, *self.histories()):
            yield from (blob for blob in messages(message) if isinstance(blob, protos.Blob))


@dataclass
class Program:
    """A program, and its runs with both packages."""

    area: str
    text: str
    theirs: Run
    ours: Run

    @property
    def runs(self) -> tuple[Run, Run]:
        """Both runs."""
        return self.theirs, self.ours


def describe(program: Program) -> str:
    """Describe how the runs of a program differ, for the message of a failed test."""
    lines = unified_diff(program.theirs.lines(), program.ours.lines(), "theirs", "ours", lineterm="", n=3)
    outcomes = (f"theirs: {program.theirs.outcome}", f"ours: {program.ours.outcome}")
    return "\n".join([f"# {program.area}", program.text, *outcomes, *lines])


def messages(message: Any) -> Iterator[Any]:
    """Yield a message and all nested ones."""
    yield message
    for field, value in message.ListFields():
        if field.message_type is not None and not field.message_type.GetOptions().map_entry:
            for item in value if hasattr(value, "append") else [value]:
                yield from messages(item)


def parse(name: str, raw: str) -> Any:
    """Parse a message with our class of this name."""
    return getattr(protos, name).FromString(base64.b64decode(raw))


def unpack(value: Any) -> Any:
    """Convert an observed value from JSON, with messages of our classes."""
    match value:
        case {"message": str(name), "bytes": str(raw)}:
            return parse(name, raw)
        case dict():
            return {key: unpack(item) for key, item in value.items()}
        case list():
            return [unpack(item) for item in value]
    return value


def to_run(recorded: Any) -> Run:
    """Convert the recorded run with one package."""
    error = recorded["error"]
    return Run(
        requests=[
            parse(f"{request['method'].removeprefix('Stream')}Request", request["bytes"])
            for request in recorded["requests"]
        ],
        observed=[unpack(value) for value in recorded["observed"]],
        error=None if error is None else ProgramError(error["statement"], tuple(error["classes"]), error["message"]),
    )


def to_programs(recorded: str) -> list[Program]:
    """Convert the output of the recorder."""
    return [
        Program(program["area"], program["text"], to_run(program["theirs"]), to_run(program["ours"]))
        for program in json.loads(recorded)
    ]
