"""The checks of `genai-grpc doctor`. None of them prints a key, or the password of a proxy."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final
from urllib.parse import urlsplit

from genai_grpc._rpc.secret import Secret
from genai_grpc._transport.api_keys import API_KEY_VARIABLES, VERTEX_KEY_VARIABLES
from genai_grpc._transport.config import ClientOptions, resolve
from genai_grpc._transport.proxy import VARIABLES
from genai_grpc._version import __version__
from genai_grpc.cli._client import DEFAULT_MODEL
from genai_grpc.cli._connection import Route, check_clock, check_tcp, check_tls
from genai_grpc.cli._errors import ExitCode, code_of, one_line
from genai_grpc.cli._finding import Finding, failed, note, ok
from genai_grpc.client import Client
from genai_grpc.errors import APIError, ConfigurationError, GenAIError, ServiceUnavailable
from genai_grpc.generative_model import GenerativeModel
from genai_grpc.models import list_models

__all__ = ["check_key", "check_proxies", "check_versions", "run_checks"]

_SECONDS: Final = 10.0
_NEW_KEY: Final = "Create a key at https://aistudio.google.com/apikey, and set GEMINI_API_KEY."


def run_checks(arguments: Mapping[str, Any]) -> Iterator[Finding]:
    """Check what a client with these arguments needs, in the order in which it needs it."""
    yield check_versions(str(arguments.get("transport", "grpc")))
    try:
        options = resolve(ClientOptions(**arguments))
    except (ConfigurationError, ValueError) as error:
        yield failed("settings", one_line(error), "")
        return
    key_file = "--api-key-file" if "api_key" in arguments else None
    if options.vertex is not None and options.api_key is None:
        yield ok("key", "none: Vertex AI is called with the credentials of google-auth")
    else:
        names = API_KEY_VARIABLES if options.vertex is None else VERTEX_KEY_VARIABLES
        variables = {name: os.environ.get(name, "") for name in names}
        yield check_key(options.api_key, key_file, variables, is_local=options.target.loopback)
    yield check_proxies(options.proxy, os.environ)
    route = Route(options.target, options.proxy, float(arguments.get("timeout") or _SECONDS))
    yield (address := check_tcp(route))
    if address.state == "failed":
        return
    yield check_tls(route)
    yield check_clock(route)
    yield _check_call(arguments, route.timeout, is_vertex=options.vertex is not None)


def check_versions(transport: str) -> Finding:
    """The versions of what makes the calls."""
    parts = [f"genai-grpc {__version__}", f"Python {platform.python_version()}"]
    for name in ("grpcio", "protobuf"):
        try:
            parts.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            if name == "grpcio" and transport == "grpc":
                return failed("versions", f"{', '.join(parts)}; no grpcio", "pip install grpcio, or --transport rest.")
    text = f"{', '.join(parts)}, {platform.system()} {platform.machine()}"
    from google.protobuf.internal import api_implementation

    if api_implementation.Type() == "python":
        return note("versions", f"{text}; protobuf is pure Python", "It is slow: pip install --upgrade protobuf.")
    return ok("versions", text)


def check_key(key: Secret | None, file: str | None, environment: Mapping[str, str], *, is_local: bool) -> Finding:
    """Whether there is a key, and whether it looks like one.

    Args:
        key: The key that would be sent.
        file: The option with which it was given, if it is not of the environment.
        environment: The environment variables that may have a key, the first one first.
        is_local: Whether the endpoint is on this machine.
    """
    found = [name for name, given in environment.items() if given.strip()]
    if key is None or not (value := str(key.reveal())):
        if is_local:
            return ok("key", "none, which a local server does not need")
        return note("key", "none; the credentials of google-auth are used", _NEW_KEY)
    source = file or found[0]
    if value[0] in "\"'" or any(character.isspace() for character in value):
        return failed("key", f"the key of {source} has quotes or spaces in it", "Copy it again, without them.")
    if len(found) > 1 and file is None and len({environment[name].strip() for name in found}) > 1:
        return note("key", f"{source} is used; {found[1]} has another key", f"Unset {found[1]} if that is wrong.")
    if value.startswith("AQ."):
        return ok("key", f"{source}: an auth key (AQ.), {len(value)} characters")
    if value.startswith("AIza"):
        advice = f"Gemini no longer takes many of these. {_NEW_KEY}"
        if len(value) != _STANDARD_LENGTH:
            advice = f"Such a key has {_STANDARD_LENGTH} characters: copy it again. {_NEW_KEY}"
        return note("key", f"{source}: a standard key (AIza), {len(value)} characters", advice)
    if is_local:
        return ok("key", f"{source}: a key of your own server, {len(value)} characters")
    return note("key", f"{source} begins with neither AQ. nor AIza, as keys of Google do", _NEW_KEY)


_STANDARD_LENGTH: Final = 39


def check_proxies(proxy: Secret | None, environment: Mapping[str, str]) -> Finding:
    """The proxy variables of the environment, and whether one applies to the endpoint."""
    spellings = (spelling for name in VARIABLES for spelling in (name, name.upper()))
    found = ", ".join(name for name in spellings if environment.get(name))
    if proxy is None:
        return ok("proxies", f"{found} set, none for this endpoint" if found else "none")
    parts = urlsplit(proxy.reveal())
    return note(
        "proxies",
        f"{parts.hostname}:{parts.port} is used (of {found})",
        "It must let CONNECT and HTTP/2 through; no_proxy has the hosts to call directly.",
    )


def _check_call(arguments: Mapping[str, Any], timeout: float, *, is_vertex: bool) -> Finding:
    """Whether a call succeeds, which needs all of the above."""
    transport = arguments.get("transport", "grpc")
    try:
        with Client(**arguments) as client, client.with_options(timeout=timeout, retry=None) as view:
            if is_vertex:  # which has no ListModels
                GenerativeModel(DEFAULT_MODEL, client=view).count_tokens("Hello")
                return ok("call", f"CountTokens of Vertex AI over {transport} succeeds")
            model = next(list_models(page_size=1, client=view), None)
    except GenAIError as error:
        return failed("call", one_line(error), _advice(error, transport, is_vertex=is_vertex))
    if model is None:
        return note(
            "call", "ListModels succeeds, and has no model", "The server has no model, or the key may see none."
        )
    return ok("call", f"ListModels over {transport} succeeds; the first model is {model.name}")


def _advice(error: GenAIError, transport: str, *, is_vertex: bool) -> str:
    if not isinstance(error, APIError):
        return ""
    if is_vertex and code_of(error) == ExitCode.CREDENTIALS:
        return "Run `gcloud auth application-default login`, and check GOOGLE_CLOUD_PROJECT and the caller's roles."
    if code_of(error) == ExitCode.CREDENTIALS or error.reason == "API_KEY_INVALID":
        return f"The endpoint refuses the key. {_NEW_KEY}"
    if isinstance(error, ServiceUnavailable) and transport == "grpc":
        return "The address accepts connections: gRPC itself may be blocked on the way; try --transport rest."
    return "Run it again; if it persists, the service has a problem of its own."
