"""`genai-grpc models`."""

from __future__ import annotations

import click

from genai_grpc.cli._client import connect, endpoint_option
from genai_grpc.models import list_models

__all__ = ["models"]


@click.command()
@endpoint_option
def models(endpoint: str | None) -> None:
    """List the models and the methods that each supports."""
    with connect(endpoint) as client:
        for model in list_models(client=client):
            click.echo(f"{model.name}  ({', '.join(model.supported_generation_methods)})")
