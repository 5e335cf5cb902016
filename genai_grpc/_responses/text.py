"""The text of candidates and parts."""

from __future__ import annotations

from typing import Any, Final

from genai_grpc import protos

__all__ = ["COMPLETE_REASONS", "no_text", "one_line", "part_text"]

# The finish reasons of a complete candidate, and of one that has not ended.
COMPLETE_REASONS: Final = frozenset(
    protos.Candidate.FinishReason.Value(name) for name in ("FINISH_REASON_UNSPECIFIED", "STOP", "MAX_TOKENS")
)

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
    reason = _name(protos.Candidate.FinishReason, candidate.finish_reason)
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


def part_text(part: protos.Part) -> str:
    """The text of a part, with code and its output fenced; raises ValueError for any other kind of part."""
    match part.WhichOneof("data"):
        case "text":
            return part.text
        case "executable_code":
            code = part.executable_code
            name = _name(protos.ExecutableCode.Language, code.language).lower()
            language = "" if name == "language_unspecified" else f" {name}"
            return f"```{language}\n" + code.code.lstrip("\n") + "\n```"
        case "code_execution_result":
            result = part.code_execution_result
            outcome = _name(protos.CodeExecutionResult.Outcome, result.outcome).lower().removeprefix("outcome_")
            label = "" if outcome in ("ok", "unspecified") else f" {outcome}"
            return f"```{label}\n{result.output}\n```"
        case kind:
            raise ValueError(f"a {kind} part has no text; read it from response.parts")


def one_line(message: Any) -> str:
    """A message in one line."""
    return " ".join(str(message).split())


def _name(enum: Any, number: int) -> str:
    """The name of an enum value; the number of one that this version does not know."""
    name: str = enum.Name(number) if number in enum.values() else str(number)
    return name
