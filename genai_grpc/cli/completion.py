"""`genai-grpc completion`."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from genai_grpc.cli._client import debug_option

__all__ = ["completion"]


@click.command(short_help="Print the script that completes commands and options in a shell.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@debug_option
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the script that completes commands and options in SHELL.

    Example: genai-grpc completion bash > ~/.local/share/bash-completion/completions/genai-grpc
    """
    found = get_completion_class(shell)
    assert found is not None, shell  # noqa: S101 -- click has these three
    root = context.find_root()
    click.echo(found(root.command, {}, "genai-grpc", "_GENAI_GRPC_COMPLETE").source())
