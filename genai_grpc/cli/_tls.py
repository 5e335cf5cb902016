"""The certificate of `genai-grpc serve`."""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from genai_grpc.errors import ConfigurationError

if TYPE_CHECKING:
    import grpc

__all__ = ["Certified", "examine", "to_credentials"]


def to_credentials(certificate: Path, key: Path) -> grpc.ServerCredentials:
    """Read a certificate chain and its private key, each PEM.

    Raises:
        ConfigurationError: They are no such files, or do not go together.
    """
    import grpc  # only here: a server without TLS needs no file of it before it starts

    _to_context(certificate, key)  # gRPC would say no more than that it cannot listen
    return grpc.ssl_server_credentials([(key.read_bytes(), certificate.read_bytes())])


@dataclass(frozen=True, slots=True)
class Certified:
    """What clients need for a certificate.

    Attributes:
        name: The first of some host names and addresses that the certificate is for; None if it is for none of them.
        is_root: It is its own root certificate, or its chain includes the root.
    """

    name: str | None
    is_root: bool


def examine(certificate: Path, key: Path, names: Iterable[str]) -> Certified:
    """Find out what clients need, with handshakes in memory."""
    server = _to_context(certificate, key)

    def is_accepted(name: str, flags: ssl.VerifyFlags) -> bool:
        client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        client.verify_flags = flags
        client.load_verify_locations(certificate)
        return _is_accepted(server, client, name)

    # The flag makes the certificate trusted, whoever has issued it; gRPC does not set it.
    partial = ssl.VERIFY_X509_TRUSTED_FIRST | ssl.VERIFY_X509_PARTIAL_CHAIN
    name = next((name for name in names if is_accepted(name, partial)), None)
    return Certified(name, name is not None and is_accepted(name, ssl.VERIFY_X509_TRUSTED_FIRST))


def _to_context(certificate: Path, key: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certificate, key, password="")
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
        raise ConfigurationError(
            f"cannot use the certificate {certificate} with the key {key}: {reason}; give a chain and its unencrypted "
            "private key, each PEM"
        ) from error
    return context


def _is_accepted(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> bool:
    """Whether a client that calls the server by this name accepts its certificate; a handshake in memory."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    calling = client.wrap_bio(to_client, to_server, server_hostname=name)
    called = server.wrap_bio(to_server, to_client, server_side=True)
    for side in (calling, called, calling):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
        except ssl.SSLError:
            return False
    return True
