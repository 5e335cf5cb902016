from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from genai_grpc import errors
from genai_grpc._transport.endpoint import Endpoint, parse_endpoint, parse_proxy
from genai_grpc._transport.tls import TLS

if TYPE_CHECKING:
    from pathlib import Path

KEY = "AIzaSyNotARealKey"


@pytest.mark.parametrize(
    ("endpoint", "target", "address"),
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
def test_target(endpoint: str, target: Endpoint, address: str) -> None:
    """An endpoint is a host with or without a port, TLS unless it begins with http://."""
    assert parse_endpoint(endpoint) == target
    assert target.address == address


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
def test_unreadable_endpoints(endpoint: str) -> None:
    """What is no endpoint is refused with the forms there are."""
    with pytest.raises(
        errors.ConfigurationError, match=r"cannot parse the endpoint .*; pass host\[:port\] or https://"
    ):
        parse_endpoint(endpoint)


@pytest.mark.parametrize("endpoint", [f"https://user:{KEY}@host", f"https://:{KEY}@host", f"https://host?key={KEY}"])
def test_secrets_in_endpoints(endpoint: str) -> None:
    """A secret in an endpoint is refused without being shown."""
    with pytest.raises(errors.ConfigurationError, match="cannot parse the endpoint") as caught:
        parse_endpoint(endpoint)
    assert KEY not in str(caught.value)


def test_tls_from_files(tmp_path: Path) -> None:
    """PEM is given as bytes or as the path of a file."""
    (tmp_path / "roots.pem").write_bytes(b"roots")
    tls = TLS(root_certificates=str(tmp_path / "roots.pem"), certificate_chain=b"certificate", private_key=b"key")
    assert tls.pem() == (b"roots", b"key", b"certificate")
    assert TLS().pem() == (None, None, None)


def test_tls_without_a_file(tmp_path: Path) -> None:
    """A file that cannot be read is named, with what to pass."""
    with pytest.raises(
        errors.ConfigurationError, match=r"cannot read the root_certificates of TLS: .*absent.*pass PEM bytes"
    ):
        TLS(root_certificates=tmp_path / "absent").pem()


def test_half_a_certificate() -> None:
    """A client's certificate needs its key, and the other way round."""
    with pytest.raises(errors.ConfigurationError, match="come together"):
        TLS(certificate_chain=b"x")
    with pytest.raises(errors.ConfigurationError, match="come together"):
        TLS(private_key=b"x")


def test_a_private_key_is_not_shown() -> None:
    """What TLS holds is not in its repr."""
    assert repr(TLS(certificate_chain=b"abc", private_key=b"secret")) == "TLS(certificate_chain=..., private_key=...)"


@pytest.mark.parametrize(
    "proxy", ["proxy:3128", "socks5://proxy:1080", "https://proxy:3128", "http://proxy", "http://p:x"]
)
def test_unreadable_proxies(proxy: str) -> None:
    """A proxy that gRPC cannot use is refused, its password not shown."""
    with pytest.raises(errors.ConfigurationError, match=r"cannot parse the proxy .*; pass http://") as caught:
        parse_proxy(proxy.replace("://", "://me:hunter2@"))
    assert "hunter2" not in str(caught.value)
