"""The command `genai-grpc`."""

from __future__ import annotations

try:
    import click
except ImportError:
    # Nothing but the command imports this package: end it with one line instead of a traceback.
    raise SystemExit("genai-grpc: the command needs click: pip install 'genai-grpc[cli]'") from None

from genai_grpc._version import __version__
from genai_grpc.cli._commands import Commands

__all__ = ["main"]


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="%(prog)s %(version)s")
def main() -> None:
    """Call the Gemini API, over gRPC or HTTP, and serve it on this machine.

    The key is in GEMINI_API_KEY, and GENAI_GRPC_ENDPOINT names another server than Google's.

    Example: genai-grpc generate "Name three fruits."
    """
