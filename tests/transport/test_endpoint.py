from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genai_grpc import errors
from genai_grpc._transport.endpoint import is_loopback, parse_endpoint, shown

KEY = "AIzaSyNotARealKey"


@pytest.mark.parametrize(
    ("endpoint", "url", "address"),
    [
        ("example.com", "https://example.com:443", "example.com:443"),
        ("example.com:8443", "https://example.com:8443", "example.com:8443"),
        ("https://example.com", "https://example.com:443", "example.com:443"),
        ("https://Example.COM:1/", "https://example.com:1", "example.com:1"),
        ("http://example.com", "http://example.com:80", "example.com:80"),
        ("http://127.0.0.1:50051", "http://127.0.0.1:50051", "127.0.0.1:50051"),
        ("http://[::1]:50051", "http://[::1]:50051", "[::1]:50051"),
        ("[2001:db8::1]", "https://[2001:db8::1]:443", "[2001:db8::1]:443"),
        ("10.0.0.1:0127", "https://10.0.0.1:127", "10.0.0.1:127"),
        # Without a scheme, what cannot leave this machine is plaintext.
        ("localhost:50051", "http://localhost:50051", "localhost:50051"),
        ("LOCALHOST:50051", "http://localhost:50051", "localhost:50051"),
        ("127.0.0.1:50051", "http://127.0.0.1:50051", "127.0.0.1:50051"),
        ("127.9.9.9:50051", "http://127.9.9.9:50051", "127.9.9.9:50051"),
        ("[::1]:50051", "http://[::1]:50051", "[::1]:50051"),
        ("localhost", "http://localhost:80", "localhost:80"),
        ("https://localhost:50051", "https://localhost:50051", "localhost:50051"),
        ("localhost.example.com:1", "https://localhost.example.com:1", "localhost.example.com:1"),
        ("127.0.0.1.example.com", "https://127.0.0.1.example.com:443", "127.0.0.1.example.com:443"),
        # Unix domain sockets.
        ("unix:/run/genai.sock", "unix:/run/genai.sock", "unix:/run/genai.sock"),
        ("unix:///run/genai.sock", "unix:/run/genai.sock", "unix:/run/genai.sock"),
        ("unix:genai.sock", "unix:genai.sock", "unix:genai.sock"),
        ("unix-abstract:genai", "unix-abstract:genai", "unix-abstract:genai"),
        # gRPC's name resolvers.
        ("dns:///example.com", "dns:///example.com:443", "dns:///example.com:443"),
        ("dns://8.8.8.8/example.com:1", "dns://8.8.8.8/example.com:1", "dns://8.8.8.8/example.com:1"),
        ("dns:///localhost:50051", "dns:///localhost:50051", "dns:///localhost:50051"),
        # Hosts that are named like a scheme.
        ("dns:443", "https://dns:443", "dns:///dns:443"),
        ("https://unix:443", "https://unix:443", "dns:///unix:443"),
        (" example.com\n", "https://example.com:443", "example.com:443"),
        ("xds:///gemini", "xds:///gemini", "xds:///gemini"),
        # Lists.
        (["example.com"], "https://example.com:443", "example.com:443"),
        (["10.0.0.1", " 10.0.0.2:1 "], "https://10.0.0.1:443,https://10.0.0.2:1", "ipv4:10.0.0.1:443,10.0.0.2:1"),
        (("127.0.0.1:1", "localhost:2"), "http://127.0.0.1:1,http://localhost:2", "ipv4:127.0.0.1:1,127.0.0.1:2"),
        (["127.0.0.1:1", "10.0.0.1:2"], "https://127.0.0.1:1,https://10.0.0.1:2", "ipv4:127.0.0.1:1,10.0.0.1:2"),
        ("http://10.0.0.1,http://10.0.0.2", "http://10.0.0.1:80,http://10.0.0.2:80", "ipv4:10.0.0.1:80,10.0.0.2:80"),
        ("ipv4:10.0.0.1:1,10.0.0.2:2", "https://10.0.0.1:1,https://10.0.0.2:2", "ipv4:10.0.0.1:1,10.0.0.2:2"),
        ("ipv4:127.0.0.1:1,127.0.0.1:2", "http://127.0.0.1:1,http://127.0.0.1:2", "ipv4:127.0.0.1:1,127.0.0.1:2"),
        ("ipv6:[::1]:1,[::2]:2", "https://[::1]:1,https://[::2]:2", "ipv6:[::1]:1,[::2]:2"),
    ],
)
def test_parse_endpoint(endpoint: Any, url: str, address: str) -> None:
    """An endpoint without a scheme uses TLS unless all of its traffic is local; its URL parses to the same endpoint."""
    parsed = parse_endpoint(endpoint)
    assert (parsed.url, parsed.address) == (url, address)
    assert parsed.tls == (url.startswith("https://") or (url.startswith(("dns:", "xds:")) and "localhost" not in url))
    assert parse_endpoint(parsed.url) == parsed


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("127.255.0.9", True),
        ("::1", True),
        ("0:0:0:0:0:0:0:1", True),
        ("0.0.0.0", False),  # noqa: S104 -- an address that is not loopback
        ("127.1", False),
        ("127.0.0.256", False),
        ("127.0.0.1.example.com", False),
        ("::", False),
        ("::g", False),
        ("localhost.", False),
    ],
)
def test_is_loopback(host: str, loopback: bool) -> None:
    """Only localhost, 127.0.0.0/8 and ::1 are loopback, each fully spelled."""
    assert is_loopback(host) == loopback


