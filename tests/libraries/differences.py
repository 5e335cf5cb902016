"""Intended differences of the libraries' jobs: each edits a job's recorded runs until they are equal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from tests.installed.differential.differences import absent_generation_config, property_ordering, required
from tests.installed.differential.runs import Program

__all__ = ["DIFFERENCES", "normalise"]

# By message, as dicts of it name them.
NEWER_FIELDS: Final = frozenset(
    (
        *("thought", "thought_signature"),  # Part
        *("thoughts_token_count", "tool_use_prompt_token_count"),  # UsageMetadata
        *("prompt_tokens_details", "cache_tokens_details", "candidates_tokens_details"),
        "tool_use_prompt_tokens_details",
        "response_id",  # GenerateContentResponse
    )
)


def newer_fields(program: Program) -> None:
    """A response as a dict has the fields of the newest API; the predecessor's API is that of 0.6.15."""
    program.ours.observed = [without(NEWER_FIELDS, item) for item in program.ours.observed]


def without(names: frozenset[str], value: Any) -> Any:
    """Return the value without the items of these names, at any depth."""
    match value:
        case dict():
            return {name: without(names, item) for name, item in value.items() if name not in names}
        case list():
            return [without(names, item) for item in value]
    return value


DIFFERENCES: Final[tuple[Callable[[Program], None], ...]] = (
    newer_fields,
    absent_generation_config,
    required,
    property_ordering,
)


def normalise(program: Program) -> set[str]:
    """Apply the differences until both runs are equal; return the names of those that applied."""
    applied = set()
    for difference in DIFFERENCES:
        before = [run.lines() for run in program.runs]
        if before[0] == before[1]:
            break
        difference(program)
        if before != [run.lines() for run in program.runs]:
            applied.add(difference.__name__)
    return applied
