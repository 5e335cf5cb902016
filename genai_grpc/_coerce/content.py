"""Parts, turns and conversations as messages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, TypeAlias

from genai_grpc import protos as gemini
from genai_grpc._coerce.part_source import (
    ACCEPTED,
    Kind,
    PartSource,
    classify,
    is_empty,
    part_fields,
    part_message,
    to_part_source,
)
from genai_grpc._services.messages import GEMINI, Protos
from genai_grpc_protos._convert import to_message

__all__ = [
    "TurnParts",
    "TurnSource",
    "to_content",
    "to_contents",
    "to_part",
    "to_system_instruction",
    "to_turn_sources",
]


class TurnParts(NamedTuple):
    """A turn that is not a message yet; the role is empty if it is not set."""

    role: str
    parts: list[PartSource]


TurnSource: TypeAlias = "gemini.Content | TurnParts"


def to_turn_sources(value: object, protos: Protos = GEMINI) -> list[TurnSource]:
    """Coerce to the turns of a conversation, before messages of `protos` are built; see `to_contents`."""
    items = _classify_items(*classify(value))
    if not items:
        raise TypeError(f"contents must not be empty; pass {ACCEPTED}, or a list of parts or of turns")
    if not all(kind == "turn" for kind, _ in items):
        return [TurnParts("user", [to_part_source(*item, protos) for item in items])]
    turns = [_to_turn_source(item, protos) for _, item in items]
    if not turns[-1].role:
        turns[-1] = TurnParts("user", list(turns[-1].parts))
    return turns


def to_contents(value: object, protos: Protos = GEMINI) -> list[gemini.Content]:
    """Coerce to the turns of a conversation, as messages of `protos`.

    An iterable of Contents, or of dicts of Contents, holds turns; any other iterable holds the parts of one turn, and
    any other value is the only part. If the last turn has no role, it becomes the user's.

    Raises:
        TypeError: The value is empty, or an item of it is not supported.
        ValueError: A dict has unknown keys; an image or file cannot be read.

    >>> [turn.role for turn in to_contents([{"role": "user", "parts": "Hi"}, {"role": "model", "parts": "Hello"}])]
    ['user', 'model']
    >>> len(to_contents(["What is in", "these two parts?"])[0].parts)
    2
    """
    return [_turn_message(turn, protos) for turn in to_turn_sources(value, protos)]


def to_content(value: object, protos: Protos = GEMINI) -> gemini.Content:
    """Coerce to one turn, without a role if none is set.

    Raises:
        TypeError: The value is empty, or not supported.
        ValueError: A dict has unknown keys; an image or file cannot be read.
    """
    kind, value = classify(value)
    items = _classify_items(kind, value)
    if not items:
        raise TypeError(f"a turn must not be empty; pass {ACCEPTED}, or a list of them")
    if kind == "turn":
        return _turn_message(_to_turn_source(value, protos), protos)
    return _turn_message(TurnParts("", [to_part_source(*item, protos) for item in items]), protos)


def to_part(value: object, protos: Protos = GEMINI) -> gemini.Part:
    """Coerce to one part.

    Raises:
        TypeError: The value is not supported.
        ValueError: A dict has unknown keys; an image or file cannot be read.
    """
    return part_message(to_part_source(*classify(value), protos), protos)


def to_system_instruction(value: object, protos: Protos = GEMINI) -> gemini.Content | None:
    """Coerce the system instruction to a turn without a role; None stays None."""
    return None if value is None else to_content(value, protos)


def _classify_items(kind: Kind, value: Any) -> list[tuple[Kind, Any]]:
    """Return the classified items of an iterable, or the value as the only item; an empty value has no items."""
    if kind == "sequence":
        return list(map(classify, value))
    return [] if is_empty(value) else [(kind, value)]


def _to_turn_source(value: Any, protos: Protos) -> TurnSource:
    """Reduce a Content or the dict of one."""
    if not isinstance(value, Mapping):
        return to_message(protos.Content, value)
    kind, parts = classify(value["parts"])
    # A single part is accepted in place of a list of one.
    items: Iterable[tuple[Kind, Any]] = map(classify, parts) if kind == "sequence" else [(kind, parts)]
    sources = [to_part_source(*item, protos) for item in items]
    rest = {key: item for key, item in value.items() if key != "parts"}
    return TurnParts(to_message(protos.Content, rest).role, sources)


def _turn_message(turn: TurnSource, protos: Protos) -> gemini.Content:
    """Build the message of a turn; a Content is returned as it is."""
    if not isinstance(turn, TurnParts):
        return turn
    content = protos.Content(role=turn.role)
    for part in turn.parts:
        if isinstance(part, protos.Part):
            content.parts.append(part)
        else:
            content.parts.add(**part_fields(part))  # built in place, which copies the data of a Blob once
    return content
