"""`genai-grpc generate`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from genai_grpc.cli._client import call_options, connect, model_option
from genai_grpc.cli._errors import CommandError, ExitCode
from genai_grpc.cli._output import chunk_text, is_rich, new_console, plain_writer, print_json
from genai_grpc.cli._prompt import config_option, prompt_options, read_contents, to_config, to_schema

if TYPE_CHECKING:
    from genai_grpc.client import Client
    from genai_grpc.generative_model import GenerativeModel
    from genai_grpc.responses import GenerateContentResponse

__all__ = ["generate"]


@click.command(short_help="Send a prompt to a model, and print the reply as it arrives.")
@prompt_options
@model_option()
@click.option("-s", "--system", metavar="TEXT", help="System instruction.")
@click.option(
    "--schema", metavar="SCHEMA", help="JSON Schema of the reply: JSON, or a file with it. The reply is JSON then."
)
@config_option
@click.option("--cache", metavar="NAME", help="Cached content before the prompt; its model is called.")
@click.option("--json", "as_json", is_flag=True, help="Print the whole response as JSON: usage, finish reason and all.")
@click.option("--plain", is_flag=True, help="Print Markdown as it is, in a terminal too.")
@call_options
def generate(
    prompts: tuple[str, ...],
    files: tuple[str, ...],
    images: tuple[Path, ...],
    model: str,
    system: str | None,
    schema: str | None,
    options: tuple[str, ...],
    cache: str | None,
    as_json: bool,
    plain: bool,
) -> None:
    """Send PROMPT to a model, and print the reply as it arrives.

    Several PROMPTs are joined; - stands for stdin, which is also read if there is no PROMPT. In a terminal the reply's
    Markdown is formatted; in a pipe it is printed as it is.

    Example: git diff | genai-grpc generate "Write a commit message." -
    """
    config = to_config(options) | ({} if schema is None else to_schema(schema))
    if not as_json and config.get("candidate_count", 1) not in (None, 0, 1):
        raise click.UsageError("several candidates are printed as JSON only; add --json")
    if cache is not None and system is not None:
        raise click.UsageError("a cached content has its own system instruction; leave --system out")
    with connect() as client:
        contents = read_contents(prompts, files, images, client)
        target = _to_model(client, model, system, config, cache)
        if as_json:
            response = target.generate_content(contents)
            print_json(response.to_dict())
        else:
            response = target.generate_content(contents, stream=True)
            with response:
                _print_stream(response, formatted=is_rich() and not plain and schema is None)
        _check_end(response)


def _to_model(
    client: Client, model: str, system: str | None, config: dict[str, Any], cache: str | None
) -> GenerativeModel:
    from genai_grpc.generative_model import GenerativeModel  # with protobuf, which `--help` does without

    if cache is not None:
        return GenerativeModel.from_cached_content(cache, generation_config=config, client=client)
    return GenerativeModel(model, generation_config=config, system_instruction=system, client=client)


def _print_stream(response: GenerateContentResponse, *, formatted: bool) -> None:
    write: Callable[[str], None]
    with ExitStack() as stack:
        if formatted:
            from genai_grpc.cli._markdown import MarkdownStream  # with rich 100 ms, which pipes do without

            write = stack.enter_context(MarkdownStream(new_console())).write
        else:
            write = stack.enter_context(plain_writer())
        for chunk in response:
            write(chunk_text(chunk))


def _check_end(response: GenerateContentResponse) -> None:
    """End with an exit code of its own if the service blocked the prompt or stopped the reply."""
    from genai_grpc._replies import check_complete  # as above

    check_complete(response)
    if not any(part.text or part.WhichOneof("data") for each in response.candidates for part in each.content.parts):
        raise CommandError("the reply is empty; --json shows the whole response", ExitCode.BLOCKED)
    if response.truncated and sys.stderr.isatty():
        click.echo("(The reply reached the limit of tokens; -o max_output_tokens=N sets it.)", err=True)
