"""`genai-grpc embed`."""

from __future__ import annotations

import json
import sys
from typing import Final

import click

from genai_grpc.cli._client import call_options, connect, model_option
from genai_grpc.cli._prompt import read_text

__all__ = ["embed"]

_TASKS: Final = ("query", "document", "similarity", "classification", "clustering", "qa", "verification")


@click.command(short_help="Print the embedding vectors of texts.")
@click.argument("texts", metavar="[TEXT]...", nargs=-1)
@model_option("gemini-embedding-001")
@click.option("--lines", is_flag=True, help="Each line of stdin is a text, empty lines left out.")
@click.option("--task", type=click.Choice(_TASKS), help="What the vectors are for.")
@click.option("--title", metavar="TEXT", help="Title of a document, with --task document.")
@click.option("--dimensions", type=click.IntRange(1), metavar="N", help="Length of the vectors, if not the model's.")
@call_options
def embed(
    texts: tuple[str, ...], model: str, lines: bool, task: str | None, title: str | None, dimensions: int | None
) -> None:
    """Print the embedding vector of each TEXT, as a JSON list in a line of its own.

    Without TEXT, stdin is one text.

    Example: genai-grpc embed --lines < sentences.txt > vectors.jsonl
    """
    from genai_grpc.embeddings import embed_content  # with protobuf, which `--help` does without

    if lines and texts:
        raise click.UsageError("--lines reads texts from stdin; leave TEXT out")
    if lines:
        texts = tuple(line for line in read_text("-").splitlines() if line.strip())
    elif not texts and not sys.stdin.isatty():
        texts = (read_text("-"),)
    if not texts or not all(text.strip() for text in texts):
        raise click.UsageError("a text is empty; give one or more texts, or pass --lines and write them to stdin")
    with connect() as client:
        embedded = embed_content(model, list(texts), task, title, dimensions, client)
    for vector in embedded["embedding"]:
        click.echo(json.dumps(vector))
