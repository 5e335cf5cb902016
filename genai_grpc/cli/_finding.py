"""Results of the checks of `genai-grpc doctor`."""

from __future__ import annotations

from typing import Literal, NamedTuple

__all__ = ["Finding", "failed", "note", "ok", "skipped"]


class Finding(NamedTuple):
    """The result of a check.

    Attributes:
        state: Whether it passed; "note" has something to know.
        check: What was checked.
        text: What was found.
        advice: What to do, if anything.
    """

    state: Literal["ok", "note", "failed", "skip"]
    check: str
    text: str
    advice: str = ""


def ok(check: str, text: str) -> Finding:
    """The check passed."""
    return Finding("ok", check, text)


def note(check: str, text: str, advice: str) -> Finding:
    """The check passed, with something to know."""
    return Finding("note", check, text, advice)


def failed(check: str, text: str, advice: str) -> Finding:
    """The check failed."""
    return Finding("failed", check, text, advice)


def skipped(check: str, text: str) -> Finding:
    """The check could not be made."""
    return Finding("skip", check, text)