@pytest.mark.parametrize(
    "endpoint",
    [
        "",
        [],
        "http://",
        ":50051",
        "::1",
        "ftp://example.com",
        "http://host:port",
        "http://host:99999",
        "https://host/v1beta",
        "https://host?alt=json",
        "https://host#top",
        "https://user@host",
        "https://@host",
        "http://[::1",
        "unix:",
        "unix://host/path",
        "xds:///",
        "xds://user@server/name",
        "dns:///",
        "dns:///https://host",
        "dns://user@server/host",
        "10.0.0.1,http://10.0.0.2",
        "10.0.0.1,example.com",
        "10.0.0.1,[::1]",
        "10.0.0.1,",
        "ipv4:example.com:1,example.com:2",
        "ipv4:example.com:1",
        "ipv4:[::1]:1",
        "ipv6:127.0.0.1:1",
        "ipv4:http://10.0.0.1:1",
        "http://http://host",
        "http://http://",
        "exa mple.com",
        "http://example.com\n:1",
    ],
)
def test_invalid_endpoint(endpoint: Any) -> None:
    """An invalid endpoint is refused, and the error says which forms are accepted."""
    with pytest.raises(
        errors.ConfigurationError, match=r"cannot parse the endpoint .*; pass host\[:port\] or https://"
    ):
        parse_endpoint(endpoint)


@pytest.mark.parametrize("endpoint", [1, b"https://host", ["a", 1], {"a": 1}])
def test_endpoint_of_wrong_type(endpoint: Any) -> None:
    """An endpoint that is neither a str nor a list of them is a TypeError."""
    with pytest.raises(TypeError):
        parse_endpoint(endpoint)


@pytest.mark.parametrize(
    "endpoint",
    [
        f"https://user:{KEY}@host",
        f"https://:{KEY}@host",
        f"https://host?key={KEY}",
        f"https://x:{KEY}",
        f"https://host/{KEY}",
        f"x:{KEY}",
        f"{KEY}@@",
        f"dns:///x:{KEY}",
        f"unix://x/{KEY}",
        f"10.0.0.1,10.0.0.2:{KEY}",
        KEY,
        "AQ.Ab8RN6NotARealKey",
    ],
)
def test_secret_in_endpoint(endpoint: str) -> None:
    """An endpoint with a secret is refused, and the error does not show the secret."""
    with pytest.raises(errors.ConfigurationError) as caught:
        parse_endpoint(endpoint)
    assert "NotARealKey" not in str(caught.value)


@given(st.text("abcdefgh.:/@?#,[]-0127localhost", max_size=30))
def test_plaintext_is_local_or_asked_for(endpoint: str) -> None:
    """Whatever the text, plaintext is either local or spelled http://, and the URL parses to the same endpoint."""
    try:
        parsed = parse_endpoint(endpoint)
    except errors.ConfigurationError:
        return
    assert parsed.tls or parsed.loopback or endpoint.startswith("http://")
    assert parsed.loopback == (all(is_loopback(host) for host, _ in parsed.servers) and not endpoint.startswith("xds:"))
    assert parse_endpoint(parsed.url) == parsed


@given(st.sampled_from(["", "http://", "https://", "ftp://"]), st.text("aZé0127-._:/@%", max_size=12))
def test_servers_as_urlsplit_reads_them(scheme: str, rest: str) -> None:
    """The host and the port of a server are those that the standard library finds."""
    parts = urlsplit((scheme or "//") + rest)
    try:
        expected = parts.hostname, parts.port
        endpoint = parse_endpoint(scheme + rest)
    except ValueError:
        return
    if endpoint.url.startswith(("http://", "https://")):
        host, port = expected
        assert endpoint.servers == ((host, (443 if endpoint.tls else 80) if port is None else port),)


def test_shown() -> None:
    """An error shows the scheme and the host of an address."""
    assert [shown(each) for each in ("ftp://example.com", "a:1", "http://me:pw@h:x", 5)] == [
        "ftp://example.com",
        "a...",
        "h...",
        "5",
    ]
