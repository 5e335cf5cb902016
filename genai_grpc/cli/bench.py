"""`genai-grpc bench`."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import click

from genai_grpc.cli._client import call_options, client_arguments, model_option
from genai_grpc.cli._errors import CommandError, ExitCode, to_command_error
from genai_grpc.cli._output import json_option, print_json
from genai_grpc.cli._prompt import config_option, to_config

if TYPE_CHECKING:
    from genai_grpc.cli._load import Load

__all__ = ["bench"]

_GOOGLE: Final = "googleapis.com"


@click.command(short_help="Measure an endpoint with a short load test.")
@click.option("-n", "--requests", default=50, show_default=True, type=click.IntRange(1), help="Requests in all.")
@click.option("-c", "--concurrency", default=4, show_default=True, type=click.IntRange(1), help="Requests at once.")
@click.option("--prompt", default="Say hello.", show_default=True, help="Prompt of every request.")
@model_option()
@config_option
@click.option("-y", "--yes", is_flag=True, help="Do not ask before calling Google's endpoint, which costs.")
@json_option
@call_options
def bench(
    requests: int, concurrency: int, prompt: str, model: str, options: tuple[str, ...], yes: bool, as_json: bool
) -> None:
    """Send streamed requests to an endpoint, and print requests per second and latencies.

    A first request, which opens the connection, is not counted; if it fails, the test ends. No request is retried.

    Example: genai-grpc bench --endpoint http://127.0.0.1:50051 -n 200 -c 8
    """
    import asyncio  # 50 ms, which other commands do without

    if not prompt.strip():
        raise click.UsageError("the prompt is empty; give some text")
    config = {"max_output_tokens": 32, **to_config(options)}
    from genai_grpc.cli._load import measure  # as above

    arguments = client_arguments()
    load, endpoint = asyncio.run(_run(measure, arguments, model, prompt, config, requests, concurrency, yes))
    if as_json:
        print_json({"endpoint": endpoint, "model": model, "concurrency": concurrency, **load.to_dict()})
    else:
        transport = "HTTP/JSON" if arguments.get("transport") == "rest" else "gRPC"
        _print(load, f"{model} at {endpoint} over {transport}", concurrency)
    if not load.samples:
        error = to_command_error(load.errors[0])
        raise CommandError(f"every request failed; the first one: {error.message}", error.exit_code)


async def _run(
    measure: Any,
    arguments: dict[str, Any],
    model: str,
    prompt: str,
    config: dict[str, Any],
    requests: int,
    concurrency: int,
    yes: bool,
) -> tuple[Load, str]:
    from genai_grpc.client import Client  # as above
    from genai_grpc.generative_model import GenerativeModel

    async with Client(**arguments) as client:
        if _GOOGLE in client.endpoint and not yes:
            _confirm(f"This sends {requests + 1} requests to {client.endpoint}, which may cost. Go on?")
        target = GenerativeModel(model, generation_config=config, client=client)
        load: Load = await measure(target, prompt, requests, concurrency, _progress(requests))
        return load, client.endpoint


def _confirm(question: str) -> None:
    if not sys.stdin.isatty():
        raise CommandError(f"{question.removesuffix(' Go on?')} Pass --yes to go on.", ExitCode.USAGE)
    if not click.confirm(question, err=True):
        raise click.exceptions.Exit(ExitCode.FAILED)


def _progress(requests: int) -> Callable[[int], object]:
    """Shows the number of requests that have ended, in a terminal."""
    if not sys.stderr.isatty():
        return lambda done: None

    def show(done: int) -> None:
        click.echo(f"\r{done} of {requests} requests", nl=done == requests, err=True)

    return show


def _print(load: Load, target: str, concurrency: int) -> None:
    total = len(load.samples) + len(load.errors)
    click.echo(f"Sent {total} streamed requests to {target}, {concurrency} at a time, in {load.seconds:.2f} s.")
    if load.samples:
        click.echo(f"Replies per second:        {len(load.samples) / load.seconds:10.1f}")
        if load.tokens:
            click.echo(f"Output tokens per second:  {load.tokens / load.seconds:10.1f}")
        for name, times in (("first chunk", load.first_chunks), ("whole reply", load.replies)):
            shown = "  ".join(f"{label} {1000 * value:.1f} ms" for label, value in times.items())
            click.echo(f"Time to the {name}:   {shown}")
    kinds = Counter(type(error).__name__ for error in load.errors)
    failed = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
    click.echo(f"Failed:                    {failed or 'none'}")
    click.echo(
        "Times are from the start of a call in this process, the client's own work included; p90 is the time that 90 % "
        "of the replies did not exceed. The first request was not counted, and none was retried."
    )
