"""The command `genai-grpc`."""

from __future__ import annotations

try:
    import click
except ImportError:
    # Nothing but the command imports this package: end it with one line instead of a traceback.
    raise SystemExit("genai-grpc: the command needs click: pip install 'genai-grpc[server]'") from None

from genai_grpc._version import __version__
from genai_grpc.cli import ask, models, serve

__all__ = ["main"]


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="%(prog)s %(version)s")
def main() -> None:
    """Client of the Gemini API over gRPC, and a local server of it."""


main.add_command(ask.ask)
main.add_command(models.models)
main.add_command(serve.serve)
