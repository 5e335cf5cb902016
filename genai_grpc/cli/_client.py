"""The client of the commands that make calls, and the options that they have in common."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from genai_grpc.cli._errors import DEBUG, CommandError, ExitCode

if TYPE_CHECKING:
    from genai_grpc.client import Client

__all__ = ["DEFAULT_MODEL", "call_options", "client_arguments", "connect", "debug_option", "model_option"]

DEFAULT_MODEL: Final = "gemini-flash-latest"
_PREFIX: Final = "genai_grpc.cli.option."

Command = TypeVar("Command", bound=Callable[..., Any])


def _store(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    """Store an option of a command or of its group; one that is given wins over the environment."""
    key = f"{_PREFIX}{parameter.name}"
    given = context.get_parameter_source(str(parameter.name)) is click.core.ParameterSource.COMMANDLINE
    if value is not None and (given or key not in context.meta):
        context.meta[key] = value


def _store_debug(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value:
        context.meta[DEBUG] = True


def _refuse_key(context: click.Context, parameter: click.Parameter, value: str | None) -> None:
    if value is not None:
        raise click.UsageError(
            "other processes can see a key on the command line, and the shell stores it; set GEMINI_API_KEY, or "
            "write the key to a file and pass --api-key-file FILE"
        )


debug_option = click.option(
    "--debug",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_store_debug,
    help="Show the traceback of an error.",
)

_OPTIONS: Final = (
    click.option(
        "--endpoint",
        envvar="GENAI_GRPC_ENDPOINT",
        show_envvar=True,
        metavar="URL",
        expose_value=False,
        callback=_store,
        help="Server to call, e.g. http://127.0.0.1:50051; Google's by default.",
    ),
    click.option(
        "--transport",
        type=click.Choice(["grpc", "rest"]),
        expose_value=False,
        callback=_store,
        help="gRPC, the default, or HTTP/JSON, for networks without gRPC.",
    ),
    click.option(
        "--timeout",
        type=click.FloatRange(0, min_open=True),
        metavar="SECONDS",
        expose_value=False,
        callback=_store,
        help="Time for a call, retries included; 600 for generation and 60 for others by default.",
    ),
    click.option(
        "--api-key-file",
        type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path),
        expose_value=False,
        callback=_store,
        help="File with the API key; by default GEMINI_API_KEY, else GOOGLE_API_KEY, of the environment has it.",
    ),
    click.option("--api-key", hidden=True, expose_value=False, callback=_refuse_key),
    debug_option,
)


def call_options(command: Command) -> Command:
    """Add the options of a command that makes calls, which `connect` reads."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def model_option(default: str | None = DEFAULT_MODEL) -> Callable[[Command], Command]:
    """The option --model."""
    return click.option(
        "-m",
        "--model",
        default=default,
        show_default=True,
        envvar=None if default != DEFAULT_MODEL else "GENAI_GRPC_MODEL",
        show_envvar=True,
        metavar="NAME",
        help="Model to call.",
    )


def client_arguments() -> dict[str, Any]:
    """The arguments of the client, from the options of the command that runs.

    Raises:
        CommandError: The file of the key is empty.
    """
    meta = click.get_current_context().meta
    options = {
        name: meta[f"{_PREFIX}{name}"]
        for name in ("endpoint", "transport", "timeout")
        if f"{_PREFIX}{name}" in meta  # not None
    }
    if (path := meta.get(f"{_PREFIX}api_key_file")) is not None:
        with click.open_file(str(path), encoding="utf-8") as file:
            key = file.read().strip()
        if not key:
            raise CommandError(f"{path} is empty; write the API key to it", ExitCode.CONFIGURATION)
        options["api_key"] = key
    return options


def connect() -> Client:
    """A client with the options of the command that runs, to be closed."""
    from genai_grpc.client import Client  # not to import it for `--help`

    return Client(**client_arguments())
