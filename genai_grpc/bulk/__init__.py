"""Calls for many rows: read from a file, a data frame or an iterable, with their results in a file.

A run that was interrupted goes on where it was: each row is once in the output. A row that fails does not end the run.
Memory does not grow with the number of rows, but for a bit each.

>>> import genai_grpc as genai
>>> from genai_grpc import bulk
>>> model = genai.GenerativeModel("gemini-pro")
>>> summary = bulk.generate(model, ["Tell me a story.", "Tell me another one."], out="stories.jsonl")
>>> summary.rows, summary.failed
(2, 0)
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from genai_grpc.bulk._batches import Batches
from genai_grpc.bulk._calls import RowCall, embed_call, generate_call, performer, token_count_call
from genai_grpc.bulk._contents import contents_maker
from genai_grpc.bulk._journal import OutputError
from genai_grpc.bulk._options import Run, RunOptions
from genai_grpc.bulk._output import opened
from genai_grpc.bulk._prices import Cost, Prices, cost_function
from genai_grpc.bulk._progress import BulkSummary, Progress
from genai_grpc.bulk._rows import count_rows, to_rows
from genai_grpc.bulk._runner import run

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from genai_grpc import protos, types
    from genai_grpc.client import Client
    from genai_grpc.generative_model import GenerativeModel

__all__ = [
    "BulkSummary",
    "OutputError",
    "RunOptions",
    "count_tokens",
    "count_tokens_async",
    "embed",
    "embed_async",
    "generate",
    "generate_async",
]

Out = TypeVar("Out")


async def generate_async(
    model: GenerativeModel,
    rows: Any,
    *,
    out: str | PathLike[str],
    parsed: bool = False,
    prices: Prices | None = None,
    generation_config: types.GenerationConfigType | None = None,
    safety_settings: types.SafetySettingOptions | None = None,
    tools: types.ToolsType | None = None,
    tool_config: types.ToolConfigType | None = None,
    **options: Unpack[RunOptions],
) -> BulkSummary:
    """Generate content for each row.

    A result has the number of its row (from 0), the row's columns, `text`, `finish_reason`, `prompt_tokens`,
    `reply_tokens`, `error` (None, or its status and message) and `attempts`. A column of such a name is repeated with
    " (input)" after it.

    Args:
        model: The model. The limits and the retries of its client hold.
        rows: A path of a .jsonl, .csv or .parquet file, a data frame of pandas or polars, a table of pyarrow, or an
            iterable of dicts or of contents. To resume a run, pass the same rows in the same order.
        out: The output, a .jsonl or .parquet file.
        parsed: Whether to add the value of each reply, which is JSON, as `parsed`.
        prices: US dollars for a million tokens, by `input` and `output`; by default those of genai-prices, if it is
            installed and knows the model.
        generation_config: As for `GenerativeModel.generate_content`, as the next three.
        safety_settings: Merged over the model's.
        tools: In place of the model's.
        tool_config: In place of the model's.
        options: `template`, `contents`, `id`, `columns`, `concurrency`, `ordered`, `resume`, `retry_failed`,
            `progress`, `request_options`, `engine` and `actors`; see `RunOptions`.

    Raises:
        ConfigurationError: The client has no key, or cannot be used.
        OutputError: The output cannot be written, or no such run wrote it.
        TypeError: An argument is of a wrong type.
        ValueError: A file is of another kind; the template is malformed.
    """
    settings = {
        "generation_config": generation_config,
        "safety_settings": safety_settings,
        "tools": tools,
        "tool_config": tool_config,
    }
    run_options = Run.of(options)
    call = generate_call(model, _contents(run_options), parsed, settings)
    return await _run(call, rows, out, run_options, cost_function(model.model_name, prices))


async def count_tokens_async(
    model: GenerativeModel, rows: Any, *, out: str | PathLike[str], **options: Unpack[RunOptions]
) -> BulkSummary:
    """Count the tokens of each row's contents, as `prompt_tokens`; arguments and errors are those of `generate`."""
    run_options = Run.of(options)
    return await _run(token_count_call(model, _contents(run_options)), rows, out, run_options)


