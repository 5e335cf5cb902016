"""The command `genai-grpc` in this process, against a server on loopback."""

from __future__ import annotations

from typing import Any, NamedTuple

import uvicorn
from click.testing import CliRunner

from genai_grpc._transport.rest import build
from genai_grpc.cli import main
from genai_grpc.local.http import app

__all__ = ["Result", "invoke"]


# The modules of a call over HTTP and of the server that answers it, which would be imported in two threads at once:
# pytest parses each module to rewrite its assertions, and two threads that parse fail in Python 3.11
# (SystemError: AST constructor recursion depth mismatch).
_IMPORTED = (app, build, uvicorn)


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
