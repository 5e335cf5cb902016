"""Where a client connects: the address of an endpoint, and that of a proxy."""

from __future__ import annotations

from typing import NamedTuple

from genai_grpc.errors import ConfigurationError

__all__ = ["Endpoint", "parse_endpoint", "parse_proxy"]


class Endpoint(NamedTuple):
    """An address, and whether to speak TLS to it."""

    host: str
    port: int
    tls: bool

    @property
    def address(self) -> str:
        """`host:port`, as a channel takes it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def loopback(self) -> bool:
        """Whether it is this machine, by an address that never leaves it."""
        if self.host == "localhost":
            return True
        from ipaddress import ip_address

        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False


def parse_endpoint(endpoint: str) -> Endpoint:
    """Where an endpoint points.

    Raises:
        ConfigurationError: It is no `host[:port]`, `https://` or `http://` address.

    >>> to_target("http://localhost:50051"), to_target("example.com").address
    (Target(host='localhost', port=50051, tls=False), 'example.com:443')
    """
    from urllib.parse import urlsplit

    # Whatever stands before an "@" or after a "?" may be a secret.
    shown = endpoint.rpartition("@")[2].partition("?")[0]
    wanted = "pass host[:port] or https://host[:port] for TLS, http://host:port for plaintext"
    try:
        parts = urlsplit(endpoint if "://" in endpoint else f"https://{endpoint}")
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise ConfigurationError(f"cannot read the endpoint {shown!r}: {error}; {wanted}") from None
    more = parts.path.strip("/") or parts.query or parts.fragment or "@" in parts.netloc
    if parts.scheme not in ("http", "https") or not host or more:
        raise ConfigurationError(f"cannot read the endpoint {shown!r}; {wanted}")
    tls = parts.scheme == "https"
    return Endpoint(host, (443 if tls else 80) if port is None else port, tls)


def parse_proxy(proxy: str) -> str:
    """The URL of an HTTP proxy as gRPC takes it.

    Raises:
        ConfigurationError: It is no `http://[user:password@]host:port`.

    >>> to_proxy("http://proxy.example.com:3128")
    'http://proxy.example.com:3128'
    """
    from urllib.parse import urlsplit

    shown = proxy.rpartition("@")[2]
    try:
        parts = urlsplit(proxy)
        usable = parts.scheme == "http" and parts.hostname and parts.port
    except ValueError:
        usable = False
    if not usable:
        raise ConfigurationError(
            f"cannot read the proxy {shown!r}; pass http://[user:password@]host:port, or '' to use none"
        )
    return proxy
