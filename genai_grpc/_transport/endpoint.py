"""Endpoints: where a service is, and whether to use TLS."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from genai_grpc.errors import ConfigurationError

__all__ = ["Endpoint", "is_loopback", "parse_base_url", "parse_endpoint", "shown"]

WANTED: Final = (
    "pass host[:port] or https://host[:port] for TLS, http://host[:port] for plaintext, a list of these with IP "
    "addresses, unix:/path, dns:///host[:port] or xds:///name"
)
# API keys of Google begin so.
KEY_PREFIXES: Final = ("AIza", "AQ.")
# What gRPC takes for the scheme of an address.
RESOLVERS: Final = ("dns:", "google-c2p:", "unix:", "unix-abstract:", "vsock:", "xds:")
_DIGITS: Final = frozenset("0123456789")
_NAME: Final = frozenset("abcdefghijklmnopqrstuvwxyz-.") | _DIGITS
_SHOWN: Final = r"(?:[a-z0-9+.-]*://)?[^:/?#,\s]*"


class Endpoint(NamedTuple):
    """Where a service is, and whether to use TLS.

    Attributes:
        url: In the form that `parse_endpoint` takes.
        address: As a gRPC channel takes it (https://github.com/grpc/grpc/blob/master/doc/naming.md).
        tls: Whether to use TLS.
        loopback: Whether its traffic cannot leave this machine.
        servers: Hosts and ports; none for a Unix domain socket and for xDS.
    """

    url: str
    address: str
    tls: bool
    loopback: bool
    servers: tuple[tuple[str, int], ...] = ()

    @property
    def host(self) -> str | None:
        """The host, if there is just one."""
        return self.servers[0][0] if len(self.servers) == 1 else None


def parse_endpoint(endpoint: str | Iterable[str]) -> Endpoint:
    """Parse an endpoint, or a list of addresses of one service.

    What has no scheme uses TLS, unless it cannot leave this machine.

    Raises:
        ConfigurationError: It is in none of the forms that the message lists.
        TypeError: It is not a str or a list of them.

    >>> parse_endpoint("localhost:50051").url, parse_endpoint("example.com").url
    ('http://localhost:50051', 'https://example.com:443')
    >>> parse_endpoint(["10.0.0.1", "10.0.0.2:8443"]).address
    'ipv4:10.0.0.1:443,10.0.0.2:8443'
    """
    text = ",".join(endpoint) if isinstance(endpoint, (list, tuple)) else endpoint
    if not isinstance(text, str):
        raise TypeError(f"an endpoint is a str or a list of them; got {type(endpoint).__name__}")
    text = text.strip()
    if text.startswith(KEY_PREFIXES):
        raise ConfigurationError("the endpoint looks like an API key, which goes into api_key=...")
    scheme, _, rest = text.partition(":")
    try:
        match scheme:
            case "unix" | "unix-abstract":
                return _parse_socket(scheme, rest)
            case "xds" if rest.startswith("//"):
                return _parse_xds(text)
            case "dns" if rest.startswith("//"):
                return _parse_dns(rest[2:])
            case "ipv4" | "ipv6":
                return _parse_addresses(scheme, rest)
            case _:
                return _parse_servers(text)
    except ValueError as error:
        raise ConfigurationError(f"cannot parse the endpoint {shown(text)!r}{error}; {WANTED}") from None


def parse_base_url(url: Any) -> tuple[Endpoint, str]:
    """Parse the URL before the paths of methods: the endpoint, and the path, such as that of a gateway.

    Raises:
        ConfigurationError: It names no host, or several.
        TypeError: It is not a str.

    >>> parse_base_url("https://example.com/gemini/")[1]
    '/gemini'
    """
    scheme, separator, rest = url.partition("://") if isinstance(url, str) else ("", "", "")
    host, _, path = rest.partition("/")
    path = path.rstrip("/")
    if not separator or not re.fullmatch(r"[\w./~%-]*", path, re.ASCII):
        path, host = "", ""
    endpoint = parse_endpoint(f"{scheme}://{host}" if host else url)
    if endpoint.host is None:
        raise ConfigurationError(
            f"transport='rest' calls one host, which {endpoint.url} is not; pass https://host[:port]"
        )
    return endpoint, f"/{path}" if path else ""


def _parse_socket(scheme: str, rest: str) -> Endpoint:
    path = rest[2:] if rest.startswith("///") else rest
    if not path or path.startswith("//"):
        raise ValueError(": it has no path")
    address = f"{scheme}:{path}"
    return Endpoint(address, address, tls=False, loopback=True)


def _parse_xds(text: str) -> Endpoint:
    if "@" in text or "?" in text or not text.rpartition("/")[2]:
        raise ValueError
    return Endpoint(text, text, tls=True, loopback=False)


def _parse_dns(rest: str) -> Endpoint:
    resolver, _, name = rest.partition("/")
    if "@" in resolver or "://" in name:
        raise ValueError
    _, host, port = _parse_server(name)
    tls = not is_loopback(host)
    port = _default_port(tls) if port is None else port
    address = f"dns://{resolver}/{_join(host, port)}"
    return Endpoint(address, address, tls, not tls, ((host, port),))


def _parse_addresses(family: str, rest: str) -> Endpoint:
    endpoint = _parse_servers(rest)
    if "://" in rest or not _join_all(endpoint.servers).startswith(f"{family}:"):
        raise ValueError
    return endpoint


def _parse_servers(text: str) -> Endpoint:
    parsed = [_parse_server(each.strip()) for each in text.split(",")]
    if len({scheme for scheme, _, _ in parsed}) > 1:
        raise ValueError(": its addresses have different schemes")
    scheme = parsed[0][0]
    loopback = all(is_loopback(host) for _, host, _ in parsed)
    tls = not loopback if scheme is None else scheme == "https"
    servers = [(host, _default_port(tls) if port is None else port) for _, host, port in parsed]
    url = ",".join(f"{'https' if tls else 'http'}://{_join(*server)}" for server in servers)
    address = _join_all(servers) if len(servers) > 1 else _join(*servers[0])
    if address.startswith(RESOLVERS):  # a host of that name
        address = f"dns:///{address}"
    return Endpoint(url, address, tls, loopback, tuple(servers))


def _parse_server(text: str) -> tuple[str | None, str, int | None]:
    """Scheme, host and port, the first and the last None if they are left out."""
    scheme, separator, rest = text.rpartition("://")
    name, _, digits = rest.removesuffix("/").partition(":")
    # The common form, without the import below.
    if (
        (scheme in ("http", "https") or not separator)
        and (name and _NAME.issuperset(name))
        and (len(digits) < 6 and _DIGITS.issuperset(digits) and int(digits or 0) < 65536)
    ):
        return scheme or None, name, int(digits) if digits else None
    from urllib.parse import urlsplit  # 2 ms, which few programs shall pay

    given = "://" in text
    if not text.isprintable() or " " in text:  # which urlsplit would remove
        raise ValueError(": it has white space")
    try:
        parts = urlsplit(text if given else f"//{text}")
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError(": its host or its port is not valid") from None
    more = parts.path not in ("", "/") or parts.query or parts.fragment or "@" in parts.netloc
    if not host or more or (given and parts.scheme not in ("http", "https")):
        raise ValueError
    return parts.scheme if given else None, host, port


def _join(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _join_all(servers: Iterable[tuple[str, int]]) -> str:
    """Several servers, as gRPC takes them: it resolves no names here."""
    hosts = [("127.0.0.1" if host == "localhost" else host, port) for host, port in servers]
    family = "ipv6" if all(":" in host for host, _ in hosts) else "ipv4"
    if family == "ipv4" and not all(_is_ipv4(host) for host, _ in hosts):
        raise ValueError(": a list has IP addresses, all IPv4 or all IPv6; a host name of several addresses is dns:///")
    return f"{family}:{','.join(_join(*each) for each in hosts)}"


def _default_port(tls: bool) -> int:
    return 443 if tls else 80


def is_loopback(host: str) -> bool:
    """Whether the traffic to a host cannot leave this machine."""
    if host == "localhost":
        return True
    if ":" not in host:
        return host.startswith("127.") and _is_ipv4(host)
    from ipaddress import ip_address  # 5 ms, and few programs use IPv6 addresses

    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _is_ipv4(host: str) -> bool:
    parts = host.split(".")
    return len(parts) == 4 and all(part.isascii() and part.isdecimal() and int(part) < 256 for part in parts)


def shown(address: Any) -> str:
    """What an error may show of an address: scheme and host. What is before an "@" or after a ":" may be a secret."""
    rest = str(address).rpartition("@")[2]
    found = re.match(_SHOWN, rest)
    start = found.group() if found else ""
    return start if start == rest else f"{start}..."
