"""Addresses: the endpoint of a service, and an HTTP proxy."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import urlsplit

from genai_grpc.errors import ConfigurationError

__all__ = ["Endpoint", "parse_endpoint", "parse_proxy"]


class Endpoint(NamedTuple):
    """The address of a service, and whether to use TLS."""

    host: str
    port: int
    tls: bool

    @property
    def address(self) -> str:
        """`host:port`, as a channel takes it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """`https://host:port`, or `http://host:port` for plaintext."""
        return f"{'https' if self.tls else 'http'}://{self.address}"

    @property
    def loopback(self) -> bool:
        """Whether its traffic cannot leave this machine."""
        if self.host == "localhost":
            return True
        from ipaddress import ip_address  # 5 ms, and only plaintext with a key needs it

        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False


def parse_endpoint(endpoint: str) -> Endpoint:
    """Parse an endpoint.

    Raises:
        ConfigurationError: It is not `host[:port]`, `https://host[:port]` or `http://host[:port]`.

    >>> parse_endpoint("http://localhost:50051"), parse_endpoint("example.com").address
    (Endpoint(host='localhost', port=50051, tls=False), 'example.com:443')
    """
    # What stands before an "@" or after a "?" may be a secret.
    shown = endpoint.rpartition("@")[2].partition("?")[0]
    wanted = "pass host[:port] or https://host[:port] for TLS, http://host:port for plaintext"
    try:
        parts = urlsplit(endpoint if "://" in endpoint else f"https://{endpoint}")
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise ConfigurationError(f"cannot parse the endpoint {shown!r}: {error}; {wanted}") from None
    more = parts.path.strip("/") or parts.query or parts.fragment or "@" in parts.netloc
    if parts.scheme not in ("http", "https") or not host or more:
        raise ConfigurationError(f"cannot parse the endpoint {shown!r}; {wanted}")
    tls = parts.scheme == "https"
    return Endpoint(host, (443 if tls else 80) if port is None else port, tls)


def parse_proxy(proxy: str) -> str:
    """Check the URL of an HTTP proxy, and return it as gRPC takes it.

    Raises:
        ConfigurationError: It is not `http://[user:password@]host:port`.

    >>> parse_proxy("http://proxy.example.com:3128")
    'http://proxy.example.com:3128'
    """
    shown = proxy.rpartition("@")[2]
    try:
        parts = urlsplit(proxy)
        usable = parts.scheme == "http" and parts.hostname and parts.port
    except ValueError:
        usable = False
    if not usable:
        raise ConfigurationError(
            f"cannot parse the proxy {shown!r}; pass http://[user:password@]host:port, or '' to use none"
        )
    return proxy
