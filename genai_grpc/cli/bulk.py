"""`genai-grpc bulk`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from genai_grpc.cli._client import DEFAULT_MODEL, call_options, connect, model_option
from genai_grpc.cli._errors import CommandError, ExitCode
from genai_grpc.cli._output import json_option, print_json
from genai_grpc.cli._prompt import config_option, to_config, to_schema

if TYPE_CHECKING:
    from genai_grpc.bulk import BulkSummary
    from genai_grpc.client import Client

__all__ = ["bulk"]


@click.command(short_help="Make a call for each row of a file, and write the results to a file.")
@click.argument("rows", metavar="ROWS")
@click.argument("out", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--task",
    type=click.Choice(["generate", "count-tokens", "embed"]),
    default="generate",
    show_default=True,
    help="What each row is for.",
)
@model_option(None)
@click.option("-t", "--template", metavar="TEXT", help="Prompt of a row, with names of columns in braces.")
@click.option("-s", "--system", metavar="TEXT", help="System instruction.")
@click.option("--schema", metavar="SCHEMA", help="JSON Schema of the replies; their values are added as `parsed`.")
@config_option
@click.option("--id", "id_", metavar="COLUMN", help="Column to repeat as `id`.")
@click.option("--column", "columns", multiple=True, help="Column to repeat; all by default. May be repeated.")
@click.option(
    "-c",
    "--concurrency",
    type=click.IntRange(1),
    help="Calls at once, 100 by default; for embed rows, 400 by default.",
)
@click.option("--ordered", is_flag=True, help="Write results in the order of the rows.")
@click.option("--restart", is_flag=True, help="Replace an output that exists; by default the run goes on with it.")
@click.option("--retry-failed", is_flag=True, help="Do the rows again that failed in an earlier run.")
@json_option
@call_options
def bulk(
    rows: str,
    out: Path,
    task: str,
    model: str | None,
    template: str | None,
    system: str | None,
    schema: str | None,
    options: tuple[str, ...],
    id_: str | None,
    columns: tuple[str, ...],
    concurrency: int | None,
    ordered: bool,
    restart: bool,
    retry_failed: bool,
    as_json: bool,
) -> None:
    """Make a call for each row of ROWS, a .jsonl, .csv or .parquet file, and write the results to OUT.

    OUT is a .jsonl or .parquet file. ROWS of - are the lines of stdin, each a prompt. Run the same command again to go
    on after an interruption. The exit code is 9 if rows failed.

    Example: genai-grpc bulk reviews.csv labels.jsonl --template "Good or bad? {review}" --id id
    """
    if task != "generate" and (schema is not None or options):
        raise click.UsageError(f"--schema and -o are for --task generate; leave them out for {task}")
    if task == "embed" and system is not None:
        raise click.UsageError("--system is for the other tasks; leave it out for embed")
    config = to_config(options) | ({} if schema is None else to_schema(schema))
    run_options = {
        "template": template,
        "id": id_,
        "columns": list(columns) or None,
        "ordered": ordered,
        "resume": not restart,
        "retry_failed": retry_failed,
        **({} if concurrency is None else {"concurrency": concurrency}),
    }
    with connect() as client:
        perform = _to_task(task, client, model, system, config, parsed=schema is not None)
        try:
            summary = perform(_lines() if rows == "-" else rows, out=out, **run_options)
        except KeyboardInterrupt:
            click.echo("Interrupted; run the same command again to go on.", err=True)
            raise
    if as_json:
        print_json(summary._asdict())
    else:
        _print(summary)
    if summary.failed:
        raise CommandError(
            f"{summary.failed} rows failed; {summary.out} has their errors, and --retry-failed does them again",
            ExitCode.ROWS_FAILED,
        )


def _to_task(
    task: str, client: Client, model: str | None, system: str | None, config: dict[str, Any], *, parsed: bool
) -> Callable[..., BulkSummary]:
    """The function of `genai_grpc.bulk`, with its own arguments."""
    from functools import partial

    from genai_grpc import bulk as functions  # with asyncio, which other commands do without
    from genai_grpc.generative_model import GenerativeModel

    if task == "embed":
        return partial(functions.embed, model or "gemini-embedding-001", client=client)
    target = GenerativeModel(model or DEFAULT_MODEL, generation_config=config, system_instruction=system, client=client)
    if task == "count-tokens":
        return partial(functions.count_tokens, target)
    return partial(functions.generate, target, parsed=parsed)


def _lines() -> Iterator[str]:
    """The lines of stdin, but for empty ones."""
    return (line.rstrip("\r\n") for line in sys.stdin if line.strip())


def _print(summary: BulkSummary) -> None:
    cost = "" if summary.cost is None else f", {summary.cost:.4f} US dollars"
    click.echo(
        f"{summary.out}: {summary.rows} rows, {summary.failed} failed; {summary.rows - summary.resumed} by this run in "
        f"{summary.seconds:.1f} s, with {summary.prompt_tokens} prompt tokens and {summary.reply_tokens} reply "
        f"tokens{cost}."
    )
