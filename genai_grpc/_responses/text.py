"""The text of candidates and parts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from genai_grpc import protos

__all__ = ["COMPLETE_REASONS", "MAX_TOKENS", "enum_name", "join_text", "no_text", "one_line", "part_text"]

# The finish reasons of a complete candidate, and of one that has not ended.
# They are 0, 1 and 2 in both APIs: FINISH_REASON_UNSPECIFIED, STOP and MAX_TOKENS.
COMPLETE_REASONS: Final = frozenset((0, 1, 2))
MAX_TOKENS: Final = 2

REASONS: Final = {
    "SAFETY": "the safety settings stopped the answer",
    "RECITATION": "the model was reciting from copyrighted material",
    "LANGUAGE": "the language is not supported",
    "SPII": "the answer would have held sensitive personal information",
    "MALFORMED_FUNCTION_CALL": "the model made an invalid function call; calling mode ANY avoids it",
    "MAX_TOKENS": "the token limit was reached before any text",
}


def no_text(candidate: protos.Candidate) -> str:
    """Why a candidate has no text: its finish reason, finish message and safety ratings."""
    reason = enum_name(candidate, "finish_reason")
    reasons = [f"the response has no text: its finish reason is {reason} ({candidate.finish_reason})"]
    if reason in REASONS:
        reasons.append(REASONS[reason])
    if candidate.finish_message:
        reasons.append(f"finish message: {candidate.finish_message}")
    if candidate.safety_ratings:
        reasons.append("safety ratings: " + ", ".join(map(one_line, candidate.safety_ratings)))
    if any(part.thought for part in candidate.content.parts):
        reasons.append("there are thoughts, in response.thoughts")
    return "; ".join(reasons)


def join_text(
    parts: Iterable[protos.Part], spans: Sequence[tuple[int, int]] | None, *, thought: bool, is_chunk: bool
) -> str:
    """The text of the parts that are thoughts, or of those that are not.

    Parts of one chunk are separated by a newline, parts of different chunks by nothing: so the joined texts of a
    stream's chunks are the text of the whole, wherever it was cut.

    Args:
        parts: The parts of a candidate.
        spans: For each part, the chunks with its first and last content; None if all parts are of one chunk.
        thought: Whether to join the thoughts.
        is_chunk: Whether the parts are of one chunk of a stream, in which a part without text is skipped.

    Raises:
        ValueError: A part has no text, and it is not of a chunk.
    """
    pieces: list[str] = []
    last = 0
    for number, part in enumerate(parts):
        kind = part.WhichOneof("data")
        if part.thought != thought or kind is None or (is_chunk and kind not in _TEXTS):
            continue
        if text := part_text(part):
            first, end = (1, 1) if spans is None else spans[number]
            pieces += ["\n", text] if pieces and first == last else [text]
            last = end
    return "".join(pieces)


_TEXTS: Final = frozenset({"text", "executable_code", "code_execution_result"})


def part_text(part: protos.Part) -> str:
    """The text of a part, with code and its output fenced; raises ValueError for any other kind of part."""
    match part.WhichOneof("data"):
        case "text":
            return part.text
        case "executable_code":
            code = part.executable_code
            name = enum_name(code, "language").lower()
            language = "" if name == "language_unspecified" else f" {name}"
            return f"```{language}\n" + code.code.lstrip("\n") + "\n```"
        case "code_execution_result":
            result = part.code_execution_result
            outcome = enum_name(result, "outcome").lower().removeprefix("outcome_")
            label = "" if outcome in ("ok", "unspecified") else f" {outcome}"
            return f"```{label}\n{result.output}\n```"
        case kind:
            article = "an" if str(kind)[:1] in "aeiou" else "a"
            raise ValueError(f"{article} {kind} part has no text; read it from response.parts")


def one_line(message: Any) -> str:
    """A message in one line."""
    return " ".join(str(message).split())


def enum_name(message: Any, field: str) -> str:
    """The name of a message's enum value; the number of one that this version does not know."""
    number: int = getattr(message, field)
    known = message.DESCRIPTOR.fields_by_name[field].enum_type.values_by_number.get(number)
    return str(int(number)) if known is None else str(known.name)
