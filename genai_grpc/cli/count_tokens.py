"""`genai-grpc count-tokens`."""

from __future__ import annotations

from pathlib import Path

import click

from genai_grpc.cli._client import call_options, connect, model_option
from genai_grpc.cli._output import json_option, print_json, to_json
from genai_grpc.cli._prompt import prompt_options, read_contents

__all__ = ["count_tokens"]


@click.command("count-tokens", short_help="Count the tokens of a prompt.")
@prompt_options
@model_option()
@click.option("-s", "--system", metavar="TEXT", help="System instruction, which is counted, too.")
@json_option
@call_options
def count_tokens(
    prompts: tuple[str, ...],
    files: tuple[str, ...],
    images: tuple[Path, ...],
    model: str,
    system: str | None,
    as_json: bool,
) -> None:
    """Count the tokens of PROMPT, as the model counts them. Nothing is generated.

    Example: genai-grpc count-tokens --file report.txt "Summarize it."
    """
    from genai_grpc.generative_model import GenerativeModel  # with protobuf, which `--help` does without

    with connect() as client:
        contents = read_contents(prompts, files, images, client)
        counted = GenerativeModel(model, system_instruction=system, client=client).count_tokens(contents)
    if as_json:
        print_json(to_json(counted))
    else:
        click.echo(counted.total_tokens)
