"""`genai-grpc models`."""

from __future__ import annotations

import dataclasses

import click

from genai_grpc.cli._client import call_options, connect
from genai_grpc.cli._output import json_option, print_json, print_record, print_table

__all__ = ["models"]


@click.group(invoke_without_command=True, short_help="List the models, or show one.")
@json_option
@call_options
@click.pass_context
def models(context: click.Context, as_json: bool) -> None:
    """List the models and the methods that each supports; `models get` shows one.

    Example: genai-grpc models get gemini-flash-latest
    """
    if context.invoked_subcommand is None:
        context.invoke(list_, as_json=as_json)


@models.command("list")
@json_option
@call_options
def list_(as_json: bool) -> None:
    """List the models and the methods that each supports.

    Example: genai-grpc models list --json
    """
    from genai_grpc.models import list_models  # with protobuf, which `--help` does without

    with connect() as client:
        found = list(list_models(client=client))
    if as_json:
        print_json([dataclasses.asdict(model) for model in found])
    else:
        rows = ((model.name, model.input_token_limit, model.supported_generation_methods) for model in found)
        print_table(("NAME", "INPUT TOKENS", "METHODS"), rows)


@models.command()
@click.argument("name")
@json_option
@call_options
def get(name: str, as_json: bool) -> None:
    """Show the limits, methods and defaults of the model NAME.

    Example: genai-grpc models get gemini-flash-latest
    """
    from genai_grpc.models import get_model  # as above

    with connect() as client:
        fields = dataclasses.asdict(get_model(name, client=client))
    (print_json if as_json else print_record)(fields)
