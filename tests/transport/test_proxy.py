from __future__ import annotations

from typing import Any

import pytest

from genai_grpc import errors
from genai_grpc._transport.config import ClientOptions, resolve
from genai_grpc._transport.endpoint import parse_endpoint
from genai_grpc._transport.proxy import environment_proxy, parse_proxy

KEY = "AIzaSyNotARealKey"
PROXY = "http://proxy.example.com:3128"
GOOGLE = "generativelanguage.googleapis.com"


def proxy_of(endpoint: str, **environment: str) -> str | None:
    """The proxy that an environment names for an endpoint."""
    return environment_proxy(parse_endpoint(endpoint), environment.get)


@pytest.mark.parametrize(
    ("proxy", "parsed"),
    [
        (PROXY, PROXY),
        ("http://proxy", "http://proxy:80"),
        ("http://me:pw@[::1]:3128/", "http://me:pw@[::1]:3128"),
        ("", None),
        ("proxy:3128", None),
        ("socks5://proxy:1080", None),
        ("https://proxy:3128", None),
        ("http://p:x", None),
        ("http://:3128", None),
        ("http://p:0", None),
        ("http://pro xy", None),
        ("http://proxy\n", None),
    ],
)
def test_parse_proxy(proxy: str, parsed: str | None) -> None:
    """GRPC takes an HTTP proxy, by default on port 80."""
    if parsed is not None:
        assert parse_proxy(proxy) == parsed
    else:
        with pytest.raises(errors.ConfigurationError, match="cannot use the proxy .* pass http://"):
            parse_proxy(proxy)


@pytest.mark.parametrize(
    "proxy", ["socks5://me:hunter2@p:1", "http://me:hunter2@p:x", "http://me:hunter2", "me:hunter2@p"]
)
def test_password_not_shown(proxy: str) -> None:
    """The error does not show the password of a proxy, wherever it is read."""
    with pytest.raises(errors.ConfigurationError) as caught:
        parse_proxy(proxy)
    assert "hunter2" not in str(caught.value)
    with pytest.raises(errors.ConfigurationError) as caught:
        proxy_of("example.com", all_proxy=f"ftp://{proxy}")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("name", ["grpc_proxy", "https_proxy", "all_proxy", "http_proxy"])
def test_variables(name: str) -> None:
    """Each variable, in either case, names the proxy of a TLS endpoint; for plaintext, https_proxy does not."""
    for spelling in (name, name.upper()):
        assert proxy_of("example.com", **{spelling: PROXY}) == PROXY
        assert proxy_of("http://example.com", **{spelling: PROXY}) == (None if name == "https_proxy" else PROXY)


