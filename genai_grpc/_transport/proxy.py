"""HTTP proxies: the one that the environment names for an endpoint, if any."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from genai_grpc._rpc.secret import Secret, SecretText
from genai_grpc._transport.endpoint import Endpoint, shown
from genai_grpc.errors import ConfigurationError

__all__ = ["VARIABLES", "environment_proxy", "parse_proxy", "proxy_arguments"]

# In this order, each in lower and then in upper case. The first is gRPC's own; programs in Python expect the others, as
# in urllib and httpx. gRPC also takes http_proxy for TLS.
TLS_VARIABLES: Final = ("grpc_proxy", "https_proxy", "all_proxy", "http_proxy")
PLAINTEXT_VARIABLES: Final = ("grpc_proxy", "http_proxy", "all_proxy")
EXCEPTION_VARIABLES: Final = ("no_grpc_proxy", "no_proxy")
VARIABLES: Final = (*TLS_VARIABLES, *EXCEPTION_VARIABLES)


def parse_proxy(proxy: str) -> str:
    """Check the URL of an HTTP proxy, and return it as gRPC takes it.

    Raises:
        ConfigurationError: It is not `http://[user:password@]host[:port]`.
        TypeError: It is not a str.

    >>> parse_proxy("http://proxy.example.com:3128"), parse_proxy("http://proxy.example.com")
    ('http://proxy.example.com:3128', 'http://proxy.example.com:80')
    """
    if not isinstance(proxy, str):
        raise TypeError(f"a proxy is a str; got {type(proxy).__name__}")
    from urllib.parse import urlsplit  # as in endpoint

    netloc, port = "", None
    try:
        parts = urlsplit(proxy)
        if parts.scheme == "http" and parts.hostname and proxy.isprintable() and " " not in proxy:
            netloc, port = parts.netloc, parts.port
    except ValueError:
        netloc = ""
    if not netloc or port == 0:
        raise ConfigurationError(
            f"cannot use the proxy {shown(proxy)!r}: gRPC takes an HTTP proxy; pass "
            "http://[user:password@]host[:port], or '' for none"
        )
    return f"http://{netloc}" if port else f"http://{netloc.rstrip(':')}:80"


def environment_proxy(target: Endpoint, get: Callable[[str], str | None]) -> str | None:
    """The proxy that the environment names for an endpoint; None for a direct connection.

    A connection that cannot leave this machine has none, nor has one that gRPC cannot send through a proxy: to several
    addresses, or by xDS.

    Args:
        target: The endpoint.
        get: Returns the value of an environment variable, or None.

    Raises:
        ConfigurationError: gRPC cannot use the proxy; the message names the variable.
    """
    if target.loopback or target.host is None:
        return None
    name, proxy = _first(TLS_VARIABLES if target.tls else PLAINTEXT_VARIABLES, get)
    if not proxy or _is_excepted(*target.servers[0], _first(EXCEPTION_VARIABLES, get)[1]):
        return None
    try:
        return parse_proxy(proxy if "://" in proxy else f"http://{proxy}")
    except ConfigurationError as error:
        raise ConfigurationError(
            f"{name} of the environment: {error}. Set grpc_proxy, which takes precedence, or pass proxy=''"
        ) from None


def proxy_arguments(proxy: Secret | None) -> dict[str, Any]:
    """The arguments of a channel that uses a proxy, or none; gRPC reads no other from the environment.

    Two of gRPC's variables remain: it connects directly to what `no_grpc_proxy`, else `no_proxy`, has, also where the
    program names the proxy.
    """
    # In place of the variables GRPC_ADDRESS_HTTP_PROXY and GRPC_ADDRESS_HTTP_PROXY_ENABLED_ADDRESSES.
    arguments: dict[str, Any] = {"grpc.address_http_proxy_enabled_addresses": ""}
    if proxy is None:
        return arguments | {"grpc.enable_http_proxy": 0}
    return arguments | {"grpc.http_proxy": SecretText(proxy.reveal())}


def _first(names: tuple[str, ...], get: Callable[[str], str | None]) -> tuple[str, str]:
    """The first of these variables that is set, and its value; an empty one counts."""
    for name in names:
        for spelling in (name, name.upper()):
            value = get(spelling)
            # In a CGI script, HTTP_PROXY is what a client sends as the header `Proxy` (https://httpoxy.org).
            if value is not None and not (spelling == "HTTP_PROXY" and get("REQUEST_METHOD") is not None):
                return spelling, value.strip()
    return "", ""


def _is_excepted(host: str, port: int, exceptions: str) -> bool:
    """Whether one of the exceptions is `*`, the host, or its domain or network, without a port or with this one."""
    for exception in exceptions.lower().replace(",", " ").split():
        if exception == "*":
            return True
        name, _, of_port = exception.rpartition(":") if _has_port(exception) else (exception, "", "")
        name = name.strip("[]").lstrip("*").lstrip(".")
        if of_port and of_port != str(port):
            continue
        if host == name or host.endswith(f".{name}") or ("/" in name and _is_in_network(host, name)):
            return True
    return False


def _has_port(exception: str) -> bool:
    return exception.count(":") == 1 or "]:" in exception


def _is_in_network(host: str, network: str) -> bool:
    from ipaddress import ip_address, ip_network  # 5 ms, and few programs name networks

    try:
        return ip_address(host) in ip_network(network, strict=False)
    except ValueError:
        return False
