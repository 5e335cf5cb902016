"""Where a client connects: the address of an endpoint, and how to trust it."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias
from urllib.parse import urlsplit

from genai_grpc.errors import ConfigurationError

__all__ = ["TLS", "Pem", "Target", "to_proxy", "to_target"]

Pem: TypeAlias = bytes | str | Path


@dataclass(frozen=True, slots=True)
class Target:
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
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


@dataclass(frozen=True, slots=True)
class TLS:
    """Whom to trust over TLS, and as whom to appear. Each is PEM: bytes, or the path of a file of it.

    Attributes:
        roots: The certificates of the authorities to trust; None for those that gRPC trusts by itself.
        certificate: The client's certificate chain, for servers that ask for one (mTLS).
        private_key: The key of that certificate, unencrypted.

    >>> TLS(roots=b"-----BEGIN CERTIFICATE-----").pem()[0]
    b'-----BEGIN CERTIFICATE-----'
    """

    roots: Pem | None = None
    certificate: Pem | None = None
    private_key: Pem | None = None

    def __post_init__(self) -> None:
        if (self.certificate is None) != (self.private_key is None):
            raise ConfigurationError("a client's certificate and its private_key come together; one is missing")

    def __repr__(self) -> str:
        given = [name for name in self.__slots__ if getattr(self, name) is not None]
        return f"TLS({', '.join(f'{name}=...' for name in given)})"

    def pem(self) -> tuple[bytes | None, bytes | None, bytes | None]:
        """The roots, the private key and the certificate, read where they are files.

        Raises:
            ConfigurationError: A file cannot be read.
        """
        return (
            _read("roots", self.roots),
            _read("private_key", self.private_key),
            _read("certificate", self.certificate),
        )


def _read(name: str, given: Pem | None) -> bytes | None:
    if given is None or isinstance(given, bytes):
        return given
    try:
        return Path(given).read_bytes()
    except OSError as error:
        raise ConfigurationError(f"cannot read the {name} of TLS: {error}; pass PEM bytes or a file's path") from error


def to_target(endpoint: str) -> Target:
    """Where an endpoint points.

    Raises:
        ConfigurationError: It is no `host[:port]`, `https://` or `http://` address.

    >>> to_target("http://localhost:50051"), to_target("example.com").address
    (Target(host='localhost', port=50051, tls=False), 'example.com:443')
    """
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
    return Target(host, (443 if tls else 80) if port is None else port, tls)


def to_proxy(proxy: str) -> str:
    """The URL of an HTTP proxy as gRPC takes it.

    Raises:
        ConfigurationError: It is no `http://[user:password@]host:port`.

    >>> to_proxy("http://proxy.example.com:3128")
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
            f"cannot read the proxy {shown!r}; pass http://[user:password@]host:port, or '' to use none"
        )
    return proxy
