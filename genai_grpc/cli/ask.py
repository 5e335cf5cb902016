"""`genai-grpc ask`."""

from __future__ import annotations

import click

from genai_grpc.cli._client import connect, endpoint_option
from genai_grpc.generative_model import GenerativeModel

__all__ = ["ask"]


@click.command()
@click.argument("prompt")
@click.option("--model", default="gemini-pro", show_default=True, help="Model to call.")
@endpoint_option
def ask(prompt: str, model: str, endpoint: str | None) -> None:
    """Send PROMPT to a model, and print the response as it arrives."""
    with connect(endpoint) as client:
        for chunk in GenerativeModel(model, client=client).generate_content(prompt, stream=True):
            click.echo(chunk.text, nl=False)
        click.echo()