def test_order() -> None:
    """The more specific variable takes precedence, then lower case; an empty one means no proxy."""
    values = {
        name: f"http://{name}:1" for name in ("grpc_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "http_proxy")
    }
    for name in list(values):
        assert proxy_of("example.com", **values) == f"http://{name}:1"
        del values[name]
    assert proxy_of("example.com", grpc_proxy="", https_proxy=PROXY) is None


def test_cgi() -> None:
    """In a CGI script, HTTP_PROXY is a header of the request, and is not read."""
    assert proxy_of("example.com", HTTP_PROXY=PROXY, REQUEST_METHOD="GET") is None
    assert proxy_of("example.com", http_proxy=PROXY, REQUEST_METHOD="GET") == PROXY


@pytest.mark.parametrize(
    "endpoint",
    [
        "localhost:1",
        "https://localhost:1",
        "127.0.0.1:1",
        "127.1.2.3:1",
        "[::1]:1",
        "http://[::1]:1",
        "dns:///localhost:1",
        "unix:/run/genai.sock",
        "127.0.0.1:1,127.0.0.1:2",
        "10.0.0.1,10.0.0.2",
        "xds:///name",
    ],
)
def test_no_proxy_of_environment(endpoint: str) -> None:
    """Loopback and Unix endpoints, lists and xDS never use the proxy of the environment, not even to check it."""
    for value in (PROXY, "socks5://proxy:1"):
        names = ("grpc_proxy", "https_proxy", "HTTPS_PROXY", "http_proxy", "all_proxy")
        assert proxy_of(endpoint, **dict.fromkeys(names, value)) is None


@pytest.mark.parametrize(
    ("exceptions", "excepted"),
    [
        ("*", True),
        ("example.com", True),
        (".example.com", True),
        ("*.example.com", True),
        ("EXAMPLE.COM", True),
        ("api.example.com", True),
        ("a.b, api.example.com:443", True),
        ("a.b api.example.com", True),
        ("api.example.com:8443", False),
        ("pi.example.com", False),
        ("example.org", False),
        (",", False),
        ("", False),
    ],
)
def test_exceptions(exceptions: str, excepted: bool) -> None:
    """no_proxy lists hosts and domains, with or without a port, or `*`."""
    for name in ("no_proxy", "NO_PROXY", "no_grpc_proxy"):
        assert (proxy_of("api.example.com", https_proxy=PROXY, **{name: exceptions}) is None) == excepted
    # gRPC's own variable takes precedence.
    assert proxy_of("api.example.com", https_proxy=PROXY, no_proxy="*", no_grpc_proxy="other") == PROXY


@pytest.mark.parametrize(
    ("endpoint", "exceptions", "excepted"),
    [
        ("10.1.2.3", "10.0.0.0/8", True),
        ("10.1.2.3", "10.1.2.3", True),
        ("10.1.2.3", "11.0.0.0/8", False),
        ("10.1.2.3", "10.0.0.0/x", False),
        ("example.com", "10.0.0.0/8", False),
        ("[2001:db8::1]:1", "2001:db8::/32", True),
        ("[2001:db8::1]:1", "[2001:db8::1]", True),
        ("[2001:db8::1]:1", "[2001:db8::1]:1", True),
        ("[2001:db8::1]:1", "[2001:db8::1]:2", False),
        ("[2001:db8::1]:1", "2001:db8::1", True),
    ],
)
def test_excepted_addresses(endpoint: str, exceptions: str, excepted: bool) -> None:
    """no_proxy lists addresses and networks, too."""
    assert (proxy_of(endpoint, https_proxy=PROXY, no_proxy=exceptions) is None) == excepted


def test_proxy_without_a_scheme() -> None:
    """A proxy of the environment may be host:port, as other programs take it."""
    assert proxy_of("example.com", HTTPS_PROXY="proxy.example.com:3128") == PROXY


def test_unusable_proxy_of_environment() -> None:
    """A proxy of the environment that gRPC cannot use is refused, and the error names the variable and what to do."""
    with pytest.raises(errors.ConfigurationError, match="ALL_PROXY of the environment: .*socks5.* Set grpc_proxy"):
        resolve(ClientOptions(api_key=KEY), {"ALL_PROXY": "socks5://proxy:1080"})


SECRETS: dict[str, dict[str, Any]] = {
    "key": {"api_key": KEY},
    "function": {"api_key": lambda: KEY},
    "credentials": {"credentials": object()},
    "token": {"metadata": [("Authorization", f"Bearer {KEY}")]},
}
PROXIES: dict[str, dict[str, Any]] = {
    "argument": {"proxy": PROXY},
    "channel argument": {"channel_options": [("grpc.http_proxy", PROXY)]},
    "environment asked for": {"channel_options": [("grpc.enable_http_proxy", 1)]},
    "proxy of addresses": {"channel_options": [("grpc.address_http_proxy", "10.0.0.1:1")]},
}


@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS)
@pytest.mark.parametrize("proxy", PROXIES.values(), ids=PROXIES)
@pytest.mark.parametrize("endpoint", ["localhost:1", "http://127.0.0.1:1", "http://[::1]:1", "dns:///localhost:1"])
def test_no_secret_over_plaintext_through_a_proxy(endpoint: str, proxy: dict[str, Any], secret: dict[str, Any]) -> None:
    """A key or token in plaintext through a proxy is refused, also to loopback; over TLS it may go through one."""
    with pytest.raises(errors.ConfigurationError, match=r"over plaintext to .* through a proxy"):
        resolve(ClientOptions(endpoint=endpoint, **proxy, **secret), {})
    resolve(ClientOptions(endpoint=endpoint, **proxy), {})
    resolve(ClientOptions(endpoint="https://localhost:1", **proxy, **secret), {})


@pytest.mark.parametrize("endpoint", ["unix:/run/genai.sock", "xds:///name", "10.0.0.1,10.0.0.2"])
def test_proxy_that_cannot_be_used(endpoint: str) -> None:
    """A proxy for an endpoint that gRPC cannot reach through one is refused, not ignored."""
    with pytest.raises(errors.ConfigurationError, match="cannot reach .* through a proxy; pass one host"):
        resolve(ClientOptions(endpoint=endpoint, proxy=PROXY), {})


def test_proxy_of_channel_options() -> None:
    """A proxy in the channel options takes precedence, and is the client's proxy."""
    options = resolve(
        ClientOptions(KEY, proxy="http://other:1", channel_options=[("grpc.http_proxy", PROXY), ("a", 1)]), {}
    )
    assert options.proxy.reveal() == PROXY
    assert options.channel_options == (("a", 1),)


def test_no_proxy() -> None:
    """An empty proxy means none, whatever the environment has."""
    assert resolve(ClientOptions(KEY, proxy=""), {"https_proxy": PROXY}).proxy is None
    assert resolve(ClientOptions(KEY), {"https_proxy": PROXY}).proxy.reveal() == PROXY
