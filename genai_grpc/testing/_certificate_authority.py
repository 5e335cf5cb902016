"""Certificates for servers that speak TLS in tests."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import grpc

__all__ = ["CertificateAuthority"]


class CertificateAuthority:
    """A certificate authority that lives as long as this object, and that only a test trusts. Needs `trustme`.

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
            import trustme
        except ImportError as error:
            raise ImportError("certificates for tests need trustme: pip install trustme", name=error.name) from error
        self._authority = trustme.CA()

    @property
    def root(self) -> bytes:
        """Its certificate as PEM: the `root_certificates` of a client that trusts it."""
        root: bytes = self._authority.cert_pem.bytes()
        return root

    def issue(self, *hosts: str, expired: bool = False) -> tuple[bytes, bytes]:
        """A private key and the chain of a certificate for it, both as PEM, e.g. of a client in mutual TLS.

        Args:
            hosts: The names and addresses that it is good for; of this machine if none is given.
            expired: Whether it was good until yesterday, rather than for the next years.
        """
        # The beginning is far back all the same, so that it is the end that is wrong.
        yesterday = datetime.now(timezone.utc) - timedelta(days=1)
        more: dict[str, Any] = {"not_after": yesterday} if expired else {}
        leaf = self._authority.issue_cert(*(hosts or ("localhost", "127.0.0.1", "::1")), **more)
        return leaf.private_key_pem.bytes(), b"".join(link.bytes() for link in leaf.cert_chain_pems)

    def server(self, *hosts: str, expired: bool = False, mutual: bool = False) -> grpc.ServerCredentials:
        """Credentials for `serve(credentials=...)`: good, for other hosts, or expired.

        Args:
            hosts: As of `issue`.
            expired: As of `issue`.
            mutual: Whether to want a certificate of this authority from the client.
        """
        import grpc

        return grpc.ssl_server_credentials(
            [self.issue(*hosts, expired=expired)], root_certificates=self.root, require_client_auth=mutual
        )
