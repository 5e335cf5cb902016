"""The call of a row, and its result."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import ContextVar
from typing import Any, TypeAlias

from genai_grpc._coerce.settings import to_options
from genai_grpc._rpc.options import CallOptions
from genai_grpc.bulk._batches import Batches
from genai_grpc.bulk._contents import RowError
from genai_grpc.bulk._json import is_plain
from genai_grpc.bulk._rows import Row
from genai_grpc.errors import APIError, ClientClosed, ConfigurationError

__all__ = ["RowCall", "embed_call", "generate_call", "performer", "token_count_call"]

RowCall: TypeAlias = Callable[[dict[str, Any], CallOptions, dict[str, Any]], Awaitable[None]]
"""Makes the call of a row's values with these options, and puts what it finds into the result."""


def performer(
    call: RowCall, columns: Sequence[str] | None, id_column: str | None, options: Mapping[str, Any] | None
) -> Callable[[Row], Awaitable[dict[str, Any]]]:
    """The function that makes the result of a row, with an error in it if the row fails.

    Args:
        call: What is called.
        columns: The columns of the row that the result repeats; None for all.
        id_column: The column that is the id of the result; None for no id.
        options: The `request_options` of calls.
    """
    attempts: ContextVar[list[int]] = ContextVar("attempts")  # of the row of a task
    own = to_options(options)

    def on_attempt(number: int) -> None:
        attempts.get().append(number)
        if own.on_attempt is not None:
            own.on_attempt(number)

    call_options = own._replace(on_attempt=on_attempt)

    async def perform(row: Row) -> dict[str, Any]:
        made: list[int] = []
        attempts.set(made)
        result: dict[str, Any] = {"row": row.number}
        try:
            result |= _repeated(row, columns, id_column)
            await call(row.values, call_options, result)
            error = None
        except (ClientClosed, ConfigurationError):
            raise  # of the program, not of a row
        except Exception as failure:
            error = _described(failure)
        result["error"], result["attempts"] = error, len(made)
        return result

    return perform


def _repeated(row: Row, columns: Sequence[str] | None, id_column: str | None) -> dict[str, Any]:
    """The columns of a row that its result has, too."""
    if row.problem is not None:
        raise RowError(row.problem)
    values = row.values
    named = [*([] if id_column is None else [id_column]), *(columns or ())]
    if missing := [name for name in named if name not in values]:
        raise RowError(f"the row has no column {missing[0]!r}; it has {', '.join(map(repr, values)) or 'none'}")
    repeated = {}
    if id_column is not None:
        repeated["id"] = values[id_column] if is_plain(values[id_column]) else str(values[id_column])
    for name in values if columns is None else columns:
        if is_plain(values[name]):
            repeated[f"{name} (input)" if name in RESERVED else name] = values[name]
    return repeated


RESERVED = frozenset(
    {"attempts", "embedding", "error", "finish_reason", "id", "parsed", "prompt_tokens", "reply_tokens", "row", "text"}
)
"""The names of what a result has of its own."""


def _described(error: Exception) -> dict[str, Any]:
    if isinstance(error, APIError):
        return {"status": error.status, "message": error.message}
    return {"status": type(error).__name__, "message": str(error)}


def generate_call(model: Any, contents: Callable[[Any], Any], parsed: bool, settings: Mapping[str, Any]) -> RowCall:
    """Generates content for each row."""

    async def call(values: dict[str, Any], options: CallOptions, result: dict[str, Any]) -> None:
        response = await model.generate_content_async(contents(values), request_options=options, **settings)
        usage = response.usage_metadata
        result["text"] = None
        result["finish_reason"] = response.candidates[0].finish_reason.name if response.candidates else None
        result["prompt_tokens"] = usage.prompt_token_count
        result["reply_tokens"] = usage.candidates_token_count + usage.thoughts_token_count
        result["text"] = response.text
        if parsed:
            result["parsed"] = json.loads(response.text)

    return call


def token_count_call(model: Any, contents: Callable[[Any], Any]) -> RowCall:
    """Counts the tokens of each row's contents."""

    async def call(values: dict[str, Any], options: CallOptions, result: dict[str, Any]) -> None:
        counted = await model.count_tokens_async(contents(values), request_options=options)
        result["prompt_tokens"] = counted.total_tokens

    return call


def embed_call(batches: Batches, to_content: Callable[[Any], Any], contents: Callable[[Any], Any]) -> RowCall:
    """Embeds each row's contents.

    Args:
        batches: Embeds several contents.
        to_content: Makes a content of a row's contents; raises TypeError or ValueError.
        contents: The contents of a row.
    """

    async def call(values: dict[str, Any], options: CallOptions, result: dict[str, Any]) -> None:
        result["embedding"] = await batches.embed(to_content(contents(values)), options)

    return call
