"""A certificate authority for tests of TLS."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import grpc

__all__ = ["CertificateAuthority"]


class CertificateAuthority:
    """A certificate authority for tests. Its private key exists only in this object. Needs `trustme`.

    Raises:
        ImportError: If trustme is not installed.

    >>> from genai_grpc import local, testing
    >>> authority = testing.CertificateAuthority()
    >>> with local.serve(local.ScriptEngine(), credentials=authority.server()) as server:
    ...     server.endpoint.startswith("https://127.0.0.1:")
    True
    """

    def __init__(self) -> None:
        try:
            import trustme  # an optional dependency
        except ImportError as error:
            raise ImportError("CertificateAuthority needs trustme: pip install trustme", name=error.name) from error
        self._authority = trustme.CA()

    @property
    def root(self) -> bytes:
        """The root certificate as PEM: `root_certificates` of a client's TLS settings."""
        root: bytes = self._authority.cert_pem.bytes()
        return root

    def issue(self, *hosts: str, expired: bool = False) -> tuple[bytes, bytes]:
        """Issue a certificate, e.g. for the client of mutual TLS.

        Args:
            hosts: Host names and IP addresses of the certificate; those of loopback if none is given.
            expired: Whether it expired yesterday.

        Returns:
            The private key and the certificate chain, each as PEM.
        """
        # trustme's default start of validity is in 2000, so an expired certificate has a valid period all the same.
        yesterday = datetime.now(timezone.utc) - timedelta(days=1)
        validity: dict[str, Any] = {"not_after": yesterday} if expired else {}
        leaf = self._authority.issue_cert(*(hosts or ("localhost", "127.0.0.1", "::1")), **validity)
        return leaf.private_key_pem.bytes(), b"".join(pem.bytes() for pem in leaf.cert_chain_pems)

    def server(self, *hosts: str, expired: bool = False, mutual: bool = False) -> grpc.ServerCredentials:
        """Server credentials for `serve(credentials=...)`, with a certificate of this authority.

        Args:
            hosts: As for `issue`.
            expired: As for `issue`.
            mutual: Whether to require a client certificate of this authority.
        """
        return grpc.ssl_server_credentials(
            [self.issue(*hosts, expired=expired)], root_certificates=self.root, require_client_auth=mutual
        )
