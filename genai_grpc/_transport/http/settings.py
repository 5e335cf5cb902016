"""What HTTP requests need of a client's options: TLS, the proxy, headers and the URL."""

from __future__ import annotations

import os
import ssl
import tempfile
from typing import Any, Final
from urllib.parse import urlsplit

from genai_grpc._rpc.options import Metadata
from genai_grpc._transport.config import CREDENTIAL_HEADERS, ClientOptions, plaintext_problem
from genai_grpc._transport.endpoint import Endpoint, parse_endpoint
from genai_grpc._transport.tls import TLS
from genai_grpc.errors import ConfigurationError

__all__ = ["check_url", "client_arguments", "needs_port", "origin_of", "to_base_url", "to_context", "to_headers"]

# As gRPC's own.
_ROOTS_VARIABLE: Final = "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"


def to_base_url(options: ClientOptions, http_port: int | None = None) -> str:
    """The URL of the HTTP endpoint of resolved options.

    Args:
        options: The options.
        http_port: The port that the server has named.

    Raises:
        ConfigurationError: The endpoint has no host, or several.
    """
    if options.http_endpoint is not None:
        return str(options.http_endpoint)
    target = options.target
    if target.host is None:
        raise ConfigurationError(
            f"files go over HTTP, and {target.url} names no single host; pass Client(http_endpoint='https://...'), or "
            "set GENAI_GRPC_HTTP_ENDPOINT"
        )
    [(host, port)] = target.servers
    host = f"[{host}]" if ":" in host else host
    return f"{'https' if target.tls else 'http'}://{host}:{port if http_port is None else http_port}{options.base_path}"


def needs_port(options: ClientOptions) -> bool:
    """Whether the server is to be asked for its HTTP port: a local server, whose gRPC port speaks no HTTP/1.1."""
    of_grpc = options.transport == "grpc" and options.http_endpoint is None
    return of_grpc and options.target.loopback and options.target.host is not None


def check_url(url: str, options: ClientOptions, headers: Metadata) -> None:
    """Check that headers may go to a URL.

    Raises:
        ConfigurationError: A key or token would go over plaintext to another machine.
    """
    if any(name in CREDENTIAL_HEADERS for name, _ in headers):
        problem = plaintext_problem(options._replace(endpoint=origin_of(url).url))
        if problem is not None:
            raise ConfigurationError(problem)


def origin_of(url: str) -> Endpoint:
    """The scheme, host and port of a URL."""
    parts = urlsplit(url)
    return parse_endpoint(f"{parts.scheme}://{parts.netloc}")


def to_headers(metadata: Metadata) -> dict[str, str]:
    """The pairs that HTTP can carry."""
    return {name: value for name, value in metadata if isinstance(value, str)}


def client_arguments(options: ClientOptions) -> dict[str, Any]:
    """The arguments of a client of httpx2."""
    verify = to_context(options.tls)
    arguments: dict[str, Any] = {"verify": verify, "trust_env": False, "follow_redirects": False}
    if options.proxy is not None:
        arguments["proxy"] = options.proxy.reveal()
    return arguments


def to_context(tls: TLS | None) -> ssl.SSLContext:
    """The context of TLS connections: the root certificates, and the client's own certificate."""
    roots, key, chain = (None, None, None) if tls is None else tls.pem()
    if roots is None:
        context = ssl.create_default_context(cafile=os.environ.get(_ROOTS_VARIABLE) or None)
    else:
        context = ssl.create_default_context(cadata=roots.decode())
    if key is not None and chain is not None:
        # OpenSSL reads the client's certificate from a file only.
        with tempfile.TemporaryDirectory(prefix="genai-grpc-") as folder:
            path = os.path.join(folder, "client.pem")
            with open(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600), "wb") as file:
                file.write(chain + b"\n" + key)
            context.load_cert_chain(path)
    return context
