"""The command `genai-grpc` in this process, against a server on loopback."""

from __future__ import annotations

from typing import Any, NamedTuple

from click.testing import CliRunner

from genai_grpc.cli import main

__all__ = ["Result", "invoke"]


class Result(NamedTuple):
    """How a command ended, and what it printed to stdout and stderr together."""

    code: int
    output: str


def invoke(
    *arguments: str, endpoint: str | None = None, stdin: str | bytes | None = None, **environment: Any
) -> Result:
    """Run the command with GENAI_GRPC_ENDPOINT and other variables; stdin is no terminal."""
    variables = {"GENAI_GRPC_ENDPOINT": endpoint, **environment}
    result = CliRunner().invoke(main, arguments, input=stdin, env=variables, prog_name="genai-grpc")
    return Result(result.exit_code, result.output)
