"""`genai-grpc doctor`."""

from __future__ import annotations

import sys
import textwrap
from typing import TYPE_CHECKING, Final

import click

from genai_grpc.cli._client import call_options, client_arguments
from genai_grpc.cli._errors import ExitCode
from genai_grpc.cli._output import json_option, print_json

if TYPE_CHECKING:
    from genai_grpc.cli._finding import Finding

__all__ = ["doctor"]

_INDENT: Final = 18
_COLOURS: Final = {"ok": "green", "note": "yellow", "failed": "red"}


@click.command(short_help="Check the key, the network and the installation, and say what to do.")
@json_option
@call_options
def doctor(as_json: bool) -> None:
    """Check versions, key, proxies, TLS, the endpoint and the clock, and say what to do. No key is printed.

    The exit code is 1 if a check failed.

    Example: genai-grpc doctor --endpoint http://127.0.0.1:50051
    """
    from genai_grpc.cli._checks import run_checks  # with ssl and protobuf, which `--help` does without

    findings = []
    for finding in run_checks(client_arguments()):
        findings.append(finding)
        if not as_json:
            _print(finding)
    if as_json:
        print_json([finding._asdict() for finding in findings])
    failed = [finding.check for finding in findings if finding.state == "failed"]
    if failed:
        click.echo(f"Failed: {', '.join(failed)}.", err=True)
        raise click.exceptions.Exit(ExitCode.FAILED)


def _print(finding: Finding) -> None:
    import os  # loaded in every process
    import shutil

    colour = None if os.environ.get("NO_COLOR") else _COLOURS.get(finding.state)
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 10_000
    lines = [*textwrap.wrap(finding.text, width - _INDENT), *textwrap.wrap(finding.advice, width - _INDENT)]
    heads = [f"{click.style(f'{finding.state:6}', fg=colour)}  {finding.check:8}  ", *[" " * _INDENT] * len(lines)]
    for head, line in zip(heads, lines, strict=False):
        click.echo(f"{head}{line}")
