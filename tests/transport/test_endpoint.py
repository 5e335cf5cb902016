from __future__ import annotations

import pytest

from genai_grpc import errors
from genai_grpc._transport.endpoint import Endpoint, parse_endpoint, parse_proxy

KEY = "AIzaSyNotARealKey"


@pytest.mark.parametrize(
    ("endpoint", "parsed", "address"),
    [
        ("example.com", Endpoint("example.com", 443, tls=True), "example.com:443"),
        ("example.com:8443", Endpoint("example.com", 8443, tls=True), "example.com:8443"),
        ("localhost:50051", Endpoint("localhost", 50051, tls=True), "localhost:50051"),
        ("https://example.com", Endpoint("example.com", 443, tls=True), "example.com:443"),
        ("https://Example.COM:1/", Endpoint("example.com", 1, tls=True), "example.com:1"),
        ("http://example.com", Endpoint("example.com", 80, tls=False), "example.com:80"),
        ("http://127.0.0.1:50051", Endpoint("127.0.0.1", 50051, tls=False), "127.0.0.1:50051"),
        ("http://[::1]:50051", Endpoint("::1", 50051, tls=False), "[::1]:50051"),
        ("[::1]", Endpoint("::1", 443, tls=True), "[::1]:443"),
    ],
)
def test_parse_endpoint(endpoint: str, parsed: Endpoint, address: str) -> None:
    """An endpoint is a host with or without a port; it uses TLS unless it begins with http://."""
    assert parse_endpoint(endpoint) == parsed
    assert parsed.address == address


@pytest.mark.parametrize(
    "endpoint",
    [
        "",
        "http://",
        ":50051",
        "::1",
        "ftp://example.com",
        "unix:///tmp/socket",
        "http://host:port",
        "http://host:99999",
        "https://host/v1beta",
        "https://host?alt=json",
        "https://host#top",
        "https://user@host",
        "https://@host",
        "http://[::1",
    ],
)
def test_invalid_endpoint(endpoint: str) -> None:
    """An invalid endpoint is refused, and the error says which forms are accepted."""
    with pytest.raises(
        errors.ConfigurationError, match=r"cannot parse the endpoint .*; pass host\[:port\] or https://"
    ):
        parse_endpoint(endpoint)


@pytest.mark.parametrize("endpoint", [f"https://user:{KEY}@host", f"https://:{KEY}@host", f"https://host?key={KEY}"])
def test_secret_in_endpoint(endpoint: str) -> None:
    """An endpoint with a secret is refused, and the error does not show the secret."""
    with pytest.raises(errors.ConfigurationError, match="cannot parse the endpoint") as caught:
        parse_endpoint(endpoint)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    "proxy", ["proxy:3128", "socks5://proxy:1080", "https://proxy:3128", "http://proxy", "http://p:x"]
)
def test_invalid_proxy(proxy: str) -> None:
    """A proxy that gRPC cannot use is refused, and the error does not show its password."""
    with pytest.raises(errors.ConfigurationError, match=r"cannot parse the proxy .*; pass http://") as caught:
        parse_proxy(proxy.replace("://", "://me:hunter2@"))
    assert "hunter2" not in str(caught.value)
