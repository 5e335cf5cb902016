"""The commands of `genai-grpc`, each imported when it is used."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final

import click

from genai_grpc.cli._errors import reported

__all__ = ["COMMANDS", "Commands"]

# The summaries are here, since `genai-grpc --help` shall import no command; a test compares them.
COMMANDS: Final = {
    "chat": "Chat with a model in the terminal.",
    "generate": "Send a prompt to a model, and print the reply as it arrives.",
    "count-tokens": "Count the tokens of a prompt.",
    "embed": "Print the embedding vectors of texts.",
    "bulk": "Make a call for each row of a file, and write the results to a file.",
    "models": "List the models, or show one.",
    "files": "Upload, list, show, download and delete files.",
    "cache": "Create, list, show, extend and delete cached contents.",
    "tune": "Create, list, show and delete tuned models.",
    "serve": "Serve a model on this machine until SIGTERM or Ctrl-C.",
    "bench": "Measure an endpoint with a short load test.",
    "doctor": "Check the key, the network and the installation, and say what to do.",
    "completion": "Print the script that completes commands and options in a shell.",
}
# Other names of commands, which the help does not list.
_ALIASES: Final = {"ask": "generate"}


class Commands(click.Group):
    """A group that imports a command when it is used, and reports every error in one line."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of a name or alias; None if there is none."""
        name = _ALIASES.get(cmd_name, cmd_name)
        if name not in COMMANDS:
            return None
        attribute = name.replace("-", "_")
        command: click.Command = getattr(import_module(f"genai_grpc.cli.{attribute}"), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands with their summaries."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Parse the options before the command."""
        with reported(None):
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; its errors become one line and an exit code."""
        with reported(ctx):
            return super().invoke(ctx)
