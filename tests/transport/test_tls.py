from __future__ import annotations

from pathlib import Path

import pytest

from genai_grpc import errors
from genai_grpc._transport.tls import TLS


def test_bytes_and_files(tmp_path: Path) -> None:
    """PEM is given as bytes or as the path of a file."""
    (tmp_path / "roots.pem").write_bytes(b"roots")
    tls = TLS(root_certificates=str(tmp_path / "roots.pem"), certificate_chain=b"certificate", private_key=b"key")
    assert tls.pem() == (b"roots", b"key", b"certificate")
    assert TLS().pem() == (None, None, None)


def test_missing_file(tmp_path: Path) -> None:
    """The error of a file that cannot be read names the file, and says what to pass."""
    with pytest.raises(
        errors.ConfigurationError, match=r"cannot read the root_certificates of TLS: .*absent.*pass PEM bytes"
    ):
        TLS(root_certificates=tmp_path / "absent").pem()


def test_certificate_without_key() -> None:
    """A client certificate and its private key are given together or not at all."""
    with pytest.raises(errors.ConfigurationError, match="come together"):
        TLS(certificate_chain=b"x")
    with pytest.raises(errors.ConfigurationError, match="come together"):
        TLS(private_key=b"x")


def test_private_key_not_in_repr() -> None:
    """The repr names what is given, and shows nothing of it."""
    assert repr(TLS(certificate_chain=b"abc", private_key=b"secret")) == "TLS(certificate_chain=..., private_key=...)"


def test_text() -> None:
    """PEM may be text, too, also with white space before it."""
    text = "\n-----BEGIN CERTIFICATE-----"
    assert TLS(root_certificates=text).pem()[0] == text.encode()
