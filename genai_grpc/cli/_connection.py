"""Checks of the connection of `genai-grpc doctor`: address, TLS and clock."""

from __future__ import annotations

import base64
import http.client
import os
import socket
import ssl
import time
from contextlib import closing
from email.utils import parsedate_to_datetime
from typing import Any, Final, NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit

from genai_grpc._rpc.secret import Secret
from genai_grpc._transport.endpoint import Endpoint
from genai_grpc.cli._finding import Finding, failed, note, ok, skipped

__all__ = ["Route", "check_clock", "check_tcp", "check_tls"]

_ROOTS_VARIABLE: Final = "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"
# Seconds. A certificate or an OAuth token can be refused for a clock that is minutes wrong.
_CLOCK_NOTE: Final = 30.0
_CLOCK_LIMIT: Final = 240.0


class Route(NamedTuple):
    """How the endpoint is reached.

    Attributes:
        target: The endpoint.
        proxy: The URL of the proxy, or None.
        timeout: Seconds for each connection.
    """

    target: Endpoint
    proxy: Secret | None
    timeout: float

    def open(self, host: str, port: int) -> socket.socket:
        """A connection, through the proxy if there is one."""
        if self.proxy is None:
            return socket.create_connection((host, port), self.timeout)
        proxy: SplitResult = urlsplit(self.proxy.reveal())
        connection = http.client.HTTPConnection(str(proxy.hostname), proxy.port, timeout=self.timeout)
        connection.set_tunnel(host, port, _proxy_headers(proxy))
        connection.connect()
        return connection.sock


def _proxy_headers(proxy: SplitResult) -> dict[str, str]:
    if not proxy.username:
        return {}
    pair = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return {"Proxy-Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}


def check_tcp(route: Route) -> Finding:
    """Whether the endpoint accepts connections."""
    target, via = route.target, "" if route.proxy is None else " through the proxy"
    if target.address.startswith("unix:"):
        with socket.socket(socket.AF_UNIX) as connection:
            try:
                connection.connect(target.address.removeprefix("unix:").removeprefix("//"))
            except OSError as error:
                return failed("address", f"{target.address}: {error.strerror or error}", "Start the server.")
        return ok("address", f"{target.address} accepts connections")
    if not target.servers:
        return skipped("address", f"{target.address} is resolved by gRPC")
    start = time.perf_counter()
    for host, port in target.servers:
        try:
            route.open(host, port).close()
        except socket.gaierror as error:
            return failed("address", f"{host}: {error.strerror}", "Check the name of the host, and DNS.")
        except OSError as error:
            advice = (
                "Start the server (`genai-grpc serve`), or check the port."
                if target.loopback
                else "Check the network: a firewall may block the port; a proxy is named in HTTPS_PROXY."
            )
            return failed("address", f"{host}:{port}{via}: {error.strerror or error}", advice)
    elapsed = 1000 * (time.perf_counter() - start)
    names = ", ".join(f"{host}:{port}" for host, port in target.servers)
    return ok("address", f"{names} accepts connections{via}, {elapsed:.0f} ms")


def check_tls(route: Route) -> Finding:
    """Whether the endpoint's certificate is trusted, and whether it speaks HTTP/2."""
    if not route.target.tls:
        return ok("TLS", "none: the endpoint is plaintext")
    if not route.target.servers:
        return skipped("TLS", f"{route.target.address} is resolved by gRPC")
    host, port = route.target.servers[0]
    context = _context(["h2", "http/1.1"])
    try:
        with route.open(host, port) as connection, context.wrap_socket(connection, server_hostname=host) as secure:
            certificate: Any = secure.getpeercert() or {}
            protocol, tls = secure.selected_alpn_protocol(), secure.version()
    except ssl.SSLCertVerificationError as error:
        return failed(
            "TLS",
            f"the certificate of {host} is refused: {error.verify_message}",
            f"If a company proxy signs certificates, or the server is your own, set {_ROOTS_VARIABLE} to the PEM file "
            "of its root certificate.",
        )
    except (OSError, ValueError) as error:
        return failed("TLS", f"no TLS with {host}:{port}: {error}", "Use http:// if the server is plaintext.")
    issuer = dict(pair for group in certificate.get("issuer", ()) for pair in group)
    text = f"{tls}; certificate by {issuer.get('organizationName') or issuer.get('commonName')}, until " + str(
        certificate.get("notAfter")
    )
    if protocol != "h2":
        return note(
            "TLS",
            f"{text}; no HTTP/2",
            "gRPC needs HTTP/2, which something on the way does not offer; try --transport rest.",
        )
    return ok("TLS", f"{text}; HTTP/2")


def check_clock(route: Route) -> Finding:
    """Whether the clock of this machine is that of the server."""
    target = route.target
    if target.loopback:
        return ok("clock", "the server is on this machine")
    if not target.servers or not target.tls:
        return skipped("clock", "not compared: the endpoint has no date to compare")
    host, port = target.servers[0]
    try:
        context = _context(["http/1.1"])
        with route.open(host, port) as connection, context.wrap_socket(connection, server_hostname=host) as secure:
            request = http.client.HTTPConnection(host, port)
            request.sock = secure
            with closing(request):
                request.request("HEAD", "/")
                date = request.getresponse().headers["Date"]
    except (OSError, http.client.HTTPException):
        date = None
    if date is None:
        return skipped("clock", "not compared: the server sends no date over HTTP/1.1")
    offset = time.time() - parsedate_to_datetime(date).timestamp()
    text = f"{abs(offset):.0f} s {'ahead of' if offset > 0 else 'behind'} the server's"
    if abs(offset) > _CLOCK_LIMIT:
        return failed("clock", text, "Set the clock: certificates and tokens are refused for a wrong one.")
    if abs(offset) > _CLOCK_NOTE:
        return note("clock", text, "Set the clock; more than some minutes would make tokens invalid.")
    return ok("clock", "within 30 s of the server's")


def _context(protocols: list[str]) -> ssl.SSLContext:
    """The certificates that gRPC would trust: those of its variable, else the system's."""
    context = ssl.create_default_context(cafile=os.environ.get(_ROOTS_VARIABLE) or None)
    context.set_alpn_protocols(protocols)
    return context
