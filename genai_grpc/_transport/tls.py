"""Whom a client trusts over TLS."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from genai_grpc.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["TLS", "Pem"]

Pem: TypeAlias = "bytes | str | Path"


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
        with open(given, "rb") as file:
            return file.read()
    except OSError as error:
        raise ConfigurationError(f"cannot read the {name} of TLS: {error}; pass PEM bytes or a file's path") from error