async def embed_async(
    model: str,
    rows: Any,
    *,
    out: str | PathLike[str],
    task_type: types.EmbeddingTaskTypeOptions | None = None,
    output_dimensionality: int | None = None,
    client: Client | None = None,
    **options: Unpack[RunOptions],
) -> BulkSummary:
    """Embed each row's contents, as `embedding`.

    Rows that wait at the same time share a call: up to 100 with the Gemini API, one with Vertex AI.

    Args:
        model: The name of the model.
        rows: As for `generate`.
        out: As for `generate`.
        task_type: As for `embed_content`.
        output_dimensionality: As for `embed_content`.
        client: The client; by default the default client.
        options: As for `generate`, but `concurrency` is the rows in flight, 400 by default.

    Raises:
        ConfigurationError, OutputError, TypeError, ValueError: As `generate`.
    """
    from genai_grpc._coerce.content import to_content
    from genai_grpc._coerce.embeddings import MAX_BATCH_SIZE
    from genai_grpc.client import dialect_of
    from genai_grpc.embeddings import embed_content_async

    async def embed_many(contents: list[protos.Content], request_options: Any) -> list[list[float]]:
        found = await embed_content_async(
            model, contents, task_type, None, output_dimensionality, client, request_options
        )
        vectors: list[list[float]] = found["embedding"]
        return vectors

    run_options = Run.of({"concurrency": 400, **options})
    dialect = dialect_of(client)
    batches = Batches(embed_many, MAX_BATCH_SIZE if dialect.has("BatchEmbedContents") else 1)
    call = embed_call(batches, partial(to_content, protos=dialect.protos), _contents(run_options))
    return await _run(call, rows, out, run_options)


def generate(
    model: GenerativeModel,
    rows: Any,
    *,
    out: str | PathLike[str],
    parsed: bool = False,
    prices: Prices | None = None,
    generation_config: types.GenerationConfigType | None = None,
    safety_settings: types.SafetySettingOptions | None = None,
    tools: types.ToolsType | None = None,
    tool_config: types.ToolConfigType | None = None,
    **options: Unpack[RunOptions],
) -> BulkSummary:
    """The sync twin of `generate_async`, which documents it; it runs an event loop of its own."""
    return _finish(
        generate_async(
            model,
            rows,
            out=out,
            parsed=parsed,
            prices=prices,
            generation_config=generation_config,
            safety_settings=safety_settings,
            tools=tools,
            tool_config=tool_config,
            **options,
        )
    )


def count_tokens(
    model: GenerativeModel, rows: Any, *, out: str | PathLike[str], **options: Unpack[RunOptions]
) -> BulkSummary:
    """The sync twin of `count_tokens_async`."""
    return _finish(count_tokens_async(model, rows, out=out, **options))


def embed(
    model: str,
    rows: Any,
    *,
    out: str | PathLike[str],
    task_type: types.EmbeddingTaskTypeOptions | None = None,
    output_dimensionality: int | None = None,
    client: Client | None = None,
    **options: Unpack[RunOptions],
) -> BulkSummary:
    """The sync twin of `embed_async`."""
    return _finish(
        embed_async(
            model,
            rows,
            out=out,
            task_type=task_type,
            output_dimensionality=output_dimensionality,
            client=client,
            **options,
        )
    )


def _contents(options: Run) -> Callable[[Any], Any]:
    return contents_maker(options.template, options.contents)


async def _run(
    call: RowCall, rows: Any, out: str | PathLike[str], options: Run, cost: Cost | None = None
) -> BulkSummary:
    if options.engine is not None:
        from genai_grpc.bulk._cluster import run_on_cluster  # with Ray

        return await run_on_cluster(call, rows, os.fspath(out), options, cost)
    perform = performer(call, options.columns, options.id, options.request_options)
    source = to_rows(rows)
    with opened(Path(out), resume=options.resume, retry_failed=options.retry_failed) as journal:
        resumed = journal.rows
        progress = Progress(options.progress, count_rows(rows), resumed, cost)

        def write(result: dict[str, Any]) -> None:
            journal.add(result)
            progress.add(result)

        try:
            await run(
                (row for row in source if not journal.has(row.number)),
                perform,
                write,
                options.concurrency,
                ordered=options.ordered,
            )
        finally:
            progress.close()
    return BulkSummary(
        str(out),
        journal.rows,
        journal.failed,
        resumed,
        progress.prompt_tokens,
        progress.reply_tokens,
        progress.cost,
        progress.seconds,
    )


def _finish(work: Coroutine[Any, Any, Out]) -> Out:
    """Run a coroutine to its end: on another thread where an event loop runs, as in a notebook."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()
