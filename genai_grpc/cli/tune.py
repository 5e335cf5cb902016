"""`genai-grpc tune`."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from genai_grpc.cli._client import call_options, connect, model_option
from genai_grpc.cli._errors import CommandError, ExitCode
from genai_grpc.cli._output import json_option, print_json, print_record, print_table

if TYPE_CHECKING:
    from genai_grpc.operations import CreateTunedModelOperation
    from genai_grpc.types import TunedModel

__all__ = ["tune"]


@click.group(short_help="Create, list, show and delete tuned models.")
def tune() -> None:
    """Create, list, show and delete tuned models.

    Example: genai-grpc tune create examples.csv --id next-number --wait
    """


@tune.command()
@click.argument("examples", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@model_option("gemini-pro")
@click.option("--id", "model_id", metavar="ID", help="Last part of the resource name; by default the service chooses.")
@click.option("--display-name", metavar="TEXT", help="Name for people.")
@click.option("--description", metavar="TEXT", help="What the model is for.")
@click.option("--epochs", type=click.IntRange(1), metavar="N", help="Passes over the examples.")
@click.option("--batch-size", type=click.IntRange(1), metavar="N", help="Examples of a step.")
@click.option("--learning-rate", type=click.FloatRange(0, min_open=True), metavar="RATE", help="Step size.")
@click.option("--input-key", default="text_input", show_default=True, help="Column with the inputs.")
@click.option("--output-key", default="output", show_default=True, help="Column with the outputs.")
@click.option("--wait", "waits", is_flag=True, help="Wait until the model is tuned.")
@call_options
def create(
    examples: Path,
    model: str,
    model_id: str | None,
    display_name: str | None,
    description: str | None,
    epochs: int | None,
    batch_size: int | None,
    learning_rate: float | None,
    input_key: str,
    output_key: str,
    waits: bool,
) -> None:
    """Tune a model on EXAMPLES, a CSV or JSON file, and print the name of the tuned model.

    The service goes on when the command has ended; `tune wait` waits for it.

    Example: genai-grpc tune create examples.csv --id next-number --wait
    """
    from genai_grpc.tuning import create_tuned_model  # with protobuf, which `--help` does without

    with connect() as client:
        try:
            operation = create_tuned_model(
                model,
                examples,
                id=model_id,
                display_name=display_name,
                description=description,
                epoch_count=epochs,
                batch_size=batch_size,
                learning_rate=learning_rate,
                input_key=input_key,
                output_key=output_key,
                client=client,
            )
        except KeyError as error:  # a column that is missing
            raise click.UsageError(f"{error.args[0]}; name the columns with --input-key and --output-key") from None
        if waits:
            _wait(operation, None)
        click.echo(operation.metadata.tuned_model)


@tune.command("list")
@click.option("--filter", "words", default="", metavar="WORDS", help="Words of the name or description, or owner:me.")
@json_option
@call_options
def list_(words: str, as_json: bool) -> None:
    """List the tuned models.

    Example: genai-grpc tune list --filter owner:me
    """
    from genai_grpc.tuning import list_tuned_models  # as above

    with connect() as client:
        found = [_fields(model) for model in list_tuned_models(filter=words, client=client)]
    if as_json:
        print_json(found)
    else:
        columns = ("name", "base_model", "state", "create_time", "display_name")
        headers = [column.replace("_", " ").upper() for column in columns]
        print_table(headers, ([fields[column] for column in columns] for fields in found))


@tune.command()
@click.argument("name")
@json_option
@call_options
def get(name: str, as_json: bool) -> None:
    """Show the tuned model NAME.

    Example: genai-grpc tune get tunedModels/next-number
    """
    from genai_grpc.models import get_tuned_model  # as above

    with connect() as client:
        fields = _fields(get_tuned_model(_full(name), client=client))
    if as_json:
        print_json(fields)
    else:
        print_record({key: value for key, value in fields.items() if key != "tuning_task"})


@tune.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@call_options
def delete(names: tuple[str, ...]) -> None:
    """Delete the tuned models NAME.

    Example: genai-grpc tune delete tunedModels/next-number
    """
    from genai_grpc.tuning import delete_tuned_model  # as above

    with connect() as client:
        for name in names:
            delete_tuned_model(_full(name), client=client)
            click.echo(f"Deleted {_full(name)}.", err=True)


@tune.command()
@click.argument("name")
@click.option("--for", "seconds", type=click.FloatRange(0), metavar="SECONDS", help="Time to wait at most.")
@call_options
def wait(name: str, seconds: float | None) -> None:
    """Wait until the tuned model NAME, or the operation NAME, is ready, and print the name of the model.

    Example: genai-grpc tune wait tunedModels/next-number
    """
    from genai_grpc.operations import get_operation, list_operations  # as above

    with connect() as client:
        if "/operations/" in name:
            operation = get_operation(name, client=client)
        else:
            found = list(list_operations(name=_full(name), client=client))
            if not found:
                raise CommandError(
                    f"there is no tuning of {_full(name)}; `genai-grpc tune list` lists the models", ExitCode.REFUSED
                )
            operation = found[-1]
        _wait(operation, seconds)
        click.echo(operation.metadata.tuned_model)


def _wait(operation: CreateTunedModelOperation, seconds: float | None) -> None:
    """Wait, with a bar on a terminal if tqdm is there to draw it."""
    from importlib.util import find_spec

    if seconds is None and sys.stderr.isatty() and find_spec("tqdm") is not None:
        for _ in operation.wait_bar():
            pass
    operation.result(timeout=seconds)


def _full(name: str) -> str:
    return name if "/" in name else f"tunedModels/{name}"


def _fields(model: TunedModel) -> dict[str, Any]:
    from genai_grpc.types import TunedModelState  # as above

    return dataclasses.asdict(model) | {"state": TunedModelState.Name(model.state)}
