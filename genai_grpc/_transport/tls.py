"""TLS settings."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TypeAlias

from genai_grpc.errors import ConfigurationError

__all__ = ["TLS", "Pem", "is_pem"]

Pem: TypeAlias = bytes | str | os.PathLike[str]


@dataclass(frozen=True, slots=True)
class TLS:
    """TLS settings, each as PEM (bytes or str) or as the path of a PEM file.

    Attributes:
        root_certificates: Certificates of the trusted authorities; None for those that gRPC trusts by default.
        certificate_chain: The client's certificate chain, for servers that require one (mTLS).
        private_key: The private key of that certificate, unencrypted.

    >>> TLS(root_certificates=b"-----BEGIN CERTIFICATE-----").pem()[0]
    b'-----BEGIN CERTIFICATE-----'
    """

    root_certificates: Pem | None = None
    certificate_chain: Pem | None = None
    private_key: Pem | None = None

    def __post_init__(self) -> None:
        if (self.certificate_chain is None) != (self.private_key is None):
            raise ConfigurationError("certificate_chain and private_key come together; one is missing")

    def __repr__(self) -> str:
        given = [name for name in self.__slots__ if getattr(self, name) is not None]
        return f"TLS({', '.join(f'{name}=...' for name in given)})"

    def pem(self) -> tuple[bytes | None, bytes | None, bytes | None]:
        """Root certificates, private key and certificate chain as PEM, for `grpc.ssl_channel_credentials`.

        Raises:
            ConfigurationError: A file cannot be read.
        """
        return (
            _read("root_certificates", self.root_certificates),
            _read("private_key", self.private_key),
            _read("certificate_chain", self.certificate_chain),
        )


def is_pem(given: Pem | None) -> bool:
    """Whether it is PEM itself, not a path."""
    return isinstance(given, bytes) or (isinstance(given, str) and given.lstrip().startswith("-----BEGIN"))


def _read(name: str, given: Pem | None) -> bytes | None:
    if given is None or isinstance(given, bytes):
        return given
    if is_pem(given):
        return str(given).encode()
    try:
        with open(given, "rb") as file:
            return file.read()
    except OSError as error:
        raise ConfigurationError(f"cannot read the {name} of TLS: {error}; pass PEM bytes or a file's path") from error
