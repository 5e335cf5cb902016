"""The client of the commands that make calls."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click

from genai_grpc.client import Client
from genai_grpc.errors import GenAIError

__all__ = ["connect", "endpoint_option"]

endpoint_option = click.option(
    "--endpoint",
    envvar="GENAI_GRPC_ENDPOINT",
    show_envvar=True,
    help="Server to call, e.g. http://127.0.0.1:50051; Google's by default.",
)


@contextmanager
def connect(endpoint: str | None) -> Iterator[Client]:
    """A client for the block; a `GenAIError` in the block ends the command with its message."""
    try:
        with Client(endpoint=endpoint) as client:
            yield client
    except GenAIError as error:
        raise click.ClickException(str(error)) from error
